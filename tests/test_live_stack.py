"""Explanations in a process that serves visitors: the sandbox's answers, and nothing changes for anybody else."""

import asyncio
import json
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import django
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.core import mail
from django.core.cache import caches
from django.core.signals import request_finished, request_started
from django.db import OperationalError, connection, connections, transaction
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import get_urlconf, path, set_urlconf
from django.utils import timezone, translation

from django_cors_policy import live as live_module
from django_cors_policy import reading
from django_cors_policy.audit.tenants import UnknownTenant
from django_cors_policy.cors import FetchRequest, WireRequest
from django_cors_policy.explain import Unanswerable, explain
from django_cors_policy.live import LiveStack
from django_cors_policy.models import TenantPolicy
from django_cors_policy.store import MISS, store
from django_cors_policy.telling import as_json, as_text
from tests import urls

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

APP = "https://app.acme.example"
OTHER = "https://other.example"
HOST = "acme.tenants.example"
API = f"https://{HOST}"
OURS = "django_cors_policy.middleware.CorsMiddleware"

# --- a project

_seen = []


def watch(_):
    """What the whole process is like, seen by a view."""
    _seen.append(state())
    return HttpResponse("watched")


def _mail_connection():
    # Since Django 6.1 whoever asks for one without naming a mailer is warned.
    return mail.outbox if django.VERSION >= (6, 1) else mail.get_connection()


def state():
    loggers = [logging.getLogger(name) for name in ("", "django", "django.request", "django_cors_policy")]
    return {
        "settings": django_settings._wrapped,
        "middleware": list(django_settings.MIDDLEWARE),
        "caches": {alias: (caches[alias], caches[alias].get("kept")) for alias in django_settings.CACHES},
        "logging": [(list(logger.handlers), logger.propagate, logger.level, logger.disabled) for logger in loggers],
        "mail": getattr(django_settings, "MAILERS", None) or type(_mail_connection()),
        "signals": (list(request_finished.receivers), list(request_started.receivers)),
    }


def write(_):
    TenantPolicy.objects.create(tenant="written.tenants.example")
    return HttpResponse(str(TenantPolicy.objects.count()))


def fail_to_query(_):
    with connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")


async def write_async(_):
    await TenantPolicy.objects.acreate(tenant="written.tenants.example")
    return HttpResponse("async")


def activate(_):
    translation.activate("de")
    timezone.activate("Asia/Tokyo")
    return HttpResponse(translation.get_language())


def stream(_):
    return StreamingHttpResponse(Chunks())


_closed = []


class Chunks:
    """A generator would be closed by whoever drops it, too."""

    def __iter__(self):
        return self

    def __next__(self):
        _closed.append("consumed")
        return b"chunk"

    def close(self):
        _closed.append("closed")
        raise OSError("on closing")


def cookies(request):
    return JsonResponse(dict(request.COOKIES) | {"user": str(request.user)}, headers={"X-User": str(request.user)})


def page(_):
    """Stands for the admin's."""
    return HttpResponse(as_json(explain(FetchRequest(APP, f"{API}/write-async/"), stack=LiveStack())))


def scope(request):
    return HttpResponse("scope", headers={"X-Scope": request.scope["path"] + request.scope["scheme"]})


def echo(request, rest):
    return HttpResponse(headers={"X-Echo": ascii((request.build_absolute_uri(), rest))})


def use_away(_):
    connections["away"].cursor().execute("CREATE TABLE written (id int)")
    return HttpResponse("used")


urlpatterns = [
    *urls.urlpatterns,
    path("watch/", watch),
    path("write/", write),
    path("write-async/", write_async),
    path("fail-to-query/", fail_to_query),
    path("activate/", activate),
    path("stream/", stream),
    path("cookies/", cookies),
    path("page/", page),
    path("echo/<path:rest>", echo),
    path("use-away/", use_away),
    path("scope/", scope),
    path("away/", lambda _: HttpResponseRedirect("https://globex.tenants.example/ok/")),
    path("round/", lambda _: HttpResponseRedirect("/round/")),
    path("then-fail/", lambda _: HttpResponseRedirect("/fail-to-query/")),
]


@pytest.fixture(autouse=True)
def project(settings):
    settings.ROOT_URLCONF = __name__
    _seen.clear()
    _closed.clear()
    return settings


@pytest.fixture
def acme():
    policy = TenantPolicy.objects.create(tenant=HOST, max_age=300)
    policy.origins.create(pattern=APP)
    return policy


def live(origin, path="/ok/", method="GET", **more):
    return explain(FetchRequest(origin, f"{API}{path}", method, **more), stack=LiveStack())


