import io
import logging
import sys
from contextlib import suppress
from types import ModuleType, SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db.models.signals import post_save
from django.urls import include, path

from django_cors_policy import conf
from django_cors_policy.audit import RULES as ALL_RULES
from django_cors_policy.audit import judge, places
from django_cors_policy.audit import probe as probing
from django_cors_policy.audit import sandbox as sandboxes
from django_cors_policy.audit.battery import battery
from django_cors_policy.audit.probe import RULES, Wanted, probe
from django_cors_policy.audit.routes import UnknownPath
from django_cors_policy.management.commands.cors_audit import Command
from django_cors_policy.models import TenantPolicy
from tests.audit import probed, rows
from tests.audit.probed import ALLOWED

OURS = "django_cors_policy.middleware.CorsMiddleware"
HERE = "tests.audit.probed"
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"
USERS = "django.contrib.auth.middleware.AuthenticationMiddleware"
CACHES = ["django.middleware.cache.UpdateCacheMiddleware", "django.middleware.cache.FetchFromCacheMiddleware"]

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def urls(monkeypatch, settings, *patterns):
    module = ModuleType("probed_urls")
    module.urlpatterns = list(patterns)
    monkeypatch.setitem(sys.modules, "probed_urls", module)
    settings.ROOT_URLCONF = "probed_urls"


@pytest.mark.parametrize(
    ("version", "known", "name"),
    [((5, 2), False, "EMAIL_BACKEND"), ((6, 1), False, "EMAIL_BACKEND"), ((6, 1), True, "MAILERS")],
)
def test_mail_goes_to_a_list_by_the_setting_that_is_in_use(monkeypatch, version, known, name):
    monkeypatch.setattr(sandboxes.django, "VERSION", version)
    monkeypatch.setattr(sandboxes, "settings", SimpleNamespace(MAILERS=["default"]) if known else SimpleNamespace())
    assert list(sandboxes._mail()) == [name]


@pytest.fixture
def project(settings, monkeypatch):
    """A host, a route, a policy with one origin, and nothing but ours in MIDDLEWARE; give a way to change that."""
    settings.ALLOWED_HOSTS = ["api.example.com"]
    settings.CORS_TENANT_RESOLVER = None
    settings.CORS_ALLOWED_ORIGINS = [ALLOWED]
    settings.CORS_ALLOW_CREDENTIALS = True
    settings.MIDDLEWARE = [OURS]
    monkeypatch.setattr(probing, "_FOR_A_PLACE", 100)
    urls(monkeypatch, settings, path("api/", probed.never))

    def change(*middleware, **changed):
        if middleware:
            settings.MIDDLEWARE = [name if "." in name else f"{HERE}.{name}" for name in middleware]
        for name, value in changed.items():
            setattr(settings, name, value)

    return change


def probe_it(most=100, **wanted):
    done = probe(Wanted(max_requests=most, **wanted))
    assert done.failure is None
    assert done.requests <= most
    return done


def found(code=None, **wanted):
    """Give the severities and subjects of a rule's findings, or the codes of all."""
    done = probe_it(**wanted)
    return rows(done.findings, code) if code else sorted({finding.rule.code for finding in done.findings})


def message(code, **wanted):
    return next(finding.message for finding in probe_it(**wanted).findings if finding.rule.code == code)


def test_the_rules_are_registered():
    assert [rule.code for rule in RULES] == [f"CORS{number}" for number in range(501, 511)]
    assert set(RULES) <= set(ALL_RULES)


# --- what is clean


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"CORS_ALLOWED_ORIGINS": []},
        {"CORS_ALLOWED_ORIGINS": ["*"], "CORS_ALLOW_CREDENTIALS": False},
        {"CORS_ALLOWED_ORIGINS": ["https://*.example.com", "http://localhost:*"]},
        {"CORS_ALLOWED_ORIGINS": [ALLOWED, "capacitor://localhost", "no origin", None, "null", "https://App.x.io"]},
        {"CORS_ALLOWED_ORIGIN_REGEXES": [r"https://\w+\.example\.org", r"^https://(a+)+\.x\.io$", "(", r"http.*://.*"]},
        {"CORS_URLS_REGEX": "("},
        {"CORS_ALLOW_METHODS": ["*"], "CORS_ALLOW_HEADERS": ["*", 7], "CORS_ALLOW_CREDENTIALS": False},
        {"CORS_ALLOW_METHODS": [], "CORS_ALLOW_HEADERS": [], "CORS_PREFLIGHT_STATUS": 200, "ALLOWED_HOSTS": ["*"]},
        {"CORS_URLS_REGEX": "^/api/", "ALLOWED_HOSTS": [".example.com", "[::1]", "127.0.0.1"]},
        {"ALLOWED_HOSTS": []},
    ],
)
def test_a_project_that_is_in_order_has_no_finding(project, changed):
    project(**changed)
    assert found() == []


