"""What a browser makes of the example project: each test asserts what ``fetch()`` really did."""

import json

import pytest

JSON = {"Content-Type": "application/json"}


def log_in(tab, site):
    """Open a session from the front end's origin. Gives the headers that unsafe methods need from then on."""
    token = json.loads(tab.fetch(f"{site.api}/api/session/", credentials="include")["body"])["csrf"]
    response = tab.fetch(
        f"{site.api}/api/login/",
        method="POST",
        credentials="include",
        headers=JSON | {"X-CSRFToken": token},
        body=json.dumps({"username": "demo", "password": "demo"}),
    )
    assert response["status"] == 200
    return {"X-CSRFToken": json.loads(response["body"])["csrf"]}


def assert_blocked(tab, result):
    """A script is told nothing but that it was a TypeError; the console names CORS."""
    assert result == {"error": "TypeError"}
    tab.wait_for_console("has been blocked by CORS policy")


@pytest.fixture
def acme(example, tab):
    """acme, with the tab on its front end."""
    tab.open(example.acme.front)
    return example.acme


def test_simple_get_is_readable_and_sends_no_preflight(example, acme, tab):
    start = example.mark()

    response = tab.fetch(f"{acme.api}/api/items/")

    assert (response["status"], response["type"]) == (200, "cors")
    assert [item["name"] for item in json.loads(response["body"])["items"]] == ["anvil", "rocket skates"]
    assert example.requests(start) == [("GET", 200, f"{acme.api}/api/items/", acme.front)]


def test_json_put_is_sent_after_a_preflight(example, acme, tab):
    headers = log_in(tab, acme)
    start = example.mark()

    response = tab.fetch(
        f"{acme.api}/api/items/7/", method="PUT", credentials="include", headers=JSON | headers, body='{"name": "bat"}'
    )

    assert response["status"] == 200
    assert json.loads(response["body"]) == {"id": 7, "name": "bat"}
    assert [(request.method, request.status) for request in example.requests(start)] == [("OPTIONS", 204), ("PUT", 200)]
    tab.fetch(f"{acme.api}/api/items/7/", method="DELETE", credentials="include", headers=headers)


def test_delete_is_sent_after_a_preflight(example, acme, tab):
    options = {"credentials": "include", "headers": log_in(tab, acme)}
    start = example.mark()

    response = tab.fetch(f"{acme.api}/api/items/2/", method="DELETE", **options)

    assert (response["status"], response["body"]) == (204, "")
    assert [(request.method, request.status) for request in example.requests(start)] == [
        ("OPTIONS", 204),
        ("DELETE", 204),
    ]
    tab.fetch(f"{acme.api}/api/items/2/", method="PUT", body='{"name": "rocket skates"}', **options)


def test_preflight_is_remembered_for_the_other_methods(example, acme, tab):
    options = {"credentials": "include", "headers": log_in(tab, acme)}
    tab.fetch(f"{acme.api}/api/items/8/", method="PUT", **options)
    start = example.mark()

    response = tab.fetch(f"{acme.api}/api/items/8/", method="DELETE", **options)

    # Its answer holds all that the policy allows, not what was asked for: one is enough for each address.
    assert response["status"] == 204
    assert [(request.method, request.status) for request in example.requests(start)] == [("DELETE", 204)]


def test_authorization_header_is_sent_after_a_preflight(example, acme, tab):
    start = example.mark()

    response = tab.fetch(f"{acme.api}/api/token/", headers={"Authorization": "Bearer demo-token"})

    assert (response["status"], json.loads(response["body"])) == (200, {"token": "accepted"})
    assert [(request.method, request.status) for request in example.requests(start)] == [("OPTIONS", 204), ("GET", 200)]


def test_refused_token_is_a_readable_401(acme, tab):
    response = tab.fetch(f"{acme.api}/api/token/", headers={"Authorization": "Bearer guessed"})

    assert (response["status"], json.loads(response["body"])) == (401, {"error": "no valid token"})


