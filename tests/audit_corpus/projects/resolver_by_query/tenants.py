from django.contrib.auth.models import User
from django.http import HttpRequest


def resolve(request: HttpRequest) -> str | None:
    return User.objects.values_list("username", flat=True).filter(username=request.get_host()).first()
