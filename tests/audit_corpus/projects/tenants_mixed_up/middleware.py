from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

CUSTOMERS = {"https://www.acme.com", "https://www.globex.com"}


class CustomersMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        origin = request.headers.get("Origin", "")
        if origin in CUSTOMERS:
            response["Access-Control-Allow-Origin"] = origin
            response["Access-Control-Allow-Credentials"] = "true"
        return response
