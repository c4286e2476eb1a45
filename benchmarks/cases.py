"""What is measured: requests as a browser sends them, and what answers them.

Django has to be set up with benchmarks.settings before this is imported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from corsheaders.middleware import CorsMiddleware as Theirs
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.management import call_command
from django.core.signals import setting_changed
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import path

from benchmarks.timing import Call, Row, added, faster, run_at_once, slower, time_awaits, time_calls
from django_cors_policy.middleware import CorsMiddleware as Ours
from django_cors_policy.models import AllowedOrigin, TenantPolicy

CALLS = 50  # of each side in a round, after as many that are not timed
TENANTS = 10

# What else Chromium sends with a fetch() from another site.
BROWSER = {
    "Connection": "keep-alive",
    "Sec-CH-UA": '"Chromium";v="140", "Not=A?Brand";v="24"',
    "Sec-CH-UA-Mobile": "?0",
    "Sec-CH-UA-Platform": '"Linux"',
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0",
    "Accept": "*/*",
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-Mode": "cors",
    "Sec-Fetch-Dest": "empty",
    "Referer": "https://app1.example.com/",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-GB,en;q=0.9",
}
PREFLIGHT = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}


def view(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"{}", content_type="application/json")


async def async_view(_request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"{}", content_type="application/json")


urlpatterns = [path("items/", view)]


class Noop:
    """A middleware that does nothing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)


# --- origins and hosts, by the number of the call: new strings, that nobody has hashed yet ----------------------------

Origin = Callable[[int], str | None]


def listed(count: int) -> Origin:
    """Give the origins of a list of so many, here and there in it."""
    return lambda number: f"https://app{number * 97 % count}.example.com"


def origins(count: int) -> list[str]:
    return [f"https://app{number}.example.com" for number in range(count)]


def subdomain(number: int) -> str:
    return f"https://shop.customer{number * 37 % 100}.example.com"


def unlisted(number: int) -> str:
    return f"https://other{number % 10}.example.net"


def no_origin(_: int) -> None:
    return None


def host(_: int) -> str:
    return "".join(("api", ".example.com"))


def tenant(number: int) -> str:
    return f"customer{number % TENANTS}.tenants.example"


def tenant_origin(number: int) -> str:
    return f"https://app{number // TENANTS % 5}.customer{number % TENANTS}.example"


# --- requests ---------------------------------------------------------------------------------------------------------


def environ(origin: str | None, host: str, method: str) -> dict[str, Any]:
    """Give a WSGI environment such as gunicorn's; of a preflight where the method is OPTIONS."""
    fields = {"Host": host, **BROWSER, **(PREFLIGHT if method == "OPTIONS" else {})}
    if origin is not None:
        fields["Origin"] = origin
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": "/items/",
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "RAW_URI": "/items/",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "gunicorn",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in fields.items()},
    }


def wsgi_request(origin: str | None, host: str, method: str = "GET") -> WSGIRequest:
    return WSGIRequest(environ(origin, host, method))


def asgi_request(origin: str | None, host: str, method: str) -> ASGIRequest:
    fields = {"Host": host, **BROWSER} | ({} if origin is None else {"Origin": origin})
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": "/items/",
        "root_path": "",
        "query_string": b"",
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8000),
        "headers": [(name.lower().encode(), value.encode()) for name, value in fields.items()],
    }
    return ASGIRequest(scope, BytesIO())


# --- settings ---------------------------------------------------------------------------------------------------------

DEFAULTS = {
    "CORS_ALLOWED_ORIGINS": origins(10),
    "CORS_ALLOWED_ORIGIN_REGEXES": [],
    "CORS_PREFLIGHT_MAX_AGE": 7200,
    "CORS_TENANT_RESOLVER": None,  # the settings alone: all that django-cors-headers has
    "CORS_POLICY_REFRESH_SECONDS": 3600,  # what is warm stays so
}
WITH_TENANTS = {"CORS_TENANT_RESOLVER": "django_cors_policy.tenants.by_host"}
WILDCARDS = {"CORS_ALLOWED_ORIGINS": [f"https://*.customer{number}.example.com" for number in range(100)]}
REGEXES = {
    "CORS_ALLOWED_ORIGINS": [],
    "CORS_ALLOWED_ORIGIN_REGEXES": [rf"^https://[\w-]+\.customer{number}\.example\.com$" for number in range(100)],
}


