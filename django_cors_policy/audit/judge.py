"""What is wrong with one answer, or with two that should agree: the rules of a probe, in process or over HTTP."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.utils.translation import gettext_noop

from django_cors_policy.audit.battery import Hostile
from django_cors_policy.audit.report import one_line
from django_cors_policy.audit.written import Grants
from django_cors_policy.cors import SAFELISTED_METHODS, quoted
from django_cors_policy.cors.lint import Finding, Rule, Severity

_CRITICAL, _HIGH, _MEDIUM, _LOW, _ = Severity

# What no browser can send is at most low: where LOW comes last, it is for that.
HOSTILE_SERVED = Rule(
    "CORS501",
    "hostile-origin-served",
    (_CRITICAL, _MEDIUM, _LOW),
    gettext_noop("An origin that no written policy grants gets headers that let it read the answer."),
    942,
)
PREFLIGHT_FAILS = Rule(
    "CORS502",
    "preflight-fails",
    (_HIGH,),
    gettext_noop(
        "A preflight that a policy allows is refused, redirected, or answered without a header that it needs."
    ),
    None,
)
VARY_MISSING = Rule(
    "CORS503",
    "vary-missing",
    (_HIGH, _MEDIUM),
    gettext_noop("Answers differ by Origin, and Vary does not say so."),
    524,
)
HAND_SET = Rule(
    "CORS504",
    "hand-set-header",
    (_HIGH, _MEDIUM),
    gettext_noop("A view or another middleware writes CORS headers by itself."),
    942,
)
DUPLICATE_HEADER = Rule(
    "CORS505",
    "duplicate-header",
    (_MEDIUM, _LOW),
    gettext_noop("Access-Control-Allow-Origin has more than one value: browsers refuse it."),
    None,
)
ERROR_WITHOUT_HEADERS = Rule(
    "CORS506",
    "error-without-headers",
    (_MEDIUM,),
    gettext_noop("An error, redirect or other answer lacks the headers of an allowed origin."),
    None,
)
CROSS_TENANT = Rule(
    "CORS507",
    "cross-tenant",
    (_CRITICAL, _HIGH),
    gettext_noop("One tenant's origin is served on another's host, which does not grant it."),
    346,
)
CACHED_REPLAYED = Rule(
    "CORS508",
    "cached-answer-replayed",
    (_HIGH,),
    gettext_noop("A cached answer carries another origin's headers, or lacks them."),
    524,
)
BAD_CREDENTIALS = Rule(
    "CORS509",
    "bad-credentials-header",
    (_MEDIUM, _LOW),
    gettext_noop("Access-Control-Allow-Credentials is another value than true, or stands beside a *."),
    942,
)
PATH_VARIANT = Rule(
    "CORS510",
    "path-variant",
    (_HIGH,),
    gettext_noop("Another spelling of a path reaches the same view under another policy."),
    346,
)
RULES = (
    HOSTILE_SERVED,
    PREFLIGHT_FAILS,
    VARY_MISSING,
    HAND_SET,
    DUPLICATE_HEADER,
    ERROR_WITHOUT_HEADERS,
    CROSS_TENANT,
    CACHED_REPLAYED,
    BAD_CREDENTIALS,
    PATH_VARIANT,
)

_HINTS = {
    HOSTILE_SERVED: "Take out what writes it; CorsMiddleware, first in MIDDLEWARE, answers from the policies alone.",
    PREFLIGHT_FAILS: "Put CorsMiddleware first in MIDDLEWARE, and let nothing else answer OPTIONS.",
    VARY_MISSING: "Let nothing remove or replace Vary, and put CorsMiddleware first in MIDDLEWARE.",
    DUPLICATE_HEADER: "Let CorsMiddleware alone write it.",
    ERROR_WITHOUT_HEADERS: "Put CorsMiddleware first in MIDDLEWARE, above whatever answers by itself.",
    CROSS_TENANT: "See that CORS_TENANT_RESOLVER tells the two apart, and that nothing else writes CORS headers.",
    CACHED_REPLAYED: "Put CorsMiddleware above the cache, and let nothing remove Vary: Origin.",
    BAD_CREDENTIALS: "Let CorsMiddleware alone write it.",
    PATH_VARIANT: "Make CORS_URLS_REGEX and the URLconf agree, and rewrite no path below CorsMiddleware.",
}

_IN_FRONT = "If --probe does not show it, it is done in front of Django (proxy or CDN)."

ALLOWED = "allowed"  # the name of a case that is to be let in
OTHER_TENANT = "another tenant's"


class Ask(NamedTuple):
    """A request. ``path`` is as Django knows it, not quoted; header names are as in a header."""

    method: str
    host: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    outcome: str = "200"
    logged_in: bool = False
    scheme: str = "https"
    query: str = ""


class Answer(NamedTuple):
    """A response: ``headers`` by lower-case name, as often as they are there; ``reached`` is the view, with what the
    URLconf found in the path, if the request got so far."""

    status: int
    headers: tuple[tuple[str, str], ...]
    reached: tuple[Any, ...] | None = None

    def all(self, name: str) -> list[str]:
        return [value for known, value in self.headers if known == name]

    def get(self, name: str) -> str | None:
        return ", ".join(self.all(name)) or None

    @property
    def cors(self) -> tuple[tuple[str, str], ...]:
        """Every Access-Control-* field."""
        return tuple(sorted(pair for pair in self.headers if pair[0].startswith("access-control-")))


class Fault(NamedTuple):
    """What is wrong with an answer, in words that follow its request's."""

    rule: Rule
    severity: Severity
    why: str