def statuses(explanation):
    return [exchange.answer.status for exchange in explanation.exchanges]


# --- the same answers


@pytest.mark.parametrize(
    "fetch",
    [
        FetchRequest(APP, f"{API}/ok/"),
        FetchRequest(APP, f"{API}/ok/", "HEAD"),
        FetchRequest(APP, f"{API}/ok/?a=1%20b&c=%2F"),
        FetchRequest(APP, f"{API}//ok/"),
        FetchRequest(APP, f"{API}/%C3%A4/"),
        FetchRequest(OTHER, f"{API}/ok/"),
        FetchRequest("null", f"{API}/ok/"),
        FetchRequest(API, f"{API}/ok/"),
        FetchRequest(f"http://{HOST}", f"{API}/ok/", "POST"),
        FetchRequest(APP, f"{API}/ok/", credentials="include"),
        FetchRequest(APP, f"{API}/ok/", headers=[("X-Foo", "1"), ("Cookie", "a=1")]),
        FetchRequest(APP, f"{API}/ok/", headers=[("X-CSRFToken", "\xe4")]),
        FetchRequest(APP, f"{API}/ok/", "PUT"),
        FetchRequest(APP, f"{API}/ok/", "OPTIONS"),
        FetchRequest(OTHER, f"{API}/ok/", "PATCH", [("X-Foo", "1")]),
        FetchRequest(APP, f"{API}/ok/", "TRACE"),
        FetchRequest(APP, f"{API}/nowhere/"),
        FetchRequest(APP, f"{API}/ok"),  # to the one with a slash
        FetchRequest(APP, f"{API}/redirects/"),
        FetchRequest(APP, f"{API}/redirects/", redirect="manual"),
        FetchRequest(APP, f"{API}/away/"),
        FetchRequest(API, f"{API}/away/"),
        FetchRequest(APP, f"{API}/round/"),
        FetchRequest(APP, f"{API}/raises/"),
        FetchRequest(APP, f"{API}/stream/"),
        FetchRequest(APP, f"{API}/async/"),
        FetchRequest(APP, f"{API}/hand-set/"),
        FetchRequest(APP, f"{API}/varies/"),
        FetchRequest(APP, f"{API}/cookies/", headers=[("Range", "bytes=0-")]),
        FetchRequest(APP, f"{API}/echo/a%20b/%C3%A4?a=1%20b&c=%2F"),
        FetchRequest("http://a.example", f"http://{HOST}/echo/a"),
        FetchRequest(APP, "https://nobody.tenants.example/ok/"),
        FetchRequest("http://a.example", "http://[::1]:8000/ok/"),
    ],
    ids=lambda fetch: f"{fetch.origin} {fetch.method} {fetch.url}",
)
def test_it_says_what_the_sandbox_says(acme, fetch):
    in_the_sandbox = as_json(explain(fetch))
    store.reset()
    assert as_json(explain(fetch, stack=LiveStack())) == in_the_sandbox


def test_it_is_an_asgi_request_where_the_project_is_served_so_alone(acme, project):
    project.ASGI_APPLICATION = "example.asgi.application"
    project.WSGI_APPLICATION = None
    fetch = FetchRequest(APP, f"{API}/scope/?a=1", headers=[("Content-Type", "application/json")])
    explanation = explain(fetch, stack=LiveStack())
    assert ("x-scope", "/scope/https") in explanation.exchanges[-1].answer.headers
    assert json.loads(as_json(explanation)) == json.loads(as_json(explain(fetch)))


class Rewrites:
    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        response.headers["Access-Control-Allow-Origin"] = OTHER
        return response


@pytest.mark.parametrize(
    ("middleware", "decider"),
    [
        ([OURS], None),
        ([OURS, f"{__name__}.Rewrites"], None),
        ([f"{__name__}.Rewrites", OURS], "another middleware or the view (manage.py cors_explain names it)"),
        ([f"{__name__}.Rewrites"], "something else: CorsMiddleware is not in MIDDLEWARE"),
    ],
)
def test_that_somebody_else_answers_is_said(acme, project, middleware, decider):
    project.MIDDLEWARE = middleware
    explanation = live(APP)
    assert explanation.exchanges[0].decided_elsewhere == decider
    text = "\n".join(as_text(explanation))
    assert (f"   But the answer is made by {decider}." in text) is (decider is not None)


def test_what_cannot_be_answered_is_refused_as_in_the_sandbox(acme):
    stack = LiveStack()
    for tenant, fetch, error in (
        (None, FetchRequest(APP, "https://elsewhere.example/"), Unanswerable),
        (None, FetchRequest("https://App.example", API), Unanswerable),
        (HOST, FetchRequest(APP, "https://globex.tenants.example/"), Unanswerable),
        ("globex", FetchRequest(APP, API), UnknownTenant),
    ):
        with pytest.raises(error):
            explain(fetch, tenant, stack)


