"""The middleware through Django's whole stack, sync and async."""

import gc
import logging
import weakref

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.core.cache import cache
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.utils.cache import patch_vary_headers

from django_cors_policy import conf, middleware
from django_cors_policy.cors import Kind, Reason
from django_cors_policy.middleware import CorsMiddleware
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.selection import policies_for, tenant_of
from tests import views

APP = "https://app.acme.example"
API = "acme.tenants.example"


class Sync:
    """Sends requests as a WSGI server would."""

    def __init__(self):
        self.client = Client(raise_request_exception=False)

    def __call__(self, method="GET", path="/ok/", origin=APP, host=API, **headers):
        headers = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        if origin is not None:
            headers["origin"] = origin
        return self.client.generic(method, path, headers=headers)


class OneHost(AsyncClient):
    """Django's adds "testserver" to whatever Host a test sends."""

    async def request(self, **request):
        request["headers"].remove((b"host", b"testserver"))
        return await super().request(**request)


class Async(Sync):
    """Sends them as an ASGI server would."""

    def __init__(self):
        self.client = OneHost(raise_request_exception=False)

    def __call__(self, *args, **kwargs):
        async def send():
            return await super(Async, self).__call__(*args, **kwargs)

        return async_to_sync(send)()


@pytest.fixture(params=[Sync, Async])
def send(request):
    return request.param()


@pytest.fixture
def acme(db):
    policy = TenantPolicy.objects.create(tenant=API, allow_credentials=True, expose_headers="x-total", max_age=60)
    policy.origins.create(pattern=APP)
    return policy


def cors_headers(response):
    return {name: value for name, value in response.items() if name.lower().startswith("access-control-")}


def decision_of(response):
    return (response.asgi_request if hasattr(response, "asgi_request") else response.wsgi_request).cors


# --- who is let in


@pytest.mark.usefixtures("acme")
def test_a_tenants_origin_is_let_in_by_its_policys_flags(send):
    response = send()
    assert response.content == b"GET ok"
    assert cors_headers(response) == {
        "Access-Control-Allow-Origin": APP,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": "x-total",
    }
    assert response["Vary"] == "Origin"


@pytest.mark.usefixtures("acme")
def test_another_tenants_origin_is_kept_out(send):
    TenantPolicy.objects.create(tenant="globex.tenants.example").origins.create(pattern="https://app.globex.example")
    assert cors_headers(send(origin="https://app.globex.example")) == {}
    assert cors_headers(send(host="globex.tenants.example")) == {}
    assert cors_headers(send(host="nobody.tenants.example")) == {}


@pytest.mark.usefixtures("acme")
def test_the_settings_policy_serves_whom_the_tenants_does_not_by_its_own_flags(send, settings):
    settings.CORS_ALLOWED_ORIGINS = [APP, "https://www.example.com"]
    assert send().headers["Access-Control-Allow-Credentials"] == "true"
    assert cors_headers(send(origin="https://www.example.com")) == {
        "Access-Control-Allow-Origin": "https://www.example.com"
    }


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("path", "status"), [("/raises/", 500), ("/redirects/", 302), ("/nowhere/", 404), ("/streams/", 200)]
)
def test_every_kind_of_response_carries_the_headers(send, path, status):
    response = send(path=path)
    assert response.status_code == status
    assert response["Access-Control-Allow-Origin"] == APP


@pytest.mark.usefixtures("acme")
def test_an_async_view_is_served(send):
    response = send(path="/async/")
    assert response.content == b"async ok"
    assert response["Access-Control-Allow-Origin"] == APP


# --- preflights


@pytest.mark.usefixtures("acme")
def test_an_allowed_preflight_is_answered_with_the_policys_full_lists(send):
    response = send("OPTIONS", "/raises/", access_control_request_method="PUT", access_control_request_headers="x-a")
    assert response.status_code == 204
    assert response.content == b""
    assert cors_headers(response) == {
        "Access-Control-Allow-Origin": APP,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "DELETE, GET, OPTIONS, PATCH, POST, PUT",
        "Access-Control-Allow-Headers": "accept, authorization, content-type, user-agent, x-csrftoken, "
        "x-requested-with",
        "Access-Control-Max-Age": "60",
    }
    assert response["Vary"] == "Origin"
    assert "Content-Length" not in response.headers
    assert "Content-Type" not in response.headers