def with_origins(count: int) -> dict[str, Any]:
    return {"CORS_ALLOWED_ORIGINS": origins(count)}


def apply(values: Mapping[str, Any]) -> None:
    """Set settings and say so, as override_settings() does without the layer that it puts around all others."""
    for name, value in {**DEFAULTS, **values}.items():
        setattr(settings, name, value)
        setting_changed.send(Case, setting=name, value=value, enter=True)


# --- cases ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """The same requests, answered by ours, by theirs and by a reference that does no CORS.

    ``request`` makes what is answered, of ``origin`` and ``host`` for the nth call; ``allowed`` tells what has to come
    of it. ``settings`` are those beside DEFAULTS; ``their_settings`` replace them where theirs writes it another way.
    """

    request: Callable[[str | None, str, str], Any]
    origin: Origin
    ours: Call
    theirs: Call | None = None
    reference: Call | None = None
    method: str = "GET"
    host: Callable[[int], str] = host
    allowed: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    their_settings: Mapping[str, Any] | None = None
    calls: int = CALLS
    is_async: bool = False

    def sides(self) -> list[tuple[str, Call, Mapping[str, Any]]]:
        sides = [("ours", self.ours, self.settings)]
        if self.theirs is not None:
            sides.append(("theirs", self.theirs, self.settings if self.their_settings is None else self.their_settings))
        if self.reference is not None:
            sides.append(("reference", self.reference, self.settings))
        return sides

    def requests(self, count: int) -> list[Any]:
        return [self.request(self.origin(number), self.host(number), self.method) for number in range(count)]

    def check(self) -> None:
        """Raise AssertionError if a response is not what it has to be."""
        for side, call, values in self.sides():
            apply(values)
            for number, request in enumerate(self.requests(self.calls)):
                answer = call(request)
                headers = (run_at_once(answer) if self.is_async else answer).headers
                found = headers.get("Access-Control-Allow-Origin"), headers.get("Vary", "").lower()
                expected = (self.origin(number) if self.allowed else None), "origin"
                assert found == (expected if side != "reference" else (None, "")), (side, number, dict(headers))
                assert ("Access-Control-Allow-Methods" in headers) == (self.method == "OPTIONS"), (side, dict(headers))

    def time(self, number: int) -> dict[str, float]:
        """Give the microseconds of one call of each side; the round's number tells which comes first."""
        sides = self.sides()
        first = number % len(sides)
        time = time_awaits if self.is_async else time_calls
        costs = {}
        for side, call, values in sides[first:] + sides[:first]:
            apply(values)
            time(call, self.requests(self.calls))  # all caches warm, theirs too
            costs[side] = time(call, self.requests(self.calls))
        return costs


def whole(middleware: type) -> Call:
    """Give what answers a WSGI environment through startproject's middleware, with this one in front."""
    with override_settings(MIDDLEWARE=[f"{middleware.__module__}.{middleware.__qualname__}", *settings.MIDDLEWARE]):
        handler = WSGIHandler()

    def answer(environ: dict[str, Any]) -> Any:
        response = handler(environ, lambda *_: bytes)
        for _ in response:
            pass
        response.close()
        return response

    return answer


