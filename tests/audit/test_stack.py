import sys
from types import ModuleType

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from django_cors_policy.audit import stack
from django_cors_policy.cors import PolicySpec
from tests.audit import rows

OURS = "django_cors_policy.middleware.CorsMiddleware"
STAND_INS = "tests.audit.middleware"
DJANGO = {
    name: f"django.{module}.{name}"
    for name, module in {
        "AuthenticationMiddleware": "contrib.auth.middleware",
        "CacheMiddleware": "middleware.cache",
        "CommonMiddleware": "middleware.common",
        "ConditionalGetMiddleware": "middleware.http",
        "CsrfViewMiddleware": "middleware.csrf",
        "FetchFromCacheMiddleware": "middleware.cache",
        "LocaleMiddleware": "middleware.locale",
        "LoginRequiredMiddleware": "contrib.auth.middleware",
        "PersistentRemoteUserMiddleware": "contrib.auth.middleware",
        "RemoteUserMiddleware": "contrib.auth.middleware",
        "SecurityMiddleware": "middleware.security",
        "SessionMiddleware": "contrib.sessions.middleware",
        "UpdateCacheMiddleware": "middleware.cache",
        "XFrameOptionsMiddleware": "middleware.clickjacking",
    }.items()
}


def full(name):
    """Give the dotted path of one of Django's middleware, of a stand-in, or of what is a path already."""
    return name if "." in name else DJANGO.get(name, f"{STAND_INS}.{name}")


def above(settings, *names, then=()):
    """Put these middleware above ours, and others below it; give every finding of the stack."""
    settings.MIDDLEWARE = [*map(full, names), OURS, *map(full, then)]
    return list(stack.findings())


# --- all of them


def test_what_startproject_gives_with_ours_on_top_has_no_finding():
    assert list(stack.findings()) == []


@pytest.mark.parametrize("name", sorted(DJANGO))
def test_nothing_below_ours_is_a_finding(settings, name):
    settings.SECURE_SSL_REDIRECT = settings.PREPEND_WWW = True
    settings.ROOT_URLCONF = "nowhere.at.all"
    assert above(settings, then=[name]) == []


@pytest.mark.parametrize(
    "entry",
    ["nowhere.at.all", "no_dots", "", "tests.audit.middleware.Missing", "tests.audit.nowhere.Middleware", 7, None],
)
def test_an_entry_that_cannot_be_imported_is_passed_over(settings, entry):
    settings.MIDDLEWARE = [entry, OURS, entry]
    assert list(stack.findings()) == []


def test_a_module_that_fails_when_it_is_imported_is_passed_over(settings, tmp_path, monkeypatch):
    (tmp_path / "failing_middleware.py").write_text("raise SystemError('not\\nnow')")
    monkeypatch.syspath_prepend(tmp_path)
    assert above(settings, "failing_middleware.Middleware") == []


@pytest.mark.parametrize("name", ["SessionMiddleware", "XFrameOptionsMiddleware", "timing", "AuthorizesViews"])
def test_what_never_answers_early_may_stand_above(settings, name):
    assert above(settings, name) == []


# --- CORS401


@pytest.mark.parametrize(
    "middleware",
    [[], [DJANGO["CommonMiddleware"]], ["django_cors_policy.middleware.CorsMidleware"], [f"{STAND_INS}.timing"]],
)
def test_the_app_without_its_middleware_is_high(settings, middleware):
    settings.MIDDLEWARE = middleware
    assert rows(stack.findings(), "CORS401") == [("high", "MIDDLEWARE")]


def test_the_middleware_without_its_app_is_high(settings):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django_cors_policy"]
    assert rows(stack.findings(), "CORS401") == [("high", "INSTALLED_APPS")]


def test_neither_the_app_nor_the_middleware_is_no_finding(settings):
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django_cors_policy"]
    settings.MIDDLEWARE = []
    assert list(stack.findings()) == []


def test_a_subclass_of_the_middleware_is_the_middleware(settings):
    settings.MIDDLEWARE = [f"{STAND_INS}.OwnCors"]
    assert list(stack.findings()) == []