@pytest.mark.usefixtures("acme")
def test_a_denied_preflight_is_a_403_without_cors_headers_and_reaches_no_view(send):
    response = send("OPTIONS", "/raises/", origin="https://evil.test", access_control_request_method="PUT")
    assert response.status_code == 403
    assert response.content == b""
    assert cors_headers(response) == {}
    assert response["Vary"] == "Origin"
    assert response["Content-Length"] == "0"


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("headers", [{"origin": None, "access_control_request_method": "PUT"}, {"origin": APP}])
def test_any_other_options_request_goes_to_the_view(send, headers):
    assert send("OPTIONS", **headers).content == b"OPTIONS ok"


@pytest.mark.usefixtures("acme")
def test_a_preflight_may_be_answered_with_200(send, settings):
    settings.CORS_PREFLIGHT_STATUS = 200
    response = send("OPTIONS", access_control_request_method="PUT")
    assert response.status_code == 200
    assert response["Content-Length"] == "0"


class Refuses:
    """Stands for authentication that refuses before any view is chosen."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return HttpResponse("who are you?", status=401)


@pytest.mark.usefixtures("acme")
def test_a_preflight_is_answered_before_any_other_middleware(send, settings):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.test_middleware.Refuses"]
    assert send("OPTIONS", access_control_request_method="PUT").status_code == 204
    refused = send()
    assert refused.status_code == 401
    assert refused["Access-Control-Allow-Origin"] == APP


@pytest.mark.usefixtures("acme")
def test_a_preflight_is_never_redirected_and_a_redirect_carries_the_headers(send, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert send("OPTIONS", "/ok", access_control_request_method="PUT").status_code == 204
    redirect = send()
    assert redirect.status_code == 301
    assert redirect["Access-Control-Allow-Origin"] == APP


@pytest.mark.usefixtures("acme")
def test_the_private_network_header_is_sent_only_where_it_is_asked_for_and_allowed(send):
    def ask(value="true"):
        return send(
            "OPTIONS",
            access_control_request_method="PUT",
            access_control_request_private_network=value,
        ).headers.get("Access-Control-Allow-Private-Network")

    assert ask() is None
    TenantPolicy.objects.update(allow_private_network=True)
    assert ask() == "true"
    assert ask("false") is None


@pytest.mark.usefixtures("acme")
def test_ghsa_mh55_gqvf_xfwm_the_requested_headers_are_not_even_read(send):
    response = send("OPTIONS", access_control_request_method="PUT", access_control_request_headers="," * 100_000)
    assert response.status_code == 204
    assert "," * 10 not in str(response.headers)


# --- the middleware owns the headers


@pytest.mark.usefixtures("acme")
def test_what_a_view_writes_is_replaced_or_removed(send):
    allowed = cors_headers(send(path="/hand-set/"))
    assert allowed["Access-Control-Allow-Origin"] == APP
    assert "Access-Control-Something-New" not in allowed
    assert allowed["Access-Control-Expose-Headers"] == "x-total"
    assert cors_headers(send(path="/hand-set/", origin="https://evil.test")) == {}
    assert cors_headers(send(path="/hand-set/", origin=None)) == {}


def test_what_a_view_writes_on_a_path_that_is_not_covered_stays(send, settings):
    settings.CORS_URLS_REGEX = r"^/api/"
    assert len(cors_headers(send(path="/hand-set/"))) == 4


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("origin", [None, APP, "https://evil.test", "null"])
def test_vary_says_origin_on_every_response_and_says_it_once(send, origin):
    assert send(origin=origin)["Vary"] == "Origin"
    assert send(path="/varies/", origin=origin)["Vary"] == "Cookie, origin"


def test_ghsa_q7jf_gf43_6x6p_the_requests_vary_is_not_copied(send, db):
    assert send(vary="Cookie, X-Evil")["Vary"] == "Origin"


def test_without_tenants_and_origins_nothing_depends_on_the_origin(send, settings):
    settings.CORS_TENANT_RESOLVER = None
    assert "Vary" not in send().headers
    settings.CORS_ALLOWED_ORIGINS = [APP]
    assert send()["Vary"] == "Origin"
    assert send(origin=None)["Vary"] == "Origin"


@pytest.mark.parametrize("origin", [None, APP, "null", "not an origin"])
def test_any_origin_without_credentials_is_a_constant_where_no_tenant_can_speak(send, settings, origin):
    settings.CORS_TENANT_RESOLVER = None
    settings.CORS_ALLOW_ALL_ORIGINS = True
    response = send(path="/hand-set/", origin=origin)
    assert cors_headers(response) == {"Access-Control-Allow-Origin": "*"}
    assert "Vary" not in response.headers


def test_any_origin_beside_tenants_depends_on_the_origin(send, settings, acme):
    settings.CORS_ALLOW_ALL_ORIGINS = True
    for origin, sent in ((APP, APP), ("https://other.example", "*"), (None, None)):
        response = send(origin=origin)
        assert response.headers.get("Access-Control-Allow-Origin") == sent
        assert response["Vary"] == "Origin"


def test_cve_2018_20744_any_origin_with_credentials_is_served_without_credentials(send, settings):
    settings.CORS_TENANT_RESOLVER = None
    settings.CORS_ALLOW_ALL_ORIGINS = True
    settings.CORS_ALLOW_CREDENTIALS = True
    assert cors_headers(send()) == {"Access-Control-Allow-Origin": "*"}
    assert "Access-Control-Allow-Credentials" not in send("OPTIONS", access_control_request_method="PUT").headers


# --- paths


@pytest.mark.parametrize(
    ("path", "covered"),
    [
        ("/api/x", True),
        ("/API/x", False),
        ("/v1/api/x", False),
        ("/a+i/x", False),
        ("//api/x", False),
        ("/x/../api/", False),
        ("/%61pi/x", True),
    ],
)
def test_cve_2024_6844_cve_2024_6866_the_urls_regex_matches_djangos_own_path(send, settings, path, covered):
    settings.CORS_URLS_REGEX = r"^/(api|a i)/"
    settings.CORS_ALLOWED_ORIGINS = [APP]
    settings.CORS_TENANT_RESOLVER = None
    assert bool(cors_headers(send(path=path))) is covered


def test_a_preflight_of_a_path_that_is_not_covered_goes_to_the_view(send, settings):
    settings.CORS_URLS_REGEX = r"^/api/"
    response = send("OPTIONS", access_control_request_method="PUT")
    assert response.content == b"OPTIONS ok"
    assert decision_of(response).kind is Kind.NOT_COVERED


def test_a_tenant_may_be_read_from_the_path(send, settings, db):
    settings.CORS_TENANT_RESOLVER = "django_cors_policy.tenants.by_path_prefix"
    TenantPolicy.objects.create(tenant="acme").origins.create(pattern=APP)
    assert cors_headers(send(path="/acme/api/"))
    assert not cors_headers(send(path="/globex/api/"))
    assert not cors_headers(send(path="/acme/../globex/api/", origin="https://app.globex.example"))


def test_cve_2020_25032_cve_2019_18978_the_policy_is_that_of_the_view_that_answers(send, settings, db):
    """Nobody resolves the dots: neither the resolver nor the URLconf takes this path for the other tenant's."""
    settings.CORS_TENANT_RESOLVER = "django_cors_policy.tenants.by_path_prefix"
    TenantPolicy.objects.create(tenant="globex").origins.create(pattern=APP)
    response = send(path="/acme/../globex/api/")
    assert response.status_code == 404
    assert not cors_headers(response)


