from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse


class TokenAuthenticationMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.headers.get("Authorization") != "Bearer let-me-in":
            return JsonResponse({"error": "token required"}, status=401)
        return self.get_response(request)
