"""The URLconf of most projects: the admin, and an API."""

from django.contrib import admin
from django.http import HttpRequest, JsonResponse
from django.urls import path


def orders(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"orders": []})


urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/orders/", orders),
]