def test_session_cookie_travels_with_credentials(acme, tab):
    log_in(tab, acme)

    response = tab.fetch(f"{acme.api}/api/whoami/", credentials="include")

    assert (response["status"], json.loads(response["body"])) == (200, {"user": "demo"})


@pytest.mark.parametrize("credentials", ["omit", "same-origin"])
def test_session_cookie_stays_at_home_without_credentials(acme, tab, credentials):
    log_in(tab, acme)

    response = tab.fetch(f"{acme.api}/api/whoami/", credentials=credentials)

    assert (response["status"], json.loads(response["body"])) == (401, {"error": "not logged in"})


def test_exposed_header_is_readable_and_others_are_not(acme, tab):
    page = tab.page
    with page.expect_response("**/api/items/") as sent:
        response = tab.fetch(f"{acme.api}/api/items/")

    travelled = sent.value.headers
    assert (travelled["x-total-count"], travelled["x-internal"]) == ("2", "for proxies and logs")
    assert response["headers"]["x-total-count"] == "2"
    assert "x-internal" not in response["headers"]


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/api/missing/", 404, "not found"),
        ("/api/raise/", 500, "server error"),
    ],
)
def test_error_body_is_readable(acme, tab, path, status, error):
    response = tab.fetch(acme.api + path)

    assert (response["status"], json.loads(response["body"])) == (status, {"error": error})


def test_csrf_refusal_is_readable(acme, tab):
    log_in(tab, acme)

    response = tab.fetch(f"{acme.api}/api/items/1/", method="PUT", credentials="include", headers=JSON, body="{}")

    assert response["status"] == 403
    assert "CSRF" in response["body"]


def test_redirect_is_followed(acme, tab):
    response = tab.fetch(f"{acme.api}/api/redirect/")

    assert (response["status"], response["redirected"]) == (200, True)
    assert response["url"] == f"{acme.api}/api/items/"


def test_redirect_is_followed_after_a_preflight(example, acme, tab):
    start = example.mark()

    response = tab.fetch(f"{acme.api}/api/redirect/", headers={"Authorization": "Bearer demo-token"})

    assert (response["status"], response["redirected"]) == (200, True)
    # The address that it leads to has to allow the header as well.
    assert [request.method for request in example.requests(start)] == ["OPTIONS", "GET", "OPTIONS", "GET"]


def test_unlisted_method_is_never_sent(example, acme, tab):
    start = example.mark()

    result = tab.fetch(f"{acme.api}/api/items/1/", method="PATCH")

    assert_blocked(tab, result)
    tab.wait_for_console("Method PATCH is not allowed")
    assert [request.method for request in example.requests(start)] == ["OPTIONS"]


def test_unlisted_header_is_never_sent(example, acme, tab):
    start = example.mark()

    result = tab.fetch(f"{acme.api}/api/items/", headers={"X-Debug": "1"})

    assert_blocked(tab, result)
    tab.wait_for_console("x-debug is not allowed")
    assert [request.method for request in example.requests(start)] == ["OPTIONS"]


def test_unlisted_origin_is_blocked(example, tab):
    tab.open(example.acme.unlisted)
    start = example.mark()

    result = tab.fetch(f"{example.acme.api}/api/items/")

    # It was answered, as anything that sends a GET is; the browser keeps the answer from the script.
    assert_blocked(tab, result)
    assert example.requests(start) == [
        ("GET", 200, f"{example.acme.api}/api/items/", example.acme.unlisted),
    ]


def test_unlisted_origins_preflight_is_refused(example, tab):
    tab.open(example.acme.unlisted)
    start = example.mark()

    result = tab.fetch(f"{example.acme.api}/api/items/1/", method="DELETE")

    assert_blocked(tab, result)
    assert [(request.method, request.status) for request in example.requests(start)] == [("OPTIONS", 403)]


