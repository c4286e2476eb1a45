"""The page that tests a policy: it says what cors_explain says, and leaves nothing behind."""

import html
import io
import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import InternalError, connection, connections
from django.http import HttpResponse, HttpResponseRedirect
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import path, reverse

from django_cors_policy.admin.trying import FetchForm, address_of
from django_cors_policy.cors import DEFAULT_METHODS
from django_cors_policy.feed import policies_changed
from django_cors_policy.history import PolicyHistory, policies_written
from django_cors_policy.models import AllowedOrigin, PolicyChange, PolicyRevision, TenantPolicy
from django_cors_policy.store import store
from django_cors_policy.telling import as_json
from tests import urls
from tests.admin.test_policies import ADD, change_url, page
from tests.admin.test_staff import client as staff_client  # noqa: F401 -- a fixture
from tests.admin.test_staff import tenants_of  # noqa: F401 -- asked by that fixture's setting

pytestmark = pytest.mark.django_db

HOST = "acme.tenants.example"
API = f"https://{HOST}"
NEW = "https://new.tenants.example/ok/"
APP = "https://app.acme.example"
OTHER = "https://other.example"

# --- a project

_visited = []


def visit(request):
    _visited.append((request.method, request.headers.get("X-Foo")))
    return HttpResponse("visited", headers={"X-Total": "1"})


def meanwhile(_):
    """Let others ask while a test is under way."""
    return HttpResponse(headers={"X-Meanwhile": ascii(elsewhere(_meanwhile))})


def elsewhere(ask):
    """Ask in a thread of its own."""

    def run():
        try:
            return ask()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(run).result(timeout=30)


def _visitor():
    response = Client().get("/ok/", headers={"origin": OTHER, "host": HOST})
    return "Access-Control-Allow-Origin" in response


def _writer():
    TenantPolicy.objects.create(tenant="globex.tenants.example")
    return "written"


_meanwhile = _visitor

urlpatterns = [
    *urls.urlpatterns,
    path("visit/", visit),
    path("meanwhile/", meanwhile),
    path("away/", lambda _: HttpResponseRedirect("https://globex.tenants.example/ok/")),
]


def by_customer(request):
    """A resolver of a project's own, whose keys no URL tells."""
    return {HOST: "acme", "globex.tenants.example": "customer-4711"}.get(request.get_host())


@pytest.fixture(autouse=True)
def project(settings):
    settings.ROOT_URLCONF = __name__
    _visited.clear()
    return settings


@pytest.fixture
def client():
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def acme():
    policy = TenantPolicy.objects.create(tenant=HOST, max_age=300)
    policy.origins.create(pattern=APP)
    return policy


def try_url(policy):
    return reverse("admin:django_cors_policy_tenantpolicy_try", args=[policy.pk])


def fetch(origin=APP, url="/ok/", method="GET", headers="", credentials="same-origin", **more):
    url = f"{API}{url}" if url.startswith("/") else url
    fields = {"origin": origin, "url": url, "method": method, "headers": headers, "credentials": credentials, **more}
    return {f"try-{name}": value for name, value in fields.items()}


def told(response):
    """Give what the page tells, as cors_explain does."""
    assert response.status_code == 200, response.status_code
    assert "explanation" in response.context, (response.context.get("refused"), response.context["form"].errors)
    return json.loads(as_json(response.context["explanation"]))


def verdict(response):
    return told(response)["verdict"]


def refusal(response):
    assert response.status_code == 200
    assert "explanation" not in response.context
    return str(response.context["refused"])


def texts(response):
    """Give what the page's text comes to, between its tags."""
    text = html.unescape(re.sub(r"<[^>]*>", " ", response.content.decode()))
    return " ".join(text.split())


def state():
    """Give all that is stored and that a test could leave behind."""
    return [
        list(rows.values())
        for rows in (
            TenantPolicy.objects,
            AllowedOrigin.objects,
            PolicyHistory.objects,
            PolicyChange.rows.order_by("pk"),
            LogEntry.objects,
            Session.objects,
        )
    ]


# --- the same answer as cors_explain