# --- CORS402


def with_language_prefixes(monkeypatch):
    urls = ModuleType("prefixed_urls")
    urls.urlpatterns = i18n_patterns(path("page/", lambda request: HttpResponse()))
    monkeypatch.setitem(sys.modules, "prefixed_urls", urls)
    return "prefixed_urls"


@pytest.mark.parametrize("name", ["SecurityMiddleware", "OurSecurity"])
def test_a_redirect_to_https_above_is_high(settings, name):
    assert above(settings, name) == []
    settings.SECURE_SSL_REDIRECT = True
    [finding] = above(settings, name)
    assert rows([finding], "CORS402") == [("high", full(name))]
    assert "SECURE_SSL_REDIRECT" in finding.message


@pytest.mark.parametrize("name", ["CommonMiddleware", "OurCommon"])
@pytest.mark.parametrize("cause", ["PREPEND_WWW", "APPEND_SLASH"])
def test_a_redirect_to_another_spelling_above_is_high(settings, name, cause):
    settings.PREPEND_WWW = settings.APPEND_SLASH = False
    assert above(settings, name) == []
    setattr(settings, cause, True)
    [finding] = above(settings, name)
    assert rows([finding], "CORS402") == [("high", full(name))]
    assert cause in finding.message


@pytest.mark.parametrize("name", ["LocaleMiddleware", "OurLocale"])
def test_a_redirect_to_a_language_above_is_high(settings, monkeypatch, name):
    assert above(settings, name) == []
    settings.ROOT_URLCONF = with_language_prefixes(monkeypatch)
    [finding] = above(settings, name)
    assert rows([finding], "CORS402") == [("high", full(name))]
    assert "i18n_patterns" in finding.message


def test_a_urlconf_that_cannot_be_imported_is_taken_for_one_with_languages(settings):
    settings.ROOT_URLCONF = "nowhere.at.all"
    assert rows(above(settings, "LocaleMiddleware"), "CORS402") == [("high", DJANGO["LocaleMiddleware"])]


# --- CORS403


@pytest.mark.parametrize(
    "name",
    [
        "TenantAuthentication",
        "GrandchildOfTenantAuthentication",
        "StrictLoginRequired",
        "JWTMiddleware",
        "SSOMiddleware",
        "BearerToken",
        "require_api_key",
        "login_wall",
    ],
)
def test_what_may_refuse_before_the_view_is_chosen_is_high(settings, name):
    findings = above(settings, name)
    assert rows(findings, "CORS403") == [("high", full(name))]
    assert len(findings) == 1


@pytest.mark.parametrize(
    "name",
    [
        "AuthenticationMiddleware",
        "LoginRequiredMiddleware",
        "RemoteUserMiddleware",
        "PersistentRemoteUserMiddleware",
        "ProxyHeader",
        "LoginElsewhere",
    ],
)
def test_djangos_own_authentication_which_waits_for_the_view_is_low(settings, name):
    findings = above(settings, name)
    assert rows(findings, "CORS403") == [("low", full(name))]
    assert len(findings) == 1


@pytest.mark.parametrize("name", ["AuthorMiddleware", "LessonProcessor", "Tokenizer"])
def test_a_name_that_only_sounds_like_authentication_is_no_finding(settings, name):
    assert above(settings, name) == []


# --- CORS404


@pytest.mark.parametrize("name", ["FetchFromCacheMiddleware", "CacheMiddleware", "CacheReader", "PageCache"])
def test_a_cache_above_that_answers_is_high(settings, name):
    assert rows(above(settings, name), "CORS404") == [("high", full(name))]


@pytest.mark.parametrize("name", ["UpdateCacheMiddleware", "CacheWriter"])
def test_a_cache_above_that_only_stores_is_low(settings, name):
    assert rows(above(settings, name), "CORS404") == [("low", full(name))]


def test_djangos_pair_is_two_findings(settings):
    findings = above(settings, "UpdateCacheMiddleware", "FetchFromCacheMiddleware")
    assert [severity for severity, _ in rows(findings, "CORS404")] == ["low", "high"]