# --- hostile requests


HOSTILE = {
    "null": "null",
    "empty": "",
    "star": "*",
    "8-kilobytes": "https://" + "a" * 8192,
    "path": APP + "/evil",
    "upper-case": "HTTPS://app.acme.example",
    "tab": "https://app.acme\t.example",
    "trailing-dot": APP + ".",
    "default-port": APP + ":443",
    "other-port": APP + ":8443",
    "http": "http://app.acme.example",
    "joined": f"{APP},{APP}",
    "suffix": APP + ".evil.test",
    "prefix": "https://evilapp.acme.example",
    "userinfo": "https://evil.test@app.acme.example",
    "bracket": "https://[::1",
    "not-ascii": "https://b\xfccher.example",
}


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("origin", HOSTILE.values(), ids=HOSTILE)
def test_django_cors_headers_701_and_259_a_hostile_origin_gets_nothing_and_breaks_nothing(send, settings, origin):
    settings.CORS_ALLOWED_ORIGIN_REGEXES = [r"https://www\.ok\.example"]
    settings.CORS_ALLOWED_ORIGINS = ["https://*.wild.example"]
    response = send(origin=origin)
    assert response.status_code == 200
    assert cors_headers(response) == {}
    assert send("OPTIONS", origin=origin, access_control_request_method="PUT").status_code == 403


