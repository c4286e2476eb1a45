"""What is measured in this process alone: what answers a request, and by which settings.

Django has to be set up with benchmarks.settings before this is imported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from time import process_time
from typing import Any, TypeVar

from corsheaders.middleware import CorsMiddleware as Theirs
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import setting_changed
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test.utils import CaptureQueriesContext, override_settings

from benchmarks.requests import (
    Origin,
    asgi_request,
    environ,
    host,
    listed,
    no_origin,
    origins,
    subdomain,
    tenant,
    tenant_origin,
    unlisted,
    wsgi_request,
)
from benchmarks.timing import Call, Costs, Row, added, faster, run_at_once, slower, time_awaits, time_calls
from benchmarks.urls import async_view, view
from django_cors_policy.middleware import CorsMiddleware as Ours

CALLS = 50  # of each side in a round, after twice as many that are not timed
WARMING = 2  # passes


class Noop:
    """A middleware that does nothing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)


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


_applied: dict[str, Any] = {}


def apply(values: Mapping[str, Any]) -> None:
    """Set settings and say so, as override_settings() does without the layer that it puts around all others.

    What is set already is not said again: tenants stay in memory.
    """
    values = {**DEFAULTS, **values}
    if values == _applied:
        return
    _applied.clear()
    _applied.update(values)
    for name, value in values.items():
        setattr(settings, name, value)
        setting_changed.send(Case, setting=name, value=value, enter=True)


# --- cases ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """The same requests, answered by ours, by theirs and by a reference that does no CORS.

    ``request`` makes what is answered, of ``origin`` and ``host`` for the nth call; ``allowed`` tells what has to come
    of it. ``settings`` are those beside DEFAULTS; ``their_settings`` replace them where theirs writes it another way.
    Where the case ``moves``, what is timed is not what was asked just before; the numbers of the calls go on.
    """

    request: Callable[[str | None, str, str], Any]
    origin: Origin
    ours: Call | None = None
    theirs: Call | None = None
    reference: Call | None = None
    method: str = "GET"
    host: Callable[[int], str] = host
    allowed: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    their_settings: Mapping[str, Any] | None = None
    calls: int = CALLS
    is_async: bool = False
    clock: Callable[[], float] = process_time
    moves: bool = False

    def sides(self) -> list[tuple[str, Call, Mapping[str, Any]]]:
        theirs = self.settings if self.their_settings is None else self.their_settings
        sides = [
            ("ours", self.ours, self.settings),
            ("theirs", self.theirs, theirs),
            ("reference", self.reference, self.settings),
        ]
        return [(side, call, values) for side, call, values in sides if call is not None]

    def requests(self, turn: int = 0) -> list[Any]:
        numbers = range(turn * self.calls, (turn + 1) * self.calls)
        return [self.request(self.origin(number), self.host(number), self.method) for number in numbers]

    def check(self) -> None:
        """Raise AssertionError if a response is not what it has to be."""
        for side, call, values in self.sides():
            apply(values)
            for number, request in enumerate(self.requests()):
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
        before, timed = (2 * number, 2 * number + 1) if self.moves else (0, 0)
        time = time_awaits if self.is_async else partial(time_calls, clock=self.clock)
        costs = {}
        for side, call, values in sides[first:] + sides[:first]:
            apply(values)
            for _ in range(WARMING):  # all caches warm, theirs too: what the first pass fills, the second asks
                time(call, self.requests(before))
            costs[side] = time(call, self.requests(timed))
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
    """Give the cases by name, in the order of the rows; those of tenants need them stored."""
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


Name = TypeVar("Name")


def take(cases: Mapping[Name, Case], rounds: int) -> dict[Name, Costs]:
    """Check all cases, and time them in turns."""
    for case in cases.values():
        case.check()
    costs: dict[Name, dict[str, list[float]]] = {}
    for number in range(rounds):
        for name, case in cases.items():
            for side, cost in case.time(number).items():
                costs.setdefault(name, {}).setdefault(side, []).append(cost)
    return dict(costs)


def measure(rounds: int) -> list[Row]:
    cases = make_cases()
    # By itself: other settings empty the store, and a process that has just read its tenants is not warm yet.
    costs = take({"whole, tenant": cases.pop("whole, tenant")}, rounds)
    costs |= take(cases, rounds)
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
