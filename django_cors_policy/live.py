"""Requests through the project's own middleware and views, in a process that serves visitors meanwhile."""

from contextlib import ExitStack, suppress
from contextvars import copy_context
from functools import partial
from io import BytesIO
from typing import NoReturn
from urllib.parse import unquote, unquote_to_bytes, urlsplit
from wsgiref.util import setup_testing_defaults

from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIRequest
from django.db import connections, transaction
from django.http import HttpRequest
from django.http.request import HttpHeaders
from django.utils import timezone, translation

from django_cors_policy import reading
from django_cors_policy.audit.sandbox import is_only_asgi
from django_cors_policy.blocked import UNRECORDED
from django_cors_policy.cors import Answer, WireRequest
from django_cors_policy.explain import Unanswerable
from django_cors_policy.remedies import unreadable

# RFC 5737's: a view that trusts this machine, or its neighbours, does not trust whoever asks for a test.
NOBODY = "192.0.2.1"
_PORTS = {"http": 80, "https": 443}


class LiveStack:
    """Sends requests as a visitor's without cookies, and changes nothing of the process that others see.

    To be used in a thread that may query, as a sync view's may; several threads may share one. It loads the project's
    middleware anew, and raises what that raises. Rows that the thread's transaction has not committed are seen, and
    what a request writes to a database is rolled back; what it does elsewhere (a cache, mail, the log, a call) is done,
    as for any visitor. A preflight that no middleware answers reaches the view, as a browser's would. Nothing bounds
    the time that a view takes: a thread cannot be stopped from outside. Raises Unanswerable where the policies'
    database begins no transaction.
    """

    def __init__(self) -> None:
        self._handler = BaseHandler()
        self._handler.load_middleware()

    def send(self, wire: WireRequest) -> Answer:
        with ExitStack() as stack:
            for alias in connections:
                _undo(alias, stack)
            # The language, the time zone and the URLconf that are active belong to the page that asks.
            return copy_context().run(self._answer, wire)

    def _answer(self, wire: WireRequest) -> Answer:
        translation.deactivate()
        timezone.deactivate()
        try:
            request = _request(wire)
            request.META[UNRECORDED] = True
            response = self._handler.get_response(request)
        except Exception:  # noqa: BLE001 -- where the page for errors fails, a server answers so
            return Answer(500, ())
        # Not by its close(): that tells the whole process that a request is over, and connections are closed on it, in
        # the midst of the one that asks.
        for close in response._resource_closers:  # type: ignore[attr-defined]
            with suppress(Exception):
                close()
        return Answer(response.status_code, tuple((name.lower(), value) for name, value in response.items()))

    def decider(self, *_: object) -> str:
        # To find out, some would have to be left out, which is the whole process's matter.
        return "another middleware or the view (manage.py cors_explain names it)"


def _undo(alias: str, stack: ExitStack) -> None:
    """Roll back what is written to a database until the stack ends; where that cannot be, let nothing be written."""
    try:
        stack.enter_context(transaction.atomic(using=alias))
    except Exception as error:  # one that is away, or locked
        if alias == reading.database():
            raise Unanswerable(unreadable(error)) from error
        stack.enter_context(connections[alias].execute_wrapper(partial(_refuse, error)))
    else:
        stack.callback(transaction.set_rollback, True, using=alias)


def _refuse(error: Exception, *_: object) -> NoReturn:
    raise error


def _request(wire: WireRequest) -> HttpRequest:
    url = urlsplit(wire.url)
    port = url.port or _PORTS[url.scheme]
    host = url.hostname or ""
    if is_only_asgi():
        headers = [("host", url.netloc), *wire.headers]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": wire.method,
            "scheme": url.scheme,
            "path": unquote(url.path),
            "raw_path": url.path.encode(),
            "query_string": url.query.encode(),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
            "client": (NOBODY, 0),
            "server": (host, port),
        }
        return ASGIRequest(scope, BytesIO())
    environ = {
        "REQUEST_METHOD": wire.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(url.path).decode("latin-1"),
        "QUERY_STRING": url.query,
        "REMOTE_ADDR": NOBODY,
        "SERVER_NAME": host,
        "SERVER_PORT": str(port),
        "HTTP_HOST": url.netloc,
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": BytesIO(),
        **{HttpHeaders.to_wsgi_name(name): value for name, value in wire.headers},
    }
    setup_testing_defaults(environ)
    return WSGIRequest(environ)
