import pytest
from django.contrib import admin
from django.test import Client
from django.urls import path, set_script_prefix

from django_cors_policy.audit import cookies, static_findings
from django_cors_policy.cors import PolicySpec
from tests.audit import rows

OURS = "django_cors_policy.middleware.CorsMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"
SESSION = "django.contrib.sessions.middleware.SessionMiddleware"


def policy(*origins, **fields):
    return PolicySpec(allowed_origins=origins, **{"allow_credentials": True, **fields})


def found(code, spec):
    """Give the severity and the subject of each finding of a rule in one policy."""
    return rows(cookies.policy_findings(spec), code)


def first(code, spec):
    return next(finding for finding in cookies.policy_findings(spec) if finding.rule.code == code)


def test_a_front_end_below_the_projects_own_domain_has_no_finding(settings):
    settings.ALLOWED_HOSTS = ["api.example.com"]
    settings.CSRF_TRUSTED_ORIGINS = settings.CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
    settings.CORS_ALLOW_CREDENTIALS = True
    settings.CORS_URLS_REGEX = "^/api/"
    settings.CORS_TENANT_RESOLVER = None
    assert list(static_findings()) == []


def test_any_origin_with_credentials_sends_no_cookie_and_is_one_rules_alone(settings):
    settings.CORS_ALLOW_ALL_ORIGINS = settings.CORS_ALLOW_CREDENTIALS = True
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.net"]
    settings.CORS_ALLOW_HEADERS = []
    codes = {finding.rule.code for finding in static_findings()}
    assert codes == {"CORS101", "CORS114"}


# --- CORS306


