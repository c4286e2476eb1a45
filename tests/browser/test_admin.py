"""The admin's pages in a real browser: what they do, that all can be read, and what they look like.

Each look walks the same way through all of them: a policy is added, tried, denied, changed twice at once, restored,
exported and imported. axe-core looks at each page, and a screenshot of it is left for people to look at.
"""

import re
import time
from contextlib import closing
from http.client import HTTPConnection
from typing import NamedTuple

import pytest

from tests.browser.conftest import run_example

LOOKS = {
    "light-desktop": ("bakery", "light", 1280, 900),
    "dark-desktop": ("florist", "dark", 1280, 900),
    "light-phone": ("garage", "light", 390, 844),
    "dark-phone": ("library", "dark", 390, 844),
}
WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
# What Django's own pages have too: axe's rule, and the place in Django's own templates.
DJANGOS = {
    ("link-in-text-block", ".breadcrumbs"),
    ("link-in-text-block", "#changelist-search"),
    ("link-in-text-block", ".small"),
}
POLICIES = "/admin/django_cors_policy/tenantpolicy/"
BLOCKED = "/admin/django_cors_policy/blockedorigin/"


class Violation(NamedTuple):
    page: str
    rule: str
    target: str
    html: str


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """An example project of its own: the walk changes policies that other tests rely on."""
    with run_example(tmp_path_factory.mktemp("admin"), CORS_TENANT_LIMITS='{"insecure_origins": true}') as running:
        yield running


class Walk:
    """A browser in the admin, which keeps what axe finds and leaves a picture of each page."""

    def __init__(self, page, base, folder, look, customer):
        self.page = page
        self.base = base
        self.folder = folder
        self.look = look
        self.customer = customer
        self.violations = []
        self.errors = []
        page.on("console", self._keep)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _keep(self, message):
        # A browser asks for it by itself, and the example project has none.
        if message.type == "error" and not message.location["url"].endswith("/favicon.ico"):
            self.errors.append(message.text)

    def log_in(self, name="admin"):
        self.page.goto(f"{self.base}/admin/")
        self.page.fill("#id_username", name)
        self.page.fill("#id_password", name)
        self.press("[type=submit]")

    def open(self, path, name=None):
        self.page.goto(self.base + path)
        if name is not None:
            self.see(name)

    def see(self, name):
        """Look at the page as it is."""
        from axe_playwright_python.sync_playwright import Axe

        self.page.evaluate("document.querySelectorAll('#content details').forEach(found => { found.open = true })")
        found = Axe().run(self.page, options=WCAG).response["violations"]
        self.violations += [
            Violation(name, violation["id"], " ".join(map(str, node["target"])), node["html"][:200])
            for violation in found
            for node in violation["nodes"]
            if not any(violation["id"] == rule and self._is_in(node, place) for rule, place in DJANGOS)
        ]
        assert self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{name} is too wide"
        self.page.screenshot(path=self.folder / f"{name}-{self.look}.png", full_page=True)

    def _is_in(self, node, place):
        return self.page.evaluate(
            "([target, place]) => document.querySelector(target)?.closest(place) !== null", [node["target"][-1], place]
        )

    def press(self, button):
        """Send a form, and wait for what comes."""
        if isinstance(button, str):
            button = self.page.locator(button)
        with self.page.expect_navigation():
            button.click()

    def said(self):
        return " ".join(self.page.locator("ul.messagelist li").all_inner_texts())

    def text(self):
        return self.page.locator("#content").inner_text()


@pytest.fixture(params=LOOKS)
def walk(running, chromium, screenshots, request):
    customer, scheme, width, height = LOOKS[request.param]
    context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
    context.set_default_timeout(30_000)
    folder = screenshots / "admin"
    folder.mkdir(exist_ok=True)
    walk = Walk(context.new_page(), running.acme.admin.removesuffix("/admin/"), folder, request.param, customer)
    walk.log_in()
    yield walk
    context.close()


def deny(running, host, origin):
    """Ask as a page of a foreign origin does."""
    with closing(HTTPConnection("127.0.0.1", running.acme.api_port, timeout=30)) as connection:
        connection.request("GET", "/api/items/", headers={"Host": host, "Origin": origin})
        assert connection.getresponse().headers["Access-Control-Allow-Origin"] is None


def wait_for_blocked(walk, text):
    """Open the list of blocked origins until it holds a text."""
    deadline = time.monotonic() + 60
    while True:
        walk.open(f"{BLOCKED}?q={text}")
        if f"{text}-front" in walk.text():
            return
        assert time.monotonic() < deadline, "what was denied is not written"
        walk.page.wait_for_timeout(1000)


def number_of(walk):
    return re.search(r"/tenantpolicy/(\d+)/", walk.page.url)[1]