@pytest.mark.slow
@pytest.mark.parametrize(
    ("origin", "method", "url", "headers", "credentials"),
    [
        (APP, "GET", f"{API}/ok/", [], "same-origin"),
        (APP, "get", f"{API}/ok/?a=1%20b", [], "include"),
        (APP, "PUT", f"{API}/ok/", ["X-CSRFToken: 1"], "omit"),
        (APP, "PUT", f"{API}/ok/", ["X-Foo: 1", "Cookie: a=1", "Content-Type: application/json"], "same-origin"),
        (APP, "HEAD", f"{API}/nowhere/", [], "same-origin"),
        (APP, "GET", f"{API}/redirects/", [], "same-origin"),
        (APP, "GET", f"{API}/hand-set/", [], "same-origin"),
        (APP, "GET", f"{API}/raises/", [], "same-origin"),
        (APP, "TRACE", f"{API}/ok/", [], "same-origin"),
        (APP, "PO ST", f"{API}/ok/", [], "same-origin"),
        (APP, "GET", f"{API}/\xe4/", ["X-Foo: \u20ac"], "same-origin"),
        (APP, "GET", f"{API}/ok/", ["X-Foo: \xe4"], "same-origin"),
        (APP, "GET", f"{API}:99999/", [], "same-origin"),
        (OTHER, "GET", f"{API}/ok/", [], "same-origin"),
        (OTHER, "DELETE", f"{API}/ok/", ["X-Foo: 1"], "include"),
        ("http://localhost:3000", "GET", f"{API}/ok/", [], "same-origin"),
        ("null", "GET", f"{API}/ok/", [], "same-origin"),
        (API, "POST", f"{API}/ok/", [], "same-origin"),
        (APP, "GET", f"http://{HOST}/ok/", [], "same-origin"),
    ],
)
def test_the_page_says_what_cors_explain_says(client, acme, origin, method, url, headers, credentials):
    out = io.StringIO()
    options = [part for header in headers for part in ("--header", header)]
    with suppress(SystemExit):
        call_command(
            *("cors_explain", origin, method, url, *options, "--credentials", credentials),
            *("--tenant", HOST, "--format", "json"),
            stdout=out,
        )
    client.raise_request_exception = False
    response = client.post(try_url(acme), fetch(origin, url, method, "\r\n".join(headers), credentials))
    assert told(response) == json.loads(out.getvalue())
    said = texts(response)
    found = json.loads(out.getvalue())
    for sentence in (found["message"], found["console"], (found["suggestion"] or {"text": ""})["text"]):
        assert " ".join(sentence.split()) in said
    for request in found["requests"]:
        assert f"{request['method']} {request['url']}" in said
        for name, value in request["headers"] + request["answer"]["headers"]:
            assert f"{name}: {value}".strip() in said


def test_an_allowed_fetch_says_who_decided_what_may_be_read_and_what_a_browser_remembers(client, acme):
    TenantPolicy.objects.update(expose_headers="X-Total")
    said = texts(client.post(try_url(acme), fetch(method="PUT")))
    assert "✓ Allowed: the page may read the answer" in said
    assert f"Allowed by the policy '{HOST}', listed '{APP}', tenant '{HOST}'." in said
    assert "The browser asks first whether it may send the request (a preflight)" in said
    assert "goes on to send PUT" in said
    assert "for up to 300 seconds" in said
    said = texts(client.post(try_url(acme), fetch(url="/visit/")))
    assert re.search("Headers of the answer that the page may read( [a-z-]+ ,)* x-total( , [a-z-]+)* If this", said)
    assert "No preflight is remembered." in said


def test_a_blocked_fetch_says_the_fix_and_what_the_audit_would_find_of_it(client, acme):
    response = client.post(try_url(acme), fetch("http://localhost:3000", headers="Cookie: 1"))
    said = texts(response)
    assert "✗ Blocked: the page may not read the answer" in said
    assert f"In the admin, in the policy of tenant '{HOST}': add 'http://localhost:3000' to the origins." in said
    assert "medium CORS109" in said
    assert "Headers that the browser leaves out, since no script may set them Cookie" in said
    assert "After a revocation" not in said


