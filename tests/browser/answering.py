"""Servers on loopback that answer what they are told, byte for byte, and write down what they are asked."""

import asyncio
import ssl
import threading
from collections import defaultdict
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from django_cors_policy.cors.browser import Answer

NO_BODY = (204, 304)
PAGE = Answer(200, [("Content-Type", "text/html")])
ABSENT = Answer(404, [])


class Asked(NamedTuple):
    """A request as it came: names as they were written."""

    method: str
    url: str
    headers: list[tuple[str, str]]

    @property
    def is_preflight(self) -> bool:
        return self.method == "OPTIONS" and any(
            name.lower() == "access-control-request-method" for name, _ in self.headers
        )


class Place(NamedTuple):
    """What an address answers: to a preflight, and to anything else."""

    preflight: Answer
    actual: Answer


def completed(answer: Answer) -> Answer:
    """Give an answer as it is sent: one that ends, and that no cache keeps."""
    length = [] if answer.status in NO_BODY else [("Content-Length", "0")]
    return Answer(answer.status, [*answer.headers, ("Cache-Control", "no-store"), *length])


class Servers:
    """Several ports, one set of answers by path; requests are kept by the first segment of theirs."""

    def __init__(self, count: int, certificate: ssl.SSLContext | None = None) -> None:
        self.ports: list[int] = []  # the last one speaks TLS, where there is a certificate
        self.places: dict[str, Place] = {}
        self.asked: defaultdict[str, list[Asked]] = defaultdict(list)
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(count, certificate), self._loop).result()

    async def _listen(self, count: int, certificate: ssl.SSLContext | None) -> None:
        for context in [*[None] * count, *([certificate] if certificate else [])]:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
            self._servers.append(server)
            self.ports.append(server.sockets[0].getsockname()[1])

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0.05)  # for the sockets that have been let go

    def answer(self, method: str, url: str, *, is_preflight: bool) -> Answer:
        """Give what is sent to a request, so that a prediction hears the same."""
        path = urlsplit(url).path
        place = self.places.get(path, Place(ABSENT, ABSENT))
        answer = PAGE if path == "/page" else place.preflight if is_preflight else place.actual
        return completed(answer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            # Until the browser hangs up.
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    scheme = "http" if writer.get_extra_info("sslcontext") is None else "https"
                    writer.write(self._answer_to(scheme, head.decode("latin-1")))
                    await writer.drain()
        finally:
            self._tasks.discard(task)
            writer.transport.abort()  # closing would wait for the browser to agree

    def _answer_to(self, scheme: str, head: str) -> bytes:
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        headers = [(name, value.strip(" ")) for name, _, value in (line.partition(":") for line in lines)]
        host = next(value for name, value in headers if name.lower() == "host")
        asked = Asked(method, f"{scheme}://{host}{target}", headers)
        self.asked[target.split("/")[1]].append(asked)
        answer = self.answer(method, asked.url, is_preflight=asked.is_preflight)
        text = "".join(f"{name}:{value}\r\n" for name, value in answer.headers)
        return f"HTTP/1.1 {answer.status} Answer\r\n{text}\r\n".encode("latin-1")
