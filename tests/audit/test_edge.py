import io
import json
import re
import socket
import struct
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.http import etag
from jsonschema import Draft202012Validator

from django_cors_policy.audit import edge, wire
from django_cors_policy.audit.edge import RULES, Edge, UnusableEdge, ask
from django_cors_policy.audit.places import cases
from django_cors_policy.audit.report import PROXY
from django_cors_policy.models import TenantPolicy
from tests.audit import rows
from tests.audit.deployed import CERTIFICATE, behind, serving

pytestmark = pytest.mark.slow

ALLOWED = "https://app.example.com"
SCHEMA = json.loads((Path(edge.__file__).parent / "report.schema.json").read_text("utf-8"))


@etag(lambda request: '"one"')
def tagged(request):
    return HttpResponse("tagged", headers={"Set-Cookie": "session=1"})


urlpatterns = [path("api/", tagged), path("other/", tagged)]


@pytest.fixture(scope="module")
def server():
    with serving(None) as running:
        yield running


@pytest.fixture
def deployment(settings, server):
    """Give the server, with a project behind it that is in order."""
    settings.ROOT_URLCONF = __name__
    settings.CORS_TENANT_RESOLVER = None
    settings.CORS_ALLOWED_ORIGINS = [ALLOWED]
    settings.CORS_ALLOW_CREDENTIALS = True
    settings.MIDDLEWARE = [
        "django_cors_policy.middleware.CorsMiddleware",
        "django.middleware.common.CommonMiddleware",
    ]
    server.answers = WSGIHandler()
    server.seen.clear()
    server.silent = 0
    return server


@pytest.fixture
def asked(deployment, clock):
    """Ask by a clock that nobody waits for."""

    def asked(path="/api/", most=25, base=None, **wanted):
        wanted = {"clock": clock, "sleep": clock.advance, "max_requests": most} | wanted
        return ask(Edge((base or deployment.base) + path, **wanted))

    return asked


def codes(done):
    assert done.failure is None
    return sorted({finding.rule.code for finding in done.findings})


def said(done):
    return "; ".join(done.not_looked_at)


# --- what is found


def test_a_deployment_in_order_has_no_finding_and_is_only_read_from(deployment, asked):
    done = asked(most=100)
    assert codes(done) == []
    assert done.requests == len(deployment.seen) <= 100
    assert {seen.method for seen in deployment.seen} == {"GET", "OPTIONS"}
    assert {seen.path for seen in deployment.seen} == {"/api/", "/api", "/api/cors-audit-nowhere/"}
    assert {seen.origin for seen in deployment.seen} >= {None, ALLOWED, "null", "https://evil.test"}
    for seen in deployment.seen:
        assert "HTTP_COOKIE" not in seen.environ
        assert seen.environ["HTTP_USER_AGENT"] == "django-cors-policy (cors_audit --url)"
        assert seen.method == "GET" or "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in seen.environ
    assert "HTTP_IF_NONE_MATCH" in str([seen.environ for seen in deployment.seen if seen.path == "/api/"])


def test_one_run_has_a_query_of_its_own_for_caches(deployment, asked):
    asked(most=5)
    [first] = {seen.query for seen in deployment.seen}
    assert re.fullmatch("cors-audit=[0-9a-f]{16}", first)
    asked(most=5)
    assert len({seen.query for seen in deployment.seen}) == 2


def replaced(headers, name, *values):
    kept = [(known, value) for known, value in headers if known.lower() != name.lower()]
    return [*kept, *((name, value) for value in values)]


def twice(environ, status, headers):
    return status, [*headers, ("Access-Control-Allow-Origin", "*")]


def reflects(environ, status, headers):
    headers = replaced(headers, "Access-Control-Allow-Origin", environ.get("HTTP_ORIGIN", "*"))
    return status, replaced(headers, "Access-Control-Allow-Credentials", "true")


def strips_vary(environ, status, headers):
    return status, replaced(headers, "Vary")


def caches(environ, status, headers):
    return status, [*replaced(headers, "Vary"), ("Age", "1")]


def capital(environ, status, headers):
    return status, [(name, "True" if value == "true" else value) for name, value in headers]


def without(headers):
    return [(name, value) for name, value in headers if not name.startswith("Access-Control-")]


