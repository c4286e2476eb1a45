from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class KnownMethodsMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method not in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"):
            return HttpResponse(status=405)
        return self.get_response(request)
