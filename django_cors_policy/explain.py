"""What a browser makes of a fetch from this project, by what the project really answers, and what would change it."""

from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Protocol
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from django_cors_policy import conf, reading
from django_cors_policy.audit.judge import Ask
from django_cors_policy.audit.sandbox import REAL, Sandbox, sandbox
from django_cors_policy.audit.settings import is_development
from django_cors_policy.audit.tenants import UnknownTenant, known
from django_cors_policy.blocked import UNRECORDED
from django_cors_policy.cors import (
    Answer,
    Decision,
    FetchRequest,
    Kind,
    PolicySpec,
    Verdict,
    WireRequest,
    browse,
    is_dropped,
    quoted,
    remembered_for,
)
from django_cors_policy.cors.lint import Finding, lint
from django_cors_policy.middleware import CorsMiddleware
from django_cors_policy.remedies import LET_THROUGH, Written, remedy, unreadable, written_for
from django_cors_policy.selection import covers, tenant_of
from django_cors_policy.store import store
from django_cors_policy.tenants import checked_host

_PREFLIGHT = "Access-Control-Request-Method"


class Unanswerable(ValueError):  # noqa: N818 -- it is the question that is
    """A question that this project has no answer to, and what to ask instead."""


class ForeignUrl(Unanswerable):
    """A URL that is not the tenant's; the text says whose it is."""

    def __init__(self, url: str, tenant: str, owner: str | None) -> None:
        whose = "nobody's" if owner is None else f"tenant {quoted(owner)}'s"
        super().__init__(f"{quoted(url)} is {whose}: give a URL of tenant {quoted(tenant)}")
        self.url = url


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request of the browser's. ``sent``: through the project; else the answer is what CorsMiddleware would add."""

    request: WireRequest
    answer: Answer
    sent: bool
    decision: Decision
    tenant: str | None
    decided_elsewhere: str | None  # by which other middleware, if not by CorsMiddleware

    @property
    def is_preflight(self) -> bool:
        return _is_preflight(self.request)

    def decided_by(self) -> dict[str, str | None]:
        policy = self.decision.policy
        return {
            "policy": None if policy is None else policy.name,
            "tenant": self.tenant,
            "pattern": self.decision.pattern,
            "reason": str(self.decision.reason),
        }


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The smallest change that lets a fetch through, and what the audit would find of it."""

    text: str
    risks: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """A browser's verdict, and the requests that it comes from."""

    fetch: FetchRequest
    verdict: Verdict
    exchanges: tuple[Exchange, ...]
    suggestion: Suggestion | None

    @property
    def dropped(self) -> list[str]:
        """The headers that the script sets and fetch() leaves out."""
        return [name for name, value in self.fetch.headers if is_dropped(name, value)]

    @property
    def outlives_revocation(self) -> int | None:
        """The seconds for which a browser that holds the preflight's answer sends without asking again, if it does."""
        preflights = [exchange for exchange in self.exchanges if exchange.is_preflight]
        if len(preflights) == len(self.exchanges):  # none was needed, or the last one failed
            return None
        return remembered_for(preflights[-1].answer) if preflights else None


class Stack(Protocol):
    """Sends a browser's requests through the project, and leaves nothing in a database of what they write."""

    def send(self, wire: WireRequest) -> Answer:
        """Send one, whatever becomes of it: headers by lower-case name, the body left aside."""

    def decider(self, wire: WireRequest, is_ours: Callable[[Answer], bool], /) -> str:
        """Say who makes the answer to a request that is not as CorsMiddleware makes it."""


def explain(fetch: FetchRequest, tenant: str | None = None, stack: Stack | None = None) -> Explanation:
    """Ask the project what a browser would ask it, and say what comes of it.

    Preflights, GET and HEAD go through the project's own middleware, GET and HEAD to the view too; nothing else is
    sent. ``tenant`` is whose the URL has to be, None for anybody's. Without a ``stack`` they go through the audit's
    sandbox, which changes settings, caches and loggers of the whole process: in one that serves visitors, give it a
    LiveStack. A browser follows 20 redirects and may ask before each request, so that at most 42 are sent; the sandbox
    sends more to find out who answers one.

    Raises Unanswerable for a page's origin that no page has, for a host that is not this project's and where the stored
    policies cannot be read, ForeignUrl for a URL that is not the tenant's, UnknownTenant for one that has no policy.
    """
    if tenant is not None:
        _see_that_it_is_known(tenant)
    with ExitStack() as block:
        conversation = _Conversation(stack or _Sandboxed(block.enter_context(sandbox())), tenant)
        try:
            verdict = browse(fetch, conversation.send)
        except Unanswerable:
            raise
        except ValueError as error:
            raise Unanswerable(str(error)) from error
    exchanges = tuple(conversation.exchanges)
    suggestion = None if verdict.allowed or not exchanges else _suggestion(fetch, exchanges[-1], conversation.written)
    return Explanation(fetch, verdict, exchanges, suggestion)


def _see_that_it_is_known(tenant: str) -> None:
    try:
        known(tenant)
    except UnknownTenant:
        raise
    except Exception as error:
        raise Unanswerable(unreadable(error)) from error