def faults(ask: Ask, case: Hostile | None, answer: Answer, grants: Grants | None) -> Iterator[Fault]:
    """Find what is wrong with one answer. ``case`` is None where no Origin was sent, ``grants`` where no policy grants
    it."""
    written = answer.get("access-control-allow-origin")
    credentials = answer.get("access-control-allow-credentials")
    mild = _LOW if case is not None and not case.sendable else None
    origin = None if case is None else case.origin
    if credentials is not None and (credentials != "true" or written == "*"):
        beside = " beside a *" if written == "*" else ""
        why = f"Access-Control-Allow-Credentials is {quoted(credentials)}{beside}"
        yield Fault(BAD_CREDENTIALS, mild or _MEDIUM, why)
    times = len(answer.all("access-control-allow-origin"))
    several = times > 1 or (written is not None and written != origin and ("," in written or " " in written.strip()))
    if several:
        comes = f"comes {times} times:" if times > 1 else "is"
        yield Fault(DUPLICATE_HEADER, mild or _MEDIUM, f"Access-Control-Allow-Origin {comes} {quoted(written)}")
    if case is None:
        return
    if grants is None:
        if written in (origin, "*") and case.name != ALLOWED and origin != f"https://{ask.host}":
            yield _served(case, str(written), with_credentials=written != "*" and credentials == "true")
    elif case.sendable and ask.method == "OPTIONS":
        if wrong := "; ".join(_preflight(ask, case.origin, answer, grants)):
            yield Fault(PREFLIGHT_FAILS, _HIGH, wrong)
    elif case.sendable and not several and written not in (origin, "*"):
        why = f"the answer ({answer.status}) has {_shown(written)}, though a policy grants the origin"
        yield Fault(ERROR_WITHOUT_HEADERS, _MEDIUM, why)


def _served(case: Hostile, written: str, *, with_credentials: bool) -> Fault:
    why = f"no policy of this host and path grants it ({case.name}), and the answer has {_shown(written)}"
    why += " with credentials" if with_credentials else ""
    if not case.sendable:
        return Fault(HOSTILE_SERVED, _LOW, f"{why}; no browser can send it")
    if case.name == OTHER_TENANT:
        return Fault(CROSS_TENANT, _CRITICAL if with_credentials else _HIGH, why)
    return Fault(HOSTILE_SERVED, _CRITICAL if with_credentials else _MEDIUM, why)


def _shown(written: str | None) -> str:
    return "no Access-Control-Allow-Origin" if written is None else f"Access-Control-Allow-Origin: {quoted(written)}"


def _preflight(ask: Ask, origin: str, answer: Answer, grants: Grants) -> Iterator[str]:
    """Say what an allowed preflight lacks: Fetch, "CORS-preflight fetch" step 7."""
    asked = dict(ask.headers)
    method, headers = asked.get("Access-Control-Request-Method"), asked.get("Access-Control-Request-Headers", "")
    if method not in (*grants.methods, *SAFELISTED_METHODS):
        return  # a denied one: the origin may have headers, and the browser says no by itself
    if not 200 <= answer.status < 300:
        yield f"the preflight is {'redirected' if 300 <= answer.status < 400 else 'refused'} ({answer.status})"
    written = answer.get("access-control-allow-origin")
    if written not in (origin, "*"):
        yield f"it has {_shown(written)}"
        return
    if grants.credentials and answer.get("access-control-allow-credentials") != "true":
        yield "it lacks Access-Control-Allow-Credentials"
    if method not in SAFELISTED_METHODS and not {method, "*"} & _names(answer, "access-control-allow-methods"):
        yield f"Access-Control-Allow-Methods lacks {method}"
    allowed = {name.lower() for name in _names(answer, "access-control-allow-headers")}
    lacking = [name for name in headers.split(",") if name and not {name, "*"} & allowed]
    if lacking:
        yield f"Access-Control-Allow-Headers lacks {', '.join(lacking)}"


