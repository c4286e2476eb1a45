"""The demo's three servers: Django's own for the API, the standard library's for the two front ends."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

FRONTEND = Path(__file__).with_name("frontend")


class ApiServer(ThreadedWSGIServer):
    allow_reuse_port = False  # a port that is taken has to be an error, not shared


class ApiHandler(WSGIRequestHandler):
    def log_message(self, *args: object) -> None:
        """Say nothing: recorded() does, with the Origin."""


class FrontServer(ThreadingHTTPServer):
    allow_reuse_port = False


class FrontHandler(SimpleHTTPRequestHandler):
    """Serves the front end's files, and the calls that it is to make."""

    def __init__(self, *args: Any, page: dict[str, Any], **kwargs: Any) -> None:
        self.page = json.dumps(page).encode()
        super().__init__(*args, directory=str(FRONTEND), **kwargs)

    def do_GET(self) -> None:
        if self.path != "/page.json":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(self.page)))
        self.end_headers()
        self.wfile.write(self.page)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")  # an edited file is served at the next reload
        super().end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing: the API's requests are what matters."""


def api_server(port: int) -> ApiServer:
    """Take the port. What it serves is set later, by set_app(): Django takes a while to get ready."""
    return ApiServer(("127.0.0.1", port), ApiHandler)


def front_server(port: int, page: dict[str, Any]) -> FrontServer:
    """Take the port. ``page`` is what the front end's script reads: who it is, and the calls to make."""
    return FrontServer(("127.0.0.1", port), partial(FrontHandler, page=page))


@contextmanager
def running(*servers: ThreadedWSGIServer | ThreadingHTTPServer) -> Iterator[None]:
    """Serve, each server in a thread of its own, until the block ends."""
    for server in servers:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield
    finally:
        for server in servers:
            server.shutdown()


def with_static_files(app: Callable[..., Any]) -> Callable[..., Any]:
    """Serve the admin's styles too, as runserver does, and also while DEBUG is off."""
    return StaticFilesHandler(app)


def recorded(app: Callable[..., Any], write: Callable[[str], None]) -> Callable[..., Any]:
    """Wrap a WSGI application so that each request to the API writes a line, preflights included."""

    def wrapper(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        def start(status: str, *args: Any) -> Any:
            # Quoted, so that whatever is asked for stays on one line and off the terminal's controls.
            path = quote(environ["PATH_INFO"], encoding="latin-1")
            origin = quote(environ.get("HTTP_ORIGIN", "-"), safe=":/", encoding="latin-1")
            host = environ.get("HTTP_HOST", "-")
            if path.startswith("/api/"):
                write(f"{environ['REQUEST_METHOD']:<7} {status[:3]} http://{host}{path} from {origin}")
            return start_response(status, *args)

        return app(environ, start)

    return wrapper