def test_what_no_policy_lets_a_page_read_is_not_revoked(client, acme):
    assert "After a revocation" not in texts(client.post(try_url(acme), fetch(API)))
    response = client.post(try_url(acme), fetch(credentials="include"))
    assert (verdict(response), told(response)["decided_by"]["policy"]) == ("blocked", HOST)
    assert "After a revocation" not in texts(response)


def test_what_the_explanation_says_is_marked_as_english(client, acme):
    source = client.post(try_url(acme), fetch(OTHER)).content.decode()
    assert re.search(r'<p lang="en">[^<]*There is no Access-Control-Allow-Origin', source)
    assert re.search(r'<dd><strong lang="en">In the admin', source)


def test_nothing_is_sent_but_what_a_script_can(client, acme):
    client.post(try_url(acme), fetch(url="/visit/", headers="X-Foo: 1\r\n\r\n X-CSRFToken:2"))
    assert _visited == []  # the policy allows no X-Foo
    TenantPolicy.objects.update(allow_headers="x-foo")
    client.post(try_url(acme), fetch(url="/visit/", headers="X-Foo: 1"))
    assert _visited == [("GET", "1")]
    client.post(try_url(acme), fetch(url="/visit/", method="DELETE"))
    assert len(_visited) == 1


def test_no_script_and_no_style_stands_in_the_page(client, acme):
    source = client.post(try_url(acme), fetch(OTHER, headers="bad")).content.decode()
    source += client.post(try_url(acme), fetch(OTHER)).content.decode()
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=", source) == []


def test_what_is_asked_is_shown_as_text(client, acme):
    source = client.post(try_url(acme), fetch("<script>alert(1)</script>")).content.decode()
    assert "<script>alert" not in source
    assert "&lt;script&gt;alert(1)" in source


# --- what is filled in


def test_a_look_at_the_page_sends_nothing_and_fills_in_the_first_exact_origin(client, acme):
    acme.origins.all().delete()
    acme.origins.create(pattern="https://off.acme.example", enabled=False)
    acme.origins.create(pattern="https://*.acme.example")
    acme.origins.create(pattern=OTHER)
    response = client.get(try_url(acme))
    form = response.context["form"]
    assert (form["origin"].value(), form["url"].value(), form["method"].value()) == (OTHER, f"http://{HOST}/", "GET")
    assert "explanation" not in response.context
    assert form.errors == {}


def test_a_link_fills_the_form_in_and_sends_nothing(client, acme):
    response = client.get(try_url(acme), {"origin": OTHER, "url": f"{API}/visit/", "method": "HEAD", "next": "x"})
    form = response.context["form"]
    assert (form["origin"].value(), form["url"].value(), form["method"].value()) == (OTHER, f"{API}/visit/", "HEAD")
    assert _visited == []


def test_a_test_needs_the_token_of_a_form(acme):
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    assert client.post(try_url(acme), fetch(url="/visit/")).status_code == 403
    assert _visited == []
    [token] = re.findall(
        'novalidate><input type="hidden" name="csrfmiddlewaretoken" value="([^"]*)"',
        client.get(try_url(acme)).content.decode(),
    )
    assert verdict(client.post(try_url(acme), {**fetch(), "csrfmiddlewaretoken": token})) == "allowed"


def test_a_policy_without_an_exact_origin_has_none_filled_in(client, acme):
    acme.origins.all().delete()
    assert client.get(try_url(acme)).context["form"]["origin"].value() == ""


TENANTS = "django_cors_policy.tenants."


