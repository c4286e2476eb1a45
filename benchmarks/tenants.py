"""Many tenants in PostgreSQL, beside a handler of django-cors-headers' signal that looks there for each request."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import accumulate
from random import Random
from time import perf_counter

from corsheaders.middleware import CorsMiddleware as Theirs
from corsheaders.signals import check_request_enabled
from django.core.management import call_command
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.test.utils import CaptureQueriesContext

from benchmarks.cases import WITH_TENANTS, Case, apply, take
from benchmarks.requests import ORIGINS, TENANTS, stored_origin, stored_tenant, wsgi_request
from benchmarks.timing import Call, Row, faster
from benchmarks.urls import view
from django_cors_policy.middleware import CorsMiddleware as Ours
from django_cors_policy.models import AllowedOrigin, TenantPolicy

FEW, MANY = TENANTS, 10_000
DRAWN = 20_000  # requests before the same tenants come again
BY_TENANT_ALONE = {**WITH_TENANTS, "CORS_ALLOWED_ORIGINS": []}


def make_tenants(count: int) -> None:
    """Create the tables, and so many tenants."""
    call_command("migrate", "django_cors_policy", verbosity=0)
    policies = TenantPolicy.objects.bulk_create(TenantPolicy(tenant=stored_tenant(number)) for number in range(count))
    AllowedOrigin.objects.bulk_create(
        AllowedOrigin(policy=policy, pattern=stored_origin(number, which))
        for number, policy in enumerate(policies)
        for which in range(ORIGINS)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as a database that has been in use knows its tables


# --- requests: few tenants have many, many have few -------------------------------------------------------------------


@cache
def drawn() -> list[int]:
    """Draw the number of a tenant for each request, by Zipf's law: the nth is asked for 1/n as often as the first."""
    weights = accumulate(1 / rank for rank in range(1, MANY + 1))
    return Random(1).choices(range(MANY), cum_weights=list(weights), k=DRAWN)


def drawn_tenant(number: int) -> str:
    return stored_tenant(drawn()[number % DRAWN])


def drawn_origin(number: int) -> str:
    return stored_origin(drawn()[number % DRAWN], number % ORIGINS)


# --- their signal -----------------------------------------------------------------------------------------------------


def _stored(host: str, origin: str) -> QuerySet[AllowedOrigin]:
    return AllowedOrigin.objects.filter(policy__tenant=host, pattern=origin)


def allow_stored(request: HttpRequest, **_: object) -> bool:
    """Handle check_request_enabled as django-cors-headers' README does, for tenants."""
    return _stored(request.get_host(), request.headers["Origin"]).exists()


@contextmanager
def signal() -> Iterator[None]:
    check_request_enabled.connect(allow_stored)
    try:
        yield
    finally:
        check_request_enabled.disconnect(allow_stored)


# --- measuring --------------------------------------------------------------------------------------------------------


def warm(ours: Call) -> None:
    """Ask once for each tenant."""
    for number in range(MANY):
        ours(wsgi_request(stored_origin(number, 0), stored_tenant(number)))


def count_queries(ours: Call, case: Case) -> int:
    with CaptureQueriesContext(connection) as captured:
        for request in case.requests():
            ours(request)
    return len(captured)


def measure(rounds: int) -> list[Row]:
    """Compare a tenant that is in memory with their query; by the clock on the wall, since a query is waited for."""
    plan = _stored(stored_tenant(0), stored_origin(0, 0)).explain()
    assert "Index" in plan and "Seq Scan" not in plan, plan  # noqa: PT018 -- what is compared has its index
    ours = Ours(view)
    case = Case(
        wsgi_request,
        drawn_origin,
        ours,
        Theirs(view),
        view,
        host=drawn_tenant,
        settings=BY_TENANT_ALONE,
        clock=perf_counter,
        moves=True,
    )
    apply(BY_TENANT_ALONE)
    warm(ours)
    with signal():
        costs = take({"tenants": case}, rounds)["tenants"]
    queries = count_queries(ours, case)
    return [
        faster("warm tenant of 10,000, against its signal on PostgreSQL", costs, 80, 150),
        Row("the same, ours", queries, 0, unit=" queries"),
    ]
