"""What the live stack really answers: hostile and allowed origins through the project's own middleware and URLconf."""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import product

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
from django_cors_policy.audit.plan import CONDITIONAL, DENIED, Block, Probed, Way, ask_of, picks, plain, sure
from django_cors_policy.audit.sandbox import ETAG, OUTCOMES, REAL, Sandbox, sandbox
from django_cors_policy.audit.stack import active_layers
from django_cors_policy.audit.written import Written
from django_cors_policy.cors import quoted
from django_cors_policy.cors.lint import Finding, Rule, Severity

__all__ = ["MAX_REQUESTS", "RULES", "Probed", "Wanted", "probe"]

MAX_REQUESTS = 20_000
_MOST_CLOSELY = 2  # places that are looked at for what takes many requests
_MOST_CACHED = 2  # paths of them, for caches
_FOR_A_PLACE = 400  # requests without which a place is hardly looked at
_FOR_BLAME = 200


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
            Block(place, path, [*cases[place].allowed, None, *cases[place].hostile], self._ways(path))
            for place in self._places.all
            for path in place.paths
        ]
        self._combinations = sum(block.size for block in full)
        try:
            first = [plain(block) for block in full if block.path == block.place.paths[0]]
            self._send_some([sure(block, cases[block.place]) for block in first], budget * 3 // 10)
            self._send_some([sure(block, cases[block.place]) for block in full], budget * 3 // 10)
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

    def _send_some(self, blocks: list[Block], budget: int) -> bool:
        """Send all of these, or as many as the budget allows, chosen by the seed; tell whether it was all."""
        picked = picks(blocks, budget, self._chance)
        for block, case, way in picked:
            self._judge(block, case, way)
        return len(picked) == sum(block.size for block in blocks)

    def _judge(self, block: Block, case: Hostile | None, way: Way) -> None:
        ask = ask_of(self._written, block, case, way, ETAG)
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

    def _ways(self, path: Path) -> list[Way]:
        visitors = (False, True) if self._box.session is not None else (False,)
        outcomes: tuple[str, ...] = ("200",)
        if path.kind == "view":
            outcomes = (REAL,)
        elif path.kind == "route":
            outcomes = (*OUTCOMES, CONDITIONAL)
        ways = [("GET", outcome, visitor) for outcome, visitor in product(outcomes, visitors)]
        ways += [("HEAD", outcomes[0], visitor) for visitor in visitors]
        return [*ways, ("OPTIONS", "200", False), (DENIED, "200", False)]

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


def _from_others(block: Block) -> Block:
    return block._replace(cases=[case for case in block.cases if case is not None and case.name == OTHER_TENANT])


def _variants(path: str) -> list[str]:
    """Give other spellings of a path, as Django gets them: what a client writes as %2e is a dot by then."""
    first, _, rest = path[1:].partition("/")
    swapped = (path.upper(), path.lower(), path.swapcase(), f"/{first.capitalize()}/{rest}")
    slashes = (f"/{path}", f"{path}/", path.rstrip("/"), path.replace("/", "//"), path.replace("/", "\\"))
    dots = (f"/.{path}", f"/cors-audit/..{path}", f"{path}./", f"{path}cors-audit/../", f"/%2e{path}", f"/..{path}")
    others = (path.replace(" ", "+"), path.replace("+", " "), f"{path}+", f"{path} ", f"{path};cors-audit", f"{path}\0")
    return [text for text in dict.fromkeys((*swapped, *slashes, *dots, *others)) if text not in (path, "")]
