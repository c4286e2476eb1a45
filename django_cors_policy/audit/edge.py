"""What a running deployment answers over HTTP: the CORS headers as they leave the last proxy or CDN in front of Django.

GET and OPTIONS alone are sent, one at a time, each on a connection of its own. No cookie is kept, no redirect followed
and no proxy of the environment used: it is the given address that is looked at.
"""

import random
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from django.db import Error

from django_cors_policy import conf
from django_cors_policy.audit.battery import EVIL, Hostile
from django_cors_policy.audit.judge import (
    BAD_CREDENTIALS,
    DUPLICATE_HEADER,
    ERROR_WITHOUT_HEADERS,
    HOSTILE_SERVED,
    OTHER_TENANT,
    PREFLIGHT_FAILS,
    VARY_MISSING,
    Answer,
    Ask,
    Compared,
    Fault,
    Hits,
    faults,
)
from django_cors_policy.audit.places import Cases, Path, Place, cases, stored_keys
from django_cors_policy.audit.plan import CONDITIONAL, DENIED, Block, Probed, Way, ask_of, picks, plain, sure
from django_cors_policy.audit.wire import (
    MAX_REQUESTS,
    RATE,
    TIMEOUT,
    Edge,
    Line,
    Stopped,
    Unanswered,
    UnusableEdge,
    carries,
)
from django_cors_policy.audit.written import Written
from django_cors_policy.cors import quoted

__all__ = ["MAX_REQUESTS", "RATE", "RULES", "TIMEOUT", "Edge", "UnusableEdge", "ask"]

RULES = (HOSTILE_SERVED, PREFLIGHT_FAILS, VARY_MISSING, DUPLICATE_HEADER, ERROR_WITHOUT_HEADERS, BAD_CREDENTIALS)

_MOST_OTHERS = 20  # tenants whose origins are sent
_FOR_A_SECOND_LOOK = 30  # requests
_NOBODY_BEHIND = {
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    # Cloudflare's own
    521: "Web Server Is Down",
    522: "Connection Timed Out",
    523: "Origin Is Unreachable",
    524: "A Timeout Occurred",
    525: "SSL Handshake Failed",
    526: "Invalid SSL Certificate",
}
_OTHERS = "of another tenant"
_NOWHERE = "cors-audit-nowhere/"
_DO = "see that it runs and that this machine reaches it (proxies of the environment are not used)"
_NOT_OVER_HTTP = "HEAD, visitors who are logged in, views' own errors and other hosts over HTTP"

# Fields that say that a shared cache is in front: RFC 9111 section 5.1, RFC 9211, and what proxies and CDNs add.
_CACHES = ("age", "cache-status", "x-cache", "x-cache-status", "cf-cache-status")


def ask(edge: Edge) -> Probed:
    """Send the requests, and tell what was found."""
    probed = Probed()
    try:
        others = stored_keys()
    except Error as error:
        why = f"the stored policies, which say what it may grant, cannot be read: {quoted(str(error))}"
        probed.failure = f"{edge.origin} was not asked: {why}"
        return probed
    run = _Run(edge, others)
    try:
        opened = Line(edge)
    except OSError as error:
        why = f"no authorities can be read ({quoted(str(error))}); see what SSL_CERT_FILE and SSL_CERT_DIR name"
        probed.failure = f"{edge.origin} was not asked: {why}"
        return probed
    with closing(opened) as line:
        try:
            run.all(line)
        except KeyboardInterrupt:
            probed.interrupted = True
        run.report(line, probed)
    return probed


