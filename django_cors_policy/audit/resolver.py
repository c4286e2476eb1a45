"""What CORS_TENANT_RESOLVER does with a request, found by calling it."""

from collections.abc import Iterator
from contextlib import ExitStack
from inspect import iscoroutine
from io import BytesIO
from itertools import product
from typing import Any, cast

from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.db import connections
from django.http.request import HttpHeaders
from django.utils.translation import gettext_noop

from django_cors_policy import conf
from django_cors_policy.audit.report import one_line
from django_cors_policy.audit.stack import any_host, is_known_to_read_the_host
from django_cors_policy.cors import quoted
from django_cors_policy.cors.lint import Finding, Rule, Severity
from django_cors_policy.tenants import allowed_hosts

RESOLVER_FAILS = Rule(
    "CORS417",
    "resolver-fails",
    (Severity.HIGH,),
    gettext_noop("The tenant resolver cannot be imported, raises, queries, or needs more than the host and the path."),
    None,
)
RULES = (RESOLVER_FAILS,)

SETTING = "CORS_TENANT_RESOLVER"
# What tells the host, and what a proxy in front adds to every request.
_ABOUT_THE_HOST = ("HTTP_HOST", "HTTP_FORWARDED", "HTTP_X_FORWARDED_", "HTTP_X_REAL_IP")
# What a request keeps once it has read it.
_KEPT = {"COOKIES": "Cookie", "GET": "the query", "_post": "the body", "_body": "the body"}


class _Meta(dict[str, Any]):
    """A request's fields, which note the headers that somebody looks for, and whether the host is among them."""

    def __init__(self, fields: dict[str, Any]) -> None:
        super().__init__(fields)
        self.looked_for: set[str] = set()
        self.host_looked_for = False

    def note(self, name: object) -> None:
        self.host_looked_for |= name == "HTTP_HOST"
        by_the_proxy = (*_ABOUT_THE_HOST, *(settings.SECURE_PROXY_SSL_HEADER or ())[:1])
        if isinstance(name, str) and name.startswith("HTTP_") and not name.startswith(by_the_proxy):
            self.looked_for.add(name.removeprefix("HTTP_").replace("_", "-").title())

    def get(self, name: str, default: Any = None) -> Any:
        self.note(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> Any:
        self.note(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.note(name)
        return super().__contains__(name)


class _Headers(HttpHeaders):
    """The same by the names that they have in a header."""

    def __init__(self, meta: _Meta) -> None:
        super().__init__(meta)
        self._meta = meta

    def __getitem__(self, name: str) -> str:
        self._meta.note(HttpHeaders.to_wsgi_name(name))
        return super().__getitem__(name)


class _Queried(Exception):  # noqa: N818 -- it tells what happened
    pass


def import_findings() -> Iterator[Finding]:
    """Find a resolver that cannot be used at all; without calling it."""
    for problem in conf.current().problems:
        if problem.name == SETTING:
            yield _finding(f"{SETTING} is {quoted(problem.value)}, not {problem.expected}: no tenant is ever found.")


def findings() -> Iterator[Finding]:
    """Find what the resolver does with preflights for some hosts and paths; its queries are not executed."""
    resolver = conf.current().resolver
    if resolver is None:
        return
    reads_host = False
    for host, path in product(_hosts(), ("/", "/acme/api/")):
        request = _preflight(host, path)
        if why := _try(resolver, request, f"for a preflight to {quoted(host + path)}"):
            yield _finding(why)
            return
        reads_host |= cast("_Meta", request.META).host_looked_for
    # Of those that come with this app their path says it.
    if reads_host and not is_known_to_read_the_host(conf.current().resolver_path):
        yield from any_host()


def _hosts() -> Iterator[str]:
    for entry in allowed_hosts():
        if entry == "*":
            yield "acme.example.com"
        elif entry.startswith("."):
            yield f"acme{entry}"
            yield entry[1:]
        else:
            yield entry


def _try(resolver: conf.Resolver, request: WSGIRequest, asked: str) -> str | None:
    """Say what is wrong with the way the resolver treats a preflight, or give None."""
    queries = []

    def refuse(_: Any, sql: str, *__: Any) -> Any:
        queries.append(sql)
        raise _Queried(sql)

    raised = tenant = None
    with ExitStack() as stack:
        for alias in connections:
            stack.enter_context(connections[alias].execute_wrapper(refuse))
        try:
            tenant = cast("object", resolver(request))
        except Exception as error:  # noqa: BLE001 -- a project's own code
            raised = quoted(f"{type(error).__name__}: {error}")
    if queries:
        return f"It queries the database {asked}; it runs before every answer, in the event loop too."
    read = cast("_Meta", request.META).looked_for | {name for kept, name in _KEPT.items() if kept in vars(request)}
    if read:
        return (
            f"It reads {' and '.join(sorted(read))} {asked}, which may lack it or be given anything: only the host and "
            "the path are sure."
        )
    if raised:
        return f"It raises {raised} {asked}, which comes before any session or user is there."
    if tenant is not None and not isinstance(tenant, str):
        if iscoroutine(tenant):
            tenant.close()
        return f"It gives {type(tenant).__name__} {asked}, not a string or None."
    return None


def _preflight(host: str, path: str) -> WSGIRequest:
    fields = {
        "REQUEST_METHOD": "OPTIONS",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "HTTP_HOST": host,
        "SERVER_NAME": host,
        "SERVER_PORT": "443",
        "wsgi.input": BytesIO(),
        "wsgi.url_scheme": "https",
    }
    request = WSGIRequest(fields)
    request.META = meta = _Meta(request.META)
    request.headers = _Headers(meta)
    return request


def _finding(message: str) -> Finding:
    return Finding(
        RESOLVER_FAILS,
        Severity.HIGH,
        one_line(str(getattr(settings, SETTING, conf.current().resolver_path)))[:300],
        message,
        "Read the tenant from request.get_host() or request.path_info alone, as django_cors_policy.tenants does.",
    )
