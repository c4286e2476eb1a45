from django.http import HttpRequest


def resolve(request: HttpRequest) -> str | None:
    return request.user.get_username() or None