@pytest.mark.parametrize(
    ("resolver", "tenant", "host", "secure", "urls_regex", "address"),
    [
        ("by_host", HOST, "testserver", True, None, (f"https://{HOST}", "/")),
        ("by_host", HOST, "localhost:8000", False, None, (f"http://{HOST}:8000", "/")),
        ("by_host", HOST, "[::1]:8000", False, None, (f"http://{HOST}:8000", "/")),
        ("by_host", HOST, "localhost:99999", False, None, (f"http://{HOST}:99999", "/")),
        ("by_host", HOST, "[::1]", False, None, (f"http://{HOST}", "/")),
        ("by_host", HOST, "testserver", True, r"^/api/", (f"https://{HOST}", "/api/")),
        ("by_host", HOST, "testserver", True, r"^/api/v\d+/", (f"https://{HOST}", "/")),
        ("by_host", HOST, "testserver", True, r".*/api/$", (f"https://{HOST}", "/")),
        ("by_subdomain", "acme", "testserver", True, None, ("https://acme.tenants.example", "/")),
        ("by_subdomain", "acme", "admin.below.example:81", False, None, ("http://acme.below.example:81", "/")),
        ("by_path_prefix", "acme", "testserver", True, r"^/[a-z]+/api/", ("https://testserver", "/acme/")),
        (f"{__name__}.by_customer", "acme", "testserver", True, None, ("https://testserver", "/")),
    ],
)
def test_the_address_is_the_tenants_as_far_as_the_resolver_tells(
    settings, resolver, tenant, host, secure, urls_regex, address
):
    settings.CORS_TENANT_RESOLVER = resolver if "." in resolver else TENANTS + resolver
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, ".below.example"]
    if urls_regex is not None:
        settings.CORS_URLS_REGEX = urls_regex
    request = RequestFactory().get("/", secure=secure, headers={"host": host})
    assert address_of(tenant, request) == address


def test_without_a_domain_a_tenant_below_one_is_at_the_admins_host(settings):
    settings.CORS_TENANT_RESOLVER = f"{TENANTS}by_subdomain"
    settings.ALLOWED_HOSTS = ["testserver"]
    assert address_of("acme", RequestFactory().get("/")) == ("http://testserver", "/")


def test_a_path_is_one_of_the_tenants_host(client, acme):
    data = {**fetch("http://app.example"), "try-url": "//ok/?a=1"}
    [request] = told(client.post(try_url(acme), data))["requests"]
    assert request["url"] == f"http://{HOST}//ok/?a=1"


# --- what is refused


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("origin", "https://" + "a" * 300, "at most 300 characters"),
        ("origin", "", "required"),
        ("method", "M" * 33, "at most 32 characters"),
        ("url", f"{API}/" + "a" * 2000, "at most 2000 characters"),
        ("url", f"{HOST}/ok/", "Write a full URL"),
        ("url", "data:text/plain,x", "Write a full URL"),
        ("url", "", "required"),
        ("headers", "X-Foo", "'X-Foo' has no colon"),
        ("headers", "X-Foo: 1\rX-Bar: 2", "characters that no header has"),
        ("headers", "X-Foo: 1\x0bX-Bar: 2", "characters that no header has"),
        ("headers", "X-Foo: 1\x00", "Null characters"),
        ("headers", "X-Foo: 1\u2028X-Bar: 2", "characters that no header has"),
        ("headers", "X-Foo: " + "a" * 4090, "A header has at most 4096 characters."),
        ("headers", "X-Foo: 1\r\n" * 21, "At most 20 headers"),
        ("headers", "X-Foo: 1\r\n" * 9000, "at most 81960 characters"),
        ("headers", "X-Forwarded-Host: globex.tenants.example", "'X-Forwarded-Host' cannot be tested"),
        ("headers", "forwarded : for=127.0.0.1", "'forwarded' cannot be tested"),
        ("headers", "Remote-User: root", "'Remote-User' cannot be tested"),
        ("headers", "X-Real-IP: 127.0.0.1", "'X-Real-IP' cannot be tested"),
        ("headers", "X_Api_Key: 1", "'X_Api_Key' cannot be tested"),
        ("credentials", "maybe", "Select a valid choice"),
    ],
)
def test_a_bad_value_is_an_error_on_its_field_and_nothing_is_sent(client, acme, field, value, said):
    response = client.post(try_url(acme), fetch(**{"url": "/visit/", field: value}))
    assert "explanation" not in response.context
    errors = response.context["form"].errors
    assert list(errors) == [field]
    assert said in " ".join(errors[field])
    assert _visited == []


