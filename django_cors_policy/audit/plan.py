"""Which requests are sent, and in which order: in process or over HTTP."""

import random
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple

from django_cors_policy.audit.battery import Hostile
from django_cors_policy.audit.judge import Ask
from django_cors_policy.audit.places import Cases, Path, Place
from django_cors_policy.audit.written import Grants, Written
from django_cors_policy.cors import SAFELISTED_METHODS, is_forbidden_request_header
from django_cors_policy.cors.lint import Finding

# What is none is not served (CORS303, CORS304), and cannot be sent: RFC 9110 section 5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

_MOST_ALLOWED = 3  # origins of a place that are sent in every way there is

# Beside what a request's method and the stub's outcomes can be.
DENIED = "denied"  # a preflight that asks for what no policy allows
CONDITIONAL = "conditional"

Way = tuple[str, str, bool]  # the method, the outcome, and whether the visitor is logged in


@dataclass(slots=True)
class Probed:
    """What came of the requests. ``failure`` says why none could be sent, or no more; ``interrupted``: by Ctrl-C, after
    some."""

    findings: list[Finding] = field(default_factory=list)
    requests: int = 0
    not_looked_at: list[str] = field(default_factory=list)
    failure: str | None = None
    interrupted: bool = False


class Block(NamedTuple):
    """Origins (None: no Origin at all), each of which is sent in each of these ways to a path."""

    place: Place
    path: Path
    cases: Sequence[Hostile | None]
    ways: Sequence[Way]

    @property
    def size(self) -> int:
        return len(self.cases) * len(self.ways)


def sure(block: Block, cases: Cases) -> Block:
    """Give what is looked at in every way: some allowed origins, none, and the two that anybody can have."""
    return block._replace(cases=[*cases.allowed[:_MOST_ALLOWED], None, *cases.hostile[:2]])


def plain(block: Block) -> Block:
    """Give every origin, in the two ways that matter most."""
    ways = [("GET", block.ways[0][1], False), ("OPTIONS", "200", False)]
    return block._replace(ways=ways)


def picks(blocks: Sequence[Block], budget: int, chance: random.Random) -> list[tuple[Block, Hostile | None, Way]]:
    """Give all requests of these blocks in their order, or as many as the budget allows."""
    ends = list(accumulate(block.size for block in blocks))
    total = ends[-1] if ends else 0
    chosen: Sequence[int] = range(total)
    if total > budget:
        chosen = sorted(chance.sample(range(total), budget))
    picked = []
    for number in chosen:
        at = bisect_right(ends, number)
        block = blocks[at]
        case, way = divmod(number - (ends[at] - block.size), len(block.ways))
        picked.append((block, block.cases[case], block.ways[way]))
    return picked


def ask_of(written: Written, block: Block, case: Hostile | None, way: Way, etag: str) -> Ask:
    """Give the request: a preflight wishes for what the policy that grants its origin allows."""
    method, outcome, logged_in = way
    place, path = block.place, block.path
    headers = [] if case is None else [("Origin", case.origin)]
    if method == DENIED:
        method = "OPTIONS"
        headers.append(("Access-Control-Request-Method", "CORS-AUDIT"))
    elif method == "OPTIONS":
        grants = None if case is None else written.granting(place.host, path.path, case.origin)
        headers += _wishes(grants)
    elif outcome == CONDITIONAL:
        headers.append(("If-None-Match", etag))
        outcome = "200"
    return Ask(method, place.host, path.path, tuple(headers), outcome, logged_in)


def _wishes(grants: Grants | None) -> list[tuple[str, str]]:
    """Give a preflight's wishes: what a policy allows beyond what needs no listing, or what anybody might try."""
    if grants is None:
        return [("Access-Control-Request-Method", "PUT"), ("Access-Control-Request-Headers", "authorization")]
    methods = [name for name in grants.methods if _TOKEN.fullmatch(name)]
    unsafe = [name for name in methods if name not in SAFELISTED_METHODS and name not in ("*", "OPTIONS")]
    headers = [name.lower() for name in grants.headers if _TOKEN.fullmatch(name)]
    names = sorted({name for name in headers if name != "*" and not is_forbidden_request_header(name)})
    wishes = [("Access-Control-Request-Method", unsafe[0] if unsafe else "GET")]
    return [*wishes, ("Access-Control-Request-Headers", ",".join(names))] if names else wishes
