"""What an effective policy asks of any web server: rules in regexes that PCRE and Go read as Python does."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from django_cors_policy.cors import MAX_HOST, MAX_ORIGIN, NEVER_ORIGINS, OriginPattern, Policy, quoted

NOBODY = 0  # the number of the policy that allows nothing

# What CorsMiddleware removes of any response; most servers remove by name alone.
FIELDS = (
    "Access-Control-Allow-Origin",
    "Access-Control-Allow-Credentials",
    "Access-Control-Allow-Methods",
    "Access-Control-Allow-Headers",
    "Access-Control-Expose-Headers",
    "Access-Control-Max-Age",
    "Access-Control-Allow-Private-Network",
)
PRIVATE_NETWORK = "Access-Control-Allow-Private-Network"

_PORT = "(?:0|[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"  # to 65535
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_LABELS = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
_OTHER_LABELS = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"

# What is no origin though a wildcard would take it: too long, or with its default port written out.
_REFUSED = (
    rf".{{{MAX_ORIGIN + 1}}}.*",
    rf"[^:]*://[^:]{{{MAX_HOST + 1}}}.*",
    r"https://.*:443",
    r"http://.*:80",
)
_TOKENS = re.compile(
    r"""(?x)
    [A-Za-z0-9:/_-] | \\[./:_dDwWS-] | [.^] | \$(?![{*+?])
    | \((?:\?:|(?!\?)) | \) | \|
    | \[ \^? (?: \\[./:_dw-] | [A-Za-z0-9.:/_+] | -(?!-) )+ \]
    | (?: [*+?] | \{[0-9]{1,3}(?:,(?:[0-9]{1,3})?)?\} ) \?? (?![*+?{])
    """
)
_COUNT = re.compile(r"([0-9]+),?\}")
_MOST_COUNTED = 1000  # Go repeats no more, nested counts multiplied
_LONGEST = 2000  # characters; nginx reads no token of more than 4 KB


@dataclass(frozen=True, slots=True)
class Rule:
    """A regex to be matched whole, without anchors, and the number of the policy that serves what it matches."""

    regex: str
    policy: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a server has to do.

    ``rules``: asked in their order for the Origin. ``regexes``: asked after them, of what ``gate`` lets through (1; it
    too takes the first rule that matches). ``otherwise``: the policy of every other origin. Policies are numbered
    from 1. ``constant``: requests without Origin are served by policy 1 as well, and all alike. ``varies``: every
    response says that it depends on Origin. ``name`` is fit for variables.
    """

    name: str
    policies: tuple[Policy, ...]
    rules: tuple[Rule, ...]
    gate: tuple[Rule, ...]
    regexes: tuple[Rule, ...]
    otherwise: int
    constant: bool
    varies: bool
    preflight_status: int

    def numbered(self) -> list[tuple[int, Policy, bool]]:
        """Give the policies that may serve, with their number and whether they answer ``*``."""
        reached = self.otherwise or len(self.policies)
        return [
            (number, policy, policy.origins.any_origin)
            for number, policy in enumerate(self.policies[:reached], 1)
            if policy.origins
        ]


def plan(tenant: str | None, policies: Sequence[Policy], preflight_status: int) -> tuple[Plan, list[str]]:
    """Plan the effective policy of a tenant, or the settings' own; and say of each entry that is left out why."""
    rules: list[Rule] = []
    regexes: list[Rule] = []
    notes: list[str] = []
    otherwise, has_wildcards = NOBODY, False
    for number, policy in enumerate(policies, 1):
        if policy.origins.any_origin:
            otherwise = number
            break
        for entry in policy.origins:
            if isinstance(entry, re.Pattern):
                portable = portable_regex(entry)
                if portable is None:
                    why = "it says what not all servers read as Python does"
                    notes.append(f"The regex {shown(entry.pattern)} is left out: {why}.")
                else:
                    regexes.append(Rule(portable, number))
            else:
                rules.append(Rule(_regex(entry), number))
                has_wildcards |= isinstance(entry, OriginPattern)
    if regexes:
        notes.append("Regexes are not asked about IPv6 addresses.")
    if has_wildcards:
        rules = [*(Rule(refused, otherwise) for refused in _REFUSED), *rules]
    varies = len(policies) > 1 or policies[0].varies
    return Plan(
        name="settings" if tenant is None else hashlib.sha256(tenant.encode("utf-8", "replace")).hexdigest()[:12],
        policies=tuple(policies),
        rules=_once(rules),
        gate=tuple(_gate()) if regexes else (),
        regexes=_once(regexes),
        otherwise=otherwise,
        constant=otherwise != NOBODY and not varies,
        varies=varies,
        preflight_status=preflight_status,
    ), notes


def _once(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """Drop what an earlier rule has said: Caddy refuses it."""
    first: dict[str, Rule] = {}
    for rule in rules:
        first.setdefault(rule.regex, rule)
    return tuple(first.values())


def portable_regex(regex: re.Pattern[str]) -> str | None:
    """Give a regex that says the same of origins in Python, PCRE and Go, or None where there may be a difference.

    It is built from few tokens: none of them could end a quoted string of a configuration or is a variable in it, and
    white space and comments, which VERBOSE would skip, are not among them. Origins that parse_origin() takes are ASCII
    without white space, so ``\\d``, ``\\w``, ``.`` and ``$`` are alike.
    """
    text = regex.pattern.removeprefix("(?i)")
    tokens, end = [], 0
    while end < len(text):
        token = _TOKENS.match(text, end)
        if token is None:
            return None
        tokens.append(token[0])
        end = token.end()
    if prod(max(1, int(count)) for count in _COUNT.findall(text)) > _MOST_COUNTED:
        return None
    # No captures: nginx would overwrite those of a location.
    body = "".join("(?:" if token == "(" else token for token in tokens)  # noqa: S105
    if len(body) > _LONGEST:
        return None
    return f"(?i:{body})" if regex.flags & re.IGNORECASE else f"(?:{body})"


def shown(text: str) -> str:
    """Show a value in a comment: on one line that ends in no backslash, and with nothing that Caddy would replace."""
    return quoted(text).replace("{$", "{\\x24")


def _regex(entry: OriginPattern | str) -> str:
    if isinstance(entry, str):
        return re.escape(entry)
    labels = r"(?:[a-z0-9_-]+\.)+" if entry.subdomains else ""
    port = f"(?::{_PORT})?" if entry.any_port else "" if entry.port is None else f":{entry.port}"
    return f"{entry.scheme}://{labels}{re.escape(entry.host)}{port}"


def _gate() -> Iterator[Rule]:
    """Give the rules of parse_origin(), IPv6 left out."""
    yield from (Rule(refused, NOBODY) for refused in _REFUSED)
    yield Rule(rf"https?://{_OCTET}(?:\.{_OCTET}){{3}}(?::{_PORT})?", 1)
    # A host whose last label is a number is an address.
    yield Rule(r"https?://(?:[^:/]*\.)?(?:[0-9]+|0x[0-9a-f]*)(?::.*)?", NOBODY)
    yield Rule(rf"https?://{_LABELS}(?::{_PORT})?", 1)
    yield Rule(f"(?i:{'|'.join(sorted(NEVER_ORIGINS))})://.*", NOBODY)
    yield Rule(rf"[A-Za-z][A-Za-z0-9+.-]*://{_OTHER_LABELS}(?::{_PORT})?", 1)
