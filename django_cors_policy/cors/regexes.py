"""What an origin regex really lets through: witnesses, not guesses."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from itertools import chain, islice, product
from time import perf_counter
from typing import Any

from .growth import UNREADABLE, Growth, Timer, measured_growth
from .origins import MAX_HOST, MAX_ORIGIN, host_address, is_loopback, is_of_development, parse_origin
from .patterns import ANYONE, is_public_suffix, registrable_domain


@dataclass(frozen=True, slots=True)
class Witness:
    """An origin that proves a fault of a regex, and the regex without the fault, where one can be given."""

    origin: str
    instead: str | None


@dataclass(frozen=True, slots=True)
class Examination:
    """What is known of a regex; None is for a fault that it was not found to have.

    any_origin: any https host passes, such as this. null: ``null`` passes. development: this passes, whose host is
    another machine for each visitor. unescaped_dot: the witness passes only since
    a ``.`` stands for any character. open_domain: it passes otherwise, and belongs to none of the domains that the
    regex names. any_scheme: it passes with http. unanchored: its beginning would pass, as in match(), the whole not.
    """

    any_origin: str | None
    null: bool
    development: str | None
    unescaped_dot: Witness | None
    open_domain: Witness | None
    any_scheme: Witness | None
    unanchored: Witness | None
    growth: Growth | None


def examine(regex: re.Pattern[str], *, timer: Timer = perf_counter) -> Examination:
    """Try a regex on origins made from its own parse tree, and on an attacker's variations of them.

    Bounded in number, length and time. Where the tree says little (lookarounds, back references), the host names in its
    text serve instead. ``timer`` gives seconds. A slow regex is asked about short origins alone.
    """
    growth = measured_growth(regex, _skeletons(regex), timer)
    asked = _Asked(regex, MAX_ORIGIN if growth is None else growth.askable)
    pattern = regex.pattern
    strict, skeletons = _as_meant(asked)
    mentions = _mentioned_hosts(pattern)
    any_origin = _any_origin(asked)
    unescaped_dot = open_domain = None
    if any_origin is None:
        unescaped_dot = _unescaped_dot(asked, strict, skeletons)
        open_domain = _open_domain(strict, skeletons, mentions)
    return Examination(
        any_origin=any_origin,
        null=regex.fullmatch("null") is not None,
        development=_development(asked, skeletons, mentions),
        unescaped_dot=_witness(asked, unescaped_dot, strict.regex.pattern),
        open_domain=_witness(asked, open_domain, _pinned(mentions, pattern)),
        any_scheme=_witness(asked, _any_scheme(asked, skeletons, mentions), _HTTP.sub("https", pattern)),
        unanchored=_witness(
            asked, _unanchored(asked, skeletons, mentions), f"(?:{pattern})$" if "|" in pattern else f"{pattern}$"
        ),
        growth=growth,
    )


def regex_samples(regex: re.Pattern[str], most: int = 3) -> tuple[list[str], list[str]]:
    """Give origins that a regex seems to be meant for, and one that it takes long for; none where nothing is known."""
    growth = measured_growth(regex, _skeletons(regex), perf_counter)
    asked = _Asked(regex, MAX_ORIGIN if growth is None else growth.askable)
    _, skeletons = _as_meant(asked)
    # A short one for each way through it: of the fills the last is the emptiest.
    passing = (origin for row in skeletons for origin in _origins(reversed(row)) if asked.takes(origin))
    return list(islice(dict.fromkeys(passing), most)), [] if growth is None else [growth.origin]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A regex, and the longest origin that it may be asked about."""

    regex: re.Pattern[str]
    longest: int

    def takes(self, origin: str, *, whole: bool = True) -> bool:
        """Tell whether an origin passes; with ``whole`` false, whether its beginning does."""
        if len(origin) > self.longest or parse_origin(origin) is None:
            return False
        return (self.regex.fullmatch if whole else self.regex.match)(origin) is not None


