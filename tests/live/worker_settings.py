"""What the server processes run: the tests' settings on the database of the test run, each response signed."""

import os
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, MIDDLEWARE

DATABASES["default"]["NAME"] = os.environ["TEST_DATABASE"]
MIDDLEWARE = ["tests.live.worker_settings.sign", *MIDDLEWARE]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}


@sync_and_async_middleware
def sign(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Let every response tell which process made it."""

    def signed(response: HttpResponseBase) -> HttpResponseBase:
        response.headers["X-Worker"] = str(os.getpid())
        return response

    async def serve_async(request: HttpRequest) -> HttpResponseBase:
        return signed(await get_response(request))

    def serve(request: HttpRequest) -> HttpResponseBase:
        return signed(get_response(request))

    return serve_async if iscoroutinefunction(get_response) else serve
