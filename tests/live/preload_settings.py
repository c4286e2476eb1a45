"""What the preloaded workers run: the tests' settings on the database of the test run, with connections that stay."""

import os
from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest, HttpResponse

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, MIDDLEWARE

DATABASES["default"]["NAME"] = os.environ["TEST_DATABASE"]
DATABASES["default"]["CONN_MAX_AGE"] = None  # with 0 each worker would close the one that it inherits, unused
MIDDLEWARE = ["tests.live.preload_settings.tell", *MIDDLEWARE]
CORS_POLICY_REFRESH_SECONDS = 0.2


def tell(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Let every response tell its process, that one's session with the database, and what it has read."""

    def told(request: HttpRequest) -> HttpResponse:
        read: list[str] = []

        def note(execute: Callable[..., object], sql: str, *args: object) -> object:
            read.extend(table for table in ("tenantpolicy", "policychange") if table in sql)
            return execute(sql, *args)

        with connection.execute_wrapper(note):
            response = get_response(request)
        response.headers["X-Worker"] = str(os.getpid())
        response.headers["X-Session"] = str(session())
        response.headers["X-Read"] = ",".join(read)
        return response

    return told


def session() -> int | None:
    """Give the server's number for this thread's connection, as it said when it was opened; None if there is none."""
    opened = connection.connection
    if opened is None:
        return None
    return opened.info.backend_pid if connection.vendor == "postgresql" else opened.thread_id()
