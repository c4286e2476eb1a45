import re

import pytest

from django_cors_policy import conf, defaults
from django_cors_policy.cors import DEFAULT_HEADERS, DEFAULT_METHODS, Limits
from django_cors_policy.tenants import by_host, by_path_prefix

ORIGIN = "https://app.example.com"


def fails_to_resolve(request):
    raise RuntimeError("no\ntenant")


def resolves_to_a_number(request):
    return 42


def resolves_to_none(request):
    return None


async def resolves_later(request):
    return "acme"


NOT_A_FUNCTION = "a string"


def settings_policy():
    return conf.current().policies[-1]


def test_cve_2024_25124_cve_2018_8014_cve_2023_49803_nothing_is_allowed_by_default():
    policy = settings_policy()
    assert not policy.origins
    assert not policy.allow_credentials
    assert conf.current().problems == ()


def test_cve_2024_6221_private_network_is_off_by_default():
    assert not settings_policy().allow_private_network


def test_the_settings_are_compiled_once():
    assert conf.current() is conf.current()


def test_a_changed_setting_is_read_again(settings):
    before = conf.current()
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    assert settings_policy().origins.match(ORIGIN)
    assert conf.current() is not before


def test_a_setting_of_another_app_changes_nothing(settings):
    before = conf.current()
    settings.LANGUAGE_CODE = "de"
    assert conf.current() is before


def test_every_setting_of_the_policy_is_read(settings):
    settings.CORS_ALLOWED_ORIGINS = [ORIGIN]
    settings.CORS_ALLOWED_ORIGIN_REGEXES = [r"https://[a-z]+\.example\.net", re.compile(r"https://x\.test")]
    settings.CORS_ALLOW_CREDENTIALS = True
    settings.CORS_ALLOW_METHODS = ["PURGE"]
    settings.CORS_ALLOW_HEADERS = [*defaults.default_headers, "x-id"]
    settings.CORS_EXPOSE_HEADERS = ["x-total"]
    settings.CORS_PREFLIGHT_MAX_AGE = 60
    settings.CORS_ALLOW_PRIVATE_NETWORK = True
    policy = settings_policy()
    assert all(policy.origins.match(origin) for origin in (ORIGIN, "https://a.example.net", "https://x.test"))
    assert policy.allow_private_network
    assert dict(policy.preflight_headers) == {
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "PURGE",
        "Access-Control-Allow-Headers": ", ".join([*DEFAULT_HEADERS, "x-id"]),
        "Access-Control-Max-Age": "60",
    }
    assert dict(policy.actual_headers)["Access-Control-Expose-Headers"] == "x-total"


def test_allow_all_origins_is_read(settings):
    settings.CORS_ALLOW_ALL_ORIGINS = True
    assert settings_policy().origins.any_origin


def test_the_defaults_are_there_to_be_extended():
    assert defaults.default_methods == DEFAULT_METHODS
    assert defaults.default_headers == DEFAULT_HEADERS


def test_a_set_is_read_in_a_stable_order(settings):
    settings.CORS_ALLOW_METHODS = {"PUT", "GET", "DELETE"}
    assert dict(settings_policy().preflight_headers)["Access-Control-Allow-Methods"] == "DELETE, GET, PUT"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("CORS_ALLOWED_ORIGINS", ORIGIN, "list"),
        ("CORS_ALLOWED_ORIGINS", None, "list"),
        ("CORS_ALLOWED_ORIGIN_REGEXES", {"a": 1}, "list"),
        ("CORS_ALLOW_METHODS", "GET", "list"),
        ("CORS_ALLOW_HEADERS", 7, "list"),
        ("CORS_EXPOSE_HEADERS", "x", "list"),
        ("CORS_ALLOW_ALL_ORIGINS", "False", "a bool"),
        ("CORS_ALLOW_ALL_ORIGINS", 1, "a bool"),
        ("CORS_ALLOW_CREDENTIALS", "true", "a bool"),
        ("CORS_ALLOW_PRIVATE_NETWORK", None, "a bool"),
        ("CORS_PREFLIGHT_MAX_AGE", "60", "whole number of seconds"),
        ("CORS_PREFLIGHT_MAX_AGE", 1.5, "whole number of seconds"),
        ("CORS_PREFLIGHT_MAX_AGE", -1, "from 0 up"),
        ("CORS_PREFLIGHT_MAX_AGE", True, "whole number of seconds"),
        ("CORS_POLICY_REFRESH_SECONDS", float("inf"), "number of seconds"),
        ("CORS_POLICY_REFRESH_SECONDS", float("nan"), "number of seconds"),
        ("CORS_POLICY_MAX_STALE_SECONDS", None, "number of seconds"),
        ("CORS_POLICY_CACHE_SIZE", 0, "whole number of tenants from 1 up"),
        ("CORS_PREFLIGHT_STATUS", 403, "204 or 200"),
        ("CORS_PREFLIGHT_STATUS", "204", "204 or 200"),
        ("CORS_URLS_REGEX", "(", "regular expression"),
        ("CORS_URLS_REGEX", "a{99999999999999999999}", "regular expression"),
        ("CORS_URLS_REGEX", "(" * 5000 + ")" * 5000, "regular expression"),
        ("CORS_POLICY_REFRESH_SECONDS", 10**400, "number of seconds"),
        ("CORS_POLICY_CACHE_SIZE", 10**10, "whole number of tenants"),
        ("CORS_URLS_REGEX", re.compile(b"/"), "regular expression"),
        ("CORS_URLS_REGEX", ["/api/"], "regular expression"),
        ("CORS_TENANT_RESOLVER", "no.such.module", "ModuleNotFoundError"),
        ("CORS_TENANT_RESOLVER", 7, "dotted path"),
        ("CORS_TENANT_RESOLVER", "tests.test_conf.NOT_A_FUNCTION", "dotted path"),
        ("CORS_TENANT_RESOLVER", "tests.test_conf.resolves_later", "not async"),
        ("CORS_TENANT_LIMITS", [], "a dict"),
        ("CORS_POLICY_DATABASE", "nowhere", "alias of DATABASES"),
        ("CORS_POLICY_DATABASE", ["default"], "alias of DATABASES"),
        ("CORS_POLICY_REPLICA_LAG_SECONDS", "5", "number of seconds from 0 up, or None"),
    ],
)
def test_a_value_of_another_type_is_a_problem_and_the_safe_default_is_used(settings, name, value, expected, caplog):
    usual = conf.current()
    setattr(settings, name, value)
    [problem] = conf.current().problems
    assert (problem.name, expected in problem.expected) == (name, True)
    assert not settings_policy().origins
    assert not settings_policy().allow_credentials
    assert conf.current().limits == Limits()
    for field in (
        "refresh_seconds",
        "max_stale_seconds",
        "cache_size",
        "preflight_status",
        "database",
        "replica_lag_seconds",
    ):
        assert getattr(conf.current(), field) == getattr(usual, field)
    [record] = caplog.records
    assert name in record.getMessage()


