"""What people write: origin patterns, and the index that finds the one an origin matches."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import NoReturn

import idna
from publicsuffixlist import PSLFILE, PublicSuffixList

from .errors import PatternError, PatternReason, RegexError, RegexReason, gettext_noop, quoted
from .origins import (
    DEFAULT_PORTS,
    MAX_HOST,
    NEVER_ORIGINS,
    Origin,
    canonical_ipv4,
    canonical_ipv6,
    host_address,
    is_loopback,
    parse_origin,
)

MAX_PATTERN = 300  # characters; the longest http(s) pattern has 269


@dataclass(frozen=True, slots=True)
class OriginPattern:
    """One origin, or the family of origins that a wildcard stands for. ``str()`` gives its canonical form.

    ``subdomains``: any host one or more labels below ``host``, never ``host`` itself. ``any_port``: every port, the
    unwritten default included; ``port`` is None then. ``any_origin``: ``*``, with no scheme or host.
    """

    scheme: str
    host: str
    port: int | None = None
    subdomains: bool = False
    any_port: bool = False

    @property
    def any_origin(self) -> bool:
        return self == ANY_ORIGIN

    @property
    def is_exact(self) -> bool:
        """Whether it stands for one origin alone."""
        return not (self.subdomains or self.any_port or self.any_origin)

    @property
    def sample(self) -> str:
        """One of the origins that it stands for: of a wildcard, one that nobody means."""
        if self.any_origin:
            return ANYONE[0]
        host = self.host
        if self.subdomains:
            host = f"{'evil'[: MAX_HOST - 1 - len(host)]}.{host}"
        return str(OriginPattern(self.scheme, host, 8443 if self.any_port else self.port))

    def wider(self) -> Iterator["OriginPattern"]:
        """Give each pattern but ``*`` that stands for all of this one and for more."""
        host, subdomains = self.host, self.subdomains
        while host:
            for port, any_port in ((self.port, self.any_port), (None, True)):
                pattern = OriginPattern(self.scheme, host, port, subdomains, any_port)
                if pattern != self:
                    yield pattern
            host, subdomains = host.partition(".")[2], True

    def __str__(self) -> str:
        if self.any_origin:
            return "*"
        port = ":*" if self.any_port else "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{'*.' if self.subdomains else ''}{self.host}{port}"


ANY_ORIGIN = OriginPattern("*", "*", None, subdomains=True, any_port=True)


def parse_pattern(text: object) -> OriginPattern:
    """Read an origin pattern in its canonical form.

    ``https://app.example.com``, ``https://*.example.com``, ``http://localhost:*``, ``https://*.example.com:*``, ``*``,
    and other schemes' origins exactly. A pattern without a wildcard is always an origin that parse_origin() accepts.

    Raises PatternError with the value, the reason and, where one is meant, the canonical form to write instead.
    """
    pattern = _parse_canonical(text) if isinstance(text, str) else None
    return _refuse(text) if pattern is None else pattern


def _parse_canonical(text: str) -> OriginPattern | None:
    if text == "*":
        return ANY_ORIGIN
    scheme, _, rest = text.partition("://")
    subdomains, any_port = rest.startswith("*."), rest.endswith(":*")
    origin = parse_origin(f"{scheme}://{rest[2 * subdomains : -2 if any_port else None]}")
    if origin is None:
        return None
    if subdomains or any_port:
        if scheme not in DEFAULT_PORTS or (any_port and origin.port is not None):
            return None
        # A base of 251 characters has no room for a label before it; an address has no subdomains.
        if subdomains and (len(origin.host) > MAX_HOST - 2 or host_address(origin.host) is not None):
            return None
    return OriginPattern(origin.scheme, origin.host, origin.port, subdomains, any_port)


# https, a name, and no port. Possessive: a label that no dot follows is not tried again a character shorter.
_PLAIN = re.compile(r"https://(?:[a-z0-9_-]++\.)*+[a-z_-][a-z0-9_-]*+")
_MAX_PLAIN = len("https://") + MAX_HOST


def is_plain_origin(text: str) -> bool:
    """Tell whether a pattern is an exact https origin of a name without a port, as nearly all are.

    parse_pattern() takes such a pattern and check_limits() lets it pass; to see it here costs a tenth of both. The last
    label begins with no digit, so that the host is no number.
    """
    return len(text) <= _MAX_PLAIN and _PLAIN.fullmatch(text) is not None


# --- what is wrong with a pattern, and what was meant --------------------------------------------------------------

_TEXTS = {
    PatternReason.NOT_TEXT: gettext_noop("an origin pattern is a string"),
    PatternReason.EMPTY: gettext_noop("an origin pattern is not empty"),
    PatternReason.TOO_LONG: gettext_noop("an origin pattern has at most %(most)d characters and its host %(host)d"),
    PatternReason.NULL: gettext_noop(
        "the null origin stands for every sandboxed page and is never served; "
        "serve the page that sends it from an origin of its own"
    ),
    PatternReason.WHITESPACE: gettext_noop("an origin holds no white space"),
    PatternReason.MISSING_COMMA: gettext_noop("these are two origins; a comma is missing between two strings"),
    PatternReason.MISSING_SCHEME: gettext_noop("an origin begins with its scheme, such as https://"),
    PatternReason.SCHEME: gettext_noop(
        "an origin begins with https:// or http://, or is an app's or extension's own, without any *"
    ),
    PatternReason.MISSING_HOST: gettext_noop("an origin has a host"),
    PatternReason.HOST: gettext_noop("the host is no name and no address that a browser sends"),
    PatternReason.WILDCARD: gettext_noop(
        "a wildcard stands for whole labels at the start (https://*.example.com), for the port "
        "(http://localhost:*), or alone (*)"
    ),
    PatternReason.PORT: gettext_noop("a port is a number from 0 to 65535 without leading zeros, or *"),
    PatternReason.USERINFO: gettext_noop("an origin holds no user name"),
    PatternReason.PATH: gettext_noop("an origin ends with its host or port and has no path, query or fragment"),
    PatternReason.TRAILING_DOT: gettext_noop("a host that ends in a dot is another origin than the one without"),
    PatternReason.IP_SPELLING: gettext_noop("browsers send an IP address in its canonical spelling"),
    PatternReason.UNICODE: gettext_noop("browsers send a host in its ASCII form"),
    PatternReason.CASE: gettext_noop("browsers send scheme and host in lower case"),
    PatternReason.DEFAULT_PORT: gettext_noop("browsers leave the scheme's default port out"),
    PatternReason.TRAILING_SLASH: gettext_noop("an origin does not end with a slash"),
}
_PARAMS = {"most": MAX_PATTERN, "host": MAX_HOST}  # of the text that names them
_SPACE = re.compile(r"[\s\x00-\x1f\x7f]")
# https:/a.example, https//a.example, //a.example, mailto:a: what stands before the host is a scheme, and no host.
_MISSPELT_SCHEME = re.compile(r"/|https?[:/]|[a-z][a-z0-9+.-]*:(?![0-9*])", re.IGNORECASE)
_GRAVEST_FIRST = tuple(PatternReason)  # what a person has to look at comes before what may be corrected unasked


def _refuse(value: object) -> NoReturn:
    reason, canonical = _diagnose(value) if isinstance(value, str) else (PatternReason.NOT_TEXT, None)
    # Only a form that would be accepted is ever suggested.
    if canonical is not None and _parse_canonical(canonical) is None:
        canonical = None
    raise PatternError(value, reason, _TEXTS[reason], canonical, _PARAMS) from None


def _diagnose(text: str) -> tuple[PatternReason, str | None]:
    """Give the gravest fault of a pattern, and the text that it would be without its faults, if it can be told."""
    if not text:
        return PatternReason.EMPTY, None
    if len(text) > MAX_PATTERN:
        return PatternReason.TOO_LONG, None
    if text.lower() == "null":
        return PatternReason.NULL, None
    if _SPACE.search(text):
        stripped = text.strip()
        return PatternReason.WHITESPACE, None if _SPACE.search(stripped) else _meant(stripped)
    scheme, separator, rest = text.partition("://")
    if not separator:
        usual = "http" if is_loopback(re.split(r"[:/]", text, maxsplit=1)[0]) else "https"
        return PatternReason.MISSING_SCHEME, None if _MISSPELT_SCHEME.match(text) else _meant(f"{usual}://{text}")
    if re.match(r"[^/?#]*[A-Za-z0-9+.-]://", rest):
        return PatternReason.MISSING_COMMA, None
    if scheme.lower() in DEFAULT_PORTS:
        return _diagnose_http(scheme, rest)
    if scheme.lower() in NEVER_ORIGINS or "*" in text or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return PatternReason.SCHEME, None
    authority, tail = _split(rest)
    if tail:
        return (PatternReason.TRAILING_SLASH if tail == "/" else PatternReason.PATH), f"{scheme}://{authority}"
    return (PatternReason.HOST if authority else PatternReason.MISSING_HOST), None


def _diagnose_http(scheme: str, rest: str) -> tuple[PatternReason, str | None]:
    authority, tail = _split(rest)
    _, has_userinfo, authority = authority.rpartition("@")
    host, port = _split_port(authority)
    name, faults = _canonical_pattern_host(host)
    number, port_faults = _canonical_port(port, DEFAULT_PORTS[scheme.lower()])
    faults = faults + port_faults
    if has_userinfo:
        faults.append(PatternReason.USERINFO)
    if scheme != scheme.lower():
        faults.append(PatternReason.CASE)
    if tail:
        faults.append(PatternReason.TRAILING_SLASH if tail == "/" else PatternReason.PATH)
    # Every part in order and still no pattern: only the length is left.
    gravest = min(faults, key=_GRAVEST_FIRST.index, default=PatternReason.TOO_LONG)
    if name is None or number is None:
        return gravest, None
    return gravest, f"{scheme.lower()}://{name}{number}"


def _canonical_port(port: str | None, default: int) -> tuple[str | None, list[PatternReason]]:
    if port is None:
        return "", []
    if port == "*":
        return ":*", []
    if port == "":
        return "", [PatternReason.PORT]
    if not re.fullmatch(r"[0-9]{1,9}", port) or int(port) > 0xFFFF:
        return None, [PatternReason.PORT]
    faults = [] if str(int(port)) == port else [PatternReason.PORT]
    if int(port) == default:
        return "", [*faults, PatternReason.DEFAULT_PORT]
    return f":{int(port)}", faults


def _canonical_pattern_host(host: str) -> tuple[str | None, list[PatternReason]]:
    wildcard = "*." if host.startswith("*.") else ""
    base = host[len(wildcard) :]
    if not base:
        return None, [PatternReason.MISSING_HOST]
    if "*" in base:
        return None, [PatternReason.WILDCARD]
    if base.startswith("["):
        name = canonical_ipv6(base[1:-1]) if base.endswith("]") else None
        faults = [] if name == base else [PatternReason.HOST if name is None else PatternReason.IP_SPELLING]
    else:
        name, faults = _canonical_name(base)
    if name is None:
        return None, faults
    if wildcard and host_address(name) is not None:
        return None, [PatternReason.WILDCARD]
    return wildcard + name, faults


def _canonical_name(name: str) -> tuple[str | None, list[PatternReason]]:
    faults = []
    if not name.isascii():
        faults.append(PatternReason.UNICODE)
        try:
            # Only the labels that need it: IDNA 2008 would refuse underscores that browsers take.
            mapped = idna.uts46_remap(name, std3_rules=False, transitional=False)
            name = ".".join(label if label.isascii() else idna.alabel(label).decode() for label in mapped.split("."))
        except (idna.IDNAError, UnicodeError):
            return None, [PatternReason.HOST]
    if name != name.lower():
        faults.append(PatternReason.CASE)
        name = name.lower()
    if name.endswith("."):
        faults.append(PatternReason.TRAILING_DOT)
        name = name[:-1]
    if len(name) > MAX_HOST:
        return None, [PatternReason.TOO_LONG]
    address = canonical_ipv4(name)
    if address is not None and address != name:
        faults.append(PatternReason.IP_SPELLING)
        name = address
    if ":" in name or parse_origin(f"https://{name}") is None:
        return None, [PatternReason.PORT if ":" in name else PatternReason.HOST]
    return name, faults


def _split(rest: str) -> tuple[str, str]:
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    return authority, rest[len(authority) :]


def _split_port(authority: str) -> tuple[str, str | None]:
    host, colon, port = authority.rpartition(":")
    return (host, port) if colon and "]" not in port else (authority, None)


def _meant(text: str) -> str | None:
    """Give a pattern's canonical form, or None where there is none."""
    try:
        return str(parse_pattern(text))
    except PatternError as error:
        return error.canonical


