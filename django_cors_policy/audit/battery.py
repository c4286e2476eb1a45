"""The hostile origins: what attackers and bad clients send in place of an allowed origin. No Django, no I/O.

A probe in process and one over HTTP send the same ones.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from django_cors_policy.cors import parse_origin, registrable_domain

EVIL = "https://evil.test"  # nobody's: .test is reserved

_SPECIAL = (*"_-\"'{}()+^!~;|&*,$=`", "%60", "%0b")
_LOOKALIKE = str.maketrans("aceiopxy", "\u0430\u0441\u0435\u0456\u043e\u0440\u0445\u0443")  # Latin to Cyrillic
_FULL_WIDTH = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(ord("!"), ord("~") + 1)})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PRIVATE = (
    *("localhost", "127.0.0.1", "10.0.0.1", "192.168.0.1", "0.0.0.0", "[::]", "[::1]", "[::ffff:7f00:1]"),  # noqa: S104
    *("[::ffff:127.0.0.1]", "2130706433", "0x7f000001", "127.1", "0177.0.0.1"),
)
_LONG = 8192  # characters: what most servers take as a header


@dataclass(frozen=True, slots=True)
class Hostile:
    """An Origin header's value as it travels (UTF-8 read as Latin-1), what is done in it, and whether a browser can
    send it at all."""

    origin: str
    name: str
    sendable: bool


@dataclass(frozen=True, slots=True)
class Seeds:
    """What a battery is made from.

    ``allowed``: origins that are allowed, samples of wildcards and regexes among them. ``wildcards``: the patterns that
    hold one, as written. ``hosts``: the tenants' and the request's own. ``others``: other tenants' origins. ``slow``:
    origins that a regex takes long for.
    """

    allowed: Sequence[str] = ()
    wildcards: Sequence[str] = ()
    hosts: Sequence[str] = ()
    others: Sequence[str] = ()
    slow: Sequence[str] = ()


def wildcard_samples(pattern: str) -> list[str]:
    """Give origins that a pattern with wildcards stands for."""
    return [pattern.replace("*.", f"{labels}.", 1).replace(":*", ":8443") for labels in ("probe", "a.probe")]


def battery(seeds: Seeds) -> list[Hostile]:
    """Give every hostile origin once, in a stable order: anybody's and null come first.

    Some may be allowed after all: who sends them has to ask.
    """
    found: dict[str, Hostile] = {}
    for hostile in _all(seeds):
        # What no URL parser takes, no browser sends, however it was made.
        sendable = hostile.sendable and (hostile.name in _BEYOND or parse_origin(hostile.origin) is not None)
        wire = hostile.origin.encode("utf-8").decode("latin-1")
        found.setdefault(wire, Hostile(wire, hostile.name, sendable))
    return list(found.values())


# Browsers' URL parsers take more than serialized origins should hold.
_BEYOND = frozenset({"a trailing dot", "a special character", "null"})


def _all(seeds: Seeds) -> Iterator[Hostile]:
    origins = [*seeds.allowed, *(f"https://{host}" for host in seeds.hosts)]
    yield from _anybody()
    yield from (Hostile(origin, "another tenant's", True) for origin in seeds.others)
    yield from (Hostile(origin, "a slow one", True) for origin in seeds.slow)
    for wildcard in seeds.wildcards:
        apex = wildcard.replace("*.", "", 1).removesuffix(":*")
        yield Hostile(apex, "a wildcard's apex", True)
        yield Hostile(apex.replace("://", "://.", 1), "a wildcard's empty label", False)
        yield from (Hostile(sample, "a wildcard's deeper label", True) for sample in wildcard_samples(wildcard))
        yield Hostile(wildcard, "a wildcard as it is written", False)
    for origin in dict.fromkeys(origins):
        yield from _of(origin)
    yield from _pairs(list(dict.fromkeys(origins)))


def _anybody() -> Iterator[Hostile]:
    yield Hostile(EVIL, "anybody's", True)
    yield Hostile("null", "null", True)
    yield Hostile("http://evil.test", "anybody's", True)
    yield from (Hostile(text, "no origin", False) for text in ("Null", "*", "", "https://", "://", "evil.test"))
    yield Hostile(f"https://{'a' * (_LONG - 8)}", "8 KB of text", False)
    for host in _PRIVATE:
        yield Hostile(f"http://{host}", "a loopback or private address", True)


def _of(origin: str) -> Iterator[Hostile]:
    """Give what one allowed origin may be mistaken for."""
    scheme, _, rest = origin.partition("://")
    host, port = _split(rest)

    def made(host: str, name: str, sendable: bool = True) -> Hostile:
        return Hostile(f"{scheme}://{host}{port}", name, sendable)

    yield made(f"{host}.evil.test", "appended")
    yield made(f"{host}evil.test", "appended")
    yield Hostile(f"{scheme}://{host}:80.evil.test", "appended", False)
    yield from (made(text, "prepended") for text in (f"evil{host}", f"evil-{host}", f"evil.test.{host}"))
    yield from (made(text, "a character off") for text in (host[1:], host[:-1]))
    for dot in re.finditer(r"\.", host):
        yield made(f"{host[: dot.start()]}x{host[dot.end() :]}", "a dot turned into a letter")
    for other in {"http": ("https",), "https": ("http",)}.get(scheme, ("https", "http")):
        yield Hostile(f"{other}://{host}{port}", "another scheme", True)
    yield Hostile(f"{scheme}://{host}:{8444 if port == ':8443' else 8443}", "another port", True)
    yield Hostile(f"{scheme}://{host}", "another port", True)
    yield Hostile(f"{scheme}://{host}:{_DEFAULT_PORTS.get(scheme, 443)}", "the default port written out", False)
    yield from (Hostile(text, "upper case", False) for text in (origin.upper(), origin.title()))
    yield made(f"{host}.", "a trailing dot")
    for end, name in (("/", "a trailing slash"), ("/evil", "a path"), ("?evil", "a query"), ("#evil", "a fragment")):
        yield Hostile(f"{origin}{end}", name, False)
    yield Hostile(f"{scheme}://evil@{rest}", "userinfo", False)
    yield Hostile(f"{origin}@evil.test", "userinfo", False)
    for char in ("\t", "\r", "\n", "\r\n", "\0", " "):
        yield Hostile(f"{origin}{char}", "a control character or space", False)
        yield Hostile(f"{origin}{char}.evil.test", "a control character or space", False)
    for text in _SPECIAL:
        yield made(f"{host}{text}.evil.test", "a special character")
    yield made(_punycode(host), "a look-alike in punycode")
    yield made(host.translate(_FULL_WIDTH), "a look-alike in full width", False)
    if registered := registrable_domain(host):
        yield made(f"evil.{registered.partition('.')[2]}", "a sibling under a public suffix")


def _split(rest: str) -> tuple[str, str]:
    host, colon, port = rest.rpartition(":")
    return (host, f":{port}") if colon and "]" not in port else (rest, "")


def _punycode(host: str) -> str:
    label, dot, rest = host.partition(".")
    foreign = label.translate(_LOOKALIKE)
    if foreign == label:
        foreign = f"{label}é"
    return f"xn--{foreign.encode('punycode').decode()}{dot}{rest}"


def _pairs(origins: list[str]) -> Iterator[Hostile]:
    """Join neighbours: with a hundred origins there would be ten thousand pairs."""
    for one, two in pairwise([*origins, *origins[:1]]):
        for between in (",", ", ", " "):
            yield Hostile(f"{one}{between}{two}", "two origins joined", False)
        scheme = one.partition("://")[0]
        host, _ = _split(one.partition("://")[2])
        other, port = _split(two.partition("://")[2])
        for joined in _joined(host, other):
            yield Hostile(f"{scheme}://{joined}{port}", "two hosts joined", True)


def _joined(one: str, two: str) -> Iterable[str]:
    return f"{one}{two}", f"{one}.{two}", f"{one.partition('.')[0]}{two}"