def test_the_pages_do_what_they_say_and_can_be_read_by_all(walk, running):
    page, customer = walk.page, walk.customer
    tenant = f"{customer}.localhost"

    walk.open("/admin/", "index")
    walk.open(POLICIES, "list")
    assert "acme.localhost" in walk.text()

    # A policy is added; what is wrong is said where it is.
    walk.open(f"{POLICIES}add/", "add")
    page.fill("#id_tenant", tenant)
    page.check("#id_allow_credentials")
    page.fill("#id_origins-0-pattern", "http://plain.example.com/path")
    walk.press("input[name=_save]")
    assert "ends with its host or port" in walk.text()
    walk.see("refused")
    page.fill("#id_origins-0-pattern", "https://front.example:*")
    walk.press("input[name=_save]")
    assert "Whoever runs this site can lift this limit" in walk.text()
    walk.see("beyond-a-limit")

    # Something grave is saved with a reason alone.
    page.fill("#id_origins-0-pattern", "http://plain.example.com")
    walk.press("input[name=_save]")
    assert "Give a reason for this: CORS104 (high), http://plain.example.com." in walk.text()
    walk.see("reason")
    page.fill("#id_origins-0-pattern", f"https://*.{customer}.example")
    walk.press("input[name=_continue]")
    assert "was added successfully" in walk.said()
    walk.see("change")
    number = number_of(walk)
    assert "CORS106" in walk.text()

    # Somebody is denied meanwhile; it is written within half a minute.
    deny(running, tenant, f"https://{customer}-front.example")

    # A test of it says what a browser would do, and what would help.
    walk.open(f"{POLICIES}{number}/try/", "test")
    page.fill("#content [name$='-origin']", "https://other.example")
    page.fill("#content [name$='-url']", "/api/items/")
    walk.press("#content [name=_try]")
    assert "Blocked" in walk.text()
    assert "add 'https://other.example' to the origins" in walk.text()
    walk.see("test-blocked")

    # So does a test of what is not saved.
    walk.open(f"{POLICIES}{number}/change/")
    page.fill("#id_origins-1-pattern", "https://other.example")
    walk.press("[name=_try]")
    walk.see("test-unsaved")

    # Two edit it at once.
    walk.open(f"{POLICIES}{number}/change/")
    other = page.context.new_page()
    other.goto(page.url)
    other.fill("#id_note", "from another window")
    other.fill("#id_reason", "A second look.")
    with other.expect_navigation():
        other.click("input[name=_save]")
    other.close()
    page.fill("#id_note", "from this window")
    walk.press("input[name=_save]")
    assert "nothing was saved" in walk.text()
    assert "from another window" in walk.text()
    assert page.input_value("#id_note") == "from this window"
    walk.see("conflict")

    # The history leads back.
    walk.open(f"{POLICIES}{number}/versions/", "versions")
    assert "A second look." in walk.text()
    walk.press(page.locator("#content table a").last)
    walk.see("version")
    page.fill("[name=reason]", "Back to how it was.")
    walk.press(page.locator("#content form").get_by_role("button", name=re.compile("Restore")))
    walk.open(f"{POLICIES}{number}/change/")
    assert page.input_value("#id_note") == ""

    # What was denied is listed, and allowed after a look at what that means.
    wait_for_blocked(walk, customer)
    walk.see("blocked")
    walk.press(page.locator("#result_list tbody th a").first)
    walk.see("blocked-origin")
    page.go_back()
    walk.press(page.get_by_role("link", name="Allow").first)
    assert "-front.example" in walk.text()
    walk.see("allow")
    page.fill("[name=reason]", "Their new front end.")
    walk.press("#content form [type=submit]")
    walk.open(f"{POLICIES}{number}/change/")
    assert page.input_value("#id_origins-1-pattern") == f"https://{customer}-front.example"

    # In shadow mode the page says what would change.
    page.check("#id_shadow")
    walk.press("input[name=_continue]")
    walk.see("shadow")

    # Out and in again.
    walk.open(f"{POLICIES}export/", "export-all")
    walk.open(f"{POLICIES}{number}/export/", "export")
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("CSV")).click()
    exported = walk.folder / "policies.csv"
    download.value.save_as(exported)
    text = exported.read_text(encoding="utf-8").replace(
        f"https://*.{customer}.example", f"https://new.{customer}.example"
    )
    walk.open(f"{POLICIES}import/", "import")
    page.set_input_files("[name=file]", {"name": "p.csv", "mimeType": "text/csv", "buffer": text.encode()})
    page.fill("[name=reason]", "Their new address.")
    walk.press("[name=_check]")
    assert "This is what would change" in walk.text()
    walk.see("import-checked")
    walk.press("[name=_import]")
    assert "Imported: " in walk.said()
    exported.unlink()

    walk.open(f"{POLICIES}{number}/history/", "history")
    walk.open(f"{POLICIES}{number}/delete/", "delete")
    walk.press("#content form [type=submit]")
    assert "was deleted successfully" in walk.said()
    walk.open(f"{POLICIES}deleted/", "deleted")
    assert tenant in walk.text()
    walk.press(page.locator("#content a").filter(has_text=tenant).first)
    walk.see("deleted-version")
    walk.open(f"{POLICIES}deleted/?tenant={tenant}", "deleted-versions")
    assert "Their new address." in walk.text()

    assert walk.violations == []
    assert walk.errors == []


def test_a_tenants_staff_see_their_own(walk, running):
    acme, globex = running.acme.tenant, running.globex.tenant
    walk.open(POLICIES)
    walk.press(walk.page.get_by_role("link", name=globex))
    foreign = walk.page.url.removeprefix(walk.base)
    walk.page.context.clear_cookies()
    walk.log_in("acme")
    walk.open(POLICIES, "staff-list")
    assert acme in walk.text()
    assert globex not in walk.text()
    walk.press(walk.page.get_by_role("link", name=acme))
    walk.see("staff-change")
    assert globex not in walk.page.content()
    walk.open(foreign)
    assert "Site administration" in walk.text()
    assert walk.violations == []


def test_axe_finds_what_is_wrong(walk):
    """The test above sees what it looks for."""
    walk.open(POLICIES)
    walk.page.evaluate("document.querySelector('#content').insertAdjacentHTML('beforeend', '<input name=bare>')")
    walk.see("broken")
    assert [violation.rule for violation in walk.violations] == ["label"]