@pytest.mark.parametrize(
    ("changed", "header"),
    [
        ({"USE_X_FORWARDED_HOST": True}, "X-Forwarded-Host"),
        ({"USE_X_FORWARDED_PORT": True}, "x-forwarded-port"),
        ({"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}, "X-Forwarded-Proto"),
        ({"SECURE_PROXY_SSL_HEADER": ("HTTP_X_SCHEME", "https")}, "x-scheme"),
    ],
)
def test_a_header_that_django_believes_of_the_proxy_is_medium(settings, changed, header):
    spec = policy("https://app.example.com", allow_headers=["content-type", header])
    assert found("CORS306", spec) == []
    for name, value in changed.items():
        setattr(settings, name, value)
    assert found("CORS306", spec) == [("medium", header)]
    assert next(iter(changed)) in first("CORS306", spec).message


@pytest.mark.parametrize(("credentials", "number"), [(False, 1), (True, 0)])
def test_a_star_stands_for_such_a_header_without_credentials(settings, credentials, number):
    settings.USE_X_FORWARDED_HOST = settings.USE_X_FORWARDED_PORT = True
    spec = policy("https://app.example.com", allow_headers=["*"], allow_credentials=credentials)
    assert len(found("CORS306", spec)) == number


@pytest.mark.parametrize("fields", [{"allow_headers": ["x-forwarded-proto"]}, {"allow_headers": [None, 7]}, {}])
def test_a_header_that_django_does_not_believe_is_no_finding(settings, fields):
    settings.USE_X_FORWARDED_HOST = True
    assert found("CORS306", policy("https://app.example.com", **fields)) == []


@pytest.mark.parametrize(
    ("fields", "number"),
    [
        ({}, 0),
        ({"allowed_origins": ["https://app.example.com"]}, 1),
        ({"allowed_origin_regexes": ["https://.*"]}, 1),
        ({"allow_all_origins": True}, 1),
    ],
)
def test_a_policy_that_allows_nobody_lets_nobody_send_it(settings, fields, number):
    settings.USE_X_FORWARDED_HOST = True
    assert len(found("CORS306", PolicySpec(allow_headers=["x-forwarded-host"], **fields))) == number


# --- CORS408


@pytest.mark.parametrize(
    "origin",
    ["https://app.example.com", "http://app.example.com:8000", "https://*.example.com", "https://app.example.com:*"],
)
def test_an_origin_that_csrf_does_not_trust_is_medium(origin):
    assert found("CORS408", policy(origin)) == [("medium", origin)]


@pytest.mark.parametrize(
    ("regex", "trusted", "missing"),
    [
        (r"^https://app\.example\.com$", ["https://app.example.com"], None),
        (r"^https://app\.example\.com$", ["http://app.example.com"], "https://app.example.com"),
        (r"^https://(app|www)\.example\.com$", ["https://app.example.com"], "https://www.example.com"),
        (r"^https://[a-z]+\.example\.com$", ["https://*.example.com"], None),
        (r"^https://app\.example\.com:443$", [], None),  # no browser writes the default port
        (r"^capacitor://localhost$", [], None),
        (r"(", [], None),
    ],
)
def test_a_regex_lets_origins_in_that_csrf_does_not_trust(settings, regex, trusted, missing):
    settings.CSRF_TRUSTED_ORIGINS = trusted
    spec = policy(allowed_origin_regexes=[regex])
    assert found("CORS408", spec) == ([] if missing is None else [("medium", regex)])
    if missing is not None:
        finding = first("CORS408", spec)
        assert f"such as {missing}, may send" in finding.message
        assert f'Add "{missing}" to' in finding.hint


def test_the_settings_own_origins_are_looked_at(settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
    assert rows(static_findings(), "CORS408") == []
    settings.CORS_ALLOW_CREDENTIALS = True
    assert rows(static_findings(), "CORS408") == [("medium", "https://app.example.com")]


@pytest.mark.parametrize(
    "fields",
    [
        {"allow_credentials": False},
        {"allow_methods": ["GET", "HEAD", "OPTIONS"]},
        {"allow_methods": []},
        {"allow_methods": [None, 7]},
    ],
)
def test_a_policy_without_credentials_or_unsafe_methods_is_not_refused(fields):
    assert found("CORS408", policy("https://app.example.com", **fields)) == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_each_unsafe_method_alone_is_enough(method):
    assert len(found("CORS408", policy("https://app.example.com", allow_methods=[method]))) == 1


@pytest.mark.parametrize(("middleware", "number"), [([], 0), (["tests.audit.middleware.OurCsrf"], 1), ([CSRF], 1)])
def test_only_an_active_csrf_middleware_refuses(settings, middleware, number):
    settings.MIDDLEWARE = middleware
    assert len(found("CORS408", policy("https://app.example.com"))) == number
    assert len(found("CORS410", policy("https://app.example.com", allow_headers=()))) == number


@pytest.mark.parametrize("entry", ["https://App.example.com", "null", None, 7, "*", "capacitor://localhost"])
def test_what_is_no_web_origin_is_for_other_rules(entry):
    assert found("CORS408", policy(entry)) == []


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
    assert (found("CORS408", policy(origin)) == []) == is_trusted
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
    assert (found("CORS408", policy(origin)) == []) == is_trusted


@pytest.mark.parametrize(
    ("origin", "hint"),
    [("https://*.example.com", 'Add "https://*.example.com" to'), ("http://localhost:*", "List its ports one by one")],
)
def test_the_hint_names_only_what_django_understands(origin, hint):
    finding = first("CORS408", policy(origin))
    assert finding.hint.startswith(hint)


def test_the_tenant_of_the_policy_is_the_tenant_of_the_finding():
    for finding in cookies.policy_findings(policy("https://app.example.com", tenant="acme", allow_headers=())):
        assert finding.tenant == "acme"


# --- CORS409


@pytest.fixture
def without_tenants(settings):
    settings.CORS_TENANT_RESOLVER = None


@pytest.mark.parametrize(
    "trusted", ["https://other.example.net", "https://*.example.net", "http://app.example.com", "capacitor://app"]
)
def test_an_origin_that_csrf_alone_trusts_is_low(settings, without_tenants, trusted):
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example.com", trusted]
    assert rows(static_findings(), "CORS409") == [("low", trusted)]


@pytest.mark.parametrize(
    ("changed", "trusted"),
    [
        ({"CORS_ALLOWED_ORIGINS": ["https://*.example.com"]}, "https://*.example.com"),
        ({"CORS_ALLOWED_ORIGINS": ["https://*.example.com"]}, "https://*.Example.com"),
        ({"CORS_ALLOWED_ORIGINS": ["https://*.example.com"]}, "https://a.b.example.com"),
        ({"CORS_ALLOWED_ORIGIN_REGEXES": [r"https://[a-z]+\.example\.com"]}, "https://app.example.com"),
        ({"CORS_ALLOW_ALL_ORIGINS": True}, "https://app.example.com"),
        # The project's own.
        ({"ALLOWED_HOSTS": ["example.com"]}, "https://example.com:8443"),
        ({"ALLOWED_HOSTS": [".Example.com"]}, "https://*.example.com"),
        ({"ALLOWED_HOSTS": ["[::1]"]}, "http://[::1]:8000"),
        ({"ALLOWED_HOSTS": ["xn--bcher-kva.example"]}, "https://xn--bcher-kva.example"),
        ({"ALLOWED_HOSTS": ["*"]}, "https://anything.example.com"),
        ({"ALLOWED_HOSTS": [], "DEBUG": True}, "http://localhost:8000"),
        # Nothing that a browser sends: Django trusts nobody by it.
        ({}, "https://*"),
        ({}, "https://app.example.com:*"),
        ({}, "https://app.example.com/"),
        ({"MIDDLEWARE": [OURS]}, "https://app.example.com"),
    ],
)
def test_what_a_policy_allows_or_the_project_serves_may_be_trusted(settings, without_tenants, changed, trusted):
    settings.CSRF_TRUSTED_ORIGINS = [trusted]
    for name, value in changed.items():
        setattr(settings, name, value)
    assert rows(static_findings(), "CORS409") == []


def test_a_wildcard_is_compared_without_case_as_django_does(settings, without_tenants):
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.Example.net"]
    assert rows(static_findings(), "CORS409") == [("low", "https://*.example.net")]


def test_one_own_host_is_not_all_below_it(settings, without_tenants):
    settings.ALLOWED_HOSTS = ["example.com"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.example.com"]
    assert rows(static_findings(), "CORS409") == [("low", "https://*.example.com")]


def test_with_tenants_the_settings_alone_do_not_tell(settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://app.example.com"]
    assert rows(static_findings(), "CORS409") == []


# --- CORS410


@pytest.mark.parametrize("fields", [{"allow_headers": ["content-type"]}, {"allow_headers": ["*"]}])
@pytest.mark.parametrize(
    "entry", [{"allowed_origins": ["https://x.tenants.example"]}, {"allowed_origin_regexes": ["x"]}]
)
def test_the_header_of_the_csrf_token_is_missed(fields, entry):
    spec = PolicySpec(allow_credentials=True, **fields, **entry)
    assert found("CORS410", spec) == [("medium", "CORS_ALLOW_HEADERS")]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"allow_headers": ["X-CSRFToken"]},
        {"allow_headers": [], "allow_credentials": False},
        {"allow_headers": [], "allow_methods": ["GET", "HEAD"]},
        {"allow_headers": [], "allowed_origins": []},
    ],
)
def test_the_header_of_the_csrf_token_is_there_or_not_needed(fields):
    spec = PolicySpec(**{"allowed_origins": ["https://x.tenants.example"], "allow_credentials": True, **fields})
    assert found("CORS410", spec) == []


def test_the_header_is_the_one_that_the_project_names(settings):
    settings.CSRF_HEADER_NAME = "HTTP_X_XSRF_TOKEN"
    assert found("CORS410", policy("https://x.tenants.example", tenant="acme")) == [("medium", "allow_headers")]
    assert found("CORS410", policy("https://x.tenants.example", allow_headers=["X-XSRF-Token"])) == []


# --- CORS411


@pytest.mark.parametrize(
    ("hosts", "origin", "is_same_site"),
    [
        (["api.example.com"], "https://app.example.com", True),
        (["api.example.com"], "https://app.example.com:8443", True),
        (["API.Example.com"], "https://*.example.com", True),
        ([".example.com"], "https://app.example.com", True),
        ([".api.example.com"], "https://app.example.com", True),
        (["api.example.com"], "https://app.example.net", False),
        (["api.example.co.uk"], "https://app.example.co.uk", True),
        (["api.example.co.uk"], "https://app.other.co.uk", False),
        # Strangers share a public suffix, but no site.
        (["api.github.io"], "https://app.github.io", False),
        (["api.github.io"], "https://*.github.io", False),
        (["s3.eu-west-1.amazonaws.com"], "https://*.s3.us-east-1.amazonaws.com", False),
        # Names of one's own network, which the list does not know.
        (["api.corp.internal"], "https://app.corp.internal", True),
        (["api.corp.internal"], "https://app.other.internal", False),
        (["localhost"], "http://localhost:3000", True),
        (["acme.localhost"], "http://app.acme.localhost:3000", True),
        ([".localhost"], "http://app.localhost:3000", True),
        (["127.0.0.1"], "http://127.0.0.1:3000", True),
        (["127.0.0.1"], "http://10.0.0.1:3000", False),
        (["127.0.0.1"], "http://localhost:3000", False),
        (["[::1]"], "http://[::1]:3000", True),
        (["[::1]"], "http://[::2]:3000", False),
        (["xn--bcher-kva.example"], "https://app.xn--bcher-kva.example", True),
        # Which hosts there are is not known.
        (["*"], "https://app.example.net", True),
        ([], "https://app.example.net", True),
        (["api.example.com", "api.example.net"], "https://app.example.net", True),
        (["api.example.com"], "capacitor://localhost", True),
    ],
)
def test_an_origin_of_another_site_gets_no_cookie_that_is_lax(settings, hosts, origin, is_same_site):
    settings.ALLOWED_HOSTS = hosts
    assert found("CORS411", policy(origin)) == ([] if is_same_site else [("medium", origin)])


@pytest.mark.parametrize(
    ("regex", "is_foreign"),
    [
        (r"^https://(app|www)\.example\.net$", True),
        (r"^https://(app|www)\.example\.com$", False),
        # Some of what these let in is of another site; they are not meant for it.
        (r"^https://app\.example\.(com|net)$", False),
        (r"^https://.*example\.com$", False),
    ],
)
def test_a_regex_for_another_site_than_all_hosts_is_medium(settings, regex, is_foreign):
    settings.ALLOWED_HOSTS = ["api.example.com"]
    assert found("CORS411", policy(allowed_origin_regexes=[regex])) == ([("medium", regex)] if is_foreign else [])


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({}, ["SESSION_COOKIE_SAMESITE", "CSRF_COOKIE_SAMESITE"]),
        ({"SESSION_COOKIE_SAMESITE": "Strict"}, ["SESSION_COOKIE_SAMESITE", "CSRF_COOKIE_SAMESITE"]),
        ({"SESSION_COOKIE_SAMESITE": "None"}, ["CSRF_COOKIE_SAMESITE"]),
        ({"SESSION_COOKIE_SAMESITE": False, "CSRF_COOKIE_SAMESITE": "lax"}, ["CSRF_COOKIE_SAMESITE"]),
        ({"SESSION_COOKIE_SAMESITE": None, "CSRF_COOKIE_SAMESITE": "None"}, []),
        ({"CSRF_USE_SESSIONS": True}, ["SESSION_COOKIE_SAMESITE"]),
        ({"MIDDLEWARE": [SESSION]}, ["SESSION_COOKIE_SAMESITE"]),
        ({"MIDDLEWARE": [CSRF]}, ["CSRF_COOKIE_SAMESITE"]),
        ({"MIDDLEWARE": []}, []),
    ],
)
def test_the_cookies_that_are_kept_back_are_named(settings, changed, named):
    for name, value in changed.items():
        setattr(settings, name, value)
    messages = [found.message for found in cookies.policy_findings(policy("https://a.net")) if "411" in found.rule.code]
    assert len(messages) == bool(named)
    cookies_named = [name for name in ("SESSION_COOKIE_SAMESITE", "CSRF_COOKIE_SAMESITE") if name in "".join(messages)]
    assert cookies_named == named


