"""Calls of fetch() in a real page, and what became of them."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from django_cors_policy.cors.browser import Answer, FetchRequest, PreflightCache, WireRequest, browse

from .answering import Asked, Place, Servers

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Frame

BATCH = 50  # cases that run at once
FETCH = """async (cases) => Promise.all(cases.map(async (fetches) => {
    const results = [];
    for (const [url, options] of fetches) {
        try {
            const response = await fetch(url, options);
            results.push({ type: response.type, headers: [...response.headers] });
        } catch (error) {
            results.push({ error: error.name, message: error.message });
        }
    }
    return results;
}))"""
CASE = re.compile(r"/(case-[0-9]+)\b")
# What a browser adds to every request: looked at only where a script sets it too.
OWN = re.compile(
    r"accept(-encoding|-language)?|cache-control|connection|content-length|cookie|host|pragma|referer|sec-.*|user-agent"
)


@dataclass(frozen=True)
class Case:
    """Fetches that follow one another in one page, and what is answered: places by path, ``/case-<number>/...``."""

    name: str
    fetches: Sequence[FetchRequest]
    places: dict[str, Place]

    @property
    def number(self) -> str:
        return next(iter(self.places)).split("/")[1]


class Outcome(NamedTuple):
    """What can be compared of a fetch."""

    allowed: bool
    readable: list[tuple[str, str]]
    console: str


class Told(NamedTuple):
    """All that a case comes to: of its fetches in turn, and all the requests that were made."""

    outcomes: list[Outcome]
    requests: list[tuple[str, str, dict[str, str]]]


def predict(case: Case, servers: Servers) -> Told:
    """Ask ``browse()``, which hears what the servers would answer."""

    def send(request: WireRequest) -> Answer:
        is_preflight = any(name == "Access-Control-Request-Method" for name, _ in request.headers)
        return servers.answer(request.method, request.url, is_preflight=is_preflight)

    cache = PreflightCache()
    verdicts = [browse(fetch, send, cache) for fetch in case.fetches]
    outcomes = [Outcome(verdict.allowed, list(verdict.readable_headers), verdict.console) for verdict in verdicts]
    requests = [
        (request.method, request.url, {name.lower(): value for name, value in request.headers})
        for verdict in verdicts
        for request, _ in verdict.requests
    ]
    return Told(outcomes, requests)


class Pages:
    """A page of each origin; ``null`` is a sandboxed frame in the first one."""

    def __init__(self, context: "BrowserContext", origins: Sequence[str]) -> None:
        self._console: list[tuple[str, str]] = []
        self._pages = [context.new_page() for _ in origins]
        self._frames: dict[str, Frame] = {}
        for page, origin in zip(self._pages, origins, strict=True):
            page.on("console", self._keep)
            page.goto(f"{origin}/page")
            self._frames[origin] = page.main_frame
        self._pages[0].set_content("<iframe sandbox=allow-scripts srcdoc='<p>'></iframe>")
        self._pages[0].frame_locator("iframe").locator("p").wait_for(state="attached")
        self._frames["null"] = self._pages[0].frames[1]

    def _keep(self, message: "ConsoleMessage") -> None:
        self._console.append((message.text, message.location.get("url", "")))

    def run(self, cases: Sequence[Case], servers: Servers) -> list[Told]:
        """Run cases of any origin, several at a time."""
        for case in cases:
            servers.places.update(case.places)
        results: dict[str, list[dict]] = {}
        for origin, frame in self._frames.items():
            mine = [case for case in cases if case.fetches[0].origin == origin]
            for start in range(0, len(mine), BATCH):
                batch = mine[start : start + BATCH]
                calls = [[_call(fetch) for fetch in case.fetches] for case in batch]
                results |= dict(zip((case.number for case in batch), frame.evaluate(FETCH, calls), strict=True))
        lines = self._lines()
        return [_told(case, results[case.number], servers.asked[case.number], lines[case.number]) for case in cases]

    def _lines(self) -> dict[str, list[str]]:
        # The console is as late as it likes, but in order: a last line of each page's.
        for page in self._pages:
            page.evaluate("console.log('all said')")
        while sum(text == "all said" for text, _ in self._console) < len(self._pages):
            self._pages[0].wait_for_timeout(20)
        lines = defaultdict(list)
        for text, url in self._console:
            found = CASE.search(text) or CASE.search(url)
            if found and "the server responded with a status of" not in text:
                lines[found[1]].append(text)
        self._console.clear()
        return lines


def _call(fetch: FetchRequest) -> list[object]:
    options = {"method": fetch.method, "credentials": fetch.credentials, "redirect": fetch.redirect}
    return [fetch.url, options | {"headers": [list(pair) for pair in fetch.headers]}]


def _told(case: Case, results: list[dict], asked: list[Asked], lines: list[str]) -> Told:
    lines = [line for line in lines if not line.endswith("net::ERR_FAILED")] or lines
    outcomes = []
    for result in results:
        failed = "error" in result
        if failed and result["message"] != "Failed to fetch":
            console = f"Uncaught (in promise) TypeError: {result['message']}"
        else:
            console = lines.pop(0) if failed and lines else ""
        allowed = not failed and result["type"] != "opaqueredirect"
        readable = [tuple(pair) for pair in result["headers"]] if allowed else []
        outcomes.append(Outcome(allowed, readable, console))
    if lines:
        outcomes.append(Outcome(False, [], f"also said: {lines}"))
    return Told(outcomes, [(request.method, request.url, dict(request.headers)) for request in asked])


REFUSED_HEADER = re.compile(r"(?<=Request header field )[^ ]+(?= is not allowed by)")


def _named(outcome: Outcome, requested: set[str]) -> Outcome:
    # Of several headers that are refused Chromium names any one, by the order of a hash table.
    found = REFUSED_HEADER.search(outcome.console)
    known = found is not None and found[0] in requested
    return outcome._replace(console=REFUSED_HEADER.sub("(one of them)", outcome.console)) if known else outcome


def differences(predicted: Told, real: Told) -> list[str]:
    """Say where a prediction and what really happened part."""
    lists = (headers.get("access-control-request-headers", "") for _, _, headers in predicted.requests)
    requested = {name for names in lists for name in names.split(",")}
    found = [
        f"predicted {mine}\n    real {theirs}"
        for mine, theirs in zip(predicted.outcomes, real.outcomes, strict=False)
        if _named(mine, requested) != _named(theirs, requested)
    ]
    if len(predicted.outcomes) != len(real.outcomes):
        found.append(f"real {real.outcomes[len(predicted.outcomes) :]}")
    mine = [(method, url) for method, url, _ in predicted.requests]
    theirs = [(method, url) for method, url, _ in real.requests]
    if mine != theirs:
        found.append(f"predicted {mine}\n    real {theirs}")
        return found
    for (method, url, wanted), (_, _, sent) in zip(predicted.requests, real.requests, strict=True):
        got = {name.lower(): value for name, value in sent.items()}
        kept = {name: value for name, value in got.items() if name in wanted or not OWN.fullmatch(name)}
        if "access-control-request-method" in wanted and "cookie" in got:
            found.append(f"{method} {url}: a preflight with a cookie")
        expected = {name: value.strip(" ") for name, value in wanted.items()}
        if "range" in expected and "range" in kept:
            kept["range"] = expected["range"]  # the network stack writes it anew
        if expected != kept:
            found.append(f"{method} {url}: predicted {expected}\n    real {kept}")
    return found