def test_what_startproject_gives_is_in_order(settings, project):
    project(
        *settings.MIDDLEWARE, "django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"
    )
    assert found() == []


@pytest.mark.parametrize("below", [CACHES, ["django.middleware.http.ConditionalGetMiddleware"], [SESSIONS, USERS]])
def test_what_stands_below_ours_is_in_order(project, below):
    project(OURS, *below)
    assert found(most=300) == []


# --- each rule


@pytest.mark.parametrize(
    ("broken", "codes"),
    [
        ("Reflects", {"CORS501"}),
        ("Star", {"CORS501", "CORS509"}),
        ("Prefix", {"CORS501"}),
        ("Suffix", {"CORS501"}),
        ("AnyCase", {"CORS501"}),
        ("Null", {"CORS501"}),
        ("NoVary", {"CORS503"}),
        ("No404", {"CORS506"}),
        ("No500", {"CORS506"}),
        ("NoHeadersAllowed", {"CORS502"}),
        ("NoMethodsAllowed", {"CORS502"}),
        ("NoCredentials", {"CORS502"}),
        ("CapitalTrue", {"CORS502", "CORS509"}),
        ("Twice", {"CORS502", "CORS505"}),
    ],
)
def test_a_broken_middleware_is_found(project, broken, codes):
    project(broken)
    assert set(found(most=400 if broken == "AnyCase" else 140)) == codes


def test_without_a_middleware_no_allowed_origin_is_served(project):
    project("Around")
    assert found() == ["CORS502", "CORS506"]


@pytest.mark.parametrize(
    ("broken", "credentials", "severities"),
    [("Reflects", True, {"critical", "low"}), ("Star", False, {"medium", "low"}), ("AnyCase", True, {"low"})],
)
def test_a_hostile_origin_is_as_grave_as_what_it_may_do_and_low_if_no_browser_sends_it(
    project, broken, credentials, severities
):
    project(broken, CORS_ALLOW_CREDENTIALS=credentials)
    assert {severity for severity, _ in found("CORS501", most=400)} == severities


def test_a_hostile_origin_is_quoted_with_how_it_was_made(project):
    project("Null")
    told = message("CORS501")
    assert "GET https://api.example.com/api/ from 'null'" in told
    assert "(null)" in told


@pytest.mark.parametrize(("layer", "said"), [("Refuses", "refused (403)"), ("Redirects", "redirected (302)")])
def test_what_answers_preflights_above_ours_is_named(project, layer, said):
    project(layer, OURS)
    told = message("CORS502")
    assert said in told
    assert told.endswith(f"Without {HERE}.{layer} it is not so.")


@pytest.mark.parametrize(
    ("layers", "severity"),
    [(["StripsVary"], "medium"), (["PublicCache", "StripsVary"], "high"), (["StripsVary", OURS, *CACHES], "high")],
)
def test_a_missing_vary_is_high_with_a_shared_cache(project, layers, severity):
    project(*layers, *([] if OURS in layers else [OURS]))
    assert found("CORS503", most=300) == [(severity, "api.example.com")]
    assert f"Without {HERE}.StripsVary" in message("CORS503", most=300)


def test_a_layer_that_others_need_is_not_blamed(project):
    project("Needed", "Needs", "OwnErrors", OURS)
    assert message("CORS506").endswith(f"Without {HERE}.OwnErrors it is not so.")


