"""manage.py cors_explain: what a browser makes of a fetch, by what the project really answers."""

import io
import json
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from django_cors_policy import explain as explaining
from django_cors_policy.cors import FetchRequest
from django_cors_policy.models import TenantPolicy
from tests.cors.test_imports import ROOT

pytestmark = pytest.mark.django_db(transaction=True)

APP = "https://app.acme.example"
HOST = "acme.tenants.example"
API = f"https://{HOST}/ok/"


def run(*args):
    """Give the exit code and what is printed."""
    out = io.StringIO()
    try:
        call_command("cors_explain", *args, stdout=out)
    except SystemExit as exited:
        return exited.code, out.getvalue()
    return 0, out.getvalue()


def document(*args):
    code, text = run(*args, "--format", "json")
    found = json.loads(text)
    assert code == {"allowed": 0, "blocked": 1}[found["verdict"]]
    return found


@pytest.fixture
def acme():
    policy = TenantPolicy.objects.create(tenant=HOST, max_age=300)
    policy.origins.create(pattern=APP)
    return policy


@pytest.fixture
def alone(settings):
    """One policy: the settings'."""
    settings.CORS_TENANT_RESOLVER = None
    settings.CORS_ALLOWED_ORIGINS = [APP]
    return settings


# --- the conversation


def test_a_simple_get_is_sent_to_the_view_and_explained(acme):
    found = document(APP, "GET", API)
    assert found["decided_by"] == {"policy": HOST, "tenant": HOST, "pattern": APP, "reason": "listed"}
    [asked] = found["requests"]
    assert (asked["method"], asked["url"], asked["headers"]) == ("GET", API, [["Origin", APP]])
    assert asked["sent"]
    assert asked["answer"]["status"] == 200
    assert ["access-control-allow-origin", APP] in asked["answer"]["headers"]
    assert "content-type" in found["readable_headers"]
    assert (found["step"], found["suggestion"], found["outlives_revocation"]) == ("main fetch", None, None)


def test_a_preflight_is_sent_and_what_it_asks_for_is_not(acme):
    found = document(APP, "PUT", API.replace("ok", "raises"), "--header", "Content-Type: application/json")
    preflight, put = found["requests"]
    assert (preflight["method"], preflight["sent"], preflight["answer"]["status"]) == ("OPTIONS", True, 204)
    assert ["Access-Control-Request-Method", "PUT"] in preflight["headers"]
    assert (put["method"], put["sent"], put["answer"]["status"]) == ("PUT", False, None)
    assert put["answer"]["headers"] == [["access-control-allow-origin", APP], ["vary", "Origin"]]
    assert found["outlives_revocation"] == 300


def test_options_of_a_script_is_not_sent_and_its_preflight_is(acme):
    preflight, options = document(APP, "OPTIONS", API.replace("ok", "raises"))["requests"]
    assert (preflight["method"], preflight["sent"]) == ("OPTIONS", True)
    assert (options["method"], options["sent"], options["answer"]["status"]) == ("OPTIONS", False, None)


def test_the_view_answers_a_get(acme):
    assert document(APP, "GET", API.replace("ok", "raises"))["requests"][0]["answer"]["status"] == 500


def test_a_project_is_asked_by_the_scheme_of_the_url(alone):
    found = document("http://testserver", "POST", "http://testserver/ok/")
    assert (found["verdict"], found["decided_by"]["reason"]) == ("allowed", "same-origin")


def test_the_text_tells_it_step_by_step(acme):
    code, text = run(APP, "PUT", API, "--header", "X-CSRFToken: 1\x1b[31m")
    assert code == 0
    lines = text.splitlines()
    assert lines[0] == "1. The browser asks first:"
    assert "2. The browser sends:" in lines
    assert "     X-CSRFToken: 1\\x1b[31m" in lines
    assert "   Not sent, since PUT may change something. CorsMiddleware would add to its answer:" in lines
    assert f"   Allowed by the policy '{HOST}', listed '{APP}', tenant '{HOST}'." in lines
    assert lines[-1] == "Allowed (main fetch): The page may read the answer of another origin."
    _, text = run(APP, "GET", API)
    assert text.splitlines()[-1].startswith("The page may read ")


def test_the_settings_policy_and_a_query(alone):
    found = document(APP, "GET", "https://testserver/ok/?a=1%20b&c=%2F")
    assert found["decided_by"] == {"policy": "settings", "tenant": None, "pattern": APP, "reason": "listed"}
    assert found["requests"][0]["url"] == "https://testserver/ok/?a=1%20b&c=%2F"