# --- CORS412


@pytest.mark.parametrize("cookie", ["SESSION_COOKIE", "CSRF_COOKIE"])
@pytest.mark.parametrize("samesite", ["None", "none"])
def test_samesite_none_without_secure_is_high(settings, cookie, samesite):
    setattr(settings, f"{cookie}_SAMESITE", samesite)
    assert rows(static_findings(), "CORS412") == [("high", f"{cookie}_SAMESITE")]
    setattr(settings, f"{cookie}_SECURE", True)
    assert rows(static_findings(), "CORS412") == []


@pytest.mark.parametrize("samesite", ["Lax", "Strict", False, None])
def test_another_samesite_without_secure_is_no_finding(settings, samesite):
    settings.SESSION_COOKIE_SAMESITE = samesite
    assert rows(static_findings(), "CORS412") == []


def test_a_cookie_that_nobody_sets_is_no_finding(settings):
    settings.SESSION_COOKIE_SAMESITE = settings.CSRF_COOKIE_SAMESITE = "None"
    settings.MIDDLEWARE = [OURS]
    assert rows(static_findings(), "CORS412") == []


# --- CORS413


@pytest.mark.parametrize("domain", [".tenants.example", "tenants.example", "Tenants.example"])
@pytest.mark.parametrize("origin", ["https://*.tenants.example", "https://*.app.tenants.example:*"])
def test_a_session_cookie_for_all_that_a_wildcard_allows_is_medium(settings, domain, origin):
    settings.SESSION_COOKIE_DOMAIN = domain
    assert found("CORS413", policy(origin)) == [("medium", origin)]


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({"SESSION_COOKIE_DOMAIN": None}, {}),
        ({"SESSION_COOKIE_DOMAIN": "example.net"}, {}),
        ({"SESSION_COOKIE_DOMAIN": "nants.example"}, {}),
        ({"MIDDLEWARE": [OURS, CSRF]}, {}),
        ({}, {"allow_credentials": False}),
        ({}, {"allowed_origins": ["https://app.tenants.example"]}),
    ],
)
def test_a_session_cookie_that_stays_with_its_host_is_no_finding(settings, changed, fields):
    settings.SESSION_COOKIE_DOMAIN = ".tenants.example"
    for name, value in changed.items():
        setattr(settings, name, value)
    spec = PolicySpec(**{"allowed_origins": ["https://*.tenants.example"], "allow_credentials": True, **fields})
    assert found("CORS413", spec) == []


