"""A server of the tests' own on loopback, whose application and faults can be changed at any moment."""

import ssl
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

CERTIFICATE = Path(__file__).parent / "self_signed.pem"


class Seen(NamedTuple):
    """A request as it came: the origin is Latin-1 text, None where there was none."""

    method: str
    path: str
    query: str
    origin: str | None
    environ: dict


class Handler(WSGIRequestHandler):
    def handle(self):
        if self.server.silent > 0:
            self.server.silent -= 1
            return  # which closes the connection
        with suppress(ConnectionError):  # the client has what it wanted, and does not read on
            super().handle()

    def log_message(self, *args):
        pass


class Server(WSGIServer):
    """``silent`` connections are closed without a word. ``base`` is its URL, without a slash at the end."""

    def __init__(self, application, host):
        super().__init__((host, 0), Handler)
        self.answers = application
        self.seen = []
        self.silent = 0
        self.base = f"http://{host}:{self.server_port}"

    def server_bind(self):
        super().server_bind()
        self.setup_environ()

    def handle_error(self, request, client_address):
        pass  # a client that does not trust the certificate

    def get_app(self):
        return self.answer

    def answer(self, environ, start_response):
        path = environ["PATH_INFO"]
        self.seen.append(
            Seen(environ["REQUEST_METHOD"], path, environ["QUERY_STRING"], environ.get("HTTP_ORIGIN"), dict(environ))
        )
        return self.answers(environ, start_response)


@contextmanager
def serving(application, certificate=None, host="127.0.0.1"):
    server = Server(application, host)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.base = server.base.replace("http:", "https:")
    thread = threading.Thread(target=server.serve_forever, args=(0.005,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def behind(application, change):
    """Give a proxy: ``change`` takes the environment, the status and the header list, and gives the latter two."""

    def proxy(environ, start_response):
        def start(status, headers, exc_info=None):
            return start_response(*change(environ, status, headers))

        return application(environ, start)

    return proxy
