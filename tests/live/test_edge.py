"""What nginx does in front of Django, and what cors_audit --url finds of it. On Debian: apt-get install nginx-light."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack

import pytest
from django.core.handlers.wsgi import WSGIHandler

from django_cors_policy.audit.edge import Edge, ask
from tests.audit import rows
from tests.audit.deployed import CERTIFICATE, serving
from tests.audit.test_edge import ALLOWED

START = 10.0  # seconds

# What each server adds to "proxy_pass".
SERVERS = {
    "plain": "",
    "second header": "add_header Access-Control-Allow-Origin * always;",
    "no vary": "proxy_hide_header Vary;",
    "own options": "if ($request_method = OPTIONS) { return 405; }",
    "own errors": "proxy_hide_header Access-Control-Allow-Origin; add_header Access-Control-Allow-Origin $allowed;",
    "cache without origin": "proxy_cache kept; proxy_cache_valid any 1h; proxy_ignore_headers Vary; "
    "proxy_cache_key plain$uri$request_method;",
    "cache without vary": "proxy_cache kept; proxy_cache_valid any 1h; proxy_ignore_headers Vary; "
    "proxy_hide_header Vary; proxy_cache_key vary$uri$http_origin$request_method; "
    "add_header X-Cache-Status $upstream_cache_status always;",
    "reflection": "proxy_hide_header Access-Control-Allow-Origin; "
    "proxy_hide_header Access-Control-Allow-Credentials; "
    "add_header Access-Control-Allow-Origin $http_origin always; "
    "add_header Access-Control-Allow-Credentials true always;",
    "limit": "limit_req zone=slow; limit_req_status 429;",
    "nobody": "",
    "tls": "",
}

CONFIGURATION = """
daemon off;
worker_processes 1;
user {user};
pid {folder}/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache keys_zone=kept:1m;
    limit_req_zone $server_port zone=slow:1m rate=1r/m;
    map $http_origin $allowed {{ default ""; {allowed} $http_origin; }}
{servers}
}}
"""

SERVER = """
    server {{
        listen 127.0.0.1:{port}{tls};
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        location / {{
            proxy_pass http://127.0.0.1:{behind};
            proxy_set_header Host $http_host;
            {more}
        }}
    }}
"""


@pytest.fixture(scope="module")
def django():
    with serving(None) as server:
        yield server


@pytest.fixture(scope="module")
def nginx(django, tmp_path_factory):
    """Start nginx with all servers; give their addresses by name."""
    folder = tmp_path_factory.mktemp("nginx")
    with ExitStack() as free:
        ports = {
            name: free.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
            for name in (*SERVERS, "no server")
        }
    servers = [
        SERVER.format(
            port=ports[name],
            tls=" ssl" if name == "tls" else "",
            certificate=CERTIFICATE,
            behind=ports["no server"] if name == "nobody" else django.server_port,
            more=more,
        )
        for name, more in SERVERS.items()
    ]
    file = folder / "nginx.conf"
    user = pwd.getpwuid(os.geteuid()).pw_name
    file.write_text(CONFIGURATION.format(folder=folder, user=user, allowed=ALLOWED, servers="".join(servers)))
    log = folder / "error.log"
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or "nginx"
    process = subprocess.Popen([program, "-e", log, "-p", folder, "-c", file], stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START
        while not _listens(ports["tls"]):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"nginx does not start:\n{log.read_text()}", pytrace=False)
            time.sleep(0.02)
        yield {name: f"{'https' if name == 'tls' else 'http'}://127.0.0.1:{ports[name]}" for name in SERVERS}
    finally:
        process.terminate()
        process.wait(START)


def _listens(port):
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def asked(django, nginx, settings, clock):
    settings.ROOT_URLCONF = "tests.audit.test_edge"
    settings.CORS_TENANT_RESOLVER = None
    settings.CORS_ALLOWED_ORIGINS = [ALLOWED, "https://other.example.com"]
    settings.CORS_ALLOW_CREDENTIALS = True
    settings.MIDDLEWARE = [
        "django_cors_policy.middleware.CorsMiddleware",
        "django.middleware.common.CommonMiddleware",
    ]
    django.answers = WSGIHandler()

    def asked(name, most=60):
        wanted = Edge(f"{nginx[name]}/api/", max_requests=most, clock=clock, sleep=clock.advance)
        return ask(wanted)

    return asked


def test_a_clean_server_behind_nginx_has_no_finding(asked):
    done = asked("plain", most=2000)
    assert (done.failure, done.findings) == (None, [])
    assert done.requests > 500
    assert "combinations" not in str(done.not_looked_at)


def test_a_clean_server_behind_nginx_with_tls_has_no_finding(asked, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    done = asked("tls")
    assert (done.failure, done.findings) == (None, [])


@pytest.mark.parametrize(
    ("name", "code", "severity"),
    [
        ("second header", "CORS505", "medium"),
        ("no vary", "CORS503", "medium"),
        ("own options", "CORS502", "high"),
        ("own errors", "CORS506", "medium"),
        ("cache without origin", "CORS506", "medium"),
        ("cache without vary", "CORS503", "high"),
        ("reflection", "CORS501", "critical"),
    ],
)
def test_what_nginx_does_is_found(asked, nginx, name, code, severity):
    done = asked(name)
    assert done.failure is None
    assert (severity, nginx[name]) in rows(done.findings, code)


def test_a_second_header_is_one_finding_that_says_where_to_look(asked):
    findings = asked("second header").findings
    found = [found for found in findings if found.rule.code == "CORS505"]
    assert "CORS506" not in {found.rule.code for found in findings}
    assert [finding.severity for finding in found if finding.severity != "low"] == ["medium"]
    assert "Access-Control-Allow-Origin comes 2 times: 'https://app.example.com, *'" in found[0].message
    assert "If --probe does not show it, it is done in front of Django (proxy or CDN)." in found[0].hint


def test_a_server_that_limits_is_left_alone(asked):
    done = asked("limit")
    assert " asks for fewer requests (429); give it a lower --rate" in done.failure
    assert done.requests == 5


def test_nginx_with_nobody_behind_it_is_no_answer(asked):
    assert "does not answer: what is in front of it says 502 Bad Gateway; see that" in asked("nobody").failure
