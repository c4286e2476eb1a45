from collections.abc import Callable
from uuid import uuid4

from django.http import HttpRequest, HttpResponse

View = Callable[[HttpRequest], HttpResponse]


class _Passes:
    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)


class PrometheusBeforeMiddleware(_Passes):
    pass


class HistoryRequestMiddleware(_Passes):
    pass


class AuthorMiddleware(_Passes):
    pass


class RequestIdMiddleware(_Passes):
    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = super().__call__(request)
        response["X-Request-Id"] = uuid4().hex
        return response


def cachet_status(get_response: View) -> View:
    return get_response
