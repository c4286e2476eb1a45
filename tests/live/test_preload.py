"""gunicorn --preload where the master has read policies before it forks: what it knows survives in its workers.

Its connection must not: workers that use one session read each other's answers.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import pytest
from django.db import connection

from django_cors_policy.models import TenantPolicy
from tests.test_readme import code_blocks, section

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 3
ASKERS = 6  # threads, each of which asks
TIMES = 60
START = 30  # seconds
TENANTS = [f"t{number}.tenants.example" for number in range(20)]

PRELOAD = "preload_app = True\n"
# Says what each worker has inherited before it does anything.
REPORT = """
def post_fork(server, worker):
    from tests.live.preload_settings import session

    print(f"inherited {session()}", flush=True)
"""


class Answer(NamedTuple):
    status: int
    allowed: str | None
    worker: str
    session: str
    read: str


class Server:
    def __init__(self, port, log):
        self.port = port
        self._log = log

    def output(self):
        return self._log.read_text()

    def inherited(self):
        """Give what each worker has inherited, once all have said it."""
        deadline = time.monotonic() + START
        while len(found := re.findall(r"^inherited (\w+)$", self.output(), re.MULTILINE)) < WORKERS:
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.05)
        return found

    def ask(self, host, origin):
        asking = HTTPConnection("127.0.0.1", self.port, timeout=START)
        try:
            asking.request("GET", "/ok/", headers={"Host": host, "Origin": origin, "Connection": "close"})
            response = asking.getresponse()
            response.read()
        finally:
            asking.close()
        names = ("Access-Control-Allow-Origin", "X-Worker", "X-Session", "X-Read")
        return Answer(response.status, *(response.headers[name] for name in names))


@contextmanager
def preloading(folder, configuration, **variables):
    """Start gunicorn with this configuration file on the database that this process uses now, and end it."""
    (folder / "gunicorn.conf.py").write_text(configuration + REPORT)
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.live.preload_settings",
        "TEST_DATABASE": str(connection.settings_dict["NAME"]),
        "TENANTS": ",".join(TENANTS),
        **variables,
    }
    log = folder / "output.txt"
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening, log.open("wb") as output:
        command = ["-m", "gunicorn", "--no-control-socket", "--bind", f"fd://{listening.fileno()}", "--workers"]
        command += [str(WORKERS), "--config", str(folder / "gunicorn.conf.py"), "tests.live.preloaded:application"]
        process = subprocess.Popen(
            [sys.executable, "-W", "error", *command],
            cwd=ROOT,
            env=environment,
            pass_fds=[listening.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            yield Server(listening.getsockname()[1], log)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(START)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(autouse=True)
def tenants():
    for tenant in TENANTS:
        TenantPolicy.objects.create(tenant=tenant).origins.create(pattern=f"https://app.{tenant}")


def documented():
    """Give the configuration file of the README."""
    [code] = [block for block in code_blocks(section("Operations")) if "def pre_fork" in block]
    return code


def test_without_the_hook_the_workers_inherit_one_session(tmp_path):
    with preloading(tmp_path, PRELOAD) as server:
        inherited = server.inherited()
    assert len(inherited) == WORKERS
    assert len(set(inherited)) == 1
    assert inherited[0].isdigit()


@pytest.mark.parametrize("way", ["pre_fork", "at-the-end-of-the-module"])
def test_where_the_connections_are_closed_before_the_fork_memory_survives_and_no_session(tmp_path, way):
    if way == "pre_fork":
        running = preloading(tmp_path, documented())
    else:
        running = preloading(tmp_path, PRELOAD, CLOSE_AT_THE_END="1")
    with running as server:
        assert server.inherited() == ["None"] * WORKERS

        def ask(first):
            for turn in range(first, first + TIMES):
                tenant, another = (TENANTS[number % len(TENANTS)] for number in (turn, turn + 7))
                yield True, server.ask(tenant, f"https://app.{tenant}")
                yield False, server.ask(tenant, f"https://app.{another}")

        with ThreadPoolExecutor(ASKERS) as pool:
            told = [pair for pairs in pool.map(lambda number: list(ask(number)), range(ASKERS)) for pair in pairs]
        output = server.output()

    assert Counter((own, answer.status, answer.allowed is not None) for own, answer in told) == {
        (True, 200, True): ASKERS * TIMES,
        (False, 200, False): ASKERS * TIMES,
    }
    answers = [answer for _, answer in told]
    sessions = defaultdict(set)
    for answer in answers:
        sessions[answer.worker].add(answer.session)
    assert len(sessions) == WORKERS
    assert all(len(of_one) == 1 for of_one in sessions.values())
    assert len(set.union(*sessions.values())) == WORKERS
    # What the master has read is known to all: they look for changes, and never for a policy.
    assert {answer.read for answer in answers} == {"", "policychange"}
    assert "cannot be read" not in output