# In a regex's text: http, with or without an optional s.
_HTTP = re.compile(r"https\?|http\(s\)\?|http(?!s)")


def _witness(asked: _Asked, origin: str | None, instead: str) -> Witness | None:
    """Join a proof and a better regex, if that compiles and refuses the proof."""
    if origin is None:
        return None
    try:
        better = bool(instead) and re.compile(instead, asked.regex.flags).match(origin) is None
    except UNREADABLE:
        better = False
    return Witness(origin, instead if better else None)


def _pinned(mentions: list[str], pattern: str) -> str:
    domain = next(filter(None, (_owner(f"https://{host}", pattern) for host in mentions)), None)
    return "" if domain is None else rf"https://([a-z0-9-]+\.)*{re.escape(domain)}$"


# --- samples -------------------------------------------------------------------------------------------------------

# What origins are made of. The 1 comes before the 0, with which no port begins.
_ALPHABET = "abcdefghijklmnopqrstuvwxyz1234567890-_.:/"
# What stands for each variable part of a sample: an attacker's label, domains, top levels, nothing.
_FILLS = ("evil", "evil.net", ".evil.net", "attacker.com", "net", "com", "io", "")
# A class of fewer characters is a list that its author wrote on purpose; \d is none.
_LISTED = 10
_MOST_PRODUCTS = 64
_MOST_SAMPLES = 256
_CATEGORIES = {
    "CATEGORY_DIGIT": re.compile(r"\d"),
    "CATEGORY_NOT_DIGIT": re.compile(r"\D"),
    "CATEGORY_SPACE": re.compile(r"\s"),
    "CATEGORY_NOT_SPACE": re.compile(r"\S"),
    "CATEGORY_WORD": re.compile(r"\w"),
    "CATEGORY_NOT_WORD": re.compile(r"\W"),
}

_Skeletons = Sequence[tuple[str, ...]]


def _parse_tree(regex: re.Pattern[str]) -> Any:
    """Give a regex's parse tree: a sequence of (operator, argument), the operator with a ``name``.

    The only use of a private interface, the standard library's own: ``re`` offers no other way to see what a pattern
    is made of. A test pins the operators that are read here.
    """
    return import_module("re._parser").parse(regex.pattern, regex.flags & ~re.DEBUG)


def _skeletons(regex: re.Pattern[str]) -> _Skeletons:
    """Give hosts (with ports) that a regex seems to want: for each way through it, one for each fill that matters."""
    try:
        tree = _parse_tree(regex)
        columns = [_sequence(tree, place) for place in range(len(_FILLS))]
    except (*UNREADABLE, ImportError, AttributeError, LookupError, TypeError, ValueError):
        return []  # another Python's tree
    return [tuple(dict.fromkeys(_rest(text.lower()) for text in row)) for row in zip(*columns, strict=True)]


def _rest(origin: str) -> str:
    return origin.rpartition("://")[2]


def _sequence(nodes: Any, fill: int) -> list[str]:
    return reduce(_joined, (_node(operator.name, value, fill) for operator, value in nodes), [""])


def _joined(heads: list[str], tails: list[str]) -> list[str]:
    """Join every head with every tail; where those would be too many, use each of them at least once."""
    if len(heads) * len(tails) <= _MOST_PRODUCTS:
        return [(head + tail)[: MAX_ORIGIN + 1] for head, tail in product(heads, tails)]
    count = max(len(heads), len(tails))
    return [(heads[i % len(heads)] + tails[i % len(tails)])[: MAX_ORIGIN + 1] for i in range(count)]


def _node(name: str, value: Any, fill: int) -> list[str]:
    match name:
        case "LITERAL":
            return [chr(value)]
        case "ANY" | "NOT_LITERAL" | "IN":
            members = _members(name, value)
            if 0 < len(members) < _LISTED:
                return sorted({members[0], members[-1]})
            return [_word(members, fill, 1, 1)]
        case "BRANCH":
            return [text for branch in value[1] for text in _sequence(branch, fill)][:_MOST_SAMPLES]
        case "SUBPATTERN":
            return _sequence(value[-1], fill)
        case "ATOMIC_GROUP":
            return _sequence(value, fill)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return _repeat(value, fill)
        case "GROUPREF_EXISTS":
            return _sequence(value[1], fill) + _sequence(value[2] or (), fill)
    return [""]  # anchors, lookarounds, back references: what is tried against the whole regex will tell


