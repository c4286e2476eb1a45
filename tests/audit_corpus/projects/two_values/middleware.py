from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class FontsMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        written = response.get("Access-Control-Allow-Origin")
        if written is not None:
            response["Access-Control-Allow-Origin"] = f"{written}, *"
        return response
