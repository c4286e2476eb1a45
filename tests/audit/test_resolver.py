import sys
from types import ModuleType

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import DisallowedHost
from django.db import transaction
from django.urls import resolve

from django_cors_policy.audit import audit, resolver, static_findings
from django_cors_policy.tenants import by_host
from tests.audit import rows


@pytest.fixture
def use(settings, monkeypatch):
    """Make a function the project's resolver; give what is found then."""
    module = ModuleType("project_tenants")
    monkeypatch.setitem(sys.modules, "project_tenants", module)

    def findings(function):
        module.resolve = function
        settings.CORS_TENANT_RESOLVER = None
        settings.CORS_TENANT_RESOLVER = "project_tenants.resolve"
        found = list(resolver.findings())
        assert rows(found, "CORS417") == [("high", "project_tenants.resolve")] * len(found)
        return [finding.message for finding in found]

    return findings


# --- cannot be used at all


@pytest.mark.parametrize(
    "path", ["nowhere.at_all", 7, "django_cors_policy.cors.DEFAULT_MAX_AGE", "tests.views.async_ok", "x" * 999, "a\nb"]
)
def test_a_resolver_that_cannot_be_used_is_high_and_no_other_rules(settings, path):
    settings.CORS_TENANT_RESOLVER = path
    [finding] = static_findings()
    [(severity, subject)] = rows([finding], "CORS417")
    assert severity == "high"
    assert len(subject) <= 300
    assert subject.isprintable()
    assert "no tenant is ever found" in finding.message


# --- right


@pytest.mark.parametrize(
    "path",
    [
        "django_cors_policy.tenants.by_host",
        "django_cors_policy.tenants.by_subdomain",
        "django_cors_policy.tenants.by_path_prefix",
        None,
    ],
)
@pytest.mark.parametrize("hosts", [["testserver"], ["*"], [".example.com", "[::1]", "127.0.0.1"], []])
@pytest.mark.parametrize("debug", [True, False])
def test_the_built_in_resolvers_have_no_finding(settings, path, hosts, debug):
    settings.CORS_TENANT_RESOLVER = path
    settings.ALLOWED_HOSTS = hosts
    settings.DEBUG = debug
    assert list(resolver.findings()) == []


@pytest.mark.parametrize(
    "function",
    [
        lambda request: None,
        lambda request: request.get_host().partition(".")[0],
        lambda request: request.META["HTTP_HOST"],
        lambda request: request.META.get("HTTP_X_FORWARDED_HOST"),
        lambda request: request.META["SERVER_NAME"] if "SERVER_PORT" in request.META else None,
        lambda request: request.headers["Host"],
        lambda request: request.headers.get("x-forwarded-proto", request.scheme),
        lambda request: request.build_absolute_uri(),
        lambda request: request.get_full_path(),
        lambda request: f"{request.method} {request.path} {request.get_port()} {request.is_secure()}",
        lambda request: resolve("/acme/api/", "tests.urls").kwargs["tenant"],
        by_host,
        lambda request: sorted(request.headers.items())[0][0],
        lambda request: getattr(request, "user", None),
    ],
)
def test_a_resolver_of_host_and_path_has_no_finding(use, function):
    assert use(function) == []