class _Run:
    def __init__(self, edge: Edge, keys: Sequence[str]) -> None:
        self._edge = edge
        self._chance = random.Random(edge.seed)  # noqa: S311 -- to be repeated, not to be unguessable
        self._written = Written()
        self._hits = Hits(edge.origin)
        self._compared = Compared(shared_cache=False)
        self._asked: set[Ask] = set()
        self._combinations = 0
        self._etags: dict[str, str] = {}
        self._met = False
        self._stopped: str | None = None
        self._limits: list[str] = []
        self._place = self._found(keys)
        self._cases = self._carried(self._place, keys)

    def _found(self, keys: Sequence[str]) -> Place:
        """Give the deployment's place: its host is the URL's, whatever a proxy makes of it."""
        edge = self._edge
        found = [self._written.tenant(edge.host, path) for path in edge.asked]
        tenant = next((key for key in found if key in keys), None)
        if tenant is None and conf.current().resolver is not None:
            named = next((key for key in found if key is not None), None)
            if named is None:
                why = f"CORS_TENANT_RESOLVER finds none for {quoted(edge.host)} (is the host in ALLOWED_HOSTS?)"
            else:
                why = f"{quoted(named)} has none that is enabled"
            self._limits.append(f"a tenant's policy, since {why}: what the settings grant was looked at alone")
        bare = edge.asked[0].rstrip("/")
        kinds = dict.fromkeys((f"{bare}/{_NOWHERE}", bare), "nowhere")
        kinds |= dict.fromkeys(edge.asked, "view")
        paths = [Path(path, kind) for path, kind in kinds.items() if path]
        return Place(edge.host, tenant, tuple(sorted(paths, key=lambda path: path.kind != "view")))

    def _carried(self, place: Place, keys: Sequence[str]) -> Cases:
        """Give the origins that HTTP can carry."""
        own = {self._written.tenant(place.host, path.path) for path in place.paths}
        chosen = [key for key in keys if key not in own and (self._edge.tenants is None or key in self._edge.tenants)]
        if len(chosen) > _MOST_OTHERS:
            self._limits.append(f"the origins of {len(chosen) - _MOST_OTHERS} of {len(chosen)} other tenants")
            chosen = sorted(self._chance.sample(chosen, _MOST_OTHERS))
        if chosen:
            self._written.load(chosen)
        made = cases(self._written, place, [Place(key, key, ()) for key in chosen])
        lost = Counter(case.name for case in made.hostile if not carries(case.origin))
        counted = ", ".join(f"{count} with {name}" for name, count in lost.items())
        self._limits.append(f"origins that HTTP cannot carry, which were not sent: {counted}")
        first = place.paths[0].path
        if not made.allowed and self._written.granting(place.host, first, EVIL) is None:
            self._limits.append(f"what allowed origins get: no policy grants any at {self._edge.origin}{first}")
        kept = [case for case in made.hostile if carries(case.origin)]
        # Over HTTP one host is asked, so it is no matter between tenants (CORS507) but an origin that is not granted.
        kept = [replace(case, name=_OTHERS) if case.name == OTHER_TENANT else case for case in kept]
        return Cases([case for case in made.allowed if carries(case.origin)], kept)

    def all(self, line: Line) -> None:
        budget = self._edge.max_requests
        line.most = max(budget - min(_FOR_A_SECOND_LOOK, budget // 10), 1)
        self._line = line
        try:
            self._meet()
            full = [
                Block(self._place, path, [*self._cases.allowed, None, *self._cases.hostile], self._ways(path))
                for path in self._place.paths
            ]
            self._combinations = sum(block.size for block in full)
            certain = [sure(block, self._cases) for block in full]
            self._send_some(certain[:1], budget * 5 // 10)
            self._send_some(certain[1:], budget * 3 // 10)
            others = [case for case in self._cases.hostile if case.name == _OTHERS]
            self._send_some([plain(full[0])._replace(cases=others)], budget * 2 // 10)
            self._send_some([plain(full[0])], budget * 5 // 10)
            self._send_some(full, budget)
        except Stopped as stopped:
            self._stopped = stopped.why
        line.most = budget
        if self._stopped is None:
            self._look_again()

    def report(self, line: Line, probed: Probed) -> None:
        probed.findings = list(self._hits.findings())
        probed.requests = line.sent if self._met else 0
        if self._stopped is not None:
            probed.failure = f"{self._edge.origin} {self._stopped}"
        if not self._met:
            return
        probed.not_looked_at += [*self._limits, *line.limits]
        if left := self._combinations - len(self._asked):
            probed.not_looked_at.append(
                f"{left} of {self._combinations} combinations of origin, path and request over HTTP "
                f"(--max-requests {self._edge.max_requests}, --seed {self._edge.seed})"
            )
        probed.not_looked_at += [_NOT_OVER_HTTP, f"what a cache in front of {self._edge.origin} holds already"]

    def _meet(self) -> None:
        """See that somebody answers, and learn what a conditional request needs. Raises Stopped."""
        for path in self._place.paths:
            if path.kind != "view":
                continue
            try:
                answer = self._send(Ask("GET", self._place.host, path.path))
            except Unanswered as error:
                if not self._met:
                    raise Stopped(f"does not answer: {error}; {_DO}") from error
                continue
            if not self._met:
                self._refuse(answer)
            self._met = True
            etag = answer.get("etag") or ""
            if answer.status == 200 and etag and carries(etag):
                self._etags[path.path] = etag

    def _refuse(self, answer: Answer) -> None:
        """Stop where the first answer is a proxy's that has nobody to ask, or leads from http to https."""
        if answer.status in _NOBODY_BEHIND:
            said = f"{answer.status} {_NOBODY_BEHIND[answer.status]}"
            raise Stopped(f"does not answer: what is in front of it says {said}; see that the server behind it runs")
        secure = f"https://{self._edge.host}"
        location = answer.get("location") or ""
        if self._edge.origin != secure and (location == secure or location.startswith(f"{secure}/")):
            raise Stopped(f"leads to https ({answer.status}); write --url {quoted(secure)}")

    def _ways(self, path: Path) -> list[Way]:
        # What nobody asked to be looked at is asked by GET alone: who answers its preflights is no matter.
        if path.kind != "view":
            return [("GET", "404", False)]
        conditional: list[Way] = [("GET", CONDITIONAL, False)] if path.path in self._etags else []
        return [("GET", "200", False), *conditional, ("OPTIONS", "200", False), (DENIED, "200", False)]

    def _send_some(self, blocks: list[Block], budget: int) -> None:
        for block, case, way in picks(blocks, budget, self._chance):
            self._judge(block, case, way)

    def _send(self, ask: Ask) -> Answer:
        answer = self._line.send(ask)
        self._compared.shared_cache |= any(answer.get(name) for name in _CACHES)
        if self._edge.progress is not None:
            self._edge.progress(self._line.sent, self._edge.max_requests)
        return answer

    def _judge(self, block: Block, case: Hostile | None, way: Way) -> None:
        ask = ask_of(self._written, block, case, way, self._etags.get(block.path.path, ""))
        if ask in self._asked:
            return
        self._asked.add(ask)
        if case is None and ask.method == "OPTIONS":
            return  # no preflight: it would reach the view
        try:
            answer = self._send(ask)
        except Unanswered:
            return
        for fault in self._faults(ask, case, answer):

            def persists(fault: Fault = fault) -> tuple[Answer, bool]:
                again = self._send(ask)
                return again, any(found.rule is fault.rule for found in self._faults(ask, case, again))

            self._hits.add(fault, ask, answer, self._place.tenant, persists)
        if ask.method != "OPTIONS" and (case is None or case.sendable):
            self._compare(ask, answer)

    def _faults(self, ask: Ask, case: Hostile | None, answer: Answer) -> list[Fault]:
        grants = None if case is None else self._written.granting(ask.host, ask.path, case.origin)
        return list(faults(ask, case, answer, grants))

    def _compare(self, ask: Ask, answer: Answer) -> None:
        if (found := self._compared.fault(ask, answer)) is None:
            return
        fault, other = found

        def persists() -> tuple[Answer, bool]:
            compared = Compared(shared_cache=False)
            compared.fault(other, self._send(other))
            again = self._send(ask)
            return again, compared.fault(ask, again) is not None

        self._hits.add(fault, ask, answer, self._place.tenant, persists)

    def _look_again(self) -> None:
        """Ask once more for what was wrong: behind a balancer or during a deployment it may not always be."""
        for hit in self._hits.found.values():
            try:
                _, still = hit.persists()
            except Unanswered:
                continue
            except Stopped as stopped:
                self._stopped = stopped.why
                return
            if not still:
                hit.fault = hit.fault._replace(why=f"{hit.fault.why}; asked once more, it was not so")
