"""Requests per second through gunicorn, by wrk.

A side's worker and one whose middleware does nothing run at once, on one core, and each has a wrk that always keeps
requests waiting for it: the kernel has them take turns every few milliseconds, and whatever else the machine does, it
does to both. What is compared is the requests for each second that a worker has had of the processor: the throughput
on a core of its own. By the clock the same is told, with more noise.

A worker that waits for PostgreSQL leaves the core to the other; that one is measured by itself, second about, and
compared by the clock.
"""

import os
import re
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import median, quantiles

from benchmarks.requests import BROWSER
from benchmarks.served import HOST, ORIGIN
from benchmarks.servers import Server, gunicorn, on_cores
from benchmarks.timing import Row

CONNECTIONS = 8  # of each wrk: a worker always finds one waiting
BESIDE_NOOP = ("ours", "ours, tenant", "theirs")
HEADERS = {**BROWSER, "Host": HOST, "Origin": ORIGIN}


@dataclass(frozen=True, slots=True)
class Rate:
    """Requests of one worker, by the second."""

    by_clock: float
    by_processor: float


def cores() -> tuple[set[int], set[int]]:
    """Give the core for the workers and those for wrk; none where there is nothing to choose from."""
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return ({usable[-1]}, set(usable[:-1])) if len(usable) > 1 else (set(), set())


def check(side: str, server: Server) -> None:
    """Raise AssertionError if a response is not what it has to be."""
    for _ in range(50):  # and let what is done once be done
        headers = server.get("/items/", HEADERS).headers
        found = headers["Access-Control-Allow-Origin"], (headers["Vary"] or "").lower()
        assert found == ((None, "") if side == "no-op" else (ORIGIN, "origin")), (side, dict(headers))


def processor_time(server: Server) -> int:
    return int(server.get("/worker/", HEADERS).headers["X-Worker-Time"])


def run_wrk(*servers: Server) -> list[Rate]:
    """Give the rates of these servers, each with a wrk of its own, all at once, for a second: wrk knows no less."""
    fields = [part for name, value in HEADERS.items() for part in ("-H", f"{name}: {value}")]
    command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", "1s", *fields]
    before = [processor_time(server) for server in servers]
    with on_cores(cores()[1]):
        running = [
            subprocess.Popen([*command, f"http://127.0.0.1:{server.port}/items/"], stdout=subprocess.PIPE, text=True)
            for server in servers
        ]
    outputs = [process.communicate()[0] for process in running]
    after = [processor_time(server) for server in servers]
    return [rate(output, end - start) for output, start, end in zip(outputs, before, after, strict=True)]


def rate(output: str, nanoseconds: int) -> Rate:
    """Read what wrk prints."""
    assert "Socket errors" not in output and "Non-2xx" not in output, output  # noqa: PT018
    requests, by_clock = re.search(r"(\d+) requests in", output), re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert requests is not None and by_clock is not None, output  # noqa: PT018
    return Rate(float(by_clock[1]), int(requests[1]) / nanoseconds * 1e9)


def measure(rounds: int) -> list[Row]:
    rates: dict[str, list[list[Rate]]] = {}
    with ExitStack() as stack:
        names = ("no-op", *BESIDE_NOOP, "theirs, signal")
        servers = {name: stack.enter_context(gunicorn(name, cores=cores()[0])) for name in names}
        for name, server in servers.items():
            check(name, server)
            run_wrk(server)
        for _ in range(max(2, rounds // 4)):
            for name in BESIDE_NOOP:
                rates.setdefault(name, []).append(run_wrk(servers[name], servers["no-op"]))
        for _ in range(max(2, rounds // 12)):
            alone = [*run_wrk(servers["theirs, signal"]), *run_wrk(servers["no-op"])]
            rates.setdefault("theirs, signal", []).append(alone)
    return [
        compare("throughput through gunicorn, against no-op", rates["ours"], 0.97, 0.99),
        compare("the same, by the clock", rates["ours"], by_clock=True),
        compare("the same, ours, warm tenant", rates["ours, tenant"]),
        compare("the same, django-cors-headers", rates["theirs"], side="theirs"),
        compare(
            "the same, with its signal on PostgreSQL, by the clock",
            rates["theirs, signal"],
            side="theirs",
            by_clock=True,
        ),
    ]


def compare(
    case: str,
    rates: Sequence[Sequence[Rate]],
    gate: float | None = None,
    aim: float | None = None,
    *,
    side: str = "ours",
    by_clock: bool = False,
) -> Row:
    """Compare a side with the no-op of the same round: the median of the ratios."""
    pairs = [[rate.by_clock if by_clock else rate.by_processor for rate in pair] for pair in rates]
    ratios = [mine / noop for mine, noop in pairs]
    low, _, high = quantiles(ratios, n=4)
    mine, noop = (1e6 / median(column) for column in zip(*pairs, strict=True))
    return Row(case, median(ratios), gate, aim, at_least=True, quartiles=(low, high), **{side: mine, "reference": noop})
