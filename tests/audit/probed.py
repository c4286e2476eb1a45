"""Middleware, views and URLconfs for the probe to find fault with."""

import re

from django.contrib.auth.models import Group
from django.core.cache import cache
from django.core.mail import send_mail
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path, re_path
from django.utils.decorators import async_only_middleware

from django_cors_policy.middleware import CorsMiddleware

ALLOWED = "https://app.example.com"

# --- a small project


def never(request, **_):
    raise AssertionError("a view was called")


calls = []


def noted(request):
    calls.append((request.method, request.user.is_authenticated))
    return HttpResponse("noted")


def hand_set(request):
    return HttpResponse("by hand", headers={"Access-Control-Allow-Origin": "*"})


def streams(request):
    return StreamingHttpResponse(iter([b"a", b"b"]))


urlpatterns = [
    path("api/", never),
    re_path(r"^(?i:shop)/$", never),
    re_path(r"(?i)^mixed/$", never),
    path("noted/", noted),
    path("hand-set/", hand_set),
    path("streams/", streams),
    path("<slug:tenant>/api/", never),
]


# --- CORS middleware that is broken: in place of ours


class Changed(CorsMiddleware):
    """Does what ours does, and then something wrong."""

    def __call__(self, request):
        response = super().__call__(request)
        self.change(request, request.headers.get("Origin", ""), response)
        return response

    def serve(self, origin, response):
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Allow-Credentials"] = "true"

    def change(self, request, origin, response):
        pass


class Reflects(Changed):
    def change(self, request, origin, response):
        if origin.isprintable() and origin:
            self.serve(origin, response)


class Star(Changed):
    def change(self, request, origin, response):
        response["Access-Control-Allow-Origin"] = "*"


class Prefix(Changed):
    def change(self, request, origin, response):
        if re.match(re.escape(ALLOWED), origin) and origin.isprintable():
            self.serve(origin, response)


class Suffix(Changed):
    def change(self, request, origin, response):
        if origin.endswith("example.com"):
            self.serve(origin, response)


class AnyCase(Changed):
    def change(self, request, origin, response):
        if origin.lower() == ALLOWED:
            self.serve(origin, response)


class Null(Changed):
    def change(self, request, origin, response):
        if origin == "null":
            self.serve(origin, response)


class NoVary(Changed):
    def change(self, request, origin, response):
        del response["Vary"]


class No404(Changed):
    def change(self, request, origin, response):
        if response.status_code == 404:
            del response["Access-Control-Allow-Origin"]


class No500(Changed):
    def change(self, request, origin, response):
        if response.status_code == 500:
            del response["Access-Control-Allow-Origin"]


class NoHeadersAllowed(Changed):
    def change(self, request, origin, response):
        del response["Access-Control-Allow-Headers"]


class NoMethodsAllowed(Changed):
    def change(self, request, origin, response):
        del response["Access-Control-Allow-Methods"]


class NoCredentials(Changed):
    def change(self, request, origin, response):
        del response["Access-Control-Allow-Credentials"]


class CapitalTrue(Changed):
    def change(self, request, origin, response):
        if "Access-Control-Allow-Credentials" in response:
            response["Access-Control-Allow-Credentials"] = "True"


class Twice(Changed):
    def change(self, request, origin, response):
        if "Access-Control-Allow-Origin" in response:
            response["Access-Control-Allow-Origin"] += ", *"


class Union(Changed):
    """Asks every tenant's policy, whoever the request is for."""

    def change(self, request, origin, response):
        from django_cors_policy.models import AllowedOrigin

        if AllowedOrigin.objects.filter(pattern=origin).exists():
            self.serve(origin, response)


# --- around ours


class Around:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)


class Refuses(Around):
    def __call__(self, request):
        return HttpResponse(status=403) if request.method == "OPTIONS" else super().__call__(request)


class Redirects(Around):
    def __call__(self, request):
        if request.method == "OPTIONS":
            return HttpResponse(status=302, headers={"Location": "/login/"})
        return super().__call__(request)


class StripsVary(Around):
    def __call__(self, request):
        response = super().__call__(request)
        del response["Vary"]
        return response


class PublicCache(Around):
    def __call__(self, request):
        response = super().__call__(request)
        response["Cache-Control"] = "public, max-age=60"
        return response


class OwnErrors(Around):
    def __call__(self, request):
        response = super().__call__(request)
        return HttpResponse("sorry", status=404) if response.status_code == 404 else response


class Needed(Around):
    """What others fail without."""

    def __call__(self, request):
        request.needed = True
        return super().__call__(request)


class Needs(Around):
    def __call__(self, request):
        assert request.needed
        return super().__call__(request)


class WritesStar(Around):
    def __call__(self, request):
        response = super().__call__(request)
        response["Access-Control-Allow-Origin"] = "*"
        return response


class WritesStarToo(WritesStar):
    pass


class Keeps(Around):
    """Writes where nobody else did."""

    def __call__(self, request):
        response = super().__call__(request)
        response.setdefault("Access-Control-Allow-Origin", ALLOWED)
        return response


class Capitals(Around):
    """Changes what others wrote."""

    def __call__(self, request):
        response = super().__call__(request)
        if "Access-Control-Allow-Credentials" in response:
            response["Access-Control-Allow-Credentials"] = "True"
        return response


class OnlyTenant(Around):
    """Writes nothing, and leads to another policy."""

    def __call__(self, request):
        request.path_info = "/acme/api/"
        return super().__call__(request)


class Lowers(Around):
    """Rewrites the path below ours."""

    def __call__(self, request):
        request.path_info = request.path_info.lower()
        return super().__call__(request)


class Writes(Around):
    """Leaves something wherever it can."""

    def __call__(self, request):
        Group.objects.create(name="written by a request")
        cache.set("written", 1)
        send_mail("written", "by a request", None, ["nobody@example.com"])
        return super().__call__(request)


class Interrupts(Around):
    def __call__(self, request):
        if request.method == "HEAD" and request.headers.get("Origin") == "https://evil.test":
            raise KeyboardInterrupt
        response = super().__call__(request)
        if "Origin" in request.headers:
            response["Access-Control-Allow-Origin"] = request.headers["Origin"]
        return response


@async_only_middleware
def only_async(get_response):
    async def middleware(request):
        response = await get_response(request)
        response["Access-Control-Allow-Origin"] = "*"
        return response

    return middleware


def failing(get_response):
    raise RuntimeError("cannot be loaded")


def by_header(request):
    """Resolve what no host and no path can say."""
    return request.META.get("HTTP_X_TENANT")