def test_a_304_made_above_ours_lacks_the_headers(project):
    project("django.middleware.http.ConditionalGetMiddleware", OURS)
    told = message("CORS506")
    assert "(304)" in told
    assert "Without django.middleware.http.ConditionalGetMiddleware" in told


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (["WritesStar", OURS], [("high", f"{HERE}.WritesStar")]),
        ([OURS, "WritesStar"], [("medium", f"{HERE}.WritesStar")]),
        (["WritesStar", OURS, "WritesStarToo"], [("high", f"{HERE}.WritesStar"), ("medium", f"{HERE}.WritesStarToo")]),
        (["Needed", "Needs", OURS, "WritesStar"], [("medium", f"{HERE}.WritesStar")]),
        ([OURS, "Needed", "WritesStar", "Needs", "WritesStarToo"], None),
    ],
)
def test_who_writes_the_headers_by_itself_is_named(project, layers, expected):
    project(*layers)
    both = [("medium", f"{HERE}.WritesStar"), ("medium", f"{HERE}.WritesStarToo")]
    assert sorted(found("CORS504")) == (expected or both)


@pytest.mark.parametrize(
    ("layers", "covered", "expected"),
    [
        # Above ours it has the last word, also where it says what ours says.
        (["Keeps", OURS], "^/", [("high", f"{HERE}.Keeps")]),
        ([OURS, "Keeps"], "^/", [("medium", f"{HERE}.Keeps")]),
        ([OURS, "Keeps"], "^/shop/", [("high", f"{HERE}.Keeps")]),
        (["Capitals", OURS], "^/", [("high", f"{HERE}.Capitals")]),
        ([OURS, "Capitals"], "^/", []),
    ],
)
def test_who_writes_the_headers_is_as_grave_as_where_they_get_to(project, layers, covered, expected):
    project(*layers, ROOT_URLCONF=HERE, CORS_URLS_REGEX=covered)
    assert found("CORS504", most=300) == expected


def test_who_leads_to_another_policy_writes_no_headers(project):
    policy = TenantPolicy.objects.create(tenant="acme", expose_headers="x-acme")
    policy.origins.create(pattern=ALLOWED)
    project("OnlyTenant", OURS, ROOT_URLCONF=HERE, CORS_EXPOSE_HEADERS=["x-ours"])
    project(CORS_TENANT_RESOLVER="django_cors_policy.tenants.by_path_prefix")
    assert found("CORS504", most=300) == []


def test_who_writes_the_headers_of_several_tenants_is_named_once(project):
    tenants(acme_example_com="https://acme.test", globex_example_com="https://globex.test")
    project("WritesStar", OURS, **BY_HOST)
    assert found("CORS504", most=400) == [("high", f"{HERE}.WritesStar")]


@pytest.mark.parametrize(("covered", "severity"), [("^/", "medium"), ("^/elsewhere/", "high")])
def test_a_view_that_writes_the_headers_by_itself_is_named(project, covered, severity):
    project(ROOT_URLCONF=HERE, CORS_URLS_REGEX=covered)
    assert found("CORS504", paths=["/hand-set/"]) == [(severity, f"{HERE}.hand_set")]
    assert found("CORS504", paths=["/streams/"]) == []


def tenants(**origins):
    for tenant, origin in origins.items():
        policy = TenantPolicy.objects.create(tenant=tenant.replace("_", "."), allow_credentials=True)
        policy.origins.create(pattern=origin)


BY_HOST = {
    "CORS_TENANT_RESOLVER": "django_cors_policy.tenants.by_host",
    "ALLOWED_HOSTS": ["acme.example.com", "globex.example.com"],
}


def test_one_tenants_origin_on_anothers_host_is_critical(project):
    tenants(acme_example_com="https://acme.test", globex_example_com="https://globex.test")
    project(**BY_HOST)
    project("Union")
    assert found("CORS507", most=300) == [("critical", "acme.example.com"), ("critical", "globex.example.com")]


def test_one_tenants_origin_on_anothers_host_is_high_without_credentials(project, monkeypatch):
    tenants(acme_example_com="https://acme.test", globex_example_com="https://globex.test")
    monkeypatch.setattr(
        probed.Union, "serve", lambda _, origin, response: response.__setitem__("Access-Control-Allow-Origin", origin)
    )
    project("Union", **BY_HOST)
    assert [severity for severity, _ in found("CORS507", most=300)] == ["high", "high"]