# --- CORS416


@pytest.fixture
def with_credentials(settings):
    settings.CORS_ALLOW_CREDENTIALS = True
    settings.CORS_ALLOWED_ORIGINS = ["https://app.tenants.example"]


@pytest.mark.parametrize("changed", [{}, {"CORS_URLS_REGEX": "^/(api|admin)/"}])
def test_the_admin_under_a_policy_with_credentials_is_medium(settings, with_credentials, changed):
    for name, value in changed.items():
        setattr(settings, name, value)
    assert rows(static_findings(), "CORS416") == [("medium", "/admin/")]


def test_a_regex_is_a_policy_with_origins_too(settings):
    settings.CORS_ALLOW_CREDENTIALS = True
    settings.CORS_ALLOWED_ORIGIN_REGEXES = [r"https://[a-z]+\.tenants\.example"]
    assert rows(static_findings(), "CORS416") == [("medium", "/admin/")]


@pytest.mark.parametrize(
    "changed",
    [
        {"CORS_URLS_REGEX": "^/api/"},
        {"CORS_ALLOW_CREDENTIALS": False},
        {"CORS_ALLOWED_ORIGINS": []},
        {"CORS_ALLOW_ALL_ORIGINS": True},
        {"INSTALLED_APPS": ["django_cors_policy"]},
        {"ROOT_URLCONF": "tests.empty_urls"},
        {"ROOT_URLCONF": "nowhere.at.all"},
    ],
)
def test_an_admin_that_is_not_there_or_not_covered_is_no_finding(settings, with_credentials, changed):
    for name, value in changed.items():
        setattr(settings, name, value)
    assert rows(static_findings(), "CORS416") == []


urlpatterns = [path("api/back-office/", admin.site.urls)]


def test_the_admin_is_found_where_the_project_puts_it(settings, with_credentials):
    settings.ROOT_URLCONF = __name__
    settings.CORS_URLS_REGEX = "^/api/"
    assert rows(static_findings(), "CORS416") == [("medium", "/api/back-office/")]


def test_the_admins_path_is_the_one_that_requests_have(settings, with_credentials):
    settings.CORS_URLS_REGEX = "^/admin/"
    set_script_prefix("/below/")
    try:
        assert rows(static_findings(), "CORS416") == [("medium", "/admin/")]
    finally:
        set_script_prefix("/")
