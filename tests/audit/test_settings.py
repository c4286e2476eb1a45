import re
import sys
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.dispatch import Signal

from django_cors_policy.audit import settings as audit
from tests.audit import rows


def test_a_project_without_cors_settings_has_no_finding():
    assert list(audit.findings()) == []


def test_settings_of_the_right_types_have_no_finding(settings):
    settings.CORS_ALLOWED_ORIGINS = settings.CSRF_TRUSTED_ORIGINS = ["https://app.tenants.example"]
    settings.CORS_ALLOW_CREDENTIALS = True
    settings.CORS_URLS_REGEX = re.compile("/api/")
    settings.CORS_PREFLIGHT_MAX_AGE = 0
    settings.CORS_POLICY_REFRESH_SECONDS = 0.5
    settings.CORS_TENANT_LIMITS = {"max_origins": 7}
    assert list(audit.findings()) == []


def test_what_the_rules_say_of_the_policy_is_among_the_findings(settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://App.example.com"]
    [finding] = audit.findings()
    assert (finding.rule.code, finding.subject, finding.tenant) == ("CORS111", "https://App.example.com", None)
    assert "https://app.example.com" in finding.hint


@pytest.mark.parametrize(("resolver", "severity"), [("django_cors_policy.tenants.by_host", "medium"), (None, "info")])
def test_any_origin_is_graver_where_tenants_have_lists_of_their_own(settings, resolver, severity):
    settings.CORS_TENANT_RESOLVER = resolver
    settings.CORS_ALLOW_ALL_ORIGINS = True
    assert rows(audit.findings(), "CORS102") == [(severity, "CORS_ALLOW_ALL_ORIGINS")]


# --- CORS109


@pytest.mark.parametrize(
    ("hosts", "debug", "found"),
    [
        (["api.example.com"], False, True),
        (["localhost", "api.example.com"], False, True),
        ([], False, True),
        (["*"], False, True),
        (["api.example.com"], True, False),
        # A server that answers to names of this machine alone is development itself.
        ([".localhost", "127.0.0.1", "[::1]", "LOCALHOST"], False, False),
    ],
)
def test_an_origin_of_development_is_medium_where_others_are_served(settings, hosts, debug, found):
    settings.ALLOWED_HOSTS = hosts
    settings.DEBUG = debug
    settings.CORS_ALLOWED_ORIGINS = ["http://localhost:3000"]
    assert rows(audit.findings(), "CORS109") == ([("medium", "http://localhost:3000")] if found else [])


# --- CORS115


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CORS_ALLOWED_ORIGN", "CORS_ALLOWED_ORIGINS"),
        ("CORS_ALLOW_ORIGINS", "CORS_ALLOWED_ORIGINS"),
        ("CORS_ALLOWED_ORIGINS_REGEXES", "CORS_ALLOWED_ORIGIN_REGEXES"),
        ("CORS_ALLOW_ALL", "CORS_ALLOW_ALL_ORIGINS"),
        ("CORS_ALLOW_CREDENTIAL", "CORS_ALLOW_CREDENTIALS"),
        ("CORS_ALLOWED_METHODS", "CORS_ALLOW_METHODS"),
        ("CORS_ALLOWED_HEADERS", "CORS_ALLOW_HEADERS"),
        ("CORS_EXPOSED_HEADERS", "CORS_EXPOSE_HEADERS"),
        ("CORS_URL_REGEX", "CORS_URLS_REGEX"),
        ("CORS_TENANT_LIMIT", "CORS_TENANT_LIMITS"),
        # What django-cors-headers called them once.
        ("CORS_ORIGIN_WHITELIST", "CORS_ALLOWED_ORIGINS"),
        ("CORS_ORIGIN_REGEX_WHITELIST", "CORS_ALLOWED_ORIGIN_REGEXES"),
        ("CORS_ORIGIN_ALLOW_ALL", "CORS_ALLOW_ALL_ORIGINS"),
    ],
)
def test_a_name_that_is_nearly_right_is_high_and_says_which_is_meant(settings, name, meant):
    setattr(settings, name, [])
    [finding] = audit.findings()
    assert rows([finding], "CORS115") == [("high", name)]
    assert finding.hint == f"Rename it to {meant}."