def test_a_cached_answer_with_anothers_headers_is_found(project):
    project(*CACHES, "StripsVary", OURS)
    assert found("CORS508", most=300) == [("high", "api.example.com")]
    project(*CACHES, OURS)
    assert found("CORS508", most=300) == []


def test_a_path_in_another_case_that_reaches_the_same_view_is_found(project):
    project(ROOT_URLCONF=HERE, CORS_URLS_REGEX="^/mixed/")
    assert found("CORS510", most=400) == [("high", "api.example.com")]
    assert "it reaches the view of '/mixed/'" in message("CORS510", most=400)
    project(CORS_URLS_REGEX="(?i)^/mixed/")
    assert found("CORS510", most=400) == []


def test_a_path_that_is_rewritten_below_ours_is_found(project):
    project(OURS, "Lowers", CORS_URLS_REGEX="^/api/")
    told = message("CORS510", most=300)
    assert f"Without {HERE}.Lowers" in told


# --- tenants


@pytest.mark.parametrize(
    ("changed", "keys"),
    [
        (BY_HOST, ["acme.example.com", "globex.example.com"]),
        (
            {"CORS_TENANT_RESOLVER": "django_cors_policy.tenants.by_subdomain", "ALLOWED_HOSTS": [".example.com"]},
            ["acme", "globex"],
        ),
        (
            {"CORS_TENANT_RESOLVER": "django_cors_policy.tenants.by_path_prefix", "ROOT_URLCONF": HERE},
            ["acme", "globex"],
        ),
        ({"CORS_TENANT_RESOLVER": "django_cors_policy.tenants.by_path_prefix"}, ["acme", "globex"]),
    ],
)
def test_each_tenant_is_asked_where_the_resolver_finds_it(project, changed, keys):
    for key in keys:
        tenants(**{key.replace(".", "_"): f"https://{key.partition('.')[0]}.test"})
    TenantPolicy.objects.create(tenant="disabled", enabled=False)
    project("Around", **changed)  # so that each tenant's allowed origin is refused
    done = probe_it(most=400)
    assert {finding.tenant for finding in done.findings if finding.rule.code == "CORS502"} >= set(keys)
    assert not [text for text in done.not_looked_at if "tenants" in text]


def test_tenants_that_nothing_leads_to_are_not_looked_at(project):
    tenants(acme="https://acme.test", not_a_host="https://x.test")
    project(CORS_TENANT_RESOLVER=f"{HERE}.by_header")
    assert "the live answers for 2 tenants that no host or path tried leads to" in probe_it(most=300).not_looked_at


def test_only_some_of_many_tenants_are_asked_and_only_those_that_are_named(project):
    tenants(acme_example_com="https://acme.test", globex_example_com="https://globex.test")
    project(**BY_HOST)
    assert "the live answers for 1 of 2 tenants (--max-requests)" in probe_it(most=100).not_looked_at
    project("Around")
    done = probe_it(tenants=["acme.example.com"])
    assert {finding.tenant for finding in done.findings} == {"acme.example.com"}


def test_rows_beyond_the_limits_and_expired_ones_grant_nothing(project):
    from datetime import timedelta

    from django.utils import timezone

    policy = TenantPolicy.objects.create(tenant="acme.example.com")
    policy.origins.create(pattern="http://plain.test")
    policy.origins.create(pattern="https://old.test", expires_at=timezone.now() - timedelta(days=1))
    policy.origins.create(pattern="https://new.test", expires_at=timezone.now() + timedelta(days=1))
    project(**BY_HOST)
    assert found(most=400) == []


# --- what is sent


def test_no_view_is_called_and_the_error_pages_are_the_projects(project):
    probed.calls.clear()
    project(OURS, SESSIONS, USERS, ROOT_URLCONF=HERE)
    probe_it(most=400)
    assert probed.calls == []


def test_a_named_path_reaches_its_view_by_get_and_head_alone_also_logged_in(project):
    probed.calls.clear()
    project(OURS, SESSIONS, USERS, ROOT_URLCONF=HERE)
    probe_it(paths=["/noted/"])
    assert set(probed.calls) == {("GET", False), ("GET", True), ("HEAD", False), ("HEAD", True)}