def _names(answer: Answer, header: str) -> set[str]:
    return {name.strip() for name in (answer.get(header) or "").split(",")}


def varies(answer: Answer) -> bool:
    """Tell whether an answer says that it depends on Origin."""
    return bool({name.lower() for name in _names(answer, "vary")} & {"origin", "*"})


# What a firewall or a balancer in front answers to one request and not to another; a cache keeps none of it by itself.
_REFUSED = frozenset({400, 401, 403, 406, 429, 500, *range(502, 505), *range(520, 527), 530})


class Compared:
    """The first answer of each kind of request, to compare those to other origins with."""

    def __init__(self, *, shared_cache: bool) -> None:
        self.shared_cache = shared_cache
        self._first: dict[Ask, tuple[Ask, Answer]] = {}

    def fault(self, ask: Ask, answer: Answer) -> tuple[Fault, Ask] | None:
        """Give what two answers that differ by their Origin alone lack, and the other request."""
        other, first = self._first.setdefault(ask._replace(headers=_without_origin(ask)), (ask, answer))
        if first.cors == answer.cors or (varies(first) and varies(answer)):
            return None
        refused = first.status != answer.status and bool(_REFUSED & {first.status, answer.status})
        shared = (self.shared_cache and not refused) or any(
            word in (answer.get("cache-control") or "").lower() for word in ("public", "s-maxage")
        )
        with_, against = _origin(ask) or "no Origin", _origin(other) or "no Origin"
        why = f"the CORS headers for {quoted(with_)} and for {quoted(against)} differ, and Vary does not name Origin"
        return Fault(VARY_MISSING, _HIGH if shared else _MEDIUM, why), other


def _without_origin(ask: Ask) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in ask.headers if pair[0] != "Origin")


def _origin(ask: Ask) -> str | None:
    return dict(ask.headers).get("Origin")


@dataclass(slots=True)
class Hit:
    """A fault, the first request that showed it, and how many did. ``persists`` sends that again, and gives the new
    answer and whether the fault is there still."""

    fault: Fault
    ask: Ask
    answer: Answer
    tenant: str | None
    persists: Callable[[], tuple[Answer, bool]]
    count: int = 1
    layer: str | None = None


_MOST_HOSTS = 10  # of which a rule's faults are told one by one


@dataclass(slots=True)
class Hits:
    """The faults of one rule and host, told as one finding. ``deployment`` is the origin that was asked over HTTP."""

    deployment: str | None = None
    found: dict[tuple[str, Severity, str, str | None], Hit] = field(default_factory=dict)

    def add(
        self, fault: Fault, ask: Ask, answer: Answer, tenant: str | None, persists: Callable[[], tuple[Answer, bool]]
    ) -> None:
        key = (fault.rule.code, fault.severity, ask.host, tenant)
        if key in self.found:
            self.found[key].count += 1
        else:
            self.found[key] = Hit(fault, ask, answer, tenant, persists)

    def findings(self) -> Iterator[Finding]:
        hosts: dict[tuple[str, Severity], int] = {}
        for (code, severity, _, _), hit in self.found.items():
            number = hosts[code, severity] = hosts.get((code, severity), 0) + 1
            if number <= _MOST_HOSTS:
                left = sum(key[:2] == (code, severity) for key in self.found) - number
                yield _finding(hit, left if number == _MOST_HOSTS else 0, self.deployment)


def _finding(hit: Hit, hosts: int, deployment: str | None) -> Finding:
    ask, fault = hit.ask, hit.fault
    origin = _origin(ask)
    url = f"{deployment or f'https://{ask.host}'}{ask.path}"
    sent = f"{ask.method} {url} from {quoted(origin) if origin is not None else 'no origin'}"
    sent = sent if deployment is None else f"Over HTTP, {sent}"
    if ask.logged_in:
        sent += ", logged in"
    more = f" So are {hit.count - 1} more requests." if hit.count > 1 else ""
    more += f" {hosts} more hosts have it." if hosts else ""
    more += f" Without {hit.layer} it is not so." if hit.layer is not None else ""
    return Finding(
        fault.rule,
        fault.severity,
        one_line(deployment or ask.host)[:300],
        f"{sent}: {fault.why}.{more}",
        _HINTS[fault.rule] if deployment is None else f"{_HINTS[fault.rule]} {_IN_FRONT}",
        hit.tenant,
    )
