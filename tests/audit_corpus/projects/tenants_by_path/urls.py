from django.http import HttpRequest, JsonResponse
from django.urls import path


def orders(request: HttpRequest, tenant: str) -> JsonResponse:
    return JsonResponse({"tenant": tenant, "orders": []})


urlpatterns = [path("<slug:tenant>/orders/", orders)]
