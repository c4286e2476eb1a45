"""What a denied preflight says under DEBUG is what manage.py cors_explain says."""

import io
import json
import shlex
import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.test import Client

from django_cors_policy.models import TenantPolicy
from django_cors_policy.remedies import MAX_TOLD
from tests.cors.test_imports import ROOT

APP = "https://app.acme.example"
HOST = "acme.tenants.example"


@pytest.fixture(autouse=True)
def debugging(settings):
    settings.DEBUG = True
    return settings


@pytest.fixture
def acme(db):
    policy = TenantPolicy.objects.create(tenant=HOST, allow_methods="PUT", allow_headers="content-type")
    policy.origins.create(pattern=APP)
    return policy


def said(origin, method="PUT", headers=None, host=HOST, path="/ok/", *, secure=True):
    fields = {"host": host, "origin": origin, "access-control-request-method": method}
    if headers is not None:
        fields["access-control-request-headers"] = headers
    response = Client().options(path, headers=fields, secure=secure)
    assert response.status_code == 403
    assert response.text.endswith("\n")
    line = response.text[:-1]
    assert line.isprintable()
    return line


def explained(line):
    """Give what the command says that a line ends with."""
    words = shlex.split(line.partition("Step by step: ")[2])
    assert words[:2] == ["manage.py", "cors_explain"]
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("cors_explain", *words[2:], "--format", "json", stdout=out)
    return json.loads(out.getvalue())


NEW = "https://new.example"
ORIGIN = f"In the admin, in the policy of tenant '{HOST}': add '{NEW}' to the origins"
NOBODYS = "In the settings, for all tenants, or in a policy of tenant 'nobody.tenants.example', who has none: "


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"origin": NEW}, f"{ORIGIN}."),
        (
            {"origin": NEW, "method": "PATCH"},
            f"{ORIGIN}; add 'PATCH' to the methods.",
        ),
        (
            {"origin": NEW, "method": "PATCH", "headers": "content-type, X-Foo,x-bar,,x-bar"},
            f"{ORIGIN}; add 'PATCH' to the methods; add 'x-bar', 'x-foo' to the headers.",
        ),
        (
            {"origin": NEW, "method": "GET", "headers": "accept,accept-language,content-language,range"},
            f"{ORIGIN}; add 'accept', 'accept-language', 'content-language', 'range' to the headers.",
        ),
        ({"origin": NEW, "host": "nobody.tenants.example"}, f"{NOBODYS}add '{NEW}' to CORS_ALLOWED_ORIGINS."),
        ({"origin": NEW, "path": "//ok/?a=1%20b&c=%2F"}, f"{ORIGIN}."),
        ({"origin": "null"}, "Serve the page from an http or https address: null is everybody's, and never allowed."),
        (
            {"origin": f"http://{HOST}"},
            "Declare the proxy that speaks https for this server: SECURE_PROXY_SSL_HEADER.",
        ),
    ],
)
def test_a_denied_preflight_names_the_change_that_the_command_names(acme, asked, text):
    line = said(**asked)
    assert f" To let it through: {text} Step by step: " in line
    found = explained(line)
    assert found["suggestion"]["text"] == text
    assert f"is denied ({found['decided_by']['reason']})." in line


def test_without_tenants_it_is_in_the_settings(debugging):
    debugging.CORS_TENANT_RESOLVER = None
    debugging.CORS_ALLOW_METHODS = ["GET"]
    line = said(NEW, "PATCH")
    text = f"In the settings: add '{NEW}' to CORS_ALLOWED_ORIGINS; add 'PATCH' to CORS_ALLOW_METHODS."
    assert f"To let it through: {text} Step" in line
    assert explained(line)["suggestion"]["text"] == text


def test_an_origin_that_no_page_has_is_said_as_the_command_says_it(acme):
    line = said("https://App.acme.example")
    words = shlex.split(line.partition("Step by step: ")[2])
    with pytest.raises(CommandError) as error:
        call_command(*words[1:])
    assert f"is denied (malformed-origin). {error.value}. Step by step: " in line


def test_what_the_limits_forbid_is_not_proposed(acme):
    line = said("http://shop.example", secure=False)
    assert "To let it through" not in line
    assert explained(line)["suggestion"] is None


def test_what_memory_does_not_know_yet_is_not_proposed_either(acme, monkeypatch):
    monkeypatch.setattr("django_cors_policy.selection.store.peek", lambda _: None)
    line = said(APP)
    assert line.startswith(f"CORS: '{APP}' is denied (not-allowed). Step by step: ")