def own_errors(environ, status, headers):
    return status, without(headers) if status.startswith("404") else headers


def own_304(environ, status, headers):
    return status, without(headers) if status.startswith("304") else headers


def own_redirects(environ, status, headers):
    return status, without(headers) if status.startswith("301") else headers


def refuses(environ, status, headers):
    return ("405 Method Not Allowed", []) if environ["REQUEST_METHOD"] == "OPTIONS" else (status, headers)


def redirects(environ, status, headers):
    return ("302 Found", [("Location", "/login/")]) if environ["REQUEST_METHOD"] == "OPTIONS" else (status, headers)


def replays():
    """Keep the first answer to each path, whoever asks for it."""
    kept = {}

    def replayed(environ, status, headers):
        if environ["REQUEST_METHOD"] == "OPTIONS":
            return status, headers
        return kept.setdefault(environ["PATH_INFO"], (status, headers))

    return replayed


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (twice, {"CORS505": "medium", "CORS502": "high", "CORS501": "medium", "CORS506": None}),
        (reflects, {"CORS501": "critical"}),
        (strips_vary, {"CORS503": "medium"}),
        (caches, {"CORS503": "high"}),
        (capital, {"CORS509": "medium", "CORS502": "high"}),
        (own_errors, {"CORS506": "medium"}),
        (own_304, {"CORS506": "medium"}),
        (own_redirects, {"CORS506": "medium"}),
        (refuses, {"CORS502": "high"}),
        (redirects, {"CORS502": "high"}),
        (replays(), {"CORS506": "medium"}),
    ],
)
def test_what_a_proxy_does_is_found(deployment, asked, change, found):
    deployment.answers = behind(deployment.answers, change)
    done = asked(most=45)
    assert "/login/" not in {seen.path for seen in deployment.seen}  # no redirect is followed
    for code in codes(done):
        assert {subject for _, subject in rows(done.findings, code)} == {deployment.base}
    graver = {code: max(rows(done.findings, code), key=lambda row: SEVERITIES.index(row[0]))[0] for code in codes(done)}
    assert {code: graver.get(code) for code in found} == found


SEVERITIES = ["info", "low", "medium", "high", "critical"]


def test_a_finding_says_where_it_was_and_whom_to_look_at(deployment, asked):
    deployment.answers = behind(deployment.answers, twice)
    [found] = [found for found in asked().findings if found.rule.code == "CORS505" and found.severity == "medium"]
    assert found.message.startswith(f"Over HTTP, GET {deployment.base}/api/ from 'https://app.example.com': ")
    assert "comes 2 times: 'https://app.example.com, *'" in found.message
    assert found.hint.endswith("If --probe does not show it, it is done in front of Django (proxy or CDN).")


def test_what_is_not_so_when_asked_once_more_is_said(deployment, asked):
    left = [1]

    def once(environ, status, headers):
        if environ.get("HTTP_ORIGIN") == "https://evil.test" and left.pop() if left else False:
            return reflects(environ, status, headers)
        return status, headers

    deployment.answers = behind(deployment.answers, once)
    [found] = asked().findings
    assert found.rule.code == "CORS501"
    assert "; asked once more, it was not so." in found.message


@pytest.mark.parametrize("change", [reflects, strips_vary])
def test_what_is_still_so_when_asked_once_more_is_not(deployment, asked, change):
    deployment.answers = behind(deployment.answers, change)
    assert not any("once more" in found.message for found in asked().findings)


# --- what is sent


def test_what_http_cannot_carry_is_counted_and_not_sent(deployment, asked, monkeypatch):
    kinds = {"a control character or space", "a look-alike in full width", "no origin", "null"}

    def some(*args):
        made = cases(*args)
        return made._replace(hostile=[case for case in made.hostile if case.name in kinds])

    monkeypatch.setattr(edge, "cases", some)
    done = asked(most=300)
    assert "combinations" not in said(done)
    assert "origins that HTTP cannot carry, which were not sent: 20 with a control character or space" in said(done)
    origins = {seen.origin for seen in deployment.seen} - {None}
    assert {"", "null", f"{ALLOWED}\t.evil.test", f"{ALLOWED} .evil.test"} <= origins
    assert any("\xef\xbd" in origin for origin in origins)  # full width, as the bytes of its UTF-8
    assert not [origin for origin in origins if re.search(r"[\0\r\n]|^\s|\s$", origin)]


