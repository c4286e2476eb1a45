"""The URLs that a browser follows, read and written as Chromium does."""

import re
from dataclasses import dataclass, replace

import idna

from .origins import DEFAULT_PORTS, canonical_ipv4, canonical_ipv6

MAX_UNICODE_NAME = 1000  # characters, four times what the DNS has: Punycode takes their square in time

_SPECIAL = DEFAULT_PORTS | {"ws": 80, "wss": 443, "ftp": 21, "file": None}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_BLANKS = "".join(map(chr, range(0x21)))  # C0 controls and the space
_PORT = re.compile(r"[0-9]*")
_DOT = frozenset({".", "%2e"})
_TWO_DOTS = frozenset({"..", ".%2e", "%2e.", "%2e%2e"})
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)\.?")
_FORBIDDEN_IN_HOST = re.compile(r"[\x00\t\n\r #/:<>?@\[\\\]^|]")
_FORBIDDEN_IN_DOMAIN = re.compile(r"[\x00-\x1f#/:<>?@\[\\\]^|%\x7f]")
_JOINERS = "\u200c\u200d"
# Percent-encode sets; controls and everything that is not ASCII are in each of them.
_FRAGMENT = ' "<>`'
_QUERY = ' "#<>'
_SPECIAL_QUERY = _QUERY + "'"
_PATH = _QUERY + "?^`{}|"  # the standard leaves | as it is
_USERINFO = _PATH + "/:;=@[\\]'"  # the standard leaves ' as it is


@dataclass(frozen=True, slots=True)
class URL:
    """A URL record; ``port`` is None where the scheme's default is meant. ``str()`` gives its serialization.

    Source: WHATWG URL, "URL record".
    """

    scheme: str
    userinfo: str | None  # as it is written; None without one
    host: str | None
    port: int | None
    path: str
    query: str | None
    fragment: str | None
    opaque: bool = False  # a path without a hierarchy: nothing is relative to it

    def __str__(self) -> str:
        return str(self.without_fragment()) + f"#{self.fragment}" if self.fragment is not None else self._start()

    def _start(self) -> str:
        userinfo = "" if self.userinfo is None else f"{self.userinfo}@"
        port = "" if self.port is None else f":{self.port}"
        # A path that begins with two slashes would be read as a host.
        place = f"//{userinfo}{self.host}{port}" if self.host is not None else "/." * self.path.startswith("//")
        return f"{self.scheme}:{place}{self.path}" + ("" if self.query is None else f"?{self.query}")

    def without_fragment(self) -> "URL":
        """Give what is sent to the server."""
        return replace(self, fragment=None)

    @property
    def is_http(self) -> bool:
        """Tell whether it is fetched over the network."""
        return self.scheme in DEFAULT_PORTS

    @property
    def origin(self) -> str:
        """Give its serialized origin; ``null`` for what is not http(s)."""
        if not self.is_http:
            return "null"
        return f"{self.scheme}://{self.host}" + ("" if self.port is None else f":{self.port}")


def parse_url(text: str, base: URL | None = None) -> URL | None:
    """Read a URL, absolute or relative to a base, or return None where the browser cannot either; never raises.

    Lone surrogates stand for bytes that are not UTF-8, as ``errors="surrogateescape"`` makes them. Chromium departs
    from the standard in that a blank and ``*`` in a host, ``|`` in a path and ``'`` in a user's name are
    percent-encoded. Names are not held to the lengths of the DNS, nor ``xn--`` labels decoded, which Chromium does not
    do either.

    Source: WHATWG URL, "basic URL parser".
    """
    text = re.sub(r"[\t\n\r]", "", text.strip(_BLANKS))
    text, mark, fragment = text.partition("#")
    url = _parse(text, base, bare=bool(mark))
    return url and replace(url, fragment=_encode(fragment, _FRAGMENT) if mark else None)


def _parse(text: str, base: URL | None, *, bare: bool) -> URL | None:
    found = _SCHEME.match(text)
    if found is None:
        if base is None or (base.opaque and not (bare and not text)):
            return None
        return base if base.opaque else _parse_relative(text, base)
    scheme, rest = found[1].lower(), text[found.end() :]
    if scheme == "file":
        return _parse_file(rest)
    if scheme in _SPECIAL:
        if base is not None and base.scheme == scheme and not rest.startswith("//"):
            return _parse_relative(rest, base)
        return _parse_authority(scheme, rest.lstrip("/\\"))
    if rest.startswith("//"):
        return _parse_authority(scheme, rest[2:])
    path, mark, query = rest.partition("?")
    opaque = not path.startswith("/")
    url = URL(scheme, None, None, None, _encode(path, ""), None, None, opaque=opaque)
    return _with_query(url if opaque else replace(url, path=_path(path, special=False)), mark, query)