def test_a_page_of_https_is_taken_to_have_asked_https_of_a_proxy(acme):
    line = said(NEW, secure=False)
    assert line.endswith(f" {NEW} PUT https://{HOST}/ok/")
    assert f"add '{NEW}' to the origins" in explained(line)["suggestion"]["text"]


@pytest.mark.parametrize(("origin", "host"), [(NEW, "localhost:8000"), (f"https://{HOST}", HOST)])
def test_http_stays_where_a_page_of_https_may_ask_it_or_the_proxy_is_what_is_wrong(acme, origin, host):
    assert f" http://{host}/ok/" in said(origin, host=host, secure=False)


@pytest.mark.parametrize(
    "asked",
    [
        {"origin": "https://x.example\x1b[31m"},
        {"origin": "https://" + "a" * MAX_TOLD},
        {"origin": NEW, "method": "P" * (MAX_TOLD + 1)},
        {"origin": NEW, "headers": "x-a," * MAX_TOLD},
        {"origin": NEW, "headers": "x-\x1b"},
        {"origin": NEW, "path": "/" + "a" * MAX_TOLD},
    ],
)
def test_of_what_is_too_long_or_not_printable_the_reason_alone_is_said(acme, asked):
    line = said(**asked)
    assert len(line) < 500
    assert line.endswith("-origin)." if "new" not in asked["origin"] else "(not-allowed).")


@pytest.mark.parametrize("origin", ["https://'; rm -rf ~", "https://$(id)"])
def test_the_command_is_safe_to_paste(acme, origin):
    line = said(origin)
    assert shlex.split(line.partition("Step by step: ")[2])[2] == origin


@pytest.mark.parametrize("asked", [{"origin": "--settings=evil"}, {"origin": NEW, "method": "--settings=evil"}])
def test_what_would_be_read_as_an_option_is_not_to_be_pasted(acme, asked):
    assert "cors_explain" not in said(**asked)


def test_a_header_is_pasted_as_the_value_of_an_option(acme):
    line = said(NEW, headers="--settings")
    assert explained(line)["requests"][0]["headers"][-1] == ["Access-Control-Request-Headers", "--settings"]


def test_of_a_host_that_is_refused_it_says_that(db):
    expected = "CORS: 'https://new.example' is denied (not-allowed). ALLOWED_HOSTS refuses the request's host."
    assert said(NEW, host="evil.test") == expected


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_said_and_is_no_500(monkeypatch):
    monkeypatch.setattr(TenantPolicy._meta, "db_table", "dropped")
    line = said(NEW)
    assert "is denied (not-allowed). But the stored policies cannot be read: '" in line
    assert "dropped" in line
    assert not connections["default"].in_atomic_block


@pytest.mark.django_db(transaction=True)
def test_what_fails_breaks_no_transaction_of_the_requests(acme, monkeypatch):
    with transaction.atomic():
        with monkeypatch.context() as broken:
            broken.setattr(TenantPolicy._meta, "db_table", "dropped")
            assert "cannot be read" in said(NEW)
        assert acme.origins.count() == 1  # PostgreSQL would refuse to tell


WITH_DEBUG_OFF = """
import sys
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django_cors_policy"], ALLOWED_HOSTS=["*"], CORS_TENANT_RESOLVER=None
)
django.setup()
from django.test import RequestFactory
from django_cors_policy.middleware import CorsMiddleware
request = RequestFactory().options("/", headers={"origin": "https://x.example", "access-control-request-method": "PUT"})
response = CorsMiddleware(None)(request)
assert (response.status_code, response.content) == (403, b"")
print(*sorted(name for name in sys.modules if name.startswith("django_cors_policy.")))
"""


def test_with_debug_off_what_says_it_is_not_even_imported():
    command = [sys.executable, "-W", "error", "-c", WITH_DEBUG_OFF]
    done = subprocess.run(command, cwd=ROOT.parent, capture_output=True, text=True, timeout=60, check=True)
    assert "django_cors_policy.middleware" in done.stdout.split()
    assert "django_cors_policy.remedies" not in done.stdout.split()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"shadow": True}, "in shadow mode"),
        ({"enabled": False}, "disabled"),
        ({"shadow": True, "enabled": False}, "disabled"),
    ],
)
def test_of_a_policy_that_does_not_answer_is_said_why(acme, fields, why):
    for name, value in fields.items():
        setattr(acme, name, value)
    acme.save()
    done = {"disabled": "enable", "in shadow mode": "end the shadow mode of"}[why]
    silent = f"In the admin: {done} the policy of tenant '{HOST}', which would let it through."
    assert silent in said(APP)
    own = f"In the settings, for all tenants, or in the policy of tenant '{HOST}', which is {why}: add 'https://other.example'"
    assert own in said("https://other.example")