def test_the_query_and_the_scheme_reach_the_view(alone, monkeypatch):
    seen = []

    def see(self, ask, **options):
        answer = send(self, ask, **options)
        seen.append((ask.scheme, ask.query, ask.path))
        return answer

    send = explaining.Sandbox.send
    monkeypatch.setattr(explaining.Sandbox, "send", see)
    alone.SECURE_SSL_REDIRECT = True
    alone.MIDDLEWARE = [*alone.MIDDLEWARE, "django.middleware.security.SecurityMiddleware"]
    assert document(APP, "GET", "http://testserver/ok/?a=1")["verdict"] == "blocked"  # mixed content: nothing is asked
    assert seen == []
    alone.CORS_ALLOWED_ORIGINS = ["http://app.acme.example"]
    found = document("http://app.acme.example", "GET", "http://testserver/ok/?a=1")
    # Redirected to https, which is asked too.
    assert seen == [("http", "a=1", "/ok/"), ("https", "a=1", "/ok/")]
    assert [asked["answer"]["status"] for asked in found["requests"]] == [301, 200]
    assert found["decided_by"]["reason"] == "null-origin"
    assert changed(found)[0].startswith("Ask for 'https://testserver/ok/?a=1' at once: a redirect between foreign")


def test_a_404_is_answered_as_any_other(acme):
    found = document(APP, "GET", f"https://{HOST}/nowhere/")
    assert found["requests"][0]["answer"]["status"] == 404
    assert found["verdict"] == "allowed"


def test_nothing_is_asked_where_the_browser_stops_by_itself(acme):
    code, text = run(APP, "TRACE", API)
    assert code == 1
    assert text.startswith("Blocked (Request class): ")
    assert "The console says: Uncaught (in promise) TypeError" in text
    assert document(APP, "TRACE", API)["decided_by"] is None


def test_headers_that_no_script_sets_are_named(acme):
    found = document(APP, "GET", API, "--header", "Cookie: a=1", "--header", "X: 1")
    assert found["dropped_headers"] == ["Cookie"]
    assert "cookie" not in json.dumps(found["requests"]).lower().replace("vary", "")
    _, text = run(APP, "GET", API, "--header", "Cookie: a=1")
    assert text.startswith("The browser leaves out 'Cookie': no script may set that.\n")


# --- what would let it through


def changed(found):
    return found["suggestion"]["text"], [risk["code"] for risk in found["suggestion"]["risks"]]


def test_an_origin_is_to_be_added_to_the_tenants_policy(acme):
    found = document("https://new.acme.example", "GET", API)
    assert found["decided_by"]["reason"] == "not-allowed"
    assert changed(found) == (
        f"In the admin, in the policy of tenant '{HOST}': add 'https://new.acme.example' to the origins.",
        [],
    )
    acme.origins.create(pattern="https://new.acme.example")
    assert document("https://new.acme.example", "GET", API)["verdict"] == "allowed"


def test_everything_that_is_lacking_is_named_at_once_and_is_enough(alone):
    alone.CORS_ALLOW_METHODS = ["GET"]
    alone.CORS_ALLOW_HEADERS = ["x-one"]
    asked = ["PATCH", "https://testserver/ok/", "--credentials", "include"]
    asked += ["--header", "X-One: 1", "--header", "X-Two: 2", "--header", "X-Three: 3"]
    assert changed(document("https://new.example.com", *asked)) == (
        (
            "In the settings: add 'https://new.example.com' to CORS_ALLOWED_ORIGINS; add 'PATCH' to "
            "CORS_ALLOW_METHODS; add 'x-three', 'x-two' to CORS_ALLOW_HEADERS; set CORS_ALLOW_CREDENTIALS = True."
        ),
        [],
    )
    alone.CORS_ALLOWED_ORIGINS = ["https://new.example.com"]
    alone.CORS_ALLOW_METHODS = ["GET", "PATCH"]
    alone.CORS_ALLOW_HEADERS = ["x-one", "x-two", "x-three"]
    alone.CORS_ALLOW_CREDENTIALS = True
    assert document("https://new.example.com", *asked)["verdict"] == "allowed"


def test_a_stored_policys_flags_are_named_as_the_admin_does(acme):
    text, _ = changed(document(APP, "GET", API, "--credentials", "include"))
    assert text == f"In the admin, in the policy of tenant '{HOST}': allow credentials."


def test_a_tenant_without_a_policy_is_told_of_both_places():
    text, _ = changed(document(APP, "GET", API))
    assert text == (
        f"In the settings, for all tenants, or in a policy of tenant '{HOST}', who has none: add '{APP}' to "
        "CORS_ALLOWED_ORIGINS."
    )


def test_what_the_limits_forbid_is_not_suggested(acme):
    assert document("http://shop.example.com", "GET", f"http://{HOST}/ok/")["suggestion"] is None


def test_what_was_found_before_is_no_risk_of_the_change(alone):
    alone.CORS_ALLOWED_ORIGINS = ["http://old.example.com"]
    assert changed(document(APP, "GET", "https://testserver/ok/"))[1] == []


