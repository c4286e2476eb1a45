from django.http import HttpRequest


def resolve(request: HttpRequest) -> str | None:
    return request.headers.get("X-Tenant")