@pytest.mark.parametrize(
    "origin",
    ["https://ok.example.evil.test", "https://ok.example/evil", "HTTPS://ok.example", "https://ok.exam\tple"],
)
def test_django_cors_headers_measured_a_regex_matches_only_a_whole_serialized_origin(send, settings, origin):
    settings.CORS_TENANT_RESOLVER = None
    settings.CORS_ALLOWED_ORIGIN_REGEXES = [r"(?i)https://ok\.exam\s?ple"]
    assert cors_headers(send(origin="https://ok.example"))
    assert not cors_headers(send(origin=origin))


@pytest.mark.usefixtures("acme")
def test_a_host_that_allowed_hosts_refuses_gets_the_settings_policy_alone(send, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://www.example.com"]
    refused = send(host="evil.test")
    assert refused.status_code == 400
    assert cors_headers(refused) == {}
    assert cors_headers(send(host="evil.test", origin="https://www.example.com"))


def test_a_resolver_that_raises_leaves_the_settings_policy(send, settings, caplog):
    settings.CORS_TENANT_RESOLVER = "tests.test_conf.fails_to_resolve"
    settings.CORS_ALLOWED_ORIGINS = [APP]
    assert cors_headers(send()) == {"Access-Control-Allow-Origin": APP}
    send()
    [record] = [record for record in caplog.records if "CORS_TENANT_RESOLVER" in record.getMessage()]
    assert "tests.test_conf.fails_to_resolve: 'raised RuntimeError: no\\ntenant'" in record.getMessage()


class UnspeakableError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def test_an_exception_without_a_text_is_no_500_either(send, settings, monkeypatch, caplog):
    def resolver(request):
        raise UnspeakableError

    monkeypatch.setattr("tests.test_conf.fails_to_resolve", resolver)
    settings.CORS_TENANT_RESOLVER = "tests.test_conf.fails_to_resolve"
    settings.CORS_ALLOWED_ORIGINS = [APP]
    assert cors_headers(send()) == {"Access-Control-Allow-Origin": APP}
    assert "raised UnspeakableError: its text cannot be had" in caplog.text


@pytest.mark.parametrize("find", [policies_for, tenant_of])
def test_a_request_whose_resolver_raises_is_let_go_at_once(settings, find):
    settings.CORS_TENANT_RESOLVER = "tests.test_conf.fails_to_resolve"
    request = RequestFactory().get("/")
    kept = weakref.ref(request)
    gc.disable()
    try:
        find(conf.current(), request)
        del request
        assert kept() is None
    finally:
        gc.enable()


def test_a_resolver_that_gives_no_text_leaves_the_settings_policy(send, settings, caplog):
    settings.CORS_TENANT_RESOLVER = "tests.test_conf.resolves_to_a_number"
    settings.CORS_ALLOWED_ORIGINS = [APP]
    assert cors_headers(send()) == {"Access-Control-Allow-Origin": APP}
    assert "gave int, not a string or None" in caplog.text


def test_a_resolver_may_find_no_tenant(send, settings, caplog):
    settings.CORS_TENANT_RESOLVER = "tests.test_conf.resolves_to_none"
    settings.CORS_ALLOWED_ORIGINS = [APP]
    assert cors_headers(send()) == {"Access-Control-Allow-Origin": APP}
    assert not caplog.records


@pytest.mark.parametrize("tenant", ["/%00/api/", "/a%0ab/api/", "/" + "a" * 254 + "/api/"])
def test_a_key_that_cannot_be_stored_is_not_looked_up(send, settings, tenant, db, django_assert_num_queries):
    settings.CORS_TENANT_RESOLVER = "django_cors_policy.tenants.by_path_prefix"
    with django_assert_num_queries(0):
        assert cors_headers(send(path=tenant)) == {}


@pytest.mark.django_db(transaction=True)
def test_a_missing_table_leaves_the_settings_policy(send, settings, monkeypatch):
    monkeypatch.setattr(TenantPolicy._meta, "db_table", "dropped")
    settings.CORS_ALLOWED_ORIGINS = ["https://www.example.com"]
    assert cors_headers(send()) == {}
    assert cors_headers(send(origin="https://www.example.com"))


def test_django_cors_headers_measured_a_request_without_origin_is_never_a_500(send, db):
    assert send(origin=None).status_code == 200


# --- same origin


@pytest.mark.parametrize(
    ("origin", "host", "kind", "reason"),
    [
        ("http://testserver", "testserver", Kind.NOT_CORS, Reason.SAME_ORIGIN),
        ("http://testserver", "TestServer:80", Kind.NOT_CORS, Reason.SAME_ORIGIN),
        ("http://testserver:8000", "testserver:8000", Kind.NOT_CORS, Reason.SAME_ORIGIN),
        ("http://[::1]:8000", "[::1]:8000", Kind.NOT_CORS, Reason.SAME_ORIGIN),
        ("https://testserver", "testserver", Kind.ACTUAL, Reason.OTHER_SCHEME),
        ("http://testserver:8000", "testserver", Kind.ACTUAL, Reason.NOT_ALLOWED),
        ("http://evil.test", "evil.test", Kind.ACTUAL, Reason.NOT_ALLOWED),
    ],
)
def test_same_origin_means_the_same_scheme_host_and_port(send, db, origin, host, kind, reason, caplog):
    caplog.set_level(logging.INFO, "django_cors_policy")
    response = send("POST", origin=origin, host=host)
    decision = decision_of(response)
    assert (decision.kind, decision.reason, decision.allowed) == (kind, reason, False)
    assert cors_headers(response) == {}
    assert bool(caplog.records) is (reason is Reason.NOT_ALLOWED)


def test_the_scheme_is_the_one_that_a_trusted_proxy_says(send, settings, db):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    response = send("POST", origin="https://testserver", host="testserver", x_forwarded_proto="https")
    assert decision_of(response).reason is Reason.SAME_ORIGIN


@pytest.mark.django_db
def test_a_scheme_of_websockets_on_a_request_is_no_500():
    headers = {"origin": "http://testserver", "host": "testserver"}
    response = Client(raise_request_exception=False).get("/ok/", headers=headers, **{"wsgi.url_scheme": "wss"})
    assert response.status_code == 200


# --- the log


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, "django_cors_policy")
    return lambda: [record.getMessage() for record in caplog.records if record.name == "django_cors_policy"]