@pytest.mark.parametrize(("page", "api"), [("acme", "globex"), ("globex", "acme")])
def test_other_tenants_origin_is_blocked(example, tab, page, api):
    tab.open(getattr(example, page).front)

    result = tab.fetch(f"{getattr(example, api).api}/api/items/")

    assert_blocked(tab, result)


def test_admin_is_not_covered(acme, tab):
    result = tab.fetch(f"{acme.api}/admin/login/")

    assert_blocked(tab, result)


# --- the demo page ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["acme", "globex"])
def test_demo_page_is_all_green(example, tab, name):
    site = getattr(example, name)
    tab.page.goto(site.front)
    summary = tab.page.locator("#summary")
    summary.and_(tab.page.locator("[data-state=done]")).wait_for()

    failed = tab.page.locator("tr[data-result=failed]").all_inner_texts()
    assert failed == []
    assert summary.get_attribute("data-failed") == "0"
    assert summary.get_attribute("data-passed") == summary.get_attribute("data-total")
    assert tab.page.locator("tr[data-result=ok]").count() == int(summary.get_attribute("data-total"))


def test_demo_page_runs_again(example, tab):
    tab.page.goto(example.acme.front)
    for _ in range(2):
        tab.page.locator("#summary[data-state=done][data-failed='0']").wait_for()
        tab.page.get_by_role("button", name="Run again").click()
    tab.page.locator("#summary[data-state=done][data-failed='0']").wait_for()


# --- the admin -------------------------------------------------------------------------------------------------------


class Admin:
    """The admin in a tab of its own, logged in, as somebody would use it."""

    def __init__(self, page, site):
        self.page, self.site = page, site
        page.goto(site.admin)
        page.get_by_label("Username").fill("admin")
        page.get_by_label("Password").fill("admin")
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("heading", name="Site administration").wait_for()

    def open_policy(self):
        self.page.goto(self.site.admin)
        self.page.get_by_role("link", name="Tenant policies").click()
        self.page.get_by_role("link", name=self.site.tenant, exact=True).click()
        self.page.get_by_role("heading", name="Change tenant policy").wait_for()

    def remove(self, origin):
        self.open_policy()
        row = self.page.locator("tr.has_original").filter(has=self.page.locator(f"input[value='{origin}']"))
        row.get_by_role("checkbox").last.check()
        self.save()

    def add(self, origin):
        self.open_policy()
        self.page.locator("tr.form-row:not(.has_original):not(.empty-form) input[name$=-pattern]").first.fill(origin)
        self.save()

    def save(self):
        self.page.get_by_role("button", name="Save", exact=True).click()
        self.page.get_by_text("was changed successfully").wait_for()


@pytest.fixture
def admin(example, chromium):
    context = chromium.new_context()
    context.set_default_timeout(30_000)
    yield Admin(context.new_page(), example.globex)
    context.close()


def test_origin_removed_in_the_admin_is_blocked_at_the_next_call(example, tab, admin):
    site = example.globex
    tab.open(site.front)
    address = f"{site.api}/api/items/"
    assert tab.fetch(address)["status"] == 200

    admin.remove(site.front)
    assert_blocked(tab, tab.fetch(address))

    admin.add(site.front)
    assert tab.fetch(address)["status"] == 200


# --- what they look like ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["acme", "globex"])
def test_screenshot_of_the_demo_page(example, tab, screenshots, name, scheme):
    tab.page.emulate_media(color_scheme=scheme)
    tab.page.goto(getattr(example, name).front)
    tab.page.locator("#summary[data-state=done]").wait_for()

    tab.page.screenshot(path=screenshots / f"demo-{name}-{scheme}.png", full_page=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshot_of_the_admin(admin, screenshots, scheme):
    admin.page.emulate_media(color_scheme=scheme)
    # High enough for all of it: newer admins scroll within the page, where full_page does not reach.
    admin.page.set_viewport_size({"width": 1280, "height": 2000})
    admin.open_policy()

    admin.page.screenshot(path=screenshots / f"admin-policy-{scheme}.png")
