"""Servers of four processes on the database of the test run, and threads that ask them on and on."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 4
ASKERS = 6  # threads
PAUSE = 0.01  # seconds between two requests of a thread
PATIENCE = 30  # seconds that a machine under load may take
LOOK_AGAIN = 0.05  # seconds

COMMANDS = {
    # Its sync workers, each of which loads the application by itself.
    "gunicorn": ["gunicorn", "--no-control-socket", "--bind", "fd://{fd}", "django.core.wsgi:get_wsgi_application()"],
    "uvicorn": ["uvicorn", "--no-access-log", "--fd", "{fd}", "--factory", "django.core.asgi:get_asgi_application"],
}
PATHS = {"gunicorn": "/ok/", "uvicorn": "/async/"}  # of a view that runs without leaving the worker's thread


class Question(NamedTuple):
    """Does this host let this origin in?"""

    host: str
    origin: str


class Answer(NamedTuple):
    """What a worker said; both moments are the asker's."""

    question: Question
    sent: float
    received: float
    worker: str
    allowed: bool


class Response(NamedTuple):
    status: int
    worker: str
    allowed: str | None
    location: str | None


class Server:
    """A server of four processes, running."""

    def __init__(self, name: str, port: int, log: Path) -> None:
        self.name = name
        self._port = port
        self._log = log

    def output(self) -> str:
        return self._log.read_text()

    def send(
        self, path: str, headers: Mapping[str, str], form: Mapping[str, object] | None = None, method: str = "GET"
    ) -> Response:
        """Send a request over a connection of its own, so that any worker may get it."""
        body, headers = None, {"Connection": "close", **headers}
        if form is not None:
            body, headers["Content-Type"] = urlencode(form), "application/x-www-form-urlencoded"
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            response.read()
        finally:
            connection.close()
        found = (response.headers[name] for name in ("X-Worker", "Access-Control-Allow-Origin", "Location"))
        return Response(response.status, *found)

    def ask(self, question: Question) -> Answer:
        sent = time.monotonic()
        response = self.send(PATHS[self.name], {"Host": question.host, "Origin": question.origin})
        received = time.monotonic()
        if response.status != 200 or response.allowed not in (None, question.origin):
            raise AssertionError(f"{question} was answered {response}")
        return Answer(question, sent, received, response.worker, response.allowed is not None)


@contextmanager
def serving(name: str, folder: Path) -> Iterator[Server]:
    """Start a server on the database that this process uses now, and end it."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.live.worker_settings",
        "TEST_DATABASE": str(connection.settings_dict["NAME"]),
    }
    log = folder / "output.txt"
    # It is given a socket that listens already: requests wait there until a worker takes them.
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening, log.open("wb") as output:
        fd = listening.fileno()
        command = [word.format(fd=fd) for word in COMMANDS[name]]
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "--workers", str(WORKERS)],
            cwd=ROOT,
            env=environment,
            pass_fds=[fd],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            yield Server(name, listening.getsockname()[1], log)
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Asking:
    """Threads that ask all questions on their list over and over; with none on it they rest."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._questions: tuple[Question, ...] = ()
        self._turns = count()
        self._answers: defaultdict[Question, list[Answer]] = defaultdict(list)
        self._failures: list[Exception] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator["Asking"]:
        threads = [threading.Thread(target=self._ask) for _ in range(ASKERS)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(PAUSE):
            questions = self._questions
            if not questions:
                continue
            question = questions[next(self._turns) % len(questions)]
            try:
                answer = self.server.ask(question)
            except Exception as error:  # noqa: BLE001 -- raised below, where a test can tell of it
                self._failures.append(error)
            else:
                with self._lock:
                    self._answers[question].append(answer)

    @contextmanager
    def about(self, questions: Iterable[Question]) -> Iterator[None]:
        """Have these questions on the list too."""
        added = tuple(questions)
        with self._lock:
            self._questions += added
        try:
            yield
        finally:
            with self._lock:
                left = Counter(self._questions)
                left.subtract(added)
                self._questions = tuple(left.elements())

    def answers(self, questions: Iterable[Question], since: float = 0.0) -> list[Answer]:
        """Give the answers to requests that were sent since a moment."""
        with self._lock:
            return [answer for question in questions for answer in self._answers[question] if answer.sent > since]

    def wait_for_all_workers(self, questions: Collection[Question], since: float, times: int = 1) -> None:
        """Return once every worker has answered each of these questions, sent since a moment, so many times."""
        deadline = time.monotonic() + PATIENCE
        while True:
            if self._failures:
                raise self._failures[0]
            told = Counter((answer.question, answer.worker) for answer in self.answers(questions, since))
            workers = Counter(question for (question, _), number in told.items() if number >= times)
            if all(workers[question] >= WORKERS for question in questions):
                return
            assert time.monotonic() < deadline, f"not every worker has answered: {workers}\n{self.server.output()}"
            time.sleep(LOOK_AGAIN)