def test_cached_sessions_stay(project):
    probed.calls.clear()
    project(OURS, SESSIONS, USERS, ROOT_URLCONF=HERE, SESSION_ENGINE="django.contrib.sessions.backends.cache")
    probe_it(paths=["/noted/"])
    assert ("GET", True) in probed.calls


def test_a_static_file_is_asked_for(project, settings):
    project("OwnErrors", OURS, INSTALLED_APPS=[*settings.INSTALLED_APPS, "django.contrib.staticfiles"])
    settings.CORS_URLS_REGEX = "^/static/"
    assert "https://api.example.com/static/" in message("CORS506", most=400)


@pytest.mark.parametrize("url", [None, "https://cdn.example.com/"])
def test_static_files_of_another_server_are_not_asked_for(project, settings, url):
    project("OwnErrors", OURS, INSTALLED_APPS=[*settings.INSTALLED_APPS, "django.contrib.staticfiles"])
    settings.CORS_URLS_REGEX = "^/static/"
    settings.STATIC_URL = url
    assert found("CORS506", most=400) == []


def test_whitenoises_star_on_static_files_is_no_hostile_origin(project, settings, monkeypatch):
    package, module = ModuleType("whitenoise"), ModuleType("whitenoise.middleware")

    class WhiteNoise(probed.WritesStar):
        def __call__(self, request):
            return super().__call__(request) if request.path.startswith("/static/") else self.get_response(request)

    module.WhiteNoiseMiddleware = WhiteNoise
    monkeypatch.setitem(sys.modules, "whitenoise", package)
    monkeypatch.setitem(sys.modules, "whitenoise.middleware", module)
    project("whitenoise.middleware.WhiteNoiseMiddleware", OURS, CORS_ALLOW_CREDENTIALS=False)
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django.contrib.staticfiles"]
    assert found(most=400) == []


def test_under_asgi_alone_the_asynchronous_handler_is_asked(project):
    project(OURS, WSGI_APPLICATION=None, ASGI_APPLICATION="project.asgi.application")
    assert found(most=40) == []
    project("only_async", OURS)
    assert "CORS501" in found(most=40)


def test_the_same_seed_sends_the_same_and_another_does_not(project, monkeypatch):
    def sent(seed):
        asks = []
        send = sandboxes.Sandbox.send
        with monkeypatch.context() as patch:
            patch.setattr(
                sandboxes.Sandbox, "send", lambda box, ask, **options: asks.append(ask) or send(box, ask, **options)
            )
            findings = probe_it(most=200, seed=seed).findings
        return asks, findings

    project("Suffix")
    assert sent(1) == sent(1)
    assert sent(1)[0] != sent(2)[0]


def test_never_more_than_the_most_and_what_is_left_out_is_said(project, monkeypatch):
    monkeypatch.setattr(places, "battery", lambda seeds: battery(seeds)[:5])
    done = probe_it(most=50)
    assert done.requests == 45  # the rest is for finding out who is to blame
    assert any(
        "combinations of origin, path and answer (--max-requests 50, --seed 0)" in it for it in done.not_looked_at
    )
    everything = probe(Wanted(max_requests=1000))
    assert everything.findings == []
    assert not any("combinations" in text for text in everything.not_looked_at)


def test_who_is_to_blame_is_not_told_where_no_request_is_left(project):
    project("Around", "Needed", "Redirects", "Reflects")
    done = probe_it(most=20)
    assert done.requests == 20
    assert not all("Without" in finding.message for finding in done.findings)


def test_the_root_alone_is_a_path(project, settings, monkeypatch):
    urls(monkeypatch, settings, path("", probed.never))
    project("OwnErrors", OURS)
    assert "GET https://api.example.com/ from" in message("CORS506")


def test_the_progress_is_told(project):
    told = []
    probe_it(most=60, progress=lambda sent, most: told.append((sent, most)))
    assert told == [(number, 60) for number in range(1, 55)]


def test_many_hosts_are_told_once(project, monkeypatch):
    monkeypatch.setattr(judge, "_MOST_HOSTS", 2)
    monkeypatch.setattr(probing, "_FOR_A_PLACE", 40)
    for number in range(4):
        TenantPolicy.objects.create(tenant=f"t{number}.example.com")
    project("Reflects", **{**BY_HOST, "ALLOWED_HOSTS": [".example.com"]})
    told = [finding for finding in probe_it(most=300).findings if finding.severity == "critical"]
    assert len(told) == 2
    assert " 3 more hosts have it." in told[-1].message


