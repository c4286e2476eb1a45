from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class TrustedDevicesMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.has_header("Access-Control-Allow-Origin"):
            response["Access-Control-Allow-Credentials"] = str(True)
        return response
