from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests.audit_corpus.urls import orders


def fonts(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"wOF2", content_type="font/woff2", headers={"Access-Control-Allow-Origin": "*"})


urlpatterns = [
    path("api/orders/", orders),
    path("fonts/", fonts),
]
