"""The benchmarks run; whether their gates are met is not for a test to say, on a machine that does other things.

What takes servers is in tests/live/test_benchmarks_live.py.
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import report
from benchmarks.freshness import Answer, Change, stale_for
from benchmarks.needs import NeedError, need_package
from benchmarks.plot import draw
from benchmarks.report import exit_code, rst, text
from benchmarks.tenants import DRAWN, drawn
from benchmarks.throughput import Rate, compare, rate
from benchmarks.timing import Row, added, faster, run_at_once, slower

FASTER = Row("faster", 12.0, gate=12, at_least=True)
SLOWER = Row("slower", 1.06, gate=1.06)


@pytest.fixture(scope="module")
def run() -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "benchmarks", "--only", "cases", "--rounds", "2", "--json"]
    return subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def document(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert run.stderr == ""
    loaded: dict[str, Any] = json.loads(run.stdout)
    return loaded


def test_the_document_says_its_version_and_what_was_compared(document: dict[str, Any]) -> None:
    assert document["version"] == 2
    assert document["rounds"] == 2
    assert {"processor", "cores", "python", "django", "django-cors-headers"} <= document["machine"].keys()


def test_every_row_has_its_measure_and_its_targets(document: dict[str, Any]) -> None:
    gates = {row["case"]: row["gate"] for row in document["rows"]}
    assert gates == {
        "whole request, allowed, against no-op": 1.06,
        "the same, django-cors-headers": None,
        "the same, ours, warm tenant": 1.06,
        "added, no Origin": 12,
        "added, allowed, 10 origins": 15,
        "added, denied, 10 origins": 12,
        "added, allowed, 1,000 origins": 800,
        "added, allowed, 10,000 origins against 10": 1.5,
        "added, 100 wildcards against its 100 regexes": 20,
        "preflight, added": 6,
        "preflight through the default stack, both first": 2,
        "added, async, allowed": 15,
        "warm tenant": 0,
        "cold tenant": 1,
    }
    assert all(isinstance(row["value"], (int, float)) for row in document["rows"])


def test_a_warm_tenant_takes_no_query_and_a_cold_one_takes_one(document: dict[str, Any]) -> None:
    counts = {row["case"]: row["value"] for row in document["rows"] if row["unit"] == " queries"}
    assert counts == {"warm tenant": 0, "cold tenant": 1}


def test_the_exit_code_tells_what_the_document_tells(
    run: subprocess.CompletedProcess[str], document: dict[str, Any]
) -> None:
    assert run.returncode == int(any(row["missed"] for row in document["rows"]))


@pytest.mark.parametrize(
    ("row", "missed", "missed_by_half"),
    [
        (FASTER, False, False),
        (Row("faster", 11.9, gate=12, at_least=True), True, False),
        (Row("faster", 5.9, gate=12, at_least=True), True, True),
        (SLOWER, False, False),
        (Row("slower", 1.07, gate=1.06), True, False),
        (Row("slower", 1.11, gate=1.06), True, False),
        (Row("slower", 1.13, gate=1.06), True, True),
        (Row("throughput", 0.97, gate=0.97, at_least=True), False, False),
        (Row("throughput", 0.96, gate=0.97, at_least=True), True, False),
        (Row("throughput", 0.95, gate=0.97, at_least=True), True, False),
        (Row("throughput", 0.93, gate=0.97, at_least=True), True, True),
        (Row("queries", 1, gate=0, unit=" queries"), True, True),
        (Row("a promise", 1.6, gate=1.5, unit=" s"), True, True),
        (Row("to be read", 99.0), False, False),
    ],
    ids=str,
)
def test_a_missed_gate_exits_1(row: Row, missed: bool, missed_by_half: bool) -> None:
    assert exit_code([SLOWER, row, FASTER], short=False) == int(missed)
    assert exit_code([SLOWER, row, FASTER], short=True) == int(missed_by_half)


def test_the_table_marks_what_is_missed() -> None:
    table = text([FASTER, Row("slower", 1.07, gate=1.06, aim=1.03)], short=False).splitlines()
    assert table[1].split() == ["faster", "12x", ">=", "12", "ok"]
    assert table[2].split() == ["slower", "1.070x", "<=", "1.06", "<=", "1.03", "MISSED"]


def test_next_to_1_a_third_decimal_is_shown_and_the_middle_half_of_the_rounds() -> None:
    row = Row("throughput", 0.9704, gate=0.97, at_least=True, quartiles=(0.9651, 0.9732))
    assert text([row], short=False).splitlines()[1].split() == [
        "throughput",
        "0.970x",
        "0.965-0.973",
        ">=",
        "0.97",
        "ok",
    ]


def test_the_readme_s_table_names_the_machine_below(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "machine", lambda: {"processor": "Z80", "cores": 2, "python": "3.11", "wheel": "1"})
    rows = [Row("faster", 12.0, gate=12, aim=20, at_least=True), Row("to be read", 1_234.5)]
    assert rst(rows, short=False).splitlines() == [
        "==========  =========  =====  =====  ==",
        "case        measured   gate   aim",
        "==========  =========  =====  =====  ==",
        "faster      12x        >= 12  >= 20  ok",
        "to be read  1,234.50x",
        "==========  =========  =====  =====  ==",
        "",
        "Taken on: Z80, 2 cores; Python 3.11, wheel 1.",
    ]


def test_the_processor_is_named_as_the_kernel_names_it(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    assert report.processor(cpuinfo) != ""
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Z80 @ 4 MHz\nprocessor\t: 1\nmodel name\t: Z80 @ 4 MHz\n")
    assert report.processor(cpuinfo) == "Z80 @ 4 MHz"


def test_what_is_missing_is_said_in_one_line_and_exits_2() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "benchmarks"],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr == "wrk is not on the path; Debian's package is called wrk\n"


def test_a_missing_package_is_named_with_the_extra_that_it_is_in() -> None:
    with pytest.raises(NeedError, match=r"^nobodys_package is not installed: .*\.\[benchmarks\]$"):
        need_package("nobodys_package")


def test_few_tenants_are_asked_for_often_and_most_of_them_seldom() -> None:
    times = Counter(drawn())
    assert times[0] / DRAWN == pytest.approx(0.102, abs=0.01)  # 1 / (1 + 1/2 + ... + 1/10,000)
    assert times[0] / times[9] == pytest.approx(10, rel=0.2)
    assert len(times) > 4_000


WRK = """\
Running 1s test @ http://127.0.0.1:8000/items/
  1 threads and 8 connections
  2500 requests in 1.10s, 1.21MB read