# --- CORS407


@pytest.mark.parametrize("name", ["TenantCORSMiddleware", "AllowCorsHeaders", "cors_headers", "corsmiddleware"])
@pytest.mark.parametrize("place", ["above", "below"])
def test_another_cors_middleware_is_high_wherever_it_stands(settings, name, place):
    findings = above(settings, name) if place == "above" else above(settings, then=[name])
    assert rows(findings, "CORS407") == [("high", full(name))]


def test_ours_twice_is_high(settings):
    assert rows(above(settings, then=["OwnCors"]), "CORS407") == [("high", f"{STAND_INS}.OwnCors")]


def test_a_name_that_only_sounds_like_cors_is_no_finding(settings):
    assert above(settings, then=["CorsairMiddleware"]) == []


def test_a_project_named_after_cors_is_no_finding(settings, monkeypatch):
    project = ModuleType("cors_demo")
    project.timing = lambda get_response: get_response
    monkeypatch.setitem(sys.modules, "cors_demo", project)
    assert above(settings, then=["cors_demo.timing"]) == []


def test_django_cors_headers_beside_ours_is_high_as_an_app_and_as_middleware(settings):
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "corsheaders"]
    findings = above(settings, then=["corsheaders.middleware.CorsMiddleware"])
    assert rows(findings, "CORS407") == [("high", "corsheaders.middleware.CorsMiddleware"), ("high", "corsheaders")]


def test_django_cors_headers_named_by_its_config_is_found(settings):
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "corsheaders.apps.CorsHeadersAppConfig"]
    assert rows(stack.findings(), "CORS407") == [("high", "corsheaders.apps.CorsHeadersAppConfig")]


# --- CORS408


def policy(*origins, **fields):
    return PolicySpec(allowed_origins=origins, **{"allow_credentials": True, **fields})


@pytest.mark.parametrize(
    "origin",
    ["https://app.example.com", "http://app.example.com:8000", "https://*.example.com", "https://app.example.com:*"],
)
def test_an_origin_that_csrf_does_not_trust_is_medium(origin):
    assert rows(stack.csrf_findings(policy(origin)), "CORS408") == [("medium", origin)]


