"""Real nginx, Apache and Caddy give the answers of CorsMiddleware, by the configurations that are written for them."""

import http.client
from contextlib import closing
from typing import NamedTuple

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from django_cors_policy.audit.battery import Seeds, battery
from django_cors_policy.middleware import CorsMiddleware
from django_cors_policy.models import TenantPolicy
from django_cors_policy.transfer.configs import as_config, effective
from tests.audit.deployed import serving
from tests.live.fronts import check, fronting

SERVERS = ("nginx", "apache", "caddy")
TENANT = "acme.tenants.example"
HOSTILE_NAMES = "X-A$b, x-%s'`, X-#!|~^, $http_cookie, X-*, %%e"

# What the server behind says of CORS, all of it wrong.
WRONG = {
    "Access-Control-Allow-Origin": "https://wrong.example",
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Allow-Methods": "WRONG",
    "Access-Control-Allow-Headers": "x-wrong",
    "Access-Control-Expose-Headers": "x-wrong",
    "Access-Control-Max-Age": "1",
    "Access-Control-Allow-Private-Network": "true",
}
# Path: the status and the Vary of the server behind.
PATHS = {
    "/": (200, None),
    "/vary/": (200, "Cookie, Accept-Language"),
    "/origin/": (200, "Cookie, origin, Accept"),
    "/only/": (200, "Origin"),
    "/alike/": (200, "X-Origin, Original"),
    "/star/": (200, "*"),
    "/missing/": (404, "Cookie"),
    "/broken/": (500, None),
    "/moved/": (302, None),
    "/down/": (502, None),
}


class Case(NamedTuple):
    """Settings, and the tenant's own policy with its origins."""

    settings: dict
    tenant: dict | None = None
    origins: tuple = ()
    asked: tuple = ()  # origins that are allowed


CASES = {
    "exact with credentials": Case(
        {
            "CORS_ALLOWED_ORIGINS": [
                "https://app.example.com",
                "http://other.example.com:8080",
                "https://[2001:db8::1]",
                "capacitor://Localhost",
            ],
            "CORS_ALLOW_CREDENTIALS": True,
            "CORS_TENANT_RESOLVER": None,
            "CORS_PREFLIGHT_STATUS": 200,
        },
        asked=("https://app.example.com", "http://other.example.com:8080", "capacitor://Localhost"),
    ),
    "a tenant, then the settings": Case(
        {
            "CORS_ALLOWED_ORIGINS": ["https://app.example.com", "https://b.example", "https://*.sub.example.org:8443"],
            "CORS_ALLOW_METHODS": ["GET"],
            "CORS_EXPOSE_HEADERS": ["X-Total"],
            "CORS_TENANT_LIMITS": {"any_port": True},
        },
        {
            "allow_credentials": True,
            "allow_headers": HOSTILE_NAMES,
            "allow_methods": "GET, PUT, X$Y, %d, `",
            "expose_headers": HOSTILE_NAMES,
            "max_age": 60,
            "allow_private_network": True,
        },
        ("https://app.example.com", "https://*.example.org", "http://localhost:*", "https://*.ports.example:*"),
        asked=(
            "https://app.example.com",
            "https://b.example",
            "https://a.example.org",
            "https://a.b.example.org",
            "https://a.sub.example.org:8443",
            "http://localhost",
            "http://localhost:65535",
            "https://a.ports.example:1",
        ),
    ),
    "any origin": Case(
        {"CORS_ALLOW_ALL_ORIGINS": True, "CORS_EXPOSE_HEADERS": ["X-Total"], "CORS_TENANT_RESOLVER": None},
    ),
    "any origin behind a tenant": Case(
        {"CORS_ALLOW_ALL_ORIGINS": True, "CORS_ALLOW_PRIVATE_NETWORK": True},
        {"allow_credentials": True},
        ("https://*.example.org",),
        asked=("https://a.example.org",),
    ),
    "nothing": Case({}),
    "regexes": Case(
        {
            "CORS_ALLOWED_ORIGIN_REGEXES": [
                r"^https://[a-z0-9-]{1,20}\.shop\.example(:\d+)?$",
                r"(?i)https?://(one|two|THREE)\.[^.]+\.example",
                r"https?://.*\.lazy\.example",
                r"capacitor://\w+",
                r"https?://1.*",
            ],
            "CORS_ALLOWED_ORIGINS": ["https://app.example.com"],
            "CORS_ALLOW_CREDENTIALS": True,
        },
        {"allow_credentials": False},
        ("https://one.x.example",),
        asked=(
            "https://a-1.shop.example:8443",
            "https://three.x.example",
            "https://one.x.example",
            "https://a.b.lazy.example",
            "capacitor://Local_host",
            "http://127.0.0.1",
            "http://10.0.0.256",
            "http://1.0.0.1:0",
            "https://1.example:443",
            "https://1.example:65536",
            "https://1a.0x1f",
            "https://1..example",
        ),
    ),
}


def behind(environ, start_response):
    status, vary = PATHS[environ["PATH_INFO"]]
    headers = [*WRONG.items(), ("Content-Length", "2"), *([("Vary", vary)] if vary else [])]
    start_response(f"{status} Status", headers)
    return [b"ok"]


def view(request):
    status, vary = PATHS[request.path_info]
    return HttpResponse("ok", status=status, headers=WRONG | ({"Vary": vary} if vary else {}))


class Answer(NamedTuple):
    status: int
    cors: tuple
    vary: tuple