# --- what stays


def test_nothing_stays(project, settings):
    signals = []

    def note(**signal):
        signals.append(signal["signal"])

    mail.outbox = []
    cache.set("mine", 1)
    loggers = [logging.getLogger(name) for name in sandboxes._LOGGERS]
    before = [(logger.handlers, logger.propagate) for logger in loggers]
    project("Writes", OURS, SESSIONS, USERS)
    middleware, configuration = settings.MIDDLEWARE, conf.current().refresh_seconds
    user_logged_in.connect(note)
    post_save.connect(note, sender=get_user_model())
    try:
        done = probe_it()
    finally:
        user_logged_in.disconnect(note)
        post_save.disconnect(note, sender=get_user_model())
    assert done.findings == []
    assert not any("logged in" in text for text in done.not_looked_at)
    assert (Group.objects.count(), get_user_model().objects.count(), Session.objects.count()) == (0, 0, 0)
    assert (cache.get("mine"), cache.get("written")) == (1, None)
    assert signals == []
    assert (settings.MIDDLEWARE, conf.current().refresh_seconds) == (middleware, configuration)
    assert [(logger.handlers, logger.propagate) for logger in loggers] == before
    cache.clear()


def test_nothing_is_logged_and_nobody_is_mailed(project, caplog, settings):
    caplog.set_level(logging.INFO)
    settings.ADMINS = [("a", "a@example.com")]
    project(CORS_ALLOWED_ORIGINS=[])
    probe_it()
    assert [record for record in caplog.records if record.name.startswith("django")] == []


def test_a_request_that_breaks_the_transaction_harms_no_other(project, monkeypatch, settings):
    from django.db import IntegrityError

    class Breaks(probed.Around):
        def __call__(self, request):
            if request.method == "HEAD":
                with suppress(IntegrityError):
                    Group.objects.bulk_create([Group(name="same"), Group(name="same")])
            response = super().__call__(request)
            if request.method == "GET" and Group.objects.exists():
                response.status_code = 500
            return response

    monkeypatch.setattr(probed, "Writes", Breaks)
    project("Writes", OURS)
    assert found() == []


# --- what cannot be looked at


def test_a_user_who_cannot_be_made_is_said(project, monkeypatch):
    monkeypatch.setattr(get_user_model(), "set_unusable_password", None)
    [said] = [text for text in probe_it().not_looked_at if "logged in" in text]
    assert "no user could be made: \"TypeError: 'NoneType' object is not callable\"" in said


def test_without_users_or_sessions_nobody_is_logged_in(project, settings):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django.contrib.sessions"]
    assert not any("logged in" in text for text in probe_it().not_looked_at)


def test_a_database_that_is_away_is_said(project, monkeypatch):
    from django.db import OperationalError

    enter = sandboxes.transaction.atomic

    def atomic(using):
        if using == "default":
            raise OperationalError("no server")
        return enter(using=using)

    monkeypatch.setattr(sandboxes.transaction, "atomic", atomic)
    project("Around")
    said = probe_it().not_looked_at
    assert "what a request does with database default ('no server')" in said


def test_policies_that_cannot_be_read_leave_the_settings_policy(project, monkeypatch):
    from django.db import DatabaseError

    def fail(*_, **__):
        raise DatabaseError("gone")

    project("Around", **BY_HOST)
    monkeypatch.setattr(places.transaction, "atomic", fail)
    assert found() == ["CORS502", "CORS506"]


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (["/apo/"], "no route matches '/apo/'; did you mean '/api/'?"),
        (["/zzzzzzzzzz"], "no route matches '/zzzzzzzzzz'$"),
    ],
)
def test_an_unknown_path_is_an_error_that_names_the_nearest(project, paths, said):
    with pytest.raises(UnknownPath, match=said.replace("?", r"\?")):
        probe(Wanted(paths=paths))


def test_a_urlconf_that_cannot_be_imported_is_said(project):
    project(ROOT_URLCONF="nowhere.at.all")
    done = probe(Wanted())
    assert done.failure.startswith("the probe could not run: the URLconf cannot be imported (")
    assert (done.requests, done.findings) == (0, [])