def _parse_file(rest: str) -> URL | None:
    # No script reads one: only whether it is one matters, so drive letters are not looked for.
    path, mark, query = rest.replace("\\", "/").partition("?")
    host = ""
    if path.startswith("//"):
        written, slash, path = path[2:].partition("/")
        canonical = _host(written, special=True) if written else ""
        if canonical is None:
            return None
        host, path = canonical, slash + path
    return _with_query(URL("file", None, host, None, _path(path, special=True), None, None), mark, query)


def _parse_relative(text: str, base: URL) -> URL | None:
    special = base.scheme in _SPECIAL
    path, mark, query = text.partition("?")
    slashes = path.replace("\\", "/") if special else path
    if slashes.startswith("//"):
        # All of a run of slashes belong to the start of a special URL, and only two of them to any other's.
        return _parse_authority(base.scheme, text.lstrip("/\\") if special else text[2:])
    if slashes.startswith("/"):
        base = replace(base, path=_path(path, special=special))
    elif path:
        base = replace(base, path=_path(base.path[: base.path.rfind("/") + 1] + path, special=special))
    elif not mark:
        return base
    return _with_query(base, mark, query)


def _parse_authority(scheme: str, rest: str) -> URL | None:
    special = scheme in _SPECIAL
    found = re.match(r"[^/?\\]*" if special else r"[^/?]*", rest)
    written = found[0] if found else ""
    path, mark, query = rest[len(written) :].partition("?")
    userinfo, at, written = written.rpartition("@")
    host, colon, port = _split_port(written)
    if not _PORT.fullmatch(port) or ((at or colon or special) and not host):
        return None
    canonical = _host(host, special=special) if host else ""
    number = int(port.lstrip("0")[:6] or "0")  # six digits are too many already
    if canonical is None or number > 0xFFFF:
        return None
    default = not port or number == _SPECIAL.get(scheme)
    user, colon, password = userinfo.partition(":")
    user, password = _encode(user, _USERINFO), _encode(password, _USERINFO)
    userinfo = user + (colon + password if password else "")
    url = URL(scheme, userinfo or None, canonical, None if default else number, "", None, None)
    return _with_query(replace(url, path=_path(path, special=special)), mark, query)


def _split_port(written: str) -> tuple[str, str, str]:
    host, colon, port = written.rpartition(":")
    return (host, colon, port) if colon and "]" not in port else (written, "", "")


def _with_query(url: URL, mark: str, query: str) -> URL:
    encode_set = _SPECIAL_QUERY if url.scheme in _SPECIAL else _QUERY
    return replace(url, query=_encode(query, encode_set) if mark else None)


def _path(text: str, *, special: bool) -> str:
    if special:
        text = text.replace("\\", "/")
    elif not text:
        return ""
    kept: list[str] = []
    *_, last = segments = text.removeprefix("/").split("/")
    for segment in segments:
        lower = segment.lower()
        if lower in _TWO_DOTS:
            del kept[-1:]
        elif lower not in _DOT:
            kept.append(_encode(segment, _PATH))
    if last.lower() in _DOT | _TWO_DOTS:
        kept.append("")
    return "/" + "/".join(kept)


def _host(text: str, *, special: bool) -> str | None:
    if text.startswith("["):
        return canonical_ipv6(text[1:-1]) if text.endswith("]") else None
    if not special:
        return None if _FORBIDDEN_IN_HOST.search(text) else _encode(text, "")
    try:
        name = _unquote(text).decode()
        plain = name.isascii()  # and then not looked into: most names are
        if not plain and len(name) > MAX_UNICODE_NAME:
            return None
        name = name.lower() if plain else idna.uts46_remap(name, std3_rules=False, transitional=False)
        if not name or _FORBIDDEN_IN_DOMAIN.search(name):
            return None
        name = name.replace(" ", "%20").replace("*", "%2A")
        domain = name if plain else ".".join(map(_to_ascii, name.split(".")))
    except (UnicodeError, idna.IDNAError):
        return None
    return canonical_ipv4(domain.removesuffix(".")) if _ENDS_IN_A_NUMBER.fullmatch(domain) else domain


def _unquote(text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes.fromhex(found[1].decode()), data)


def _to_ascii(label: str) -> str:
    # UTS 46 without its lengths. idna.encode() would refuse symbols and emoji, which browsers go to.
    if label.startswith("xn--"):
        decoded = label[4:].encode("ascii").decode("punycode")
        if decoded.isascii() or idna.uts46_remap(decoded, std3_rules=False, transitional=False) != decoded:
            raise idna.InvalidCodepoint
    if label.isascii():
        return label
    idna.check_initial_combiner(label)
    idna.check_bidi(label)
    if not all(idna.valid_contextj(label, place) for place, char in enumerate(label) if char in _JOINERS):
        raise idna.InvalidCodepointContext
    return "xn--" + label.encode("punycode").decode()


def _encode(text: str, encode_set: str) -> str:
    return "".join(char if " " <= char <= "~" and char not in encode_set else _percent_encoded(char) for char in text)


def _percent_encoded(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))