# --- public suffixes -----------------------------------------------------------------------------------------------


@cache
def _suffixes(*, only_icann: bool) -> PublicSuffixList:
    # Read at first use (about 50 ms): most policies hold no wildcard and never ask.
    return PublicSuffixList(accept_unknown=False, only_icann=only_icann)


@cache
def _above_suffixes() -> frozenset[str]:
    """Give every name that a suffix of the list lies below: amazonaws.com, for s3.amazonaws.com is listed."""
    above: set[str] = set()
    with open(PSLFILE, encoding="utf-8") as lines:
        for line in lines:
            rule = line.strip().lstrip("!*.")
            if rule and not rule.startswith("//"):
                labels = rule.encode("idna").decode().split(".")
                above.update(".".join(labels[start:]) for start in range(1, len(labels)))
    return frozenset(above)


def is_public_suffix(host: str) -> bool:
    """Tell whether different owners have names under a host, by the Public Suffix List, both sections.

    A suffix of the list is one (github.io), the base of a rule such as *.kawasaki.jp, and a name that a suffix lies
    below (amazonaws.com, of s3.amazonaws.com). A top level that the list does not know is none, nor is localhost.
    """
    return _suffixes(only_icann=False).is_public(host) or host in _above_suffixes()


def shared_hosting_suffix(host: str) -> str | None:
    """Give the private-section suffix (github.io) that a host sits right under, or None."""
    listed = _suffixes(only_icann=False)
    if listed.privatesuffix(host) != host:
        return None
    suffix = listed.publicsuffix(host)
    return suffix if suffix != _suffixes(only_icann=True).publicsuffix(host) else None