@pytest.mark.parametrize("name", ["CORS_MODEL", "CORS_REPLACE_HTTPS_REFERER"])
def test_a_name_that_django_cors_headers_has_removed_is_high(settings, name):
    setattr(settings, name, True)
    [finding] = audit.findings()
    assert rows([finding], "CORS115") == [("high", name)]
    assert finding.hint.startswith("Remove it")


@pytest.mark.parametrize("name", ["CORS_COLOUR", "CORS_", "CORS_XYZZY_PLUGH"])
def test_a_name_that_is_near_to_nothing_is_low(settings, name):
    setattr(settings, name, True)
    assert rows(audit.findings(), "CORS115") == [("low", name)]


@pytest.mark.parametrize("name", ["MY_CORS_SETTING", "CORSICA", "SECURE_CORS_"])
def test_a_name_that_does_not_begin_so_is_somebody_elses(settings, name):
    setattr(settings, name, True)
    assert list(audit.findings()) == []


def test_unknown_names_come_in_the_order_of_the_alphabet(settings):
    settings.CORS_B = settings.CORS_A = settings.CORS_C = True
    assert [subject for _, subject in rows(audit.findings(), "CORS115")] == ["CORS_A", "CORS_B", "CORS_C"]


@pytest.fixture
def corsheaders_signal():
    """Give the signal of django-cors-headers, the real one, with nothing connected to it."""
    from corsheaders.signals import check_request_enabled

    assert not check_request_enabled.has_listeners()
    yield check_request_enabled
    check_request_enabled.receivers.clear()
    check_request_enabled.sender_receivers_cache.clear()


def allow(sender, request, **kwargs):
    return True


def test_a_receiver_of_django_cors_headers_signal_is_high(corsheaders_signal):
    corsheaders_signal.connect(allow)
    assert rows(audit.findings(), "CORS115") == [("high", "corsheaders.signals.check_request_enabled")]


def test_the_signal_without_receivers_is_no_finding(corsheaders_signal):
    corsheaders_signal.connect(allow)
    corsheaders_signal.disconnect(allow)
    assert list(audit.findings()) == []


@pytest.mark.parametrize("module", [None, SimpleNamespace(), SimpleNamespace(check_request_enabled=Signal())])
def test_no_signal_to_listen_to_is_no_finding(monkeypatch, module):
    monkeypatch.setitem(sys.modules, "corsheaders.signals", module)
    assert list(audit.findings()) == []


# --- CORS116


@pytest.mark.parametrize(
    ("name", "value", "used"),
    [
        ("CORS_ALLOWED_ORIGINS", "https://app.example.com", ()),
        ("CORS_ALLOWED_ORIGINS", None, ()),
        ("CORS_ALLOWED_ORIGINS", {"https://app.example.com": True}, ()),
        ("CORS_ALLOWED_ORIGIN_REGEXES", "^https://.*$", ()),
        ("CORS_ALLOW_METHODS", "GET, POST", ()),
        ("CORS_ALLOW_HEADERS", None, ()),
        ("CORS_EXPOSE_HEADERS", 1, ()),
        ("CORS_ALLOW_ALL_ORIGINS", "False", False),
        ("CORS_ALLOW_ALL_ORIGINS", 1, False),
        ("CORS_ALLOW_CREDENTIALS", "True", False),
        ("CORS_ALLOW_CREDENTIALS", None, False),
        ("CORS_ALLOW_PRIVATE_NETWORK", [], False),
        ("CORS_PREFLIGHT_MAX_AGE", -1, 7200),
        ("CORS_PREFLIGHT_MAX_AGE", "600", 7200),
        ("CORS_PREFLIGHT_MAX_AGE", True, 7200),
        ("CORS_PREFLIGHT_MAX_AGE", 1.5, 7200),
        ("CORS_PREFLIGHT_MAX_AGE", timedelta(hours=1), 7200),
        ("CORS_URLS_REGEX", "(", "no path at all"),
        ("CORS_URLS_REGEX", rb"/api/", "no path at all"),
        ("CORS_PREFLIGHT_STATUS", 201, 204),
        ("CORS_POLICY_REFRESH_SECONDS", float("nan"), 1.0),
        ("CORS_POLICY_MAX_STALE_SECONDS", float("inf"), 300),
        ("CORS_POLICY_CACHE_SIZE", 0, 10_000),
        ("CORS_POLICY_DATABASE", "nowhere", None),
    ],
)
def test_a_value_of_another_type_is_high_and_says_what_is_used_instead(settings, name, value, used):
    setattr(settings, name, value)
    [finding] = audit.findings()
    assert rows([finding], "CORS116") == [("high", name)]
    assert f"{used!r} is used instead" in finding.message
    assert finding.hint.startswith((f"Set {name} to ", "Write "))
    assert name in finding.hint