class _Conversation:
    def __init__(self, stack: Stack, tenant: str | None) -> None:
        self._stack = stack
        self._tenant = tenant
        self.exchanges: list[Exchange] = []
        self.written = Written(())  # what the last of them is answered by

    def send(self, wire: WireRequest) -> Answer:
        request = _request(wire)
        if checked_host(request) is None:
            host = quoted(urlsplit(wire.url).netloc)
            why = "ALLOWED_HOSTS refuses it, so every request gets a 400"
            raise Unanswerable(f"{host} is not a host of this project: {why}; name one that it holds")
        tenant = tenant_of(conf.current(), request)
        if self._tenant is not None and self._tenant != tenant:
            raise ForeignUrl(wire.url, self._tenant, tenant)
        self.written = _written(request, tenant)
        # Rows that are not committed yet count too.
        with nullcontext() if tenant is None else store.unkept(tenant):
            exchange = self._exchange(wire, request, tenant)
        self.exchanges.append(exchange)
        return exchange.answer

    def _exchange(self, wire: WireRequest, request: HttpRequest, tenant: str | None) -> Exchange:
        # What the middleware decides by itself, whatever else answers the real request.
        ours = CorsMiddleware(lambda _: HttpResponse())(request)
        decision: Decision = request.cors  # type: ignore[attr-defined]
        expected = Answer(ours.status_code, tuple((name.lower(), value) for name, value in ours.items()))
        if not (_is_preflight(wire) or wire.method in ("GET", "HEAD")):
            fields = tuple(pair for pair in expected.headers if pair[0].startswith(("access-control-", "vary")))
            return Exchange(wire, Answer(expected.status, fields), False, decision, tenant, None)
        answer = self._stack.send(wire)
        is_ours = partial(_is, expected, decision)
        elsewhere = None if is_ours(answer) else self._decider(wire, is_ours)
        return Exchange(wire, answer, True, decision, tenant, elsewhere)

    def _decider(self, wire: WireRequest, is_ours: Callable[[Answer], bool]) -> str:
        own = (path for path in settings.MIDDLEWARE if path.startswith("django_cors_policy."))
        if not any(path.endswith(".CorsMiddleware") for path in own):
            return "something else: CorsMiddleware is not in MIDDLEWARE"
        return self._stack.decider(wire, is_ours)


class _Sandboxed:
    """The audit's sandbox as a Stack."""

    def __init__(self, box: Sandbox) -> None:
        self._box = box

    def send(self, wire: WireRequest) -> Answer:
        url = urlsplit(wire.url)
        outcome = "200" if wire.method == "OPTIONS" else REAL
        ask = Ask(wire.method, url.netloc, unquote(url.path), wire.headers, outcome, scheme=url.scheme, query=url.query)
        found = self._box.send(ask)
        return Answer(found.status, found.headers)

    def decider(self, wire: WireRequest, is_ours: Callable[[Answer], bool]) -> str:
        """Name the middleware without which the answer is what CorsMiddleware makes it."""
        paths = settings.MIDDLEWARE[:-1]  # the last is the sandbox's
        for path in paths:
            with self._box.middleware([other for other in paths if other != path]):
                if is_ours(self.send(wire)):
                    return path
        return "the view, or several middleware together"


def _is_preflight(wire: WireRequest) -> bool:
    return wire.method == "OPTIONS" and any(name == _PREFLIGHT for name, _ in wire.headers)


def _written(request: HttpRequest, tenant: str | None) -> Written:
    """Read the policies that a request is answered by, which the middleware takes for none where it cannot.

    A request that no stored policy is asked about needs no database.
    """
    configuration = conf.current()
    if "Origin" not in request.headers or not covers(configuration, request):
        tenant = None
    try:
        written = written_for(configuration, tenant)
        if tenant is not None:
            store.end_outage(reading.database())  # what is taken to be away has just answered
    except Exception as error:  # whatever a driver or a router raises
        raise Unanswerable(unreadable(error)) from error
    return written


def _is(expected: Answer, decision: Decision, found: Answer) -> bool:
    """Tell whether an answer is as CorsMiddleware makes it: its CORS headers, and a preflight's status."""
    is_own_status = decision.kind is not Kind.PREFLIGHT or found.status == expected.status
    return _cors_fields(found) == _cors_fields(expected) and is_own_status


def _request(wire: WireRequest) -> HttpRequest:
    url = urlsplit(wire.url)
    headers = {**dict(wire.headers), "Host": url.netloc}
    # The whole URL: a path of // alone would be read as a host.
    request = RequestFactory().generic(wire.method, wire.url, secure=url.scheme == "https", headers=headers)
    request.META[UNRECORDED] = True
    return request


def _cors_fields(answer: Answer) -> list[tuple[str, str]]:
    return sorted(pair for pair in answer.headers if pair[0].startswith("access-control-"))


def _suggestion(fetch: FetchRequest, last: Exchange, written: Written) -> Suggestion | None:
    found = remedy(fetch, last.request, last.decision, last.tenant, written)
    # Where nobody else answers, it is a redirect that the verdict's message tells of.
    if found is None or (found is LET_THROUGH and last.decided_elsewhere is None):
        return None
    if found.before is None or found.after is None:
        return Suggestion(found.text)
    before = {(finding.rule.code, finding.subject) for finding in _lint(found.before)}
    risks = [finding for finding in _lint(found.after) if (finding.rule.code, finding.subject) not in before]
    return Suggestion(found.text, tuple(risks))


def _lint(spec: PolicySpec) -> list[Finding]:
    return lint(spec, development=is_development(), tenants=conf.current().resolver is not None)