# --- what a view does


def test_nothing_of_the_process_changes_while_it_runs(acme):
    caches["default"].set("kept", "kept")
    before = state()
    assert live(APP, "/watch/").verdict.allowed
    assert _seen == [before]
    assert state() == before
    caches["default"].clear()


def test_no_request_begins_or_ends_for_the_process(acme):
    signals = []

    def receive(signal, **_):
        signals.append(signal)

    for signal in (request_started, request_finished):
        signal.connect(receive)
    try:
        for where in ("/ok/", "/stream/", "/raises/", "/async/"):
            live(APP, where)
    finally:
        for signal in (request_started, request_finished):
            signal.disconnect(receive)
    assert signals == []


def test_what_streams_is_closed_and_not_consumed(acme):
    assert live(APP, "/stream/").verdict.allowed
    assert _closed == ["closed"]


def test_a_visitor_has_no_cookies(acme):
    assert ("x-user", "AnonymousUser") in live(APP, "/cookies/").exchanges[0].answer.headers


@pytest.mark.parametrize("where", ["/write/", "/write-async/"])
def test_rows_that_a_view_writes_do_not_stay(acme, where):
    assert statuses(live(APP, where)) == [200]
    assert list(TenantPolicy.objects.values_list("tenant", flat=True)) == [HOST]


class FailsWhateverHappens(Rewrites):
    def __call__(self, request):
        raise SystemError("no answer")


def fail(_):
    raise RuntimeError("the page for errors fails too")


def test_a_page_for_errors_that_fails_is_a_500(acme, project, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "handler500", fail, raising=False)
    project.MIDDLEWARE = []
    assert statuses(live(APP, "/raises/")) == [500]


def test_a_middleware_that_fails_is_a_500(acme, project):
    project.MIDDLEWARE = [OURS, f"{__name__}.FailsWhateverHappens"]
    assert statuses(live(APP)) == [500]


def test_the_language_the_time_zone_and_the_urlconf_of_the_page_stay(acme):
    set_urlconf("tests.empty_urls")
    with translation.override("fr"), timezone.override("Europe/Paris"):
        explanation = live(APP, "/activate/")
        assert translation.get_language() == "fr"
        assert timezone.get_current_timezone_name() == "Europe/Paris"
        assert get_urlconf() == "tests.empty_urls"
    set_urlconf(None)
    assert statuses(explanation) == [200]


def test_a_visitor_begins_without_the_pages_language(acme, project):
    project.MIDDLEWARE = [OURS, f"{__name__}.TellsTheLanguage"]
    with translation.override("fr"), timezone.override("Europe/Paris"):
        answer = live(APP).exchanges[0].answer
    assert dict(answer.headers)["content-language"] == "en-us America/Chicago"


class TellsTheLanguage(Rewrites):
    def __call__(self, request):
        told = f"{translation.get_language()} {timezone.get_current_timezone_name()}"
        return HttpResponse(headers={"Content-Language": told})


# --- the page's transaction


def test_rows_that_are_not_committed_are_seen_and_nobody_else_sees_them(acme):
    def visitor():
        try:
            return "Access-Control-Allow-Origin" in Client().get("/ok/", headers={"origin": OTHER, "host": HOST})
        finally:
            connections.close_all()

    assert not visitor()  # memory knows the tenant from now on
    assert store.peek(HOST) is not MISS
    with ThreadPoolExecutor(1) as elsewhere, transaction.atomic():
        acme.origins.create(pattern=OTHER)
        assert live(OTHER).verdict.allowed
        assert not elsewhere.submit(visitor).result(timeout=30)  # which puts it into memory again
        assert live(OTHER, method="PUT").verdict.allowed
        assert not elsewhere.submit(visitor).result(timeout=30)
        transaction.set_rollback(True)
    assert not live(OTHER).verdict.allowed
    assert not visitor()


def test_a_visitor_who_asks_meanwhile_puts_nothing_old_into_memory(acme):
    with ThreadPoolExecutor(1) as elsewhere, store.unkept(HOST), store.unkept(HOST):
        assert elsewhere.submit(lambda: (store.get(HOST), connections.close_all())).result(timeout=30)[0]
        assert store.peek(HOST) is MISS
        assert store.warm() == 0
    store.get(HOST)
    assert store.peek(HOST) is not MISS
    assert store._unkept == {}


def test_memory_holds_the_tenant_again_after_both_of_two_blocks(acme):
    with store.unkept(HOST):
        with store.unkept(HOST):
            pass
        store.get(HOST)
        assert store.peek(HOST) is MISS
    store.get(HOST)
    assert store.peek(HOST) is not MISS