@pytest.mark.parametrize(
    ("limits", "subject"),
    [
        ([], "CORS_TENANT_LIMITS"),
        ({"max_orgins": 5}, "CORS_TENANT_LIMITS['max_orgins']"),
        ({"max_origins": "5"}, "CORS_TENANT_LIMITS['max_origins']"),
        ({"max_age": -1}, "CORS_TENANT_LIMITS['max_age']"),
        ({"any_origin": 1}, "CORS_TENANT_LIMITS['any_origin']"),
    ],
)
def test_a_limit_of_another_type_is_named_by_its_key(settings, limits, subject):
    settings.CORS_TENANT_LIMITS = limits
    assert rows(audit.findings(), "CORS116") == [("high", subject)]


# --- CORS415


@pytest.mark.parametrize(
    ("changed", "subject"),
    [
        ({"CORS_ALLOW_ALL_ORIGINS": True, "CORS_ALLOW_CREDENTIALS": True}, "CORS_ALLOW_ALL_ORIGINS"),  # CORS101
        ({"CORS_ALLOW_ALL_ORIGINS": True}, "CORS_ALLOW_ALL_ORIGINS"),  # CORS102
        ({"CORS_ALLOWED_ORIGINS": ["https://*.github.io"]}, "https://*.github.io"),  # CORS105
        ({"CORS_ALLOWED_ORIGIN_REGEXES": [r"https://.*example\.com"]}, r"https://.*example\.com"),  # CORS203
    ],
)
def test_debug_with_origins_of_strangers_is_high(settings, changed, subject):
    for name, value in changed.items():
        setattr(settings, name, value)
    assert rows(audit.findings(), "CORS415") == []
    settings.DEBUG = True
    assert rows(audit.findings(), "CORS415") == [("high", subject)]


def test_debug_with_ones_own_origins_is_no_finding(settings):
    settings.DEBUG = True
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.com", "http://localhost:*"]
    assert list(audit.findings()) == []


# --- CORS418


@pytest.mark.parametrize(
    ("refresh", "stale", "found"),
    [
        (1.0, 300, []),
        (60, 60, []),
        (0, 0, []),
        (60.5, 300, ["CORS_POLICY_REFRESH_SECONDS"]),
        (30, 29, ["CORS_POLICY_MAX_STALE_SECONDS"]),
        (1, 0, ["CORS_POLICY_MAX_STALE_SECONDS"]),
        (400, 300, ["CORS_POLICY_REFRESH_SECONDS", "CORS_POLICY_MAX_STALE_SECONDS"]),
    ],
)
def test_a_long_refresh_and_a_short_outage_are_medium(settings, refresh, stale, found):
    settings.CORS_POLICY_REFRESH_SECONDS = refresh
    settings.CORS_POLICY_MAX_STALE_SECONDS = stale
    assert rows(audit.findings(), "CORS418") == [("medium", subject) for subject in found]
    settings.CORS_TENANT_RESOLVER = None
    assert rows(audit.findings(), "CORS418") == []


def test_where_django_cors_headers_is_not_installed_nothing_is_imported_for_it(settings, monkeypatch):
    settings.ROOT_URLCONF = "tests.no_such_urls"
    monkeypatch.setattr("django_cors_policy.audit.settings.find_spec", lambda name: None)
    monkeypatch.setattr("django_cors_policy.audit.settings.import_module", None)
    assert list(audit.findings()) == []