def test_as_many_and_as_long_headers_as_are_let_in_are_tested(client, acme):
    lines = [f"X-Foo-{number}: " + "a" * (4096 - len(f"X-Foo-{number}: ")) for number in range(20)]
    assert verdict(client.post(try_url(acme), fetch(headers="\r\n".join([*lines, "", " "])))) == "blocked"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"origin": "https://App.acme.example/"}, "is not the origin of a page"),
        ({"origin": "*"}, "is not the origin of a page"),
        ({"url": "https://elsewhere.example/"}, "'elsewhere.example' is not a host of this project"),
        ({"url": "https://user@testserver.example:1/"}, "is not a host of this project"),
        ({"url": "https://globex.tenants.example/"}, f"is no URL of tenant '{HOST}'"),
        ({"url": "/away/"}, f"'https://globex.tenants.example/ok/' is no URL of tenant '{HOST}'"),
    ],
)
def test_what_cannot_be_answered_is_said_on_the_page(client, acme, fields, said):
    response = client.post(try_url(acme), fetch(**fields))
    if "explanation" in response.context:
        assert told(response)["requests"] == []  # a browser sends nothing to a URL with a name in it
    else:
        assert said in refusal(response)
        assert said in texts(response)


def test_whose_a_url_is_stays_unsaid_whether_that_tenant_exists_or_not(client, acme, settings):
    settings.CORS_TENANT_RESOLVER = f"{__name__}.by_customer"
    TenantPolicy.objects.filter(pk=acme.pk).update(tenant="acme")
    url = "https://globex.tenants.example/"
    before = refusal(client.post(try_url(acme), fetch(url=url)))
    TenantPolicy.objects.create(tenant="customer-4711")
    response = client.post(try_url(acme), fetch(url=url))
    assert refusal(response) == before == f"'{url}' is no URL of tenant 'acme': this page tests those alone."
    assert "4711" not in response.content.decode()


def test_a_policy_that_is_gone_meanwhile_names_no_other(client, acme, monkeypatch):
    TenantPolicy.objects.create(tenant="acme2.tenants.example")
    valid = FetchForm.fetch

    def delete_first(form):
        TenantPolicy.objects.filter(pk=acme.pk).delete()
        return valid(form)

    monkeypatch.setattr(FetchForm, "fetch", delete_first)
    response = client.post(try_url(acme), fetch())
    assert refusal(response) == "The policy is not stored, or not yet where policies are read from."
    assert "acme2" not in response.content.decode()


@pytest.mark.slow
@pytest.mark.parametrize("field", ["origin", "url", "method", "headers"])
@pytest.mark.parametrize(
    "value",
    [
        *("\ud7ff", "\xff", "%", "%00", "https://[", "https://[::1", f"{API}:x/", f"https://{HOST}:/", "http://"),
        *(f"{API}/%zz", f"{API}/\\..\\", f"{API}/?#%23", "https://%61", ":", ": :", "A:\t", "https:///", "/\\", "/%ff"),
    ],
)
def test_no_value_is_an_error_500(client, acme, field, value):
    client.raise_request_exception = False
    assert client.post(try_url(acme), fetch(**{field: value})).status_code == 200
    assert client.get(try_url(acme), {field: value}).status_code == 200


# --- a policy that answers nothing yet


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"enabled": False}, "This policy is disabled."), ({"shadow": True}, "This policy is in shadow mode.")],
)
def test_a_policy_that_answers_nothing_is_tested_as_if_it_were_switched_on(client, acme, fields, said):
    TenantPolicy.objects.update(**fields)
    response = client.post(try_url(acme), fetch())
    assert verdict(response) == "blocked"
    assert said in texts(response)
    before = state()
    response = client.post(try_url(acme), fetch(as_if="on"))
    assert verdict(response) == "allowed"
    assert f"{said} The answer below is what it would be" in texts(response)
    assert state() == before
    assert verdict(client.post(try_url(acme), fetch())) == "blocked"


def test_a_policy_that_answers_has_no_such_box(client, acme):
    assert "as_if" not in client.get(try_url(acme)).context["form"].fields
    assert verdict(client.post(try_url(acme), fetch(as_if="on"))) == "allowed"


# --- edits that are not saved


def edited(policy, *rows, asked=True, **fields):
    """Give what the page sends for the test of a form."""
    return {**page(*rows, policy=policy, **fields), **(fetch(OTHER) if asked else {}), "_try": "Test"}


