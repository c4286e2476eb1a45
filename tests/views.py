"""Views that the tests send requests to."""

from itertools import count

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse


def ok(request: HttpRequest, tenant: str = "") -> HttpResponse:
    return HttpResponse(f"{request.method} ok")


async def async_ok(request: HttpRequest) -> HttpResponse:
    return HttpResponse("async ok")


def hand_set(request: HttpRequest) -> HttpResponse:
    headers = {
        "access-control-allow-origin": "*",
        "Access-Control-Allow-Credentials": "true",
        "ACCESS-CONTROL-EXPOSE-HEADERS": "X-Secret",
        "Access-Control-Something-New": "1",
    }
    return HttpResponse("by hand", headers=headers)


def raises(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("a view's own fault")


def redirects(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/ok/")


def streams(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(iter([b"streams ", b"ok"]))


def varies(request: HttpRequest) -> HttpResponse:
    return HttpResponse("varies", headers={"Vary": "Cookie, origin"})


_counted = count(1)


def counts(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(next(_counted)))
