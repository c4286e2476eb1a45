"""What the live stack really answers: hostile and allowed origins through the project's own middleware and URLconf."""

import random
from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, product
from typing import NamedTuple

from django.conf import settings
from django.middleware.cache import FetchFromCacheMiddleware, UpdateCacheMiddleware
from django.test import override_settings

from django_cors_policy import conf
from django_cors_policy.audit import routes
from django_cors_policy.audit.battery import EVIL, Hostile
from django_cors_policy.audit.judge import (
    CACHED_REPLAYED,
    HOSTILE_SERVED,
    OTHER_TENANT,
    PATH_VARIANT,
    RULES,
    Answer,
    Ask,
    Compared,
    Fault,
    Hits,
    faults,
)
from django_cors_policy.audit.layers import Layers
from django_cors_policy.audit.places import Cases, Path, Place, Places
from django_cors_policy.audit.sandbox import ETAG, OUTCOMES, REAL, Sandbox, sandbox
from django_cors_policy.audit.stack import active_layers
from django_cors_policy.audit.written import Grants, Written
from django_cors_policy.cors import SAFELISTED_METHODS, is_forbidden_request_header, quoted
from django_cors_policy.cors.lint import Finding, Rule, Severity

__all__ = ["MAX_REQUESTS", "RULES", "Probed", "Wanted", "probe"]

MAX_REQUESTS = 20_000
_MOST_ALLOWED = 3  # origins of a place that are sent in every way there is
_MOST_CLOSELY = 2  # places that are looked at for what takes many requests
_MOST_CACHED = 2  # paths of them, for caches
_FOR_A_PLACE = 400  # requests without which a place is hardly looked at
_FOR_BLAME = 200

# Beside what a request's method and the stub's outcomes can be.
_DENIED = "denied"  # a preflight that asks for what no policy allows
_CONDITIONAL = "conditional"