def registrable_domain(host: str) -> str | None:
    """Give the part of a host that somebody registered (example.co.uk), or None where the list knows no such part."""
    return _suffixes(only_icann=False).privatesuffix(host)


def site_of(host: str) -> str:
    """Give what a host shares with all hosts of the same site: its registrable domain, as browsers reckon it.

    A top level that the list does not know counts as a public suffix; a suffix itself and an IP address are their own
    sites. Source: HTML, "obtain a site"; the list's own algorithm.
    """
    if is_public_suffix(host) or host_address(host) is not None:
        return host
    return registrable_domain(host) or ".".join(host.split(".")[-2:])


# --- the index -----------------------------------------------------------------------------------------------------


def compile_regex(value: object) -> re.Pattern[str]:
    """Compile an origin regex of the settings, given as text or compiled. Raises RegexError."""
    if isinstance(value, re.Pattern):
        if isinstance(value.pattern, str):
            return value
    elif isinstance(value, str):
        try:
            return re.compile(value)
        except (re.error, OverflowError, RecursionError, Warning) as error:  # a warning where those are errors
            # Its message repeats parts of the expression, line breaks and all.
            why = gettext_noop("this regular expression does not compile (%(error)s)")
            raise RegexError(value, RegexReason.SYNTAX, why, params={"error": quoted(str(error))}) from error
    why = gettext_noop("an origin regex is a string or a compiled pattern of text")
    raise RegexError(value, RegexReason.NOT_A_REGEX, why)