def test_what_the_change_would_be_found_for_is_said(alone):
    found = document("http://shop.example.com", "GET", "http://testserver/ok/")
    assert found["suggestion"]["risks"][0]["code"] == "CORS104"
    _, text = run("http://shop.example.com", "GET", "http://testserver/ok/")
    assert "   CORS104 insecure-origin (low): " in text


@pytest.mark.parametrize(
    ("origin", "url", "changes", "suggestion"),
    [
        ("null", "https://testserver/ok/", {}, "null is everybody's"),
        ("http://testserver", "https://testserver/ok/", {}, "SECURE_PROXY_SSL_HEADER"),
        (APP, "https://testserver/ok/", {"CORS_URLS_REGEX": "^/api/"}, "CORS_URLS_REGEX"),
        (APP, "https://testserver/ok/", {"MIDDLEWARE": []}, "cors_audit --probe"),
    ],
)
def test_what_no_list_can_mend_has_a_sentence_of_its_own(alone, origin, url, changes, suggestion):
    for name, value in changes.items():
        setattr(alone, name, value)
    assert suggestion in changed(document(origin, "GET", url))[0]


def test_what_no_policy_can_let_through_has_none(alone):
    # With credentials * is never enough, and this spec keeps it.
    alone.CORS_ALLOW_ALL_ORIGINS = True
    assert (
        document("https://x.example", "GET", "https://testserver/ok/", "--credentials", "include")["suggestion"] is None
    )


# --- who else answers


