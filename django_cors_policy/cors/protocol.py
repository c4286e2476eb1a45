"""The server's side of the CORS protocol: what to answer, as data.

Steps are those of https://fetch.spec.whatwg.org/#http-cors-protocol.
"""

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

from .origins import MAX_ORIGIN, parse_origin
from .policy import Policy

REMEMBERED = 1024  # decisions, of about 1 KB with what they hold

_ANY = (("Access-Control-Allow-Origin", "*"),)
_PRIVATE_NETWORK = (("Access-Control-Allow-Private-Network", "true"),)
_ORIGIN = ("Origin",)
_NOTHING: tuple[str, ...] = ()


class Kind(StrEnum):
    NOT_COVERED = "not-covered"  # no policy covers the path
    NOT_CORS = "not-cors"  # no Origin, or the request's own
    ACTUAL = "actual"
    PREFLIGHT = "preflight"


class Reason(StrEnum):
    NOT_COVERED = "not-covered"
    NO_ORIGIN = "no-origin"
    SAME_ORIGIN = "same-origin"
    ANY_ORIGIN = "any-origin"
    LISTED = "listed"
    WILDCARD = "wildcard"
    REGEX = "regex"
    NULL_ORIGIN = "null-origin"
    MALFORMED = "malformed-origin"
    OTHER_SCHEME = "other-scheme"  # the request's own host by the other scheme: most often a proxy that is not declared
    NOT_ALLOWED = "not-allowed"


# NamedTuples: a frozen dataclass takes three times as long to make.
class CorsRequest(NamedTuple):
    """What the protocol looks at in a request.

    ``origin`` and ``requested_method`` are the values of Origin and Access-Control-Request-Method, None where they are
    absent. ``own_origin`` gives the request's own origin, or None if its host is not to be trusted; it is called only
    for an origin that no policy allows.
    """

    method: str
    origin: str | None
    requested_method: str | None
    requests_private_network: bool
    own_origin: Callable[[], str | None]


class Decision(NamedTuple):
    """What is answered, and why.

    ``headers`` are the Access-Control-* fields to send, all others are removed; ``vary`` the names to add to Vary.
    ``policy`` and ``pattern`` say who allowed the origin and by which entry; None where nobody did.
    """

    kind: Kind
    allowed: bool
    reason: Reason
    headers: tuple[tuple[str, str], ...]
    vary: tuple[str, ...]
    policy: Policy | None
    pattern: str | None


NOT_COVERED = Decision(Kind.NOT_COVERED, False, Reason.NOT_COVERED, (), (), None, None)


def decide(policies: Sequence[Policy], request: CorsRequest) -> Decision:
    """Decide what a request is answered: total, whatever the header values hold.

    ``policies`` in the order they are asked: the first that allows the origin serves the request with its own flags.
    None at all means that the path is not covered.
    """
    if not policies:
        return NOT_COVERED
    method, origin, requested_method, requests_private_network, own_origin = request
    if origin is None:
        return _decide_without_origin(policies)
    if method == "OPTIONS":
        decision = decide_options(tuple(policies), origin, requested_method, requests_private_network)
    else:
        decision = decide_actual(tuple(policies), origin)
    if decision.allowed:
        return decision
    own = own_origin()
    return decision if own is None else compare_own(decision, origin, own)


# What decide() is made of, for the middleware: to make a CorsRequest takes as long as everything else.

# Of actual requests, by their policies and Origin: the same few origins ask again and again, and a policy never
# changes. A flood of others costs what the answer costs. To be looked up before decide_actual() is called, for speed.
remembered: dict[tuple[tuple[Policy, ...], str], Decision] = {}


def decide_actual(policies: tuple[Policy, ...], origin: str) -> Decision:
    """Decide on a request of any method but OPTIONS, by at least one policy, whatever the request's own origin is."""
    decision = remembered.get((policies, origin))
    if decision is None:
        decision = _answer(policies, origin, Kind.ACTUAL)
        # What is too long to be an origin is not kept: a header may have many kilobytes.
        if len(origin) <= MAX_ORIGIN:
            if len(remembered) >= REMEMBERED:
                remembered.clear()
            remembered[policies, origin] = decision
    return decision


def decide_options(
    policies: tuple[Policy, ...], origin: str, requested_method: str | None, requests_private_network: bool
) -> Decision:
    """Do the same for OPTIONS."""
    # Fetch, "CORS-preflight request": OPTIONS with both headers. Any other OPTIONS is an actual request.
    if requested_method is None:
        return decide_actual(policies, origin)
    return _answer(policies, origin, Kind.PREFLIGHT, requests_private_network)


def compare_own(denied: Decision, origin: str, own_origin: str) -> Decision:
    """Do the second half: say of an origin that no policy allows whether it is the request's own."""
    if origin == own_origin:
        # Fetch, "HTTP-network-or-cache fetch": Origin also travels with same-origin requests other than GET and HEAD.
        kind = denied.kind if denied.kind is Kind.PREFLIGHT else Kind.NOT_CORS
        return denied._replace(kind=kind, reason=Reason.SAME_ORIGIN)
    if denied.reason is Reason.NOT_ALLOWED and origin.partition("://")[2] == own_origin.partition("://")[2]:
        return denied._replace(reason=Reason.OTHER_SCHEME)
    return denied


def _decide_without_origin(policies: Sequence[Policy]) -> Decision:
    vary = _vary(policies)
    # `*` from a policy that answers everyone alike is sent to everyone: a cached answer must serve them all.
    if not vary and policies[0].origins.any_origin:
        headers = _ANY + policies[0].actual_headers
        return Decision(Kind.NOT_CORS, True, Reason.ANY_ORIGIN, headers, vary, policies[0], "*")
    return Decision(Kind.NOT_CORS, False, Reason.NO_ORIGIN, (), vary, None, None)


def _vary(policies: Sequence[Policy]) -> tuple[str, ...]:
    # Two policies are a tenant's and the settings': the tenant's may change at any time.
    return _ORIGIN if len(policies) > 1 or policies[0].varies else _NOTHING


def _answer(policies: tuple[Policy, ...], origin: str, kind: Kind, requests_private_network: bool = False) -> Decision:
    vary = _vary(policies)
    for policy in policies:
        found = _match(policy, origin)
        if found is None:
            continue
        reason, pattern, headers = found
        if kind is Kind.ACTUAL:
            return Decision(kind, True, reason, headers + policy.actual_headers, vary, policy, pattern)
        # The whole static lists, not an echo of what was asked for: the browser names the right fault and may cache.
        headers += policy.preflight_headers
        if requests_private_network and policy.allow_private_network:
            headers += _PRIVATE_NETWORK
        return Decision(kind, True, reason, headers, vary, policy, pattern)
    reason = Reason.NOT_ALLOWED
    if origin == "null":
        reason = Reason.NULL_ORIGIN
    elif parse_origin(origin) is None:
        reason = Reason.MALFORMED
    return Decision(kind, False, reason, (), vary, None, None)


def _match(policy: Policy, origin: str) -> tuple[Reason, str, tuple[tuple[str, str], ...]] | None:
    if policy.origins.any_origin:
        return Reason.ANY_ORIGIN, "*", _ANY
    match = policy.origins.match(origin)
    if match is None:
        return None
    # Fetch, "CORS check" step 4: the serialized origin, byte for byte.
    headers = (("Access-Control-Allow-Origin", origin),)
    if isinstance(match, str):
        return Reason.LISTED, origin, headers
    if isinstance(match, re.Pattern):
        return Reason.REGEX, match.pattern, headers
    return Reason.WILDCARD, str(match), headers