# Nothing in common but that they are origins.
ANYONE = (
    "https://evil.net",
    "https://a-1.io",
    "https://x7.q-9.co.uk",
    "https://evil.github.io",
    "https://www.attacker.com",
    "https://xn--80ak6aa92e.com",
)


def lets_anyone_in(regex: re.Pattern[str]) -> bool:
    """Tell whether a regex allows any https origin: six that have nothing in common pass."""
    return all(map(regex.fullmatch, ANYONE))


# (scheme, host, below it?) -> the patterns, which differ in their port
_Hosts = dict[tuple[str, str, bool], list[OriginPattern]]
_NO_HOSTS: _Hosts = {}  # one for all that have none


@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class PatternSet:
    """Finds the pattern that an origin matches; immutable.

    Exact origins cost one dict lookup whatever their number; wildcards one lookup for each label of the origin's host;
    regexes, matched whole, come last and cost as many matches as there are.

    Of ``patterns``, a string is an exact origin in its canonical form.
    """

    any_origin: bool
    # The text is its own pattern: a million of them may be held in memory.
    _exact: dict[str, None]
    _hosts: _Hosts
    _regexes: tuple[re.Pattern[str], ...]

    def __init__(self, patterns: Iterable[OriginPattern | str] = (), regexes: Iterable[re.Pattern[str]] = ()) -> None:
        any_origin = False
        exact: dict[str, None] = {}
        hosts: _Hosts = {}
        for pattern in patterns:
            if isinstance(pattern, str):
                exact[pattern] = None
            elif pattern.any_origin:
                any_origin = True
            elif pattern.is_exact:
                exact[str(pattern)] = None
            else:
                hosts.setdefault((pattern.scheme, pattern.host, pattern.subdomains), []).append(pattern)
        object.__setattr__(self, "any_origin", any_origin)
        object.__setattr__(self, "_exact", exact)
        object.__setattr__(self, "_hosts", hosts or _NO_HOSTS)
        object.__setattr__(self, "_regexes", tuple(regexes))

    def __bool__(self) -> bool:
        return bool(self.any_origin or self._exact or self._hosts or self._regexes)

    def __iter__(self) -> Iterator[OriginPattern | re.Pattern[str] | str]:
        """Give what the set holds, each as match() would give it, in the order in which match() looks."""
        if self.any_origin:
            yield ANY_ORIGIN
        yield from self._exact
        for patterns in self._hosts.values():
            yield from patterns
        yield from self._regexes

    def match(self, raw: str) -> OriginPattern | re.Pattern[str] | str | None:
        """Give what an Origin header's value matches: its own text, a wildcard, a regex, or None.

        ``*`` matches everything and wins over every other; nothing else matches what parse_origin() refuses.
        """
        if self.any_origin:
            return ANY_ORIGIN
        if raw in self._exact:
            return raw
        if not (self._hosts or self._regexes):
            return None
        origin = parse_origin(raw)
        if origin is None:
            return None
        if self._hosts and (pattern := self._match_wildcard(origin)) is not None:
            return pattern
        for regex in self._regexes:
            if regex.fullmatch(raw):
                return regex
        return None

    def _match_wildcard(self, origin: Origin) -> OriginPattern | None:
        scheme, host, below = origin.scheme, origin.host, False
        while True:
            for pattern in self._hosts.get((scheme, host, below), ()):
                if pattern.any_port or pattern.port == origin.port:
                    return pattern
            _, dot, host = host.partition(".")
            if not dot:
                return None
            below = True