class Rewrites:
    """A middleware that writes what it likes."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        response.headers["Access-Control-Allow-Origin"] = "https://elsewhere.example"
        return response


class RewritesToo(Rewrites):
    pass


HERE = f"{__name__}.Rewrites"
OURS = "django_cors_policy.middleware.CorsMiddleware"


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize(
    ("middleware", "decider"),
    [
        ([OURS], None),
        ([OURS, HERE], None),
        ([HERE, OURS], HERE),
        ([f"{HERE}Too", HERE, OURS], "the view, or several middleware together"),
        ([HERE], "something else: CorsMiddleware is not in MIDDLEWARE"),
    ],
)
def test_whoever_answers_in_place_of_ours_is_named(alone, method, middleware, decider):
    alone.MIDDLEWARE = middleware
    assert document(APP, method, "https://testserver/ok/")["requests"][0]["decided_elsewhere"] == decider
    _, text = run(APP, method, "https://testserver/ok/")
    assert (f"   But the answer is made by {decider}." in text) is (decider is not None)


class Refuses(Rewrites):
    def __call__(self, request):
        response = self.get_response(request)
        response.status_code = 401
        return response


def test_a_preflight_that_is_refused_above_ours_is_not_ours(alone):
    alone.MIDDLEWARE = [f"{__name__}.Refuses", OURS]
    [asked] = document(APP, "PUT", "https://testserver/ok/")["requests"]
    assert asked["decided_elsewhere"] == f"{__name__}.Refuses"


def test_a_preflight_is_compared_by_its_status_whatever_that_is(alone):
    alone.CORS_PREFLIGHT_STATUS = 200
    alone.MIDDLEWARE = [f"{__name__}.Refuses", OURS]
    [asked] = document(APP, "PUT", "https://testserver/ok/")["requests"]
    assert asked["decided_elsewhere"] == f"{__name__}.Refuses"


def test_a_path_of_two_slashes_is_no_host(alone):
    alone.CORS_URLS_REGEX = "^//ok/"
    found = document("https://x.example", "GET", "https://testserver//ok/")
    assert found["decided_by"]["reason"] == "not-allowed"
    assert found["suggestion"]["text"].startswith("In the settings: add 'https://x.example'")


class Downgrades(Rewrites):
    def __call__(self, request):
        response = self.get_response(request)
        response.status_code = 302
        response.headers["Location"] = "http://testserver/ok/"
        return response


def test_a_redirect_that_the_browser_does_not_follow_is_nobody_elses_headers(alone):
    alone.MIDDLEWARE = [OURS, f"{__name__}.Downgrades"]
    found = document(APP, "GET", "https://testserver/ok/")
    assert "mixed content" in found["message"]
    assert found["suggestion"] is None


# --- curl, and revocations


def test_curl_sends_the_same(acme):
    _, text = run(APP, "PUT", API, "--header", "X-CSRFToken: it's", "--curl")
    first, second = [shlex.split(line) for line in text.splitlines() if line.startswith("curl ")]
    assert first[:4] == ["curl", "--include", "--request", "OPTIONS"]
    assert first[-1] == second[-1] == API
    assert "X-CSRFToken: it's" in second
    _, text = run(APP, "HEAD", API, "--curl")
    assert f"curl --head --header 'Origin: {APP}' {API}" in text.splitlines()


def test_a_remembered_preflight_outlives_a_revocation(acme):
    _, text = run(APP, "DELETE", API, "--as-of-revocation")
    last = text.splitlines()[-1]
    assert f"goes on to send DELETE {API} without asking again for up to 300 seconds, until " in last
    until = datetime.strptime(re.search(r"until (.*) UTC", last)[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert abs(until - datetime.now(UTC) - timedelta(seconds=300)) < timedelta(seconds=60)
    _, text = run(APP, "GET", API, "--as-of-revocation")
    assert text.splitlines()[-1].endswith("No preflight is remembered.")
    _, text = run("https://x.example", "DELETE", API, "--as-of-revocation")
    assert text.splitlines()[-1].endswith("No preflight is remembered.")


# --- what cannot be answered


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["https://App.example", "GET", API], "is not the origin of a page: write it as a browser sends it"),
        (
            [APP, "GET", "https://elsewhere.example/"],
            "'elsewhere.example' is not a host of this project: ALLOWED_HOSTS",
        ),
        ([APP, "GET", API, "--header", "X-Api-Key"], "--header 'X-Api-Key' has no colon: write it as 'X-Api-Key: 1'"),
        ([APP, "GET", API, "--tenant", "acme.tenants.exampel"], "did you mean 'acme.tenants.example'?"),
        (
            [APP, "GET", "https://globex.tenants.example/ok/", "--tenant", HOST],
            f"is tenant 'globex.tenants.example''s: give a URL of tenant '{HOST}'",
        ),
    ],
)
def test_what_cannot_be_answered_is_a_2_and_one_line(acme, args, message):
    with pytest.raises(CommandError) as error:
        run(*args)
    assert error.value.returncode == 2
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_url_of_nobody_is_not_the_tenants(acme, settings):
    settings.CORS_TENANT_RESOLVER = "django_cors_policy.tenants.by_path_prefix"
    with pytest.raises(CommandError, match="is nobody's: give"):
        run(APP, "GET", f"https://{HOST}/", "--tenant", HOST)


def test_a_tenants_own_url_is_answered(acme):
    assert document(APP, "GET", API, "--tenant", HOST)["verdict"] == "allowed"


# --- what needs the database, and what does not


@pytest.fixture
def no_table(monkeypatch):
    monkeypatch.setattr(TenantPolicy._meta, "db_table", "dropped")


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("named", [[], ["--tenant", HOST]])
@pytest.mark.parametrize("asked", [["GET", API], ["PUT", API]])
def test_policies_that_cannot_be_read_are_not_taken_for_none(no_table, asked, named, form):
    with pytest.raises(CommandError, match=r"^the stored policies cannot be read: '.*dropped.*'$") as error:
        run(APP, *asked, *named, "--format", form)
    assert error.value.returncode == 2
    assert "\n" not in str(error.value)


def test_a_router_that_fails_is_said_too(monkeypatch):
    def fail(*_):
        raise LookupError("no such shard")

    monkeypatch.setattr("django.db.router.db_for_write", fail)
    for named in ([], ["--tenant", HOST]):
        with pytest.raises(CommandError, match=r"^the stored policies cannot be read: 'no such shard'$"):
            run(APP, "GET", API, *named)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_database_that_is_nowhere_is_said_by_a_process_of_its_own(form):
    command = [sys.executable, "-m", "django", "cors_explain", APP, "GET", API, "--format", form]
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": "sqlite:////no/such/folder/db.sqlite3"}
    done = subprocess.run(
        command, cwd=ROOT.parent, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == (
        "CommandError: the stored policies cannot be read: 'unable to open database file'"
    )


@pytest.mark.parametrize(
    ("origin", "method", "url", "changes"),
    [
        (APP, "PUT", API, {"CORS_TENANT_RESOLVER": None}),
        (APP, "PUT", f"https://{HOST}/", {"CORS_TENANT_RESOLVER": "django_cors_policy.tenants.by_path_prefix"}),
        (APP, "GET", f"https://{HOST}/a%0Ab/", {"CORS_TENANT_RESOLVER": "django_cors_policy.tenants.by_path_prefix"}),
        (APP, "GET", API, {"CORS_URLS_REGEX": "^/api/"}),
        (f"https://{HOST}", "GET", API, {}),  # the page's own origin: there is no Origin
    ],
)
def test_what_no_stored_policy_decides_is_answered_without_a_database(no_table, settings, origin, method, url, changes):
    for name, value in changes.items():
        setattr(settings, name, value)
    found = document(origin, method, url)
    assert found["requests"][0]["sent"]
    assert found["verdict"] == ("allowed" if origin.endswith(HOST) else "blocked")


def test_it_is_a_function_too(acme):
    explanation = explaining.explain(FetchRequest(APP, API))
    assert explanation.verdict.allowed
    assert explanation.exchanges[0].decision.policy.tenant == HOST