def test_middleware_that_cannot_be_loaded_is_said(project):
    project("failing")
    assert "RuntimeError: cannot be loaded" in probe(Wanted()).failure


def test_a_probe_that_may_send_nothing_is_a_failure(project):
    assert probe(Wanted(max_requests=0)).failure == "the probe sent no request: --max-requests leaves none"


def test_ctrl_c_leaves_what_was_found(project):
    project("Interrupts", OURS)
    done = probe(Wanted(max_requests=160))
    assert done.interrupted
    assert rows(done.findings, "CORS501")


def test_includes_and_odd_routes_are_walked(project, settings, monkeypatch):
    from django.urls import re_path

    from django_cors_policy.audit import routes

    urls(
        monkeypatch,
        settings,
        path("a/", include([path("b/", probed.never), path("<int:id>/", probed.never)])),
        path("<slug:x>/", include([path("c/", probed.never), path("<int:y>/", probed.never)])),
        re_path(r"^d\.json$", probed.never),
        re_path(r"^e/(?P<x>\d+)/$", probed.never),
        path("<int:number>/f/", probed.never),
    )
    assert routes.paths() == ["/a/b/", "/d.json"]
    assert routes.paths("acme") == ["/acme/c/"]
    assert routes.left_out([]) == (7, 7)
    assert routes.left_out(["/a/b/", "/acme/c/", "/globex/c/"]) == (5, 7)


def test_routes_that_were_not_asked_are_counted(project, settings, monkeypatch):
    def left_out(**wanted):
        return [text for text in probe_it(most=40, **wanted).not_looked_at if "routes" in text]

    assert left_out() == []
    settings.ROOT_URLCONF = HERE
    assert left_out() == ["2 of 7 routes (--path names those that are to be asked)"]
    assert left_out(paths=["/noted/"]) == ["6 of 7 routes (--path names those that are to be asked)"]


# --- the command


def run(*args, **options):
    out, err = io.StringIO(), options.pop("stderr", io.StringIO())
    code = 0
    try:
        call_command("cors_audit", "--probe", *args, stdout=out, stderr=err)
    except SystemExit as exit_:
        code = exit_.code
    return code, out.getvalue(), err.getvalue()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_report_says_what_was_sent_and_what_not(project):
    code, text, progress = run("--max-requests", "60")
    assert (code, progress) == (0, "")
    assert "Sent: 54 requests through the project's own middleware." in text
    assert "what the views really answer: a stub stands in" in text


def test_a_finding_of_the_probe_fails_the_audit(project):
    project("Null")
    code, text, _ = run("--max-requests", "160", "--seed", "3")
    assert code == 1
    assert "critical CORS501 hostile-origin-served: api.example.com" in text


def test_a_terminal_shows_the_progress_and_clears_it(project):
    _, _, shown = run("--max-requests", "60", stderr=Terminal())
    assert "54 of at most 60 requests" in shown
    assert shown.endswith("\r\x1b[K")
    assert run("--max-requests", "60", "--no-progress", stderr=Terminal())[2] == ""


def test_the_progress_is_written_a_hundred_times_however_many_requests_there_are():
    terminal = Terminal()
    command = Command(stderr=terminal)
    for sent in range(1, 5001):
        command._show(sent, 5000)
    assert terminal.getvalue().count("\r") == 100
    assert "[##############################] 5000 of at most 5000 requests" in terminal.getvalue()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--path", "/apo/"], "no route matches '/apo/'; did you mean '/api/'"),
        (["--max-requests", "0"], "the probe sent no request"),
    ],
)
def test_a_probe_that_cannot_be_done_is_a_2(project, args, said):
    with pytest.raises(CommandError, match=said) as raised:
        run(*args)
    assert raised.value.returncode == 2


def test_a_path_without_a_probe_is_a_2(project):
    with pytest.raises(CommandError, match="--path is for --probe") as raised:
        call_command("cors_audit", "--path", "/api/")
    assert raised.value.returncode == 2


def test_ctrl_c_is_a_130_after_the_report(project):
    project("Interrupts", OURS)
    code, text, _ = run("--max-requests", "160")
    assert code == 130
    assert "CORS501" in text