@pytest.mark.usefixtures("acme")
def test_a_denied_origin_is_one_line_with_its_reason(send, log):
    send(origin="https://evil.test")
    assert log() == [f"CORS denied 'https://evil.test': not-allowed 'GET' '/ok/' for tenant '{API}'"]


def test_a_denied_origin_without_tenant_says_so(send, log, settings):
    settings.CORS_TENANT_RESOLVER = None
    send(origin="https://evil.test")
    assert log() == ["CORS denied 'https://evil.test': not-allowed 'GET' '/ok/' for no tenant"]


@pytest.mark.usefixtures("acme")
def test_an_allowed_origin_and_a_request_without_one_are_not_logged(send, log):
    send()
    send(origin=None)
    assert log() == []


@pytest.mark.usefixtures("acme")
def test_cve_2024_1681_what_a_request_holds_reaches_the_log_escaped_and_bounded(send, log):
    send(path="/ok/%0d%0aforged%1b[31m" + "a" * 5000, origin="https://evil.test\x1b[31m" + "a" * 8000)
    [line] = log()
    assert line.isprintable()
    assert len(line) < 700


def test_a_line_is_logged_once_a_second_for_a_tenant_and_origin(log, settings, clock, monkeypatch):
    settings.CORS_TENANT_RESOLVER = "django_cors_policy.tenants.by_path_prefix"
    monkeypatch.setattr(middleware, "_denials", middleware._Denials(clock))
    monkeypatch.setattr("django_cors_policy.selection.store.get", lambda tenant: None)
    send = Sync()

    def lines(path="/acme/api/", origin="https://evil.test"):
        before = len(log())
        send(path=path, origin=origin)
        return len(log()) - before

    assert [lines(), lines()] == [1, 0]
    assert lines(path="/globex/api/") == 1
    assert lines(origin="https://other.test") == 1
    clock.advance(1)
    assert [lines(), lines()] == [1, 0]


