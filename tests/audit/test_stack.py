import sys
from types import ModuleType

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from django_cors_policy.audit import stack
from tests.audit import rows
from tests.audit.middleware import Calls

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
        "KeycloakMiddleware",
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


# --- CORS405


@pytest.fixture
def whitenoise(monkeypatch):
    """Give the path of a middleware that WhiteNoise's module defines."""
    module = ModuleType("whitenoise.middleware")
    module.WhiteNoiseMiddleware = type("WhiteNoiseMiddleware", (Calls,), {"__module__": "whitenoise.middleware"})
    monkeypatch.setitem(sys.modules, "whitenoise", ModuleType("whitenoise"))
    monkeypatch.setitem(sys.modules, "whitenoise.middleware", module)
    return "whitenoise.middleware.WhiteNoiseMiddleware"


def test_whitenoise_above_is_low_and_below_is_no_finding(settings, whitenoise):
    assert rows(above(settings, whitenoise), "CORS405") == [("low", whitenoise)]
    assert above(settings, then=[whitenoise]) == []


def test_what_is_made_from_whitenoise_is_whitenoise(settings, whitenoise, monkeypatch):
    project = ModuleType("project_static")
    project.Static = type("Static", (sys.modules["whitenoise.middleware"].WhiteNoiseMiddleware,), {})
    monkeypatch.setitem(sys.modules, "project_static", project)
    assert rows(above(settings, "project_static.Static"), "CORS405") == [("low", "project_static.Static")]


def test_whitenoise_without_its_star_is_no_finding(settings, whitenoise):
    settings.WHITENOISE_ALLOW_ALL_ORIGINS = False
    assert above(settings, whitenoise) == []


# --- CORS406


@pytest.mark.parametrize("name", ["ConditionalGetMiddleware", "OurConditionalGet"])
def test_conditional_get_above_is_low(settings, name):
    assert rows(above(settings, name), "CORS406") == [("low", full(name))]


def test_its_304_loses_the_headers_indeed(settings):
    settings.CORS_TENANT_RESOLVER = None
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
    settings.ROOT_URLCONF = __name__

    def allowed(**headers):
        response = Client().get("/tagged/", headers={"origin": "https://app.example.com", **headers})
        return response.status_code, response.headers.get("Access-Control-Allow-Origin")

    settings.MIDDLEWARE = [OURS, DJANGO["ConditionalGetMiddleware"]]
    assert allowed(if_none_match='"1"') == (304, "https://app.example.com")
    settings.MIDDLEWARE = settings.MIDDLEWARE[::-1]
    assert allowed() == (200, "https://app.example.com")
    assert allowed(if_none_match='"1"') == (304, None)


urlpatterns = [path("tagged/", lambda request: HttpResponse("tagged", headers={"ETag": '"1"'}))]


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