def answer(status, headers):
    """Give what is compared; every name in Vary is there as often as it is sent."""
    fields = [(name.lower(), value) for name, value in headers]
    cors = sorted(field for field in fields if field[0].startswith("access-control-"))
    vary = [name.strip().lower() for key, value in fields if key == "vary" for name in value.split(",")]
    return Answer(status, tuple(cors), tuple(sorted(vary)))


def expected(middleware, method, path, headers):
    request = RequestFactory().generic(method, path, headers={"host": TENANT, **headers})
    response = middleware(request)
    return answer(response.status_code, response.headers.items())


class Browser:
    """Asks over one connection, as long as it holds."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)

    def ask(self, method, path, headers):
        try:
            self.connection.putrequest(method, path, skip_host=True)
            self.connection.putheader("Host", TENANT)
            for name, value in headers.items():
                self.connection.putheader(name, value.encode("latin-1"))
            self.connection.endheaders()
            response = self.connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            return None
        if response.will_close:
            self.connection.close()
        return answer(response.status, response.getheaders())

    def close(self):
        self.connection.close()


def asked(case):
    """Give the requests: method, path and headers."""
    wildcards = [
        pattern for pattern in (*case.settings.get("CORS_ALLOWED_ORIGINS", ()), *case.origins) if "*" in pattern
    ]
    allowed = (*case.asked, *(pattern for pattern in case.origins if "*" not in pattern))
    seeds = Seeds(allowed=allowed, wildcards=wildcards, hosts=(TENANT,), others=("https://other-tenant.example",))
    hostile = [found.origin for found in battery(seeds)]
    few = [
        *allowed,
        "null",
        "https://evil.test",
        f"http://{TENANT}",
        f"https://{TENANT}",
        *(o.upper() for o in allowed),
    ]
    longest = [
        f"https://{'a.' * count}{base}"
        for count in (113, 114, 115, 116, 119, 120, 121, 122, 123, 130)
        for base in ("example.org", "lazy.example", "ports.example:8443")
    ]
    for origin in dict.fromkeys([*few, *hostile, *longest]):
        yield "GET", "/", {"Origin": origin}
        yield "OPTIONS", "/", {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    for origin in few:
        both = {"Origin": origin, "Access-Control-Request-Method": "GET"}
        for path in PATHS:
            for method in ("GET", "POST", "OPTIONS", "HEAD", "PUT", "DELETE"):
                yield method, path, {"Origin": origin}
            yield "OPTIONS", path, both
        yield "GET", "/", both
        yield "OPTIONS", "/", both | {"Access-Control-Request-Headers": "x-one, x-two"}
        for value in ("true", "True", "false", "true2"):
            yield "OPTIONS", "/", both | {"Access-Control-Request-Private-Network": value}
            yield "GET", "/", {"Origin": origin, "Access-Control-Request-Private-Network": value}
    for path in PATHS:
        yield "GET", path, {}
        yield "OPTIONS", path, {}
        yield "OPTIONS", path, {"Access-Control-Request-Method": "PUT"}


def is_sent_whole(headers):
    """Tell whether a client can send these at all, and a server take them for what they are."""
    return all(value.strip(" \t") and not set(value) & set("\r\n\0\x0b") for value in headers.values())


@pytest.fixture
def policies(request, db, settings):
    """Put a case's settings and stored policy in force; give the case and its effective policy."""
    case = CASES[request.param]
    settings.ALLOWED_HOSTS = [".tenants.example"]
    for name, value in case.settings.items():
        setattr(settings, name, value)
    if case.tenant is not None:
        policy = TenantPolicy.objects.create(tenant=TENANT, **case.tenant)
        for pattern in case.origins:
            policy.origins.create(pattern=pattern)
    return case, effective(TENANT if case.tenant is not None else None)


@pytest.fixture(scope="module")
def server():
    with serving(behind) as server:
        yield server


every_case = pytest.mark.parametrize("policies", CASES, indirect=True)


@pytest.mark.parametrize("kind", SERVERS)
@every_case
def test_a_server_answers_as_the_middleware_does(kind, policies, server, tmp_path):
    case, source = policies
    middleware = CorsMiddleware(view)
    wrong, number = [], 0
    with (
        fronting(kind, tmp_path, as_config(kind, source).lines, server.server_port) as port,
        closing(Browser(port)) as browser,
    ):
        for method, path, headers in asked(case):
            if not is_sent_whole(headers):
                continue
            got = browser.ask(method, path, headers)
            # The server strips what surrounds a value; nginx does not count tabs among it.
            blank = " " if kind == "nginx" else " \t"
            should = expected(middleware, method, path, {name: value.strip(blank) for name, value in headers.items()})
            number += 1
            if got is not None and got.status == 400:  # refused before anything was decided
                got, should = got.cors, ()
            elif got is not None and path == "/down/" and got.status == 503:  # what Apache calls a 502
                got = got._replace(status=502)
            if got != should:
                wrong.append((method, path, headers, got, should))
    assert number > 300
    assert not wrong, "\n".join(map(str, wrong[:10]))


@pytest.mark.parametrize("kind", SERVERS)
@every_case
def test_a_server_finds_no_fault_with_its_configuration(kind, policies, tmp_path):
    code, said = check(kind, tmp_path, as_config(kind, policies[1]).lines)
    assert (code, said) == (0, said)
    assert "[warn]" not in said