def test_a_flood_of_origins_is_bounded_in_memory_and_lines(log, settings, clock, monkeypatch):
    settings.CORS_TENANT_RESOLVER = None
    denials = middleware._Denials(clock)
    monkeypatch.setattr(middleware._Denials, "SIZE", 3)
    monkeypatch.setattr(middleware, "_denials", denials)
    send = Sync()
    for number in range(10):
        send(origin=f"https://{number}.evil.test")
    assert len(log()) == 3
    clock.advance(0.5)
    rebuilt = denials._logged
    send(origin="https://early.evil.test")
    assert denials._logged is rebuilt  # looked through once a second, whatever the flood
    clock.advance(0.5)
    send(origin="https://late.evil.test")
    assert len(log()) == 4
    assert len(denials._logged) == 1


# --- request.cors, and how it is built


def test_the_decision_is_on_the_request(acme):
    request = RequestFactory().get("/ok/", headers={"origin": APP, "host": API})
    CorsMiddleware(views.ok)(request)
    assert request.cors.allowed
    assert request.cors.reason is Reason.LISTED
    assert request.cors.policy.tenant == API
    assert request.cors.pattern == APP


def test_the_middleware_is_a_coroutine_function_only_where_the_next_one_is():
    assert not iscoroutinefunction(CorsMiddleware(views.ok))
    assert iscoroutinefunction(CorsMiddleware(views.async_ok))


def test_django_cors_headers_measured_a_cold_tenant_is_read_under_asgi(acme):
    response = Async()(path="/async/")
    assert response["Access-Control-Allow-Origin"] == APP


# --- beside Django's cache


def test_django_cache_order_measured_a_cached_page_carries_no_revoked_origin(settings, acme):
    settings.MIDDLEWARE = [
        "django_cors_policy.middleware.CorsMiddleware",
        "django.middleware.cache.UpdateCacheMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.cache.FetchFromCacheMiddleware",
    ]
    send = Sync()
    cache.clear()
    assert send(path="/counts/")["Access-Control-Allow-Origin"] == APP
    AllowedOrigin.objects.all().delete()
    cached = send(path="/counts/")
    assert cached.content == b"1"
    assert cors_headers(cached) == {}
    assert cors_headers(send(path="/counts/", origin="https://evil.test")) == {}
    cache.clear()


# --- the steady state


