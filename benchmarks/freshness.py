"""How long a change takes to reach every worker of a gunicorn on PostgreSQL."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, sleep

from django.db import transaction

from benchmarks.served import HOST, ORIGIN, REFRESH_SECONDS
from benchmarks.servers import PATIENCE, Server, gunicorn
from benchmarks.timing import Row
from django_cors_policy.models import AllowedOrigin

WORKERS = 4
ASKERS = 8  # threads
BOUND = REFRESH_SECONDS + 0.5
WATCHED = (
    BOUND + 0.33
)  # seconds after a change; no multiple of the refresh interval, so that changes fall anywhere in it
PAUSE = 0.005


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker said to a request; both moments are the asker's."""

    sent: float
    received: float
    worker: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class Change:
    """A change; ``committed`` is just before its commit, ``until`` just before the next change."""

    committed: float
    until: float
    allowed: bool


def measure(rounds: int) -> list[Row]:
    """Switch an origin off and on, and give the age of the oldest stale answer."""
    with gunicorn("ours, tenant", WORKERS) as server, asking(server) as answers:
        wait_for_all(answers, perf_counter())  # that have it in memory then
        changes = [change(answers, allowed=number % 2 == 1) for number in range(max(4, rounds // 8))]
    worst = max(stale_for(change, answers) for change in changes)
    return [Row(f"a change, seen by all of {WORKERS} workers", worst, BOUND, unit=" s")]


def workers(answers: Iterable[Answer], since: float) -> set[str]:
    """Tell which workers have answered a request that was sent since."""
    return {answer.worker for answer in answers if answer.sent > since}


def wait_for_all(answers: Sequence[Answer], since: float) -> None:
    """Return once each worker has answered such a request: a busy machine takes its time."""
    deadline = perf_counter() + PATIENCE
    while len(workers(answers, since)) < WORKERS:
        assert perf_counter() < deadline, f"only {workers(answers, since)} of {WORKERS} workers answer"
        sleep(0.05)


def change(answers: Sequence[Answer], *, allowed: bool) -> Change:
    """Switch the origin on or off, and watch for longer than that may take."""
    origin = AllowedOrigin.objects.get(policy__tenant=HOST, pattern=ORIGIN)
    origin.enabled = allowed
    with transaction.atomic():
        origin.save()
        committed = perf_counter()
    sleep(WATCHED)
    wait_for_all(answers, committed + BOUND)
    return Change(committed, perf_counter(), allowed)


def stale_for(change: Change, answers: Sequence[Answer]) -> float:
    """Give the seconds from the commit to the last request that was answered by the old policy.

    To the moment when it was sent: the time that it then waits for a busy worker is not the policy's age.
    """
    after = [answer for answer in answers if answer.sent >= change.committed and answer.received < change.until]
    late = workers(after, change.committed + BOUND)
    assert len(late) == WORKERS, f"only {late} of {WORKERS} workers were asked after the bound"
    return max((answer.sent - change.committed for answer in after if answer.allowed != change.allowed), default=0.0)


@contextmanager
def asking(server: Server) -> Iterator[list[Answer]]:
    """Ask on and on; the list grows meanwhile."""
    answers: list[Answer] = []
    stop = threading.Event()
    failed: list[Exception] = []

    def ask() -> None:
        try:
            while not stop.wait(PAUSE):
                sent = perf_counter()
                response = server.get("/worker/", {"Host": HOST, "Origin": ORIGIN})
                allowed = response.headers["Access-Control-Allow-Origin"] == ORIGIN
                answers.append(Answer(sent, perf_counter(), response.headers["X-Worker"], allowed))
        except Exception as error:  # noqa: BLE001 -- raised below, in the thread that can tell of it
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(ASKERS)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if failed:
        raise failed[0]
