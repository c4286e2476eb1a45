"""A web server of several processes, and visitors who ask it without a pause and remember every answer."""

import http.client
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
START = 30.0  # seconds

_COMMANDS = {
    "sync": "gunicorn -k sync -w 2 django.core.wsgi:get_wsgi_application() --bind 127.0.0.1:{port}",
    "gthread": "gunicorn -k gthread -w 2 --threads 4 django.core.wsgi:get_wsgi_application() --bind 127.0.0.1:{port}",
    "uvicorn": "uvicorn --factory django.core.asgi:get_asgi_application --port {port} --workers 2 --lifespan off "
    "--log-level error --no-access-log",
}


class Answer(NamedTuple):
    """What a visitor was told: ``kind`` of question, when it was asked, how long that took, and by whom it is allowed.

    ``status`` is 0 where there was no answer at all.
    """

    kind: str
    asked: float
    took: float
    status: int
    allowed: str | None


class Web:
    """A web server, and the answers it has given."""

    def __init__(self, kind: str, port: int, log: Path) -> None:
        self.kind = kind
        self.port = port
        self._log = log
        self._read = 0
        self.answers: list[Answer] = []

    def ask(self, kind: str, host: str, origin: str | None) -> Answer:
        asked = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        status, allowed = 0, None
        try:
            connection.request("GET", "/ok/", headers={"Host": host, **({"Origin": origin} if origin else {})})
            response = connection.getresponse()
            response.read()
            status, allowed = response.status, response.getheader("Access-Control-Allow-Origin")
        except (OSError, http.client.HTTPException):
            pass  # an answer too: status 0
        finally:
            connection.close()
        answer = Answer(kind, asked, time.monotonic() - asked, status, allowed)
        self.answers.append(answer)
        return answer

    @contextmanager
    def load(self, questions: dict[str, Callable[[], tuple[str, str | None]]], visitors: int = 3) -> Iterator[None]:
        """Let visitors ask all kinds of questions in turn, each some forty a second, as long as the block runs.

        A question gives the host and the origin, anew for each request.
        """
        stop = threading.Event()

        def visit(start: int) -> None:
            turn = itertools.cycle([*questions][start:] + [*questions][:start])
            while not stop.wait(0.025):
                kind = next(turn)
                self.ask(kind, *questions[kind]())

        threads = [threading.Thread(target=visit, args=(number,), daemon=True) for number in range(visitors)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)

    def of(self, kind: str) -> list[Answer]:
        return [answer for answer in self.answers if answer.kind == kind]

    def forget(self) -> None:
        """Forget the answers and the output up to now."""
        self.answers.clear()
        self._read = len(self._log.read_text())

    def output(self) -> str:
        return self._log.read_text()[self._read :]

    def logged(self) -> dict[int, list[str]]:
        """Give the levels of the lines that the store of each process has logged."""
        levels: dict[int, list[str]] = {}
        for level, process in re.findall(r"^([A-Z]+) django_cors_policy\.store (\d+) ", self.output(), re.MULTILINE):
            levels.setdefault(int(process), []).append(level)
        return levels


@contextmanager
def serving(kind: str, folder: Path, settings: dict[str, Any]) -> Iterator[Web]:
    """Start a server of a kind, and wait until it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.live.project",
        "LIVE_SETTINGS": json.dumps(settings),
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-W", "error", "-m", *_COMMANDS[kind].format(port=port).split()]
    log = folder / f"{kind}.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    web = Web(kind, port, log)
    try:
        deadline = time.monotonic() + START
        while web.ask("start", "localhost", None).status != 200:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{kind} does not start:\n{web.output()}", pytrace=False)
            time.sleep(0.1)
        yield web
    finally:
        process.terminate()
        try:
            process.wait(START)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
