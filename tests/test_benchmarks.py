"""The benchmarks run; whether their gates are met is not for a test to say, on a machine that does other things."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import exit_code, text
from benchmarks.timing import Row, added, faster, run_at_once, slower

FASTER = Row("faster", 12.0, gate=12, at_least=True)
SLOWER = Row("slower", 1.06, gate=1.06)


@pytest.fixture(scope="module")
def run() -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-m", "benchmarks", "--rounds", "2", "--json"]
    return subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def document(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert run.stderr == ""
    loaded: dict[str, Any] = json.loads(run.stdout)
    return loaded


def test_the_document_says_its_version_and_what_was_compared(document: dict[str, Any]) -> None:
    assert document["version"] == 1
    assert document["rounds"] == 2
    assert {"python", "django", "django-cors-headers"} <= document.keys()


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
        (Row("slower", 1.13, gate=1.06), True, True),
        (Row("queries", 1, gate=0, unit=" queries"), True, True),
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
    assert table[2].split() == ["slower", "1.07x", "<=", "1.06", "<=", "1.03", "MISSED"]


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
