from django.http import HttpRequest


def resolve(request: HttpRequest) -> str | None:
    host = request.get_host().lower().partition(":")[0]
    label, dot, base = host.partition(".")
    return label if dot and base == "platform.example" else None
