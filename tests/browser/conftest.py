"""A real Chromium against the real example project, each started once.

These tests run when they are asked for by name: ``pytest tests/browser``. Then a browser that is missing is a failure.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from example_project.sites import Site, both

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent

# The first two are for containers, the rest keep it from talking to anything but the example project.
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START = 60  # seconds


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("agreement")
    group.addoption("--cases", type=int, help="how many random fetches are compared with a real browser's")
    group.addoption("--seed", type=int, help="where they come from: a number that an earlier run has printed")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    # The other test runs have neither Playwright nor a browser.
    asked = [Path(arg.partition("::")[0]).resolve() for arg in config.args]
    return None if any(path == HERE or HERE in path.parents for path in asked) else True


class Request(NamedTuple):
    """One request as the API saw it."""

    method: str
    status: int
    url: str
    origin: str


class Example:
    """The example project, running: its two sites, and what it has printed."""

    def __init__(self, log: Path, sites: tuple[Site, Site]) -> None:
        self._log = log
        self.acme, self.globex = sites

    def output(self) -> str:
        return self._log.read_text()

    def mark(self) -> int:
        """Give the place in the log from which requests() is to read."""
        return len(self.output())

    def requests(self, since: int) -> list[Request]:
        """Give the requests that the API has had: each has its line before the browser has its answer."""
        lines = re.findall(r"^([A-Z]+) +(\d{3}) (\S+) from (\S+)$", self.output()[since:], re.MULTILINE)
        return [Request(method, int(status), url, origin) for method, status, url, origin in lines]


@contextmanager
def run_example(folder: Path, **variables: str) -> Iterator[Example]:
    """Start the example project with a database in a folder and these variables, and end it."""
    sites = both(*_free_ports(3))
    acme, globex = sites
    ports = {"--api-port": acme.api_port, "--port-acme": acme.front_port, "--port-globex": globex.front_port}
    command = [sys.executable, "-W", "error", "-m", "example_project"]
    for option, port in ports.items():
        command += [option, str(port)]
    # Settings of its own, whatever the environment and a .env of the developer's say.
    environment = os.environ | {
        "ALLOWED_HOSTS": ".localhost",
        "CORS_ALLOWED_ORIGINS": "",
        "CORS_ALLOW_CREDENTIALS": "False",
        "CSRF_TRUSTED_ORIGINS": f"{acme.front},{globex.front}",
        "DATABASE_URL": f"sqlite:///{(folder / 'example.sqlite3').as_posix()}",
        "DEBUG": "False",
        "PYTHONUNBUFFERED": "1",
        **variables,
    }
    log = folder / "output.txt"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    running = Example(log, sites)
    try:
        deadline = time.monotonic() + START
        while "The demo is running" not in running.output():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"The example project does not start:\n{running.output()}", pytrace=False)
            time.sleep(0.1)
        yield running
    finally:
        process.terminate()
        status = process.wait(timeout=START)
    assert status == 0, running.output()
    assert "Traceback" not in running.output()
    assert "Warning" not in running.output()


@pytest.fixture(scope="session")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    with run_example(tmp_path_factory.mktemp("example")) as running:
        yield running


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:  # all held at once, so that no two are the same
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [taken.getsockname()[1] for taken in sockets]


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium")
    if path is None:
        pytest.fail("There is no chromium on the path; Debian's package is called chromium.", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM)
        yield browser
        browser.close()


class Tab:
    """A page of a fresh profile: no cookie, no preflight remembered. Keeps what its console has said."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.console: list[str] = []
        page.on("console", self._keep)

    def _keep(self, message: "ConsoleMessage") -> None:
        self.console.append(message.text)

    def open(self, origin: str) -> None:
        """Go to a page that makes no calls by itself."""
        self.page.goto(f"{origin}/frame.html")

    def wait_for_console(self, text: str) -> None:
        """Return once the console has said it; it may do so a little after the script has its error."""
        deadline = time.monotonic() + 5
        while not any(text in line for line in self.console):
            assert time.monotonic() < deadline, f"{text!r} is not in the console: {self.console}"
            self.page.wait_for_timeout(20)

    def fetch(self, url: str, **options: object) -> dict:
        """Call fetch() there, and tell what a script learns: of a response, or of the error."""
        return self.page.evaluate(
            """async ([url, options]) => {
                try {
                    const response = await fetch(url, options);
                    return {
                        status: response.status,
                        type: response.type,
                        url: response.url,
                        redirected: response.redirected,
                        headers: Object.fromEntries(response.headers),
                        body: await response.text(),
                    };
                } catch (error) {
                    return { error: error.name };
                }
            }""",
            [url, options],
        )


@pytest.fixture
def tab(chromium: "Browser") -> Iterator[Tab]:
    context = chromium.new_context()
    context.set_default_timeout(30_000)
    yield Tab(context.new_page())
    context.close()


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Where pictures are left for people to look at: a folder that is not committed."""
    folder = ROOT / "screenshots"
    folder.mkdir(exist_ok=True)
    return folder