def test_a_list_that_cannot_be_read_allows_nothing(settings):
    settings.CORS_ALLOW_METHODS = "GET"
    settings.CORS_ALLOW_HEADERS = "x-id"
    assert "Access-Control-Allow-Methods" not in dict(settings_policy().preflight_headers)
    assert "Access-Control-Allow-Headers" not in dict(settings_policy().preflight_headers)


def test_a_urls_regex_that_cannot_be_used_covers_no_path(settings):
    settings.CORS_URLS_REGEX = "("
    assert not conf.current().urls.match("/")
    assert not conf.current().urls.match("")


@pytest.mark.parametrize("value", [None, "^.*$"])
def test_no_urls_regex_covers_every_path(settings, value):
    settings.CORS_URLS_REGEX = value
    assert conf.current().urls is None


@pytest.mark.parametrize("value", [r"^/api/", re.compile(r"^/api/")])
def test_a_urls_regex_is_given_as_text_or_compiled(settings, value):
    settings.CORS_URLS_REGEX = value
    assert conf.current().urls.match("/api/x")
    assert not conf.current().urls.match("/admin/")


def test_the_resolver_is_imported_by_its_path(settings):
    assert conf.current().resolver is by_host
    settings.CORS_TENANT_RESOLVER = "django_cors_policy.tenants.by_path_prefix"
    assert conf.current().resolver is by_path_prefix
    settings.CORS_TENANT_RESOLVER = None
    assert conf.current().resolver is None
    assert len(conf.current().policies) == 1


def test_a_resolver_that_cannot_be_imported_turns_tenants_off(settings):
    settings.CORS_TENANT_RESOLVER = "no.such.module"
    assert conf.current().resolver is None


def fails_to_import(name):
    raise ImportError("many\nlines\x1b[31m")


def test_what_an_import_raises_is_shown_on_one_line(settings, monkeypatch):
    monkeypatch.setattr(conf, "import_string", fails_to_import)
    settings.CORS_TENANT_RESOLVER = "some.module"
    [problem] = conf.current().problems
    assert problem.expected.isprintable()


def test_limits_are_read_one_by_one(settings):
    settings.CORS_TENANT_LIMITS = {"max_origins": 5, "any_port": True, "max_age": "600", "credentials": 1, "typo": 1}
    assert conf.current().limits == Limits(max_origins=5, any_port=True)
    assert [problem.name for problem in conf.current().problems] == [
        "CORS_TENANT_LIMITS['max_age']",
        "CORS_TENANT_LIMITS['credentials']",
        "CORS_TENANT_LIMITS['typo']",
    ]


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("CORS_TENANT_LIMITS", {"max_orgins": 5}, "Write 'max_origins'."),
        ("CORS_TENANT_LIMITS", {"xyz": 5}, "Remove it; the limits are credentials, "),
        ("CORS_ALLOWED_ORIGINS", ORIGIN, f"Write a list: CORS_ALLOWED_ORIGINS = ['{ORIGIN}']."),
        ("CORS_ALLOWED_ORIGINS", 7, "Set CORS_ALLOWED_ORIGINS to a list of strings."),
        ("CORS_ALLOW_CREDENTIALS", "False", "Write CORS_ALLOW_CREDENTIALS = True or"),
        ("CORS_TENANT_RESOLVER", "no.such.module", "Set CORS_TENANT_RESOLVER to the dotted path of a function"),
    ],
)
def test_a_problem_says_what_to_write_instead(settings, name, value, hint):
    setattr(settings, name, value)
    [problem] = conf.current().problems
    assert problem.hint.startswith(hint)


def test_a_negative_limit_is_none(settings):
    settings.CORS_TENANT_LIMITS = {"max_origins": -1}
    assert conf.current().limits == Limits()


def test_ingress_nginx_7134_an_invalid_entry_drops_itself_alone_and_is_logged_once(settings, caplog):
    settings.CORS_ALLOWED_ORIGINS = ["https://bad.example/path", ORIGIN, "null"]
    assert settings_policy().origins.match(ORIGIN)
    assert not settings_policy().origins.any_origin
    assert not settings_policy().origins.match("https://bad.example")
    assert len(caplog.records) == 2
    assert "https://bad.example" in caplog.text


def test_every_name_that_is_read_is_known():
    assert "CORS_ALLOWED_ORIGINS" in conf.current().names
    assert "CORS_TENANT_LIMITS" in conf.current().names
    assert all(name.startswith("CORS_") for name in conf.current().names)