def test_the_pages_transaction_and_connection_survive(acme):
    with transaction.atomic():
        mine = connection.connection
        TenantPolicy.objects.create(tenant="mine.tenants.example")
        for where in ("/write/", "/fail-to-query/", "/raises/", "/stream/", "/then-fail/"):
            live(APP, where)
        assert connection.connection is mine
        assert not connection.needs_rollback
        TenantPolicy.objects.create(tenant="too.tenants.example")
    assert set(TenantPolicy.objects.values_list("tenant", flat=True)) == {
        HOST,
        "mine.tenants.example",
        "too.tenants.example",
    }


def test_a_query_that_fails_ends_one_request_alone(acme):
    with transaction.atomic():
        explanation = live(APP, "/then-fail/")
        assert statuses(explanation) == [302, 500]
        assert explanation.verdict.allowed  # which a broken transaction would not tell
        assert live(APP).verdict.allowed


def test_a_database_that_begins_no_transaction_is_not_written_to(acme, monkeypatch, tmp_path):
    sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "db.sqlite3", "OPTIONS": {}}
    monkeypatch.setitem(connections.settings, "away", {**connections.settings["default"], **sqlite})
    away = connections["away"]

    def fail(*_):
        raise OperationalError("database is locked")

    try:
        with monkeypatch.context() as locked:
            away.connect()
            locked.setattr(away, "get_autocommit", fail)
            assert statuses(live(APP)) == [200]
            assert statuses(live(APP, "/use-away/")) == [500]
        assert away.introspection.table_names() == []
        assert statuses(live(APP, "/use-away/")) == [200]
        assert away.introspection.table_names() == []
    finally:
        away.close()
        del connections["away"]


def test_where_the_policies_database_begins_no_transaction_there_is_no_answer(acme, monkeypatch):
    stack = LiveStack()

    def fail(*_):
        raise OperationalError("database is locked")

    wire = WireRequest("GET", f"{API}/ok/", (("Origin", APP),))
    assert stack.send(wire).status == 200
    with monkeypatch.context() as locked:
        locked.setattr(connection, "get_autocommit", fail)
        with pytest.raises(Unanswerable, match="the stored policies cannot be read: 'database is locked'"):
            stack.send(wire)
    assert not store._outage


def test_an_outage_that_is_over_is_not_taken_for_a_policy_that_is_none(acme, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(TenantPolicy._meta, "db_table", "dropped")
        assert store.get(HOST) is None
        with pytest.raises(Unanswerable, match="the stored policies cannot be read"):
            live(APP)
    reading._stored.cache_clear()
    assert store._outage
    with transaction.atomic():
        assert live(APP).verdict.allowed
    assert not store._outage


# --- threads and servers


def test_two_threads_explain_at_once(acme):
    globex = TenantPolicy.objects.create(tenant="globex.tenants.example")
    globex.origins.create(pattern=OTHER)
    stack = LiveStack()
    together = threading.Barrier(2)

    def ask(origin, host):
        try:
            together.wait(timeout=30)
            return [explain(FetchRequest(origin, f"https://{host}/write/"), stack=stack) for _ in range(5)]
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(ask, APP, HOST)
        second = threads.submit(ask, OTHER, "globex.tenants.example")
    for tenant, asked in ((HOST, first), ("globex.tenants.example", second)):
        for explanation in asked.result():
            assert statuses(explanation) == [200]
            assert explanation.exchanges[0].decision.policy.tenant == tenant
    assert TenantPolicy.objects.count() == 2


def test_a_page_asks_under_wsgi(acme):
    assert json.loads(Client().get("/page/").content)["verdict"] == "allowed"


def test_a_page_asks_under_asgi(acme):
    async def ask():
        try:
            return await AsyncClient().get("/page/")
        finally:
            await sync_to_async(connections.close_all)()  # the connections of the thread that views run in

    found = json.loads(asyncio.run(ask()).content)
    assert (found["verdict"], found["requests"][0]["answer"]["status"]) == ("allowed", 200)
    assert TenantPolicy.objects.count() == 1


@pytest.mark.parametrize("wsgi", ["project.wsgi.application", None])
def test_who_asks_is_no_neighbour_of_the_server(settings, wsgi):
    """Some views trust this machine, and whoever may test a policy is not it."""
    settings.WSGI_APPLICATION = wsgi
    settings.ASGI_APPLICATION = "project.asgi.application"
    request = live_module._request(WireRequest("GET", "http://testserver/", ()))
    assert request.META["REMOTE_ADDR"] == "192.0.2.1"
