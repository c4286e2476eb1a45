"""What the middleware stands in front of."""

import os
from time import process_time_ns

from django.http import HttpRequest, HttpResponse
from django.urls import path


def view(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"{}", content_type="application/json")


async def async_view(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"{}", content_type="application/json")


def worker(_request: HttpRequest) -> HttpResponse:
    """Say which process this is, and the nanoseconds that it has had of the processor."""
    return HttpResponse(headers={"X-Worker": str(os.getpid()), "X-Worker-Time": str(process_time_ns())})


urlpatterns = [path("items/", view), path("worker/", worker)]