def _repeat(value: Any, fill: int) -> list[str]:
    least, most, nodes = value
    name = nodes[0][0].name if len(nodes) == 1 else ""
    if name in ("ANY", "NOT_LITERAL", "IN"):
        return [_word(_members(name, nodes[0][1]), fill, least, most)]
    times = max(min(least, MAX_ORIGIN), 1)
    repeated = [(text * times)[: MAX_ORIGIN + 1] for text in _sequence(nodes, fill)]
    return repeated if least else ["", *repeated]


def _word(members: str, fill: int, least: int, most: int) -> str:
    """Give the fill as far as a class takes it, else one of its own characters, in a length that is allowed."""
    least = min(least, MAX_ORIGIN)
    if not members or not (least or _FILLS[fill]):
        return ""
    word = "".join(char for char in _FILLS[fill] if char in members) or members[fill % len(members)]
    return (word * (least // len(word) + 1))[: max(least, len(word))][:most]


def _members(name: str, value: Any) -> str:
    """Give the characters of origins that a class takes."""
    if name == "ANY":
        return _ALPHABET
    if name == "NOT_LITERAL":
        return _ALPHABET.replace(chr(value), "")
    # In upper case too: whether case counts is the whole regex's to say.
    return "".join(char for char in _ALPHABET if _takes(value, char) or _takes(value, char.upper()))


def _takes(items: Any, char: str) -> bool:
    negated = found = False
    for operator, value in items:
        match operator.name:
            case "NEGATE":
                negated = True
            case "LITERAL":
                found = found or ord(char) == value
            case "RANGE":
                found = found or value[0] <= ord(char) <= value[1]
            case _:
                found = found or _CATEGORIES[value.name].match(char) is not None
    return found != negated


_MENTIONED_HOST = re.compile(r"(?<![a-z0-9-])[a-z0-9-]++(?:\.[a-z0-9-]++)+")
_MOST_MENTIONS = 20


def _mentioned_hosts(pattern: str) -> list[str]:
    found = _MENTIONED_HOST.finditer(pattern.lower().replace("\\", ""))
    return [mention[0] for mention in islice(found, _MOST_MENTIONS) if len(mention[0]) < MAX_HOST]


def _origins(rests: Iterable[str]) -> Iterator[str]:
    for rest in rests:
        yield f"https://{rest}"
        yield f"http://{rest}"


# --- who could own what passes -------------------------------------------------------------------------------------

_ATOM = re.compile(r"\\.|\.|\[\^?\]?(?:\\.|[^\\\]])*+\]", re.DOTALL)


def _host(origin: str) -> str:
    parsed = parse_origin(origin)
    return "" if parsed is None else parsed.host


def _owner(origin: str, pattern: str) -> str | None:
    """Give the domain that somebody has to register to have an origin, or None where nobody can.

    Of a top level that the Public Suffix List does not know, the last two labels, if the regex itself names it.
    """
    host = _host(origin)
    if is_loopback(host) or host_address(host) is not None or is_public_suffix(host):
        return None
    labels = host.split(".")
    unlisted = ".".join(labels[-2:]) if len(labels) > 1 and labels[-1] in pattern else None
    return registrable_domain(host) or unlisted


def _as_meant(asked: _Asked) -> tuple[_Asked, _Skeletons]:
    """Give a regex with its dots escaped and samples of it; itself, where a dot was evidently no mistake."""
    try:
        strict = _Asked(re.compile(_ATOM.sub(_escaped, asked.regex.pattern), asked.regex.flags), asked.longest)
    except UNREADABLE:
        return asked, _skeletons(asked.regex)
    skeletons = _skeletons(strict.regex)
    if any(strict.takes(origin) for row in skeletons for origin in _origins(row)):
        return strict, skeletons
    return asked, _skeletons(asked.regex)


def _escaped(atom: re.Match[str]) -> str:
    text, after = atom[0], atom.string[atom.end() : atom.end() + 1]
    stands_for_dot = text == "." or (text[0] == "[" and ("." in text) != text.startswith("[^"))
    return r"\." if stands_for_dot and after not in ("*", "+", "?", "{") else text


def _any_origin(asked: _Asked) -> str | None:
    askable = [origin for origin in ANYONE if len(origin) <= asked.longest]
    return askable[0] if askable and all(map(asked.takes, askable)) else None


def _development(asked: _Asked, skeletons: _Skeletons, mentions: list[str]) -> str | None:
    """Give the shortest origin of development: http://localhost:1 tells more than the same with evil in its place."""
    rests = (*(rest for row in skeletons for rest in row), *mentions)
    passing = (origin for origin in _origins(rests) if is_of_development(_host(origin)) and asked.takes(origin))
    return min(passing, key=len, default=None)


def _unescaped_dot(asked: _Asked, strict: _Asked, skeletons: _Skeletons) -> str | None:
    """Give an attacker's origin that differs from a sample by one character where the sample has a dot."""
    for row in skeletons:
        for origin in filter(strict.takes, _origins(row)):
            meant = _owner(origin, asked.regex.pattern)
            for place in (dot.start() for dot in re.finditer(r"\.", origin)):
                for char in "a-0":
                    witness = f"{origin[:place]}{char}{origin[place + 1 :]}"
                    if asked.takes(witness) and not strict.takes(witness):
                        owner = _owner(witness, asked.regex.pattern)
                        if owner is not None and owner != meant:
                            return witness
    return None


def _open_domain(strict: _Asked, skeletons: _Skeletons, mentions: list[str]) -> str | None:
    """Give an attacker's origin: a foreign one that passes, or one of several owners that one way through leads to."""
    pattern = strict.regex.pattern
    meant = {_owner(f"https://{host}", pattern) for host in mentions} | {None}
    opened: list[str] = []
    for row in skeletons:
        owners: dict[str | None, str] = {}
        for origin in filter(strict.takes, _origins(row)):
            owners.setdefault(_owner(origin, pattern), origin)
        owners.pop(None, None)
        if len(owners) > 1:
            opened += owners.values()
        else:
            meant |= owners.keys()
    foreign = (
        origin
        for origin in _attackers(mentions, pattern)
        if strict.takes(origin) and _owner(origin, pattern) not in meant
    )
    return next(chain(foreign, opened), None)


def _attackers(mentions: list[str], pattern: str) -> Iterator[str]:
    for host in mentions:
        domain = _owner(f"https://{host}", pattern) or host
        yield from _origins((f"evil{domain}", f"evil-{host}", f"evil{host}", f"{host}.evil.net", f"{host}evil.net"))
    yield from ANYONE


def _any_scheme(asked: _Asked, skeletons: _Skeletons, mentions: list[str]) -> str | None:
    """Give an http origin, one that somebody can own if there is one; a private address has no owner."""
    rests = (*(rest for row in skeletons for rest in row), *mentions, *map(_rest, ANYONE))
    taken = [
        origin for origin in map("http://{}".format, rests) if asked.takes(origin) and not is_loopback(_host(origin))
    ]
    return next((origin for origin in taken if _owner(origin, asked.regex.pattern)), taken[0] if taken else None)


def _unanchored(asked: _Asked, skeletons: _Skeletons, mentions: list[str]) -> str | None:
    for rest in (*(rest for row in skeletons for rest in row), *mentions):
        for end in (".evil.net", "evil.net", ":8443"):
            for origin in _origins([f"{rest}{end}"]):
                if asked.takes(origin, whole=False) and not asked.takes(origin):
                    return origin
    return None