Requests/sec:   2272.73
Transfer/sec:      1.10MB
"""


def test_a_rate_is_told_by_the_clock_and_by_the_processor_s_time() -> None:
    assert rate(WRK, 500_000_000) == Rate(by_clock=2272.73, by_processor=5000)


@pytest.mark.parametrize(
    "line", ["  Socket errors: connect 0, read 3, write 0, timeout 0\n", "  Non-2xx or 3xx responses: 9\n"]
)
def test_what_was_not_answered_is_not_counted(line: str) -> None:
    with pytest.raises(AssertionError, match=line.strip()):
        rate(WRK.replace("Requests/sec", line + "Requests/sec"), 500_000_000)


def test_throughput_is_compared_round_by_round() -> None:
    rates = [
        (Rate(90.0, 95.0), Rate(100.0, 100.0)),
        (Rate(45.0, 49.0), Rate(50.0, 50.0)),
        (Rate(9.0, 9.0), Rate(9.0, 9.0)),
    ]
    assert compare("", rates).value == 0.98
    assert compare("", rates, by_clock=True).value == 0.9
    assert compare("", rates).reference == 20_000  # microseconds


def asked(sent: float, worker: int, *, allowed: bool) -> Answer:
    return Answer(sent, sent + 0.01, f"worker {worker}", allowed)


def test_a_change_is_as_old_as_its_last_stale_answer() -> None:
    late = [asked(101.8, worker, allowed=False) for worker in range(4)]
    change = Change(100.0, 102.0, allowed=False)
    # Before the change, after it, by another worker that has obeyed, and again by the one that had not.
    answers = [asked(99.9, 0, allowed=True), asked(100.5, 0, allowed=True), asked(100.6, 1, allowed=False)]
    assert stale_for(change, [*answers, *late]) == pytest.approx(0.5)
    assert stale_for(change, [*answers, *late, asked(101.9, 2, allowed=True)]) == pytest.approx(1.9)
    # One that the next change may have overtaken tells nothing.
    assert stale_for(change, [*answers, *late, asked(101.995, 2, allowed=True)]) == pytest.approx(0.5)
    with pytest.raises(AssertionError, match="of 4 workers"):
        stale_for(change, [*answers, *late[1:]])


def test_the_plot_has_a_line_for_each_side_that_climbs_as_its_cost_does() -> None:
    svg = ElementTree.fromstring(draw({"ours": [3.0] * 5, "theirs": [30, 36, 50, 2_600, 27_000]}))
    ours, theirs = (
        [float(corner.partition(",")[2]) for corner in line.attrib["points"].split()]
        for line in svg.iter("{http://www.w3.org/2000/svg}polyline")
    )
    assert len(set(ours)) == 1
    assert theirs == sorted(theirs, reverse=True)  # SVG counts downwards
    assert theirs[3] - theirs[4] == pytest.approx((ours[0] - theirs[0]) * 1.016, rel=0.01)  # log10(27/2.6), log10(30/3)
    texts = {text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert {"django-cors-policy", "django-cors-headers", "3 µs", "27 ms", "1", "10,000"} <= texts


def test_what_came_out_at_nothing_or_less_is_drawn_all_the_same() -> None:
    svg = draw({"ours": [-0.4, 0.0, 0.1, 1.0, 10.0], "theirs": [1.0] * 5})
    first, second, third = re.findall(r"[\d.]+,([\d.]+)", svg.partition('<polyline class="line ours"')[2])[:3]
    assert first == second == third


def test_costs_are_told_from_the_reference_of_the_same_round() -> None:
    costs = {"ours": [11.0, 22.0, 103.0], "theirs": [20.0, 30.0, 140.0], "reference": [10.0, 20.0, 100.0]}
    assert added(costs, "ours") == 2
    assert faster("", costs, 1, 1).value == 5
    assert slower("", costs).value == 1.1


def test_a_coroutine_that_waits_is_not_timed() -> None:
    class Waiting:
        def __await__(self) -> Any:
            yield

    async def wait() -> None:
        await Waiting()

    with pytest.raises(RuntimeError, match="without waiting"):
        run_at_once(wait())