@pytest.mark.django_db(transaction=True)
def test_the_steady_state_makes_no_query(send, settings, acme, django_assert_num_queries):
    settings.CORS_ALLOWED_ORIGINS = ["https://www.example.com"]
    settings.CORS_POLICY_REFRESH_SECONDS = 3600
    requests = [
        {"origin": APP},
        {"origin": "https://www.example.com"},
        {"origin": "https://evil.test"},
        {"origin": APP, "host": "nobody.tenants.example"},
        {"origin": None},
        {"origin": APP, "method": "OPTIONS", "access_control_request_method": "PUT"},
    ]
    for request in requests:
        send(**request)
    with django_assert_num_queries(0):
        for request in requests:
            send(**request)


@pytest.mark.django_db(transaction=True)
def test_the_next_request_obeys_a_change(send, acme):
    assert cors_headers(send())
    AllowedOrigin.objects.all().delete()
    assert not cors_headers(send())
    acme.origins.create(pattern=APP)
    assert cors_headers(send())


# --- Django's private mapping of a response's headers


def by_djangos_interface(decision, response):
    """Write as Django documents it: what is to come of every way of writing."""
    for name in list(response.headers):
        if name.lower().startswith("access-control-"):
            del response.headers[name]
    for name, value in decision.headers:
        response.headers[name] = value
    patch_vary_headers(response, decision.vary)
    return response


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("origin", [APP, "https://other.example", None])
@pytest.mark.parametrize(
    ("written", "at_once"),
    [
        ({}, True),
        ({"X-Frame-Options": "DENY", "Content-Length": "2"}, True),
        ({"": "no name"}, False),
        ({"Age": "1"}, False),
        ({"ACCESS-CONTROL-Allow-Origin": "https://evil.example"}, False),
        ({"access-control-anything": "1"}, False),
        ({"Vary": "Cookie"}, False),
        ({"vary": "origin"}, False),
        ({"Vary": "*"}, False),
    ],
)
def test_a_response_is_written_at_once_where_nothing_stands_in_the_way(monkeypatch, origin, written, at_once):
    rewritten = []
    rewrite = middleware._rewrite
    monkeypatch.setattr(middleware, "_rewrite", lambda *given: rewritten.append(given) or rewrite(*given))
    headers = {"HTTP_HOST": API} | ({} if origin is None else {"HTTP_ORIGIN": origin})
    request = RequestFactory().get("/ok/", **headers)
    response = CorsMiddleware(lambda _: HttpResponse("ok", headers=written))(request)
    expected = by_djangos_interface(request.cors, HttpResponse("ok", headers=written))
    assert response.serialize_headers() == expected.serialize_headers()
    # The mapping is what it is taken for, in this version of Django too.
    assert response.headers._store == expected.headers._store
    assert bool(rewritten) is not at_once


@pytest.mark.usefixtures("acme")
def test_a_response_without_djangos_mapping_is_written_by_the_interface():
    def view(_):
        response = HttpResponse("ok")
        response.headers = {"Content-Type": "text/plain"}
        return response

    response = CorsMiddleware(view)(RequestFactory().get("/ok/", headers={"host": API, "origin": APP}))
    assert response.headers["Access-Control-Allow-Origin"] == APP
    assert response.headers["Vary"] == "Origin"


# --- help for whoever develops


@pytest.mark.parametrize("debug", [True, False])
def test_a_denied_preflight_says_why_under_debug_alone(send, db, settings, debug):
    settings.DEBUG = debug
    response = send("OPTIONS", origin="https://other.example", access_control_request_method="PUT")
    assert response.status_code == 403
    assert response["Vary"] == "Origin"
    line = "CORS: 'https://other.example' is denied (not-allowed). To let it through: In the settings, for all "
    line += f"tenants, or in a policy of tenant '{API}', who has none: add 'https://other.example' to "
    line += "CORS_ALLOWED_ORIGINS. Step by step: manage.py cors_explain https://other.example PUT "
    line += f"https://{API}/ok/\n"
    assert response.text == (line if debug else "")
    assert ("Content-Type" in response.headers) is debug


@pytest.mark.usefixtures("acme")
def test_under_debug_an_allowed_preflight_is_empty(send, settings):
    settings.DEBUG = True
    response = send("OPTIONS", access_control_request_method="PUT")
    assert (response.status_code, response.text) == (204, "")