def test_the_button_stands_on_the_forms_of_those_who_may_save(client, acme):
    assert 'name="_try"' in client.get(change_url(acme)).content.decode()
    assert 'name="_try"' in client.get(ADD).content.decode()
    assert 'name="_try"' not in viewer().get(change_url(acme)).content.decode()


def viewer():
    user = User.objects.create_user("viewer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client = Client()
    client.force_login(user)
    return client


def test_the_button_shows_the_page_with_the_first_edited_origin(client, acme):
    response = client.post(change_url(acme), edited(acme, "https://*.other.example", OTHER, asked=False))
    assert response.context["form"]["origin"].value() == OTHER
    assert response.context["form"].errors == {}
    assert "Unsaved edits." in texts(response)
    response = client.post(change_url(acme), edited(acme, asked=False))
    assert response.context["form"]["origin"].value() == APP


def test_an_origin_that_was_added_is_tested(client, acme):
    assert verdict(client.post(change_url(acme), edited(acme))) == "blocked"
    response = client.post(change_url(acme), edited(acme, OTHER))
    assert verdict(response) == "allowed"
    assert told(response)["decided_by"]["pattern"] == OTHER


def test_an_origin_that_was_changed_switched_off_or_deleted_is_tested(client, acme):
    for change, allowed in (
        ({}, True),
        ({"origins-0-pattern": "https://*.acme.example"}, True),
        ({"origins-0-pattern": OTHER}, False),
        ({"origins-0-enabled": ""}, False),
        ({"origins-0-DELETE": "on"}, False),
        ({"origins-0-expires_at_0": "2020-01-01", "origins-0-expires_at_1": "00:00"}, False),
    ):
        response = client.post(change_url(acme), {**edited(acme), **fetch(APP), **change})
        assert verdict(response) == ("allowed" if allowed else "blocked"), change


def test_a_field_of_the_policy_that_was_changed_is_tested(client, acme):
    credentials = {**fetch(APP, credentials="include")}
    assert verdict(client.post(change_url(acme), {**edited(acme), **credentials})) == "blocked"
    data = {**edited(acme, allow_credentials="on"), **credentials}
    assert verdict(client.post(change_url(acme), data)) == "allowed"


def test_a_policy_that_is_not_stored_is_tested(client):
    data = {**page(OTHER, tenant=HOST), **fetch(OTHER), "_try": "Test"}
    response = client.post(ADD, data)
    assert verdict(response) == "allowed"
    assert told(response)["decided_by"]["policy"] == HOST
    assert "Unsaved edits." in texts(response)
    assert not TenantPolicy.objects.exists()


def test_a_policy_that_changes_its_tenant_is_tested(client, acme):
    data = {**edited(acme, tenant="new.tenants.example"), **fetch(APP, NEW)}
    response = client.post(change_url(acme), data)
    assert told(response)["decided_by"]["tenant"] == "new.tenants.example"
    assert verdict(response) == "allowed"
    assert "is no URL of tenant" in refusal(client.post(change_url(acme), {**data, "try-url": f"{API}/ok/"}))


def test_edits_of_a_policy_that_answers_nothing_are_tested_as_if_it_were_switched_on(client, acme):
    data = edited(acme, OTHER, enabled="")
    assert verdict(client.post(change_url(acme), data)) == "blocked"
    response = client.post(change_url(acme), {**data, "try-as_if": "on"})
    assert verdict(response) == "allowed"
    assert ("enabled", "") in response.context["kept"]  # as it is written in the form


def test_nothing_of_a_test_stays(client, acme, django_capture_on_commit_callbacks):
    sent = []

    def receive(signal, **_):
        sent.append(signal)

    before = state()
    for signal in (policies_changed, policies_written):
        signal.connect(receive)
    try:
        with django_capture_on_commit_callbacks() as on_commit:
            data = {**edited(acme, OTHER, max_age="60", note="new"), "origins-0-pattern": "https://new.acme.example"}
            assert verdict(client.post(change_url(acme), data)) == "allowed"
            data = {**edited(acme, OTHER), "origins-0-DELETE": "on"}
            assert verdict(client.post(change_url(acme), data)) == "allowed"
            response = client.post(
                ADD, {**page(OTHER, tenant="new.tenants.example"), **fetch(OTHER, NEW), "_try": "Test"}
            )
            assert verdict(response) == "allowed"
            assert list(response.context["messages"]) == []
    finally:
        for signal in (policies_changed, policies_written):
            signal.disconnect(receive)
    assert state() == before
    assert (sent, on_commit) == ([], [])
    assert TenantPolicy.objects.get().risk == 0


def test_no_other_writer_waits_for_a_test(client, acme):
    with CaptureQueriesContext(connection) as captured:
        client.post(change_url(acme), edited(acme, OTHER))
        client.post(ADD, {**page(OTHER), **fetch(OTHER), "_try": "Test"})
    asked = " ".join(query["sql"] for query in captured)
    assert AllowedOrigin._meta.db_table in asked
    assert PolicyRevision._meta.db_table not in asked  # the writers' lock


def test_what_is_wrong_is_said_on_the_form_as_a_save_would(client, acme):
    response = client.post(change_url(acme), edited(acme, "null", allow_methods="PO ST"))
    assert list(response.context["adminform"].form.errors) == ["allow_methods"]
    [inline] = response.context["inline_admin_formsets"]
    assert [list(row) for row in inline.formset.errors] == [[], ["pattern"]]
    response = client.post(change_url(acme), edited(acme, "null"))
    assert [list(row) for row in inline.formset.errors] == [[], ["pattern"]]
    assert "explanation" not in response.context


def test_a_deleted_row_need_not_be_right_for_a_test(client, acme):
    AllowedOrigin.objects.update(pattern="no origin")
    response = client.post(change_url(acme), {**edited(acme, OTHER), "origins-0-DELETE": "on"})
    assert verdict(response) == "allowed"


def test_a_test_asks_for_no_reason_and_minds_no_other_change(client, acme, settings):
    settings.CORS_TENANT_LIMITS = {"public_suffix_wildcards": True}
    data = edited(acme, "https://*.github.io", OTHER, allow_credentials="on")
    acme.origins.create(pattern="https://meanwhile.example")
    assert verdict(client.post(change_url(acme), data)) == "allowed"
    assert client.post(change_url(acme), {**data, "_try": ""}).status_code == 200
    del data["_try"]
    assert "has been changed since" in str(client.post(change_url(acme), data).context["adminform"].form.errors)


def hidden(response):
    return dict(response.context["kept"])


def test_all_that_was_written_is_kept_and_comes_back_to_the_form(client, acme):
    written = page(OTHER, policy=acme, note="two\r\nlines", reason="Because.", max_age="60")
    response = client.post(change_url(acme), {**written, **fetch(OTHER), "_try": "Test"})
    assert hidden(response) == {name: str(value) for name, value in written.items()}
    source = response.content.decode()
    assert all(f'<input type="hidden" name="{name}"' in source for name in written)
    before = state()
    response = client.post(change_url(acme), {**hidden(response), **fetch(OTHER), "_edit": "Back"})
    form = response.context["adminform"].form
    assert (form["note"].value(), form["reason"].value(), form["max_age"].value()) == ("two\r\nlines", "Because.", "60")
    [inline] = response.context["inline_admin_formsets"]
    assert [row["pattern"].value() for row in inline.formset.forms] == [APP, OTHER]
    assert (response.context["errors"], inline.formset.errors) == ([], [{}, {}])
    assert [str(message) for message in response.context["messages"]] == ["Nothing of this has been saved yet."]
    assert state() == before


def test_a_form_that_is_tested_again_keeps_no_button(client, acme):
    data = {**edited(acme, OTHER), "csrfmiddlewaretoken": "token", "_save": "Save"}
    again = client.post(change_url(acme), {**hidden(client.post(change_url(acme), data)), **fetch(OTHER), "_try": "x"})
    assert verdict(again) == "allowed"
    assert not {"csrfmiddlewaretoken", "_save", "_try", "try-origin"} & set(hidden(again))


def test_what_was_tested_is_saved_from_the_page(client, acme):
    kept = hidden(client.post(change_url(acme), edited(acme, OTHER)))
    assert client.post(change_url(acme), {**kept, **fetch(OTHER), "_save": "Save"}).status_code == 302
    assert list(acme.origins.values_list("pattern", flat=True)) == [APP, OTHER]
    kept = hidden(client.post(ADD, {**page(OTHER), **fetch(OTHER), "_try": "Test"}))
    assert client.post(ADD, {**kept, "_save": "Save"}).status_code == 302
    assert TenantPolicy.objects.count() == 2


def test_a_database_that_takes_no_edits_is_said(client, acme, caplog):
    def refuse(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and "policy" in sql:
            raise InternalError("cannot execute UPDATE in a read-only transaction")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        response = client.post(change_url(acme), edited(acme, OTHER))
    assert "Edits cannot be tested now" in refusal(response)
    assert "read-only" in caplog.text
    assert "read-only" not in response.content.decode()


# --- others meanwhile


@pytest.mark.django_db(transaction=True)
def test_visitors_are_served_the_saved_policy_meanwhile(client, acme, monkeypatch):
    assert not elsewhere(_visitor)  # memory knows the tenant from now on
    data = {**edited(acme, OTHER), **fetch(OTHER, "/meanwhile/")}
    response = client.post(change_url(acme), data)
    assert verdict(response) == "allowed"
    [request] = told(response)["requests"]
    assert dict(request["answer"]["headers"])["x-meanwhile"] == "False"
    assert not elsewhere(_visitor)
    assert store._unkept == {}
    assert verdict(client.post(try_url(acme), fetch(OTHER))) == "blocked"


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has one writer at a time")
def test_other_policies_are_saved_meanwhile(client, acme, monkeypatch):
    monkeypatch.setattr(f"{__name__}._meanwhile", _writer)
    data = {**edited(acme, OTHER), **fetch(OTHER, "/meanwhile/")}
    [request] = told(client.post(change_url(acme), data))["requests"]
    assert dict(request["answer"]["headers"])["x-meanwhile"] == "'written'"
    assert TenantPolicy.objects.filter(tenant="globex.tenants.example").exists()


# --- who may


def test_who_may_look_at_a_policy_may_test_it_as_it_is_saved(acme):
    client = viewer()
    assert client.get(try_url(acme)).status_code == 200
    assert verdict(client.post(try_url(acme), fetch())) == "allowed"
    for button in ("_try", "_edit"):
        assert client.post(change_url(acme), {**edited(acme, OTHER), button: "x"}).status_code == 403
        assert client.post(ADD, {**page(OTHER), **fetch(OTHER), button: "x"}).status_code == 403


def test_who_may_not_look_at_a_policy_may_not_test_it(acme):
    client = Client()
    assert client.get(try_url(acme)).status_code == 302  # to the login
    client.force_login(User.objects.create_user("nobody", is_staff=True))
    assert client.get(try_url(acme)).status_code == 403
    assert client.post(try_url(acme), fetch(url="/visit/")).status_code == 403
    assert _visited == []


def test_another_tenants_staff_finds_no_page(staff_client, acme):  # noqa: F811
    assert staff_client.get(try_url(acme)).status_code == 404
    assert staff_client.post(try_url(acme), fetch(url="/visit/")).status_code == 404
    response = staff_client.post(change_url(acme), {**edited(acme, OTHER), **fetch(url="/visit/")})
    assert response.status_code == 302  # as for a number that is nobody's
    assert _visited == []


def test_a_tenants_staff_tests_its_own_urls_alone(staff_client, acme):  # noqa: F811
    mine = TenantPolicy.objects.create(tenant="mine.tenants.example", allow_methods=", ".join(DEFAULT_METHODS))
    mine.origins.create(pattern=APP)
    assert verdict(staff_client.post(try_url(mine), fetch(url="https://mine.tenants.example/ok/"))) == "allowed"
    assert "is no URL of tenant" in refusal(staff_client.post(try_url(mine), fetch(url=f"{API}/visit/")))
    data = {**page(policy=mine, tenant=HOST), **fetch(url=f"{API}/visit/"), "_try": "Test"}
    assert "explanation" not in staff_client.post(change_url(mine), data).context
    assert _visited == []