def make_cases() -> dict[str, Case]:
    """Give the cases by name, in the order of the rows; those of tenants need make_tenants()."""
    preflight: dict[str, Any] = {"request": wsgi_request, "ours": Ours(view), "theirs": Theirs(view)}
    actual = {**preflight, "reference": view}
    whole_preflight: dict[str, Any] = {"request": environ, "ours": whole(Ours), "theirs": whole(Theirs)}
    whole_actual = {**whole_preflight, "reference": whole(Noop)}
    for_tenants = {"origin": tenant_origin, "host": tenant, "theirs": None, "settings": WITH_TENANTS}
    return {
        "whole": Case(origin=listed(10), **whole_actual),
        "whole, tenant": Case(**{**whole_actual, **for_tenants}),
        "no Origin": Case(origin=no_origin, allowed=False, **actual),
        "allowed": Case(origin=listed(10), **actual),
        "denied": Case(origin=unlisted, allowed=False, **actual),
        # Theirs takes milliseconds for each.
        "1,000": Case(origin=listed(1_000), settings=with_origins(1_000), calls=CALLS // 5, **actual),
        "10,000": Case(origin=listed(10_000), settings=with_origins(10_000), **{**actual, "theirs": None}),
        "wildcards": Case(origin=subdomain, settings=WILDCARDS, their_settings=REGEXES, **actual),
        # No view runs: nothing is subtracted.
        "preflight": Case(origin=listed(10), method="OPTIONS", **preflight),
        "whole preflight": Case(origin=listed(10), method="OPTIONS", **whole_preflight),
        "async": Case(asgi_request, listed(10), Ours(async_view), Theirs(async_view), async_view, is_async=True),
    }


def measure(rounds: int) -> list[Row]:
    """Check all cases, time them in turns, and compare."""
    make_tenants()
    cases = make_cases()
    for case in cases.values():
        case.check()
    costs: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds):
        for name, case in cases.items():
            for side, cost in case.time(number).items():
                costs.setdefault(name, {}).setdefault(side, []).append(cost)
    ten, many = added(costs["allowed"], "ours"), added(costs["10,000"], "ours")
    warm, cold = count_queries()
    return [
        slower("whole request, allowed, against no-op", costs["whole"], 1.06, 1.03),
        slower("the same, django-cors-headers", costs["whole"], side="theirs"),
        slower("the same, ours, warm tenant", costs["whole, tenant"], 1.06, 1.03),
        faster("added, no Origin", costs["no Origin"], 12, 20),
        faster("added, allowed, 10 origins", costs["allowed"], 15, 25),
        faster("added, denied, 10 origins", costs["denied"], 12, 25),
        faster("added, allowed, 1,000 origins", costs["1,000"], 800, 1500),
        Row("added, allowed, 10,000 origins against 10", many / ten, 1.5, 1.1, ours=many, reference=ten),
        faster("added, 100 wildcards against its 100 regexes", costs["wildcards"], 20, 35),
        faster("preflight, added", costs["preflight"], 6, 10),
        faster("preflight through the default stack, both first", costs["whole preflight"], 2, 2.4),
        faster("added, async, allowed", costs["async"], 15, 25),
        Row("warm tenant", warm, 0, unit=" queries"),
        Row("cold tenant", cold, 1, unit=" queries"),
    ]


# --- tenants ----------------------------------------------------------------------------------------------------------


def make_tenants() -> None:
    """Create the tables, and tenants of five origins each."""
    call_command("migrate", "django_cors_policy", verbosity=0)
    policies = TenantPolicy.objects.bulk_create(TenantPolicy(tenant=tenant(number)) for number in range(TENANTS))
    AllowedOrigin.objects.bulk_create(
        AllowedOrigin(policy=policies[number % TENANTS], pattern=tenant_origin(number)) for number in range(5 * TENANTS)
    )


def count_queries() -> tuple[int, int]:
    """Count the queries of a warm tenant's request, and of a cold one's after another tenant's."""
    ours = Ours(view)
    apply(WITH_TENANTS)
    ours(wsgi_request(tenant_origin(0), tenant(0)))
    counts = []
    for number in (0, 1):
        with CaptureQueriesContext(connection) as captured:
            ours(wsgi_request(tenant_origin(number), tenant(number)))
        counts.append(len(captured))
    return counts[0], counts[1]