def test_of_more_than_may_be_sent_the_seed_chooses(deployment, asked):
    def sent(seed):
        deployment.seen.clear()
        done = asked(most=40, seed=seed)
        assert re.search(rf"[0-9]+ of [0-9]+ combinations .* \(--max-requests 40, --seed {seed}\)", said(done))
        return [(seen.method, seen.path, seen.origin) for seen in deployment.seen]

    first = sent(7)
    assert len(first) <= 40
    assert sent(7) == first
    assert sent(8) != first


@pytest.mark.parametrize(
    ("url", "paths", "expected"),
    [
        ("", [], ["/"]),
        ("/api/", [], ["/api/"]),
        ("", ["/other/"], ["/other/"]),
        ("/", ["/other/"], ["/", "/other/"]),
        ("/api/", ["/other/", "/api/"], ["/api/", "/other/"]),
        ("/a%20b/%C3%A9/", [], ["/a b/é/"]),
    ],
)
def test_the_paths_are_the_urls_and_those_given(deployment, asked, url, paths, expected):
    done = asked(url, paths=paths, most=8)
    assert done.failure is None
    assert list(dict.fromkeys(seen.path.encode("latin-1").decode() for seen in deployment.seen))[: len(expected)] == (
        expected
    )


def test_what_policies_allow_is_wished_for_and_what_is_malformed_is_not(deployment, asked, settings):
    settings.CORS_ALLOW_METHODS = ["GET", "no token", "é", "PATCH"]
    settings.CORS_ALLOW_HEADERS = ["x-one", "x\r\nx-two: 2", "é"]
    assert codes(asked()) == []
    wishes = {
        (seen.environ["HTTP_ACCESS_CONTROL_REQUEST_METHOD"], seen.environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS"))
        for seen in deployment.seen
        if seen.method == "OPTIONS" and seen.origin == ALLOWED
    }
    assert wishes == {("PATCH", "x-one"), ("CORS-AUDIT", None)}


def test_proxies_of_the_environment_are_not_used(deployment, asked, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert codes(asked(most=3)) == []


def test_where_no_origin_is_allowed_it_is_said(deployment, asked, settings):
    settings.CORS_ALLOWED_ORIGINS = []
    done = asked()
    assert codes(done) == []
    assert f"what allowed origins get: no policy grants any at {deployment.base}/api/" in said(done)


def test_where_all_are_allowed_they_are_looked_at(deployment, asked, settings):
    settings.CORS_ALLOWED_ORIGINS = ["*"]
    settings.CORS_ALLOW_CREDENTIALS = False
    assert "no policy grants" not in said(asked())
    deployment.answers = behind(WSGIHandler(), own_errors)
    assert codes(asked()) == ["CORS506"]


# --- how fast


def test_requests_keep_their_distance(deployment, asked, clock):
    start = clock.now
    done = asked(most=21, rate=4)
    assert clock.now - start == pytest.approx((done.requests - 1) / 4)


def test_a_slow_answer_is_no_reason_to_hurry_afterwards(clock):
    pace = wire._Pace(Edge("http://a.example", rate=2, clock=clock, sleep=clock.advance))
    left = []
    for answering in (0, 3, 0, 0):
        pace.wait()
        left.append(clock.now)
        clock.advance(answering)
    assert left == [1000.0, 1000.5, 1003.5, 1004.0]


def throttling(answers, status, after, times):
    """Give an application that asks for less, the third time it is asked and so many times."""
    number = [0]

    def throttled(environ, start_response):
        number[0] += 1
        if not 3 <= number[0] < 3 + times:
            return answers(environ, start_response)
        start_response(status, [("Retry-After", after)] if after is not None else [])
        return [b""]

    return throttled


@pytest.mark.parametrize(
    ("status", "after", "seconds"),
    [
        ("429 Too Many Requests", "7", 7),
        ("503 Service Unavailable", "7", 7),
        ("429 Too Many Requests", None, 5),
        ("429 Too Many Requests", "soon", 5),
        ("429 Too Many Requests", 20, 20),
        ("429 Too Many Requests", -20, 0),
    ],
)
def test_a_server_that_asks_for_less_is_asked_less(deployment, asked, clock, status, after, seconds):
    date = isinstance(after, int)
    after = format_datetime(datetime.now(UTC) + timedelta(seconds=after), usegmt=True) if date else after
    deployment.answers = throttling(deployment.answers, status, after, 1)
    start = clock.now
    done = asked(most=10)
    assert codes(done) == []
    assert len(deployment.seen) == done.requests
    sent = done.requests
    assert clock.now - start == pytest.approx(2 * 0.1 + seconds + (sent - 4) * 0.2, abs=5 if date else 0.1)
    assert "the server asked 1 times to be asked less, at last 5 a second" in said(done)


@pytest.mark.parametrize(
    ("after", "times", "why"),
    [
        ("1", 4, "asks for fewer requests (429); give it a lower --rate"),
        ("3600", 1, "asks for fewer requests (429), and to come back in 3600 seconds; give it a lower --rate"),
    ],
)
def test_a_server_that_asks_for_nothing_is_left_alone(deployment, asked, after, times, why):
    deployment.answers = throttling(deployment.answers, "429 Too Many Requests", after, times)
    done = asked()
    assert done.failure == f"{deployment.base} {why}"
    assert done.requests == len(deployment.seen) == 2 + times
    assert "combinations" in said(done)


# --- who does not answer


def test_a_refused_connection_is_said_so(asked):
    with socket.create_server(("127.0.0.1", 0)) as free:
        base = f"http://127.0.0.1:{free.getsockname()[1]}"
    done = asked(base=base)
    assert done.failure == (
        f"{base} does not answer: the connection is refused; see that it runs and that this machine reaches it "
        "(proxies of the environment are not used)"
    )
    assert (done.requests, done.findings, done.not_looked_at) == (0, [], [])


def test_a_name_that_is_not_there_is_said_so(asked, monkeypatch):
    def unknown(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "https://api.invalid does not answer: there is no such name; " in asked(base="https://api.invalid").failure


@contextmanager
def rude(answer):
    """Listen, and do with each connection what ``answer`` does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    answer(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def hangs(connection):
    while connection.recv(1024):
        pass


def drips(connection):
    """Send a header without an end, a byte at a time: each comes long before a timeout."""
    try:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
        while True:
            connection.sendall(b"a")
            time.sleep(0.01)
    except OSError:
        pass


def ssh(connection):
    connection.recv(65536)
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def resets(connection):
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("answer", [hangs, drips])
def test_a_server_that_keeps_one_waiting_is_not_waited_for(asked, answer):
    with rude(answer) as base:
        start = time.monotonic()
        assert (
            "does not answer: no answer came within 0.15 seconds (--timeout); "
            in asked(base=base, timeout=0.15).failure
        )
        assert time.monotonic() - start < 3


def test_a_server_that_answers_in_another_language_is_said_so(asked):
    with rude(ssh) as base:
        assert f"{base} does not answer: 'RemoteProtocolError: " in asked(base=base).failure


def test_a_server_that_resets_is_said_so(asked):
    with rude(resets) as base:
        assert f"{base} does not answer: the connection is reset; " in asked(base=base).failure


def test_no_body_is_read(asked):
    sent = []

    def endless(connection):
        connection.recv(65536)
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while len(sent) < 1000:
                connection.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")
                sent.append(65536)
        except OSError:
            pass

    with rude(endless) as base:
        done = asked(base=base, most=1)
    assert (done.requests, done.failure) == (1, None)
    assert len(sent) < 500


@pytest.fixture(scope="module")
def secure():
    with serving(None, CERTIFICATE) as running:
        yield running


def test_a_certificate_that_nobody_signed_is_not_trusted(deployment, asked, secure, monkeypatch):
    secure.answers = deployment.answers
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    done = asked(base=secure.base)
    assert "its certificate is not trusted: 'self-signed certificate'; SSL_CERT_FILE names" in done.failure
    assert secure.seen == []


def test_an_authority_of_ones_own_is_trusted(deployment, asked, secure, monkeypatch):
    secure.answers = deployment.answers
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    assert codes(asked(base=secure.base, most=3)) == []
    assert len(secure.seen) >= 2


@pytest.mark.parametrize("file", ["not-there.pem", "empty.pem"])
def test_an_authority_that_cannot_be_read_is_said_so(asked, tmp_path, monkeypatch, file):
    (tmp_path / "empty.pem").touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / file))
    done = asked(base="https://127.0.0.1:1")
    assert "was not asked: no authorities can be read (" in done.failure
    assert done.failure.endswith("); see what SSL_CERT_FILE and SSL_CERT_DIR name")
    assert done.requests == 0


def test_https_of_a_server_without_is_said_so(deployment, asked):
    failure = asked(base=deployment.base.replace("http:", "https:")).failure
    assert "does not answer: TLS fails: 'WRONG_VERSION_NUMBER'; is it https?; " in failure


@pytest.mark.parametrize(
    "status",
    [
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
        "521 Web Server Is Down",
        "522 Connection Timed Out",
        "523 Origin Is Unreachable",
        "524 A Timeout Occurred",
        "525 SSL Handshake Failed",
        "526 Invalid SSL Certificate",
    ],
)
def test_a_proxy_with_nobody_behind_it_is_no_answer(deployment, asked, status):
    deployment.answers = behind(deployment.answers, lambda *_: (status, []))
    done = asked()
    assert f"does not answer: what is in front of it says {status}; see that the server behind it runs" in done.failure
    assert (done.requests, len(deployment.seen)) == (0, 1)


@pytest.mark.parametrize(
    ("to", "fails"),
    [
        ("https://{host}/api/", True),
        ("https://login.example.com/", False),
        ("/login/", False),
        ("http://[", False),
        (None, False),
    ],
)
def test_a_redirect_to_https_is_to_be_followed_by_the_user(deployment, asked, to, fails):
    host = deployment.base.partition("://")[2]
    location = [] if to is None else [("Location", to.format(host=host))]
    deployment.answers = behind(deployment.answers, lambda *_: ("301 Moved Permanently", location))
    failure = asked().failure
    assert failure == (f"{deployment.base} leads to https (301); write --url 'https://{host}'" if fails else None)


def test_a_request_without_an_answer_is_counted(deployment, asked):
    def drops(environ, status, headers):
        if len(deployment.seen) in (4, 5, 8):
            deployment.silent = 1
        return status, headers

    deployment.answers = behind(deployment.answers, drops)
    done = asked()
    assert codes(done) == []
    assert re.search(r"3 requests that had no answer \(the first: (GET|OPTIONS) '/api/': '\w+Error: ", said(done))
    assert len(deployment.seen) == done.requests - 3


def test_a_server_that_goes_away_is_not_asked_on(deployment, asked):
    def dies(environ, status, headers):
        if len(deployment.seen) == 12:
            deployment.silent = 1000
        return reflects(environ, status, headers)

    deployment.answers = behind(deployment.answers, dies)
    done = asked()
    assert done.failure.startswith(f"{deployment.base} does not answer any more: ")
    assert "CORS501" in {found.rule.code for found in done.findings}
    assert (len(deployment.seen), done.requests) == (12, 15)
    assert "combinations" in said(done)


def test_a_server_that_often_does_not_answer_is_not_asked_on(deployment, asked, monkeypatch):
    monkeypatch.setattr(wire, "_UNANSWERED", 4)

    def drops(environ, status, headers):
        deployment.silent = 1
        return status, headers

    deployment.answers = behind(deployment.answers, drops)
    assert " does not answer any more: " in asked().failure
    assert len(deployment.seen) == 4


@pytest.mark.parametrize("status", ["403 Forbidden", "502 Bad Gateway"])
def test_what_a_firewall_or_balancer_refuses_by_origin_is_not_high(deployment, asked, status):
    def refuse(environ, answered, headers):
        headers = [*headers, ("Age", "0")]
        return (status, [("Age", "0")]) if environ.get("HTTP_ORIGIN") == "https://evil.test" else (answered, headers)

    deployment.answers = behind(deployment.answers, refuse)
    assert {found.severity for found in asked().findings} == {"medium"}


def test_a_path_without_an_answer_is_left_out(deployment, asked):
    def drops(environ, status, headers):
        if environ["PATH_INFO"] == "/api/" and len(deployment.seen) == 1:
            deployment.silent = 1
        return status, headers

    deployment.answers = behind(deployment.answers, drops)
    done = asked(paths=["/other/"])
    assert codes(done) == []
    assert "1 requests that had no answer (the first: GET '/other/': " in said(done)


@pytest.mark.parametrize("silent", [1, 3])
def test_a_second_look_without_an_answer_leaves_the_finding(deployment, asked, monkeypatch, silent):
    def twice_asked(environ, status, headers):
        asked_before = [(seen.method, seen.path, seen.origin) for seen in deployment.seen]
        if len(set(asked_before)) < len(asked_before) - 1:
            deployment.silent = silent
        return strips_vary(environ, status, headers)

    deployment.answers = behind(deployment.answers, own_errors)
    look_again = edge._Run._look_again

    def silenced(run):
        deployment.silent = silent
        look_again(run)

    monkeypatch.setattr(edge._Run, "_look_again", silenced)
    done = asked(most=60)
    assert [found.rule.code for found in done.findings] == ["CORS506"]
    assert "once more" not in done.findings[0].message


def test_after_ctrl_c_there_is_what_was_found(deployment, asked):
    deployment.answers = behind(deployment.answers, reflects)

    def interrupt(sent, most):
        assert most == 25
        if sent == 10:
            raise KeyboardInterrupt

    done = asked(progress=interrupt)
    assert done.interrupted
    assert "CORS501" in {found.rule.code for found in done.findings}
    assert len(deployment.seen) == 10


# --- the tenants


def tenant(name, *patterns, **fields):
    policy = TenantPolicy.objects.create(tenant=name, **fields)
    for pattern in patterns:
        policy.origins.create(pattern=pattern)


def serves(*origins):
    """Give an application that lets these origins in, as CorsMiddleware would, and no others."""

    def application(environ, start_response):
        origin = environ.get("HTTP_ORIGIN")
        headers = [("Vary", "Origin")]
        if origin in origins:
            headers.append(("Access-Control-Allow-Origin", origin))
            headers.append(("Access-Control-Allow-Methods", "DELETE, GET, OPTIONS, PATCH, POST, PUT"))
            allowed = "accept, authorization, content-type, user-agent, x-csrftoken, x-requested-with"
            headers.append(("Access-Control-Allow-Headers", allowed))
        start_response("200 OK", headers)
        return [b""]

    return application


@pytest.fixture
def tenants(deployment, settings, django_db_setup, db):
    settings.CORS_TENANT_RESOLVER = "django_cors_policy.tenants.by_host"
    settings.CORS_ALLOWED_ORIGINS = []
    settings.CORS_ALLOW_CREDENTIALS = False


def test_the_urls_host_says_which_tenants_policy_counts(deployment, asked, tenants):
    tenant("127.0.0.1", "https://app.acme.example")
    tenant("globex.tenants.example", "https://app.globex.example")
    deployment.answers = serves("https://app.acme.example")
    done = asked(most=60)
    assert codes(done) == []
    assert "tenant" not in said(done)
    assert {"https://app.acme.example", "https://app.globex.example"} <= {seen.origin for seen in deployment.seen}
    deployment.answers = serves()
    assert {found.tenant for found in asked().findings} == {"127.0.0.1"}


def test_another_tenants_origin_is_a_hostile_one(deployment, asked, tenants):
    tenant("127.0.0.1", "https://app.acme.example")
    tenant("globex.tenants.example", "https://app.globex.example")
    deployment.answers = serves("https://app.acme.example", "https://app.globex.example")
    done = asked(most=60)
    assert rows(done.findings, "CORS501") == [("medium", deployment.base)]
    assert "(of another tenant)" in done.findings[0].message
    assert codes(asked(tenants=["127.0.0.1"], most=60)) == []


def test_of_many_tenants_some_are_tried(deployment, asked, tenants, monkeypatch):
    monkeypatch.setattr(edge, "_MOST_OTHERS", 2)
    for number in range(5):
        tenant(f"t{number}.tenants.example", f"https://app.t{number}.example")
    assert "the origins of 3 of 5 other tenants" in said(asked())


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("localhost", "'localhost' has none that is enabled"),
        ("127.0.0.2", "CORS_TENANT_RESOLVER finds none for '127.0.0.2:{port}' (is the host in ALLOWED_HOSTS?)"),
    ],
)
def test_a_host_without_a_tenant_is_asked_by_the_settings(deployment, asked, tenants, settings, host, why):
    settings.CORS_ALLOWED_ORIGINS = [ALLOWED]
    tenant("localhost", "https://app.acme.example", enabled=False)
    with serving_on(host, serves(ALLOWED)) as base:
        done = asked(base=base)
    assert codes(done) == []
    why = why.format(port=base.rpartition(":")[2])
    assert f"a tenant's policy, since {why}: what the settings grant was looked at alone" in said(done)


@contextmanager
def serving_on(host, application):
    with serving(application, host="127.0.0.2" if host == "127.0.0.2" else "127.0.0.1") as server:
        server.answers = application
        yield f"http://{host}:{server.server_port}"


def test_without_the_database_nothing_is_asked(deployment, asked, monkeypatch):
    def away():
        raise OperationalError("no such table")

    monkeypatch.setattr(edge, "stored_keys", away)
    done = asked()
    assert done.failure == (
        f"{deployment.base} was not asked: the stored policies, which say what it may grant, cannot be read: "
        "'no such table'"
    )
    assert deployment.seen == []


# --- what cannot be asked


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "is empty"),
        ("http://a.example/a b", "holds a space"),
        ("http://münchen.example", "not ASCII"),
        (f"http://a.example/{'a' * 2000}", "too long"),
        ("api.example.com", "is not an http or https address; write it as https://api.example.com or"),
        ("ftp://a.example", "is not an http or https address"),
        ("https://", "is not an http or https address"),
        ("https://[::1", "is no URL ("),
        ("https://a.example:port", "is no URL ("),
        ("https://a.example:99999", "is no URL ("),
        ("https://a_.example.", "has a host or a port that browsers do not know, or write otherwise"),
        ("https://127.1", "has a host or a port"),
        ("https://*.example.com", "has a host or a port"),
        ("https://a.example/x?y=1", "holds a query, which is not sent; write 'https://a.example/x'"),
        ("https://a.example/x#y", "holds a fragment, which is not sent; write 'https://a.example/x'"),
        ("HTTPS://A.example:443/?", "write 'https://a.example/'"),
    ],
)
def test_a_url_that_cannot_be_asked_is_refused(url, why):
    with pytest.raises(UnusableEdge) as caught:
        Edge(url)
    assert why in str(caught.value)
    assert str(caught.value).startswith("--url '")


@pytest.mark.parametrize(
    "url", ["https://me:secret@a.example/x", "me:secret@a.example", "https://me:secret@a.example:x"]
)
def test_a_password_is_refused_and_not_shown(url):
    with pytest.raises(UnusableEdge) as caught:
        Edge(url)
    assert "secret" not in str(caught.value)
    assert "***@a.example" in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://me:secret/x@a.example/",
        "https://me:secret?x@a.example/",
        "https://me:secret#x@a.example/",
        "https://me:x/secret@a.example/",
        "https://me:secret/ @a.example/",
        "https://me:123/x?secret@a.example/",
        "https://me:123/secret@a.example/?",
        "https://a.example/?token=secret",
        "https://a.example/#secret",
    ],
)
def test_a_secret_that_ends_the_host_early_is_not_shown_either(url):
    with pytest.raises(UnusableEdge) as caught:
        Edge(url)
    assert "secret" not in str(caught.value)
    assert "***" in str(caught.value)


def test_a_user_name_is_refused_with_what_to_write():
    with pytest.raises(UnusableEdge, match=r"holds a user name, which is not sent; write 'https://a\.example/x'"):
        Edge("https://me@a.example/x")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("HTTPS://API.Example.com:443/", "https://api.example.com"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://my_service:8000/x/", "http://my_service:8000"),
    ],
)
def test_a_url_is_written_as_browsers_write_it(url, origin):
    assert Edge(url).origin == origin


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"rate": 0}, "--rate takes 0.1 to 100 with --url, and not 0"),
        ({"rate": -1.0}, "--rate takes 0.1 to 100 with --url, and not -1.0"),
        ({"rate": float("nan")}, "--rate takes 0.1 to 100 with --url, and not nan"),
        ({"rate": 1e9}, "--rate takes 0.1 to 100 with --url, and not 1000000000.0"),
        ({"timeout": 0}, "--timeout takes 0.1 to 300 with --url, and not 0"),
        ({"timeout": float("inf")}, "--timeout takes 0.1 to 300 with --url, and not inf"),
        ({"max_requests": 0}, "--max-requests takes 1 to 100000 with --url, and not 0"),
        ({"max_requests": 10**9}, "--max-requests takes 1 to 100000 with --url, and not 1000000000"),
        (
            {"paths": ["api/"]},
            "--path 'api/' is no path that begins with a slash, without query and fragment; write '/api/'",
        ),
        (
            {"paths": ["/api/?x=1#y"]},
            "--path '/api/?x=1#y' is no path that begins with a slash, without query and fragment; write '/api/'",
        ),
        ({"paths": ["/a\nb"]}, "--path '/a\\nb' is too long, or holds what cannot be printed; write it plainly"),
    ],
)
def test_a_number_or_a_path_out_of_range_is_refused(wanted, message):
    with pytest.raises(UnusableEdge) as caught:
        Edge("https://a.example", **wanted)
    assert str(caught.value) == message


def test_without_httpx_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(CommandError) as caught:
        call_command("cors_audit", "--url", "https://a.example")
    assert str(caught.value) == (
        "--url needs httpx, which is not installed; pip install 'django-cors-policy[url]' brings it"
    )
    assert caught.value.returncode == 2


# --- the command


def run(deployment, *args, **options):
    out = io.StringIO()
    code = 0
    try:
        call_command("cors_audit", "--url", f"{deployment.base}/api/", "--rate", "100", *args, stdout=out, **options)
    except SystemExit as exit_:
        code = exit_.code
    return code, out.getvalue()


def test_the_report_tells_what_was_asked_and_what_not(deployment):
    code, text = run(deployment, "--max-requests", "6")
    assert code == 0
    assert f"\nSent: 6 requests over HTTP to {deployment.base}.\n" in text
    assert "\nNot looked at: " in text
    assert "HEAD, visitors who are logged in, views' own errors and other hosts over HTTP; " in text
    assert PROXY not in text
    assert len(deployment.seen) == 6


def test_the_formats_tell_it_too(deployment):
    deployment.answers = behind(deployment.answers, twice)
    code, text = run(deployment, "--max-requests", "20", "--format", "json", "--fail-level", "medium")
    document = json.loads(text)
    Draft202012Validator(SCHEMA).validate(document)
    assert code == 1
    assert document["looked_at"]["over_http"] == {
        "url": deployment.base,
        "requests": len(deployment.seen),
        "codes": [rule.code for rule in RULES],
    }
    assert document["looked_at"]["requests"] == 0


def test_rules_that_need_the_probe_have_not_passed(deployment):
    _, text = run(deployment, "--max-requests", "3", "--format", "junit")
    passed = set(re.findall(r'classname="cors_audit\.(CORS5[0-9]{2})', text))
    assert passed == {"CORS501", "CORS502", "CORS503", "CORS505", "CORS506", "CORS509"}


def test_in_process_and_over_http_go_together(deployment, db):
    code, text = run(deployment, "--probe", "--path", "/other/", "--max-requests", "30")
    assert code == 0
    assert re.search(
        r"Sent: [0-9]+ requests through the project's own middleware\.\nSent: [0-9]+ requests over HTTP", text
    )
    assert {"/api/", "/other/"} <= {seen.path for seen in deployment.seen}


def test_a_deployment_that_is_away_exits_with_2(deployment):
    deployment.silent = 1
    out = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("cors_audit", "--url", deployment.base, stdout=out)
    assert caught.value.returncode == 2
    assert f"{deployment.base} does not answer: " in str(caught.value)
    codes_ = ", ".join(rule.code for rule in RULES)
    assert f"Not run to the end: {codes_}: {deployment.base} does not answer: " in out.getvalue()
    assert PROXY in out.getvalue()


def test_a_url_that_cannot_be_asked_exits_with_2():
    with pytest.raises(CommandError, match="is not an http or https address") as caught:
        call_command("cors_audit", "--url", "api.example.com")
    assert caught.value.returncode == 2


def test_ctrl_c_in_the_probe_is_the_end_of_it(deployment, db, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("django_cors_policy.audit.probe._Run.all", interrupt)
    code, text = run(deployment, "--probe")
    assert code == 130
    assert deployment.seen == []
    assert PROXY in text