def test_the_settings_own_origins_are_looked_at(settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
    assert rows(stack.findings(), "CORS408") == []
    settings.CORS_ALLOW_CREDENTIALS = True
    assert rows(stack.findings(), "CORS408") == [("medium", "https://app.example.com")]


@pytest.mark.parametrize(
    "fields",
    [
        {"allow_credentials": False},
        {"allow_methods": ["GET", "HEAD", "OPTIONS"]},
        {"allow_methods": []},
        {"allow_methods": [None, 7]},
    ],
)
def test_a_policy_without_credentials_or_unsafe_methods_is_no_finding(fields):
    assert list(stack.csrf_findings(policy("https://app.example.com", **fields))) == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_each_unsafe_method_alone_is_enough(method):
    assert len(list(stack.csrf_findings(policy("https://app.example.com", allow_methods=[method])))) == 1


@pytest.mark.parametrize(
    ("middleware", "found"), [([], 0), ([f"{STAND_INS}.OurCsrf"], 1), ([DJANGO["CsrfViewMiddleware"]], 1)]
)
def test_only_an_active_csrf_middleware_refuses(settings, middleware, found):
    settings.MIDDLEWARE = [OURS, *middleware]
    assert len(list(stack.csrf_findings(policy("https://app.example.com")))) == found


@pytest.mark.parametrize("entry", ["https://App.example.com", "null", None, 7, "*", "capacitor://localhost"])
def test_what_is_no_web_origin_is_for_other_rules(entry):
    assert list(stack.csrf_findings(policy(entry))) == []


@pytest.mark.parametrize(
    ("trusted", "origin", "is_trusted"),
    [
        ("https://app.example.com", "https://app.example.com", True),
        ("http://app.example.com", "https://app.example.com", False),
        ("https://app.example.com:8443", "https://app.example.com", False),
        ("https://app.example.com", "https://app.example.com:8443", False),
        ("https://*.example.com", "https://app.example.com", True),
        ("https://*.example.com", "https://a.b.example.com", True),
        ("https://*.example.com", "https://example.com", True),
        ("https://*.Example.com", "https://app.example.com", True),
        ("https://*.example.com", "https://app.example.com:8443", False),
        ("https://*.example.com:8443", "https://app.example.com:8443", True),
        ("https://*.example.com", "https://notexample.com", False),
        ("http://*.example.com", "https://app.example.com", False),
        ("https://*", "https://app.example.com", False),
    ],
)
def test_trust_is_what_djangos_own_middleware_makes_of_it(settings, trusted, origin, is_trusted):
    settings.CSRF_TRUSTED_ORIGINS = [trusted]
    assert (list(stack.csrf_findings(policy(origin))) == []) == is_trusted
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "c" * 32
    headers = {"Origin": origin, "X-CSRFToken": "c" * 32}
    response = client.post("/ok/", headers=headers, secure=True)
    assert (response.status_code == 200) == is_trusted


@pytest.mark.parametrize(
    ("trusted", "origin", "is_trusted"),
    [
        ("https://*.example.com", "https://*.example.com", True),
        ("https://*.example.com", "https://*.app.example.com", True),
        ("https://*.app.example.com", "https://*.example.com", False),
        ("https://app.example.com", "https://*.example.com", False),
        # Django knows no wildcard for ports: the entry is there, and trusts nothing.
        ("http://localhost:*", "http://localhost:*", False),
        ("https://*.example.com:*", "https://*.example.com:*", False),
        # Which ports are needed nobody knows here: one that is listed is enough.
        ("http://localhost:3000", "http://localhost:*", True),
        ("https://localhost:3000", "http://localhost:*", False),
        ("http://localhost:3000", "http://api.localhost:*", False),
        ("https://*.example.com:8443", "https://*.example.com:*", True),
    ],
)
def test_a_wildcard_is_trusted_by_a_wildcard_as_wide(settings, trusted, origin, is_trusted):
    settings.CSRF_TRUSTED_ORIGINS = [trusted]
    assert (list(stack.csrf_findings(policy(origin))) == []) == is_trusted


@pytest.mark.parametrize(
    ("origin", "hint"),
    [("https://*.example.com", 'Add "https://*.example.com" to'), ("http://localhost:*", "List its ports one by one")],
)
def test_the_hint_names_only_what_django_understands(origin, hint):
    [finding] = stack.csrf_findings(policy(origin))
    assert finding.hint.startswith(hint)


def test_the_tenant_of_the_policy_is_the_tenant_of_the_finding():
    [finding] = stack.csrf_findings(policy("https://app.example.com", tenant="acme"))
    assert finding.tenant == "acme"


# --- CORS414


@pytest.mark.parametrize("resolver", ["django_cors_policy.tenants.by_host", "django_cors_policy.tenants.by_subdomain"])
def test_any_host_with_tenants_by_host_is_high(settings, resolver):
    settings.CORS_TENANT_RESOLVER = resolver
    assert rows(stack.findings(), "CORS414") == []
    settings.ALLOWED_HOSTS = ["*"]
    assert rows(stack.findings(), "CORS414") == [("high", "ALLOWED_HOSTS")]


@pytest.mark.parametrize("resolver", [None, "django_cors_policy.tenants.by_path_prefix"])
def test_any_host_with_tenants_from_elsewhere_is_no_finding(settings, resolver):
    settings.CORS_TENANT_RESOLVER = resolver
    settings.ALLOWED_HOSTS = ["*"]
    assert list(stack.findings()) == []


@pytest.mark.parametrize("hosts", [[], [".example.com"], ["api.example.com", "localhost"]])
def test_named_hosts_are_no_finding(settings, hosts):
    settings.ALLOWED_HOSTS = hosts
    assert list(stack.findings()) == []