def test_the_header_that_tells_the_scheme_may_be_read(use, settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_CLOUDFRONT_FORWARDED_PROTO", "https")
    assert use(lambda request: request.scheme) == []


# --- CORS414: of those that come with the app, the stack's rules say it by their names


@pytest.mark.parametrize(
    ("function", "hosts", "found"),
    [
        (lambda request: request.get_host().partition(".")[0], [".example.com", "*"], [("high", "ALLOWED_HOSTS")]),
        (lambda request: request.headers["Host"], ["*"], [("high", "ALLOWED_HOSTS")]),
        (lambda request: request.get_host(), [".example.com"], []),
        (lambda request: request.path_info.split("/")[1], ["*"], []),
    ],
)
def test_a_resolver_of_ones_own_that_reads_any_host_is_found(settings, use, function, hosts, found):
    use(function)
    settings.ALLOWED_HOSTS = hosts
    assert rows(resolver.findings(), "CORS414") == found


# --- wrong


@pytest.mark.parametrize(
    ("function", "named"),
    [
        (lambda request: request.META.get("HTTP_AUTHORIZATION"), "Authorization"),
        (lambda request: request.META["HTTP_X_TENANT"], "X-Tenant"),
        (lambda request: "acme" if "HTTP_COOKIE" in request.META else None, "Cookie"),
        (lambda request: request.headers.get("X-Tenant"), "X-Tenant"),
        (lambda request: request.headers["x-tenant"], "X-Tenant"),
        (lambda request: "acme" if "x_tenant" in request.headers else None, "X-Tenant"),
        # A page sends what it likes, and decides by that which tenant's policy it is judged by.
        (lambda request: request.headers.get("Origin"), "Origin"),
        (lambda request: request.GET.get("tenant"), "the query"),
        (lambda request: request.COOKIES.get("tenant"), "Cookie"),
        (lambda request: request.POST.get("tenant"), "the body"),
        (lambda request: request.body.decode() or None, "the body"),
    ],
)
def test_a_resolver_that_needs_more_is_high_and_says_what(use, function, named):
    [message] = use(function)
    assert f"It reads {named} for a preflight to 'testserver/'" in message


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (lambda request: request.user.tenant, "AttributeError"),
        (lambda request: request.session["tenant"], "AttributeError"),
        (lambda request: request.path_info.split("/")[2], "IndexError"),
        (lambda request: resolve("/nowhere/at/all/", "tests.urls").kwargs["tenant"], "Resolver404"),
        (lambda: None, "TypeError"),
    ],
)
def test_a_resolver_that_raises_is_high_and_says_what(use, function, error):
    [message] = use(function)
    assert "It raises " in message
    assert f"{error}: " in message


def test_a_resolver_that_fails_for_one_host_or_path_alone_is_found(use, settings):
    settings.ALLOWED_HOSTS = ["good.example", ".bad.example"]
    [message] = use(lambda request: {"good.example": "one", "bad.example": "two"}[request.get_host()])
    assert "for a preflight to 'acme.bad.example/'" in message


def query(request):
    return get_user_model().objects.first()


def query_and_hush(request):
    try:
        return query(request)
    except Exception:  # noqa: BLE001 -- as a project may
        return None


def query_in_a_transaction(request):
    with transaction.atomic():
        return query(request)


@pytest.mark.django_db
@pytest.mark.parametrize("function", [query, query_and_hush, query_in_a_transaction])
@pytest.mark.parametrize("atomic", [True, False])
def test_a_resolver_that_queries_is_high_and_harms_no_transaction(use, function, atomic):
    [message] = use(function)
    assert "It queries the database for a preflight to 'testserver/'" in message
    assert get_user_model().objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_outside_of_a_transaction_too(use):
    assert len(use(query_in_a_transaction)) == 1
    assert get_user_model().objects.count() == 0


@pytest.mark.parametrize(("answer", "kind"), [(7, "int"), (b"acme", "bytes"), (["acme"], "list")])
def test_a_key_that_is_no_text_is_high(use, answer, kind):
    [message] = use(lambda request: answer)
    assert f"It gives {kind} " in message


def test_a_coroutine_is_no_text_and_leaves_no_warning(use):
    async def answer(request):
        return "acme"

    [message] = use(type("Answers", (), {"__call__": lambda self, request: answer(request)})())
    assert "It gives coroutine " in message


@pytest.mark.django_db
def test_the_audit_calls_the_resolver_and_the_checks_do_not(use, settings):
    settings.ALLOWED_HOSTS = [".example.com", "*"]
    calls = []
    use(calls.append)
    calls.clear()
    assert rows(static_findings(), "CORS417") == []
    assert calls == []
    assert rows(audit().findings, "CORS417") == []
    assert [(request.META["HTTP_HOST"], request.path) for request in calls] == [
        (host, path) for host in ("acme.example.com", "example.com", "acme.example.com") for path in ("/", "/acme/api/")
    ]


def test_a_host_that_is_refused_is_not_asked_for(use, settings):
    settings.ALLOWED_HOSTS = []

    def strict(request):
        raise DisallowedHost

    assert use(strict) == []
