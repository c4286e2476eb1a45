"""gunicorn, started for a measurement and ended after it."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

from benchmarks.requests import BROWSER

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 30  # seconds


@dataclass(frozen=True, slots=True)
class Server:
    """A server on a loopback port."""

    port: int

    def get(self, path: str, headers: Mapping[str, str]) -> HTTPResponse:
        """Give the response, read; over a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers={**BROWSER, "Connection": "close", **headers})
            response = connection.getresponse()
            response.read()
            return response
        finally:
            connection.close()


@contextmanager
def on_cores(cores: Collection[int]) -> Iterator[None]:
    """Start processes here that run on these cores alone; on any, where there are none to choose from."""
    if not cores or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def gunicorn(side: str, workers: int = 1, cores: Collection[int] = ()) -> Iterator[Server]:
    """Serve one of benchmarks.served.SIDES."""
    command = [sys.executable, "-m", "gunicorn", "--no-control-socket", "--log-level", "warning"]
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening, tempfile.TemporaryFile("w+") as log:
        # It is given the socket, so that requests wait in its queue until it is ready for them.
        command += ["--bind", f"fd://{listening.fileno()}", "--workers", str(workers)]
        command.append(f"benchmarks.served:application({side!r})")
        with on_cores(cores):
            process = subprocess.Popen(
                command, cwd=ROOT, pass_fds=[listening.fileno()], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            yield Server(listening.getsockname()[1])
        finally:
            status = process.poll()
            process.terminate()
            try:
                process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if status is not None:
                log.seek(0)
                print(f"gunicorn ended by itself ({status}):\n{log.read()}", file=sys.stderr)
