from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseForbidden

View = Callable[[HttpRequest], HttpResponse]


class _Wall:
    header = "Authorization"

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request) if self.header in request.headers else HttpResponseForbidden()


class BasicAuthMiddleware(_Wall):
    pass


class ApiKeyMiddleware(_Wall):
    header = "X-Api-Key"


class KeycloakMiddleware(_Wall):
    pass


def jwt_required(get_response: View) -> View:
    return _Wall(get_response)