_Way = tuple[str, str, bool]  # the method, the outcome, and whether the visitor is logged in


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall be probed: real views' ``paths``, at most so many requests, chosen by a seed. ``tenants`` None: all.

    ``progress`` is called with the requests that were sent and the most that will be.
    """

    tenants: Collection[str] | None = None
    paths: Sequence[str] = ()
    max_requests: int = MAX_REQUESTS
    seed: int = 0
    progress: Callable[[int, int], None] | None = None


@dataclass(slots=True)
class Probed:
    """What came of it. ``failure`` says why nothing could be sent; ``interrupted``: by Ctrl-C, after some."""

    findings: list[Finding] = field(default_factory=list)
    requests: int = 0
    not_looked_at: list[str] = field(default_factory=list)
    failure: str | None = None
    interrupted: bool = False


class _Block(NamedTuple):
    """Origins (None: no Origin at all), each of which is sent in each of these ways to a path."""

    place: Place
    path: Path
    cases: Sequence[Hostile | None]
    ways: Sequence[_Way]

    @property
    def size(self) -> int:
        return len(self.cases) * len(self.ways)


class _Spent(Exception):  # noqa: N818 -- it tells what happened
    pass


def probe(wanted: Wanted) -> Probed:
    """Send the requests, and tell what was found. Raises UnknownPath for a path that no route matches."""
    probed = Probed()
    try:
        routes.paths()
    except Exception as error:  # noqa: BLE001 -- a project's own URLconf
        return _not_run(probed, "the URLconf cannot be imported", error)
    views = [routes.known(path) for path in wanted.paths]
    try:
        # As long as it takes, what has been read is fresh: the policies are answered from memory, as in a server.
        with override_settings(CORS_POLICY_REFRESH_SECONDS=conf.MAX_NUMBER):
            run = _Run(wanted, views)
            _answer(run, probed)
    except Exception as error:  # noqa: BLE001 -- middleware that cannot be loaded, a database that goes away
        return _not_run(probed, "a request failed outside of what Django answers", error)
    if not probed.requests and not probed.interrupted:
        probed.failure = "the probe sent no request: --max-requests leaves none"
    return probed


def _answer(run: "_Run", probed: Probed) -> None:
    with sandbox() as box:
        try:
            run.all(box)
        except KeyboardInterrupt:
            probed.interrupted = True
        run.report(probed)


def _not_run(probed: Probed, what: str, error: Exception) -> Probed:
    probed.failure = f"the probe could not run: {what} ({quoted(f'{type(error).__name__}: {error}')})"
    probed.not_looked_at.append("what is really answered, by CORS501 to CORS510")
    return probed


class _Run:
    def __init__(self, wanted: Wanted, views: Sequence[str]) -> None:
        self._wanted = wanted
        self._chance = random.Random(wanted.seed)  # noqa: S311 -- to be repeated, not to be unguessable
        self._written = Written()
        most = max(wanted.max_requests // _FOR_A_PLACE, 1)
        self._places = Places(self._written, self._chance, most, wanted.tenants, views)
        layers = active_layers()
        self._whitenoise = any(layer.path.startswith("whitenoise.") for layer in layers)
        self._compared = Compared(
            shared_cache=any(layer.is_a(UpdateCacheMiddleware, FetchFromCacheMiddleware) for layer in layers)
        )
        self._hits = Hits()
        self._findings: list[Finding] = []
        self._asked: set[Ask] = set()
        self._combinations = 0
        self._complete = False
        self._most = wanted.max_requests

    def all(self, box: Sandbox) -> None:
        self._box = box
        layers = Layers(self._box, settings.MIDDLEWARE[:-1], self._send)  # the last is the stub
        budget = self._wanted.max_requests
        self._most = budget - min(_FOR_BLAME, budget // 10)
        cases = {place: self._places.cases(place) for place in self._places.all}
        full = [
            _Block(place, path, [*cases[place].allowed, None, *cases[place].hostile], self._ways(path))
            for place in self._places.all
            for path in place.paths
        ]
        self._combinations = sum(block.size for block in full)
        try:
            first = [_plain(block) for block in full if block.path == block.place.paths[0]]
            self._send_some([_sure(block, cases[block.place]) for block in first], budget * 3 // 10)
            self._send_some([_sure(block, cases[block.place]) for block in full], budget * 3 // 10)
            self._send_some([_from_others(block) for block in first], budget * 2 // 10)
            self._send_some(first, budget * 3 // 10)
            for place in self._places.all[:_MOST_CLOSELY]:
                self._look_closely(layers, place, cases[place])
            self._complete = self._send_some(full, self._most - self._box.sent + len(self._asked))
        except _Spent:
            pass
        self._most = budget
        try:
            for hit in self._hits.found.values():
                layers.blame(hit)
        except _Spent:
            pass

    def report(self, probed: Probed) -> None:
        probed.requests = self._box.sent
        probed.findings = [*self._findings, *self._hits.findings()]
        probed.not_looked_at += [*self._box.limits, *self._places.limits]
        if not self._complete:
            probed.not_looked_at.append(
                f"{self._combinations - len(self._asked)} of {self._combinations} combinations of origin, path and "
                f"answer (--max-requests {self._wanted.max_requests}, --seed {self._wanted.seed})"
            )
        views = f"the views but {', '.join(self._wanted.paths)}" if self._wanted.paths else "the views"
        probed.not_looked_at.append(f"what {views} really answer: a stub stands in")

    # --- sending ---------------------------------------------------------------------------------------------------

    def _send(self, ask: Ask, *, warm: bool = False) -> Answer:
        if self._box.sent >= self._most:
            raise _Spent
        answer = self._box.send(ask, warm=warm)
        if self._wanted.progress is not None:
            self._wanted.progress(self._box.sent, min(self._wanted.max_requests, self._combinations))
        return answer

    def _send_some(self, blocks: list[_Block], budget: int) -> bool:
        """Send all of these, or as many as the budget allows, chosen by the seed; tell whether it was all."""
        ends = list(accumulate(block.size for block in blocks))
        total = ends[-1] if ends else 0
        chosen: Sequence[int] = range(total)
        if total > budget:
            chosen = sorted(self._chance.sample(range(total), budget))
        for number in chosen:
            at = bisect_right(ends, number)
            block = blocks[at]
            case, way = divmod(number - (ends[at] - block.size), len(block.ways))
            self._judge(block, block.cases[case], block.ways[way])
        return total <= budget

    def _judge(self, block: _Block, case: Hostile | None, way: _Way) -> None:
        ask = self._ask(block.place, block.path, case, way)
        if ask in self._asked:
            return
        self._asked.add(ask)
        if case is None and ask.method == "OPTIONS":
            return  # no preflight: it would reach the view
        answer = self._send(ask)
        grants = None if case is None else self._written.granting(ask.host, ask.path, case.origin)
        for fault in faults(ask, case, answer, grants):
            if block.path.kind == "static" and self._whitenoise and fault.rule is HOSTILE_SERVED:
                continue  # CORS405 says it

            def persists(rule: Rule = fault.rule) -> tuple[Answer, bool]:
                again = self._send(ask)
                return again, any(found.rule is rule for found in faults(ask, case, again, grants))

            self._hits.add(fault, ask, answer, block.place.tenant, persists)
        if ask.method != "OPTIONS" and (case is None or case.sendable):
            self._compare(block.place, ask, answer)

    def _compare(self, place: Place, ask: Ask, answer: Answer) -> None:
        if (found := self._compared.fault(ask, answer)) is None:
            return
        fault, other = found

        def persists() -> tuple[Answer, bool]:
            compared = Compared(shared_cache=False)
            compared.fault(other, self._send(other))
            again = self._send(ask)
            return again, compared.fault(ask, again) is not None

        self._hits.add(fault, ask, answer, place.tenant, persists)

    def _ask(self, place: Place, path: Path, case: Hostile | None, way: _Way) -> Ask:
        method, outcome, logged_in = way
        headers = [] if case is None else [("Origin", case.origin)]
        if method == _DENIED:
            method = "OPTIONS"
            headers.append(("Access-Control-Request-Method", "CORS-AUDIT"))
        elif method == "OPTIONS":
            grants = None if case is None else self._written.granting(place.host, path.path, case.origin)
            headers += _wishes(grants)
        elif outcome == _CONDITIONAL:
            headers.append(("If-None-Match", ETAG))
            outcome = "200"
        return Ask(method, place.host, path.path, tuple(headers), outcome, logged_in)

    def _ways(self, path: Path) -> list[_Way]:
        visitors = (False, True) if self._box.session is not None else (False,)
        outcomes: tuple[str, ...] = ("200",)
        if path.kind == "view":
            outcomes = (REAL,)
        elif path.kind == "route":
            outcomes = (*OUTCOMES, _CONDITIONAL)
        ways = [("GET", outcome, visitor) for outcome, visitor in product(outcomes, visitors)]
        ways += [("HEAD", outcomes[0], visitor) for visitor in visitors]
        return [*ways, ("OPTIONS", "200", False), (_DENIED, "200", False)]

    # --- what takes more than one answer ---------------------------------------------------------------------------

    def _look_closely(self, layers: Layers, place: Place, cases: Cases) -> None:
        origins = [*(case.origin for case in cases.allowed[:2]), EVIL, None]
        asks = [
            Ask("GET", place.host, path.path, (("Origin", origin),) if origin else (), outcome)
            for path, origin in product(place.paths, origins)
            for outcome in ((REAL,) if path.kind == "view" else ("200", "500"))
        ]
        self._findings += layers.hand_set([ask for ask in asks if ask.headers])
        plain = [ask for ask in asks if ask.outcome != "500"]
        for path in [path for path in place.paths if path.kind in ("route", "view")][:_MOST_CACHED]:
            self._look_at_caches(place, [ask for ask in plain if ask.path == path.path])
        for path in place.paths:
            self._look_at_variants(place, next(ask for ask in plain if ask.path == path.path))

    def _look_at_caches(self, place: Place, asks: list[Ask]) -> None:
        """Send each after each other, and see that it is answered as if it came first."""
        cold = {ask: self._send(ask) for ask in asks}
        for first, second in product(asks, asks):
            self._send(first)
            warm = self._send(second, warm=True)
            if warm.cors == cold[second].cors:
                continue
            before = dict(first.headers).get("Origin", "no origin")
            why = f"right after the same request from {quoted(before)}, the answer has other CORS headers than alone"

            def persists(first: Ask = first, second: Ask = second) -> tuple[Answer, bool]:
                alone = self._send(second)
                self._send(first)
                again = self._send(second, warm=True)
                return again, again.cors != alone.cors

            self._hits.add(Fault(CACHED_REPLAYED, Severity.HIGH, why), second, warm, place.tenant, persists)

    def _look_at_variants(self, place: Place, ask: Ask) -> None:
        """See that what reaches the same view with the same arguments is served the same."""
        usual = self._send(ask)
        if usual.reached is None:
            return
        for path in _variants(ask.path):
            variant = ask._replace(path=path)
            answer = self._send(variant)
            if answer.reached != usual.reached or answer.cors == usual.cors:
                continue
            why = f"it reaches the view of {quoted(ask.path)} and is served by another policy"

            def persists(variant: Ask = variant) -> tuple[Answer, bool]:
                usual, again = self._send(ask), self._send(variant)
                return again, again.reached == usual.reached and again.cors != usual.cors

            self._hits.add(Fault(PATH_VARIANT, Severity.HIGH, why), variant, answer, place.tenant, persists)


def _sure(block: _Block, cases: Cases) -> _Block:
    """Give what is looked at in every way: some allowed origins, none, and the two that anybody can have."""
    return block._replace(cases=[*cases.allowed[:_MOST_ALLOWED], None, *cases.hostile[:2]])


def _plain(block: _Block) -> _Block:
    """Give every origin, in the two ways that matter most."""
    ways = [("GET", block.ways[0][1], False), ("OPTIONS", "200", False)]
    return block._replace(ways=ways)


def _from_others(block: _Block) -> _Block:
    return block._replace(cases=[case for case in block.cases if case is not None and case.name == OTHER_TENANT])


def _wishes(grants: Grants | None) -> list[tuple[str, str]]:
    """Give a preflight's wishes: what a policy allows beyond what needs no listing, or what anybody might try."""
    if grants is None:
        return [("Access-Control-Request-Method", "PUT"), ("Access-Control-Request-Headers", "authorization")]
    unsafe = [name for name in grants.methods if name not in SAFELISTED_METHODS and name not in ("*", "OPTIONS")]
    names = sorted({name.lower() for name in grants.headers if name != "*" and not is_forbidden_request_header(name)})
    wishes = [("Access-Control-Request-Method", unsafe[0] if unsafe else "GET")]
    return [*wishes, ("Access-Control-Request-Headers", ",".join(names))] if names else wishes


def _variants(path: str) -> list[str]:
    """Give other spellings of a path, as Django gets them: what a client writes as %2e is a dot by then."""
    first, _, rest = path[1:].partition("/")
    swapped = (path.upper(), path.lower(), path.swapcase(), f"/{first.capitalize()}/{rest}")
    slashes = (f"/{path}", f"{path}/", path.rstrip("/"), path.replace("/", "//"), path.replace("/", "\\"))
    dots = (f"/.{path}", f"/cors-audit/..{path}", f"{path}./", f"{path}cors-audit/../", f"/%2e{path}", f"/..{path}")
    others = (path.replace(" ", "+"), path.replace("+", " "), f"{path}+", f"{path} ", f"{path};cors-audit", f"{path}\0")
    return [text for text in dict.fromkeys((*swapped, *slashes, *dots, *others)) if text not in (path, "")]
