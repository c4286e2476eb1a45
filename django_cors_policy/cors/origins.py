"""What clients send: the strict, total parser of an Origin header."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

MAX_HOST = 253  # characters, RFC 1035 section 2.3.4 in its written form
MAX_ORIGIN = 300  # characters; the longest http(s) origin has 267

DEFAULT_PORTS = {"http": 80, "https": 443}

# The WHATWG URL parser reads a host whose last label looks like a number as an IPv4 address.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_HTTP = re.compile(
    r"(https?)://([a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])(?::(0|[1-9][0-9]{0,4}))?",
)
_OTHER = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)(?::(0|[1-9][0-9]{0,4}))?")
_IPV6_LOOPBACK = IPv6Address("::1")
_PRIVATE = tuple(
    map(
        ip_network,
        ("0.0.0.0/32", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"),
    )
)
# No page has an origin of these: they are opaque (serialized as "null"), or no document is served from them.
NEVER_ORIGINS = frozenset({"http", "https", "file", "ftp", "ws", "wss", "about", "blob", "data", "javascript"})


@dataclass(frozen=True, slots=True)
class Origin:
    """A tuple origin; ``port`` is None where the scheme's default is meant. ``str()`` gives its serialization.

    Source: HTML, "ASCII serialisation of an origin".
    """

    scheme: str
    host: str
    port: int | None

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}" + ("" if self.port is None else f":{self.port}")


def parse_origin(text: str) -> Origin | None:
    """Read a serialized ASCII origin exactly as a browser sends it, or return None; never raises.

    http and https: lower case, no default port, dotted-quad IPv4, compressed IPv6, labels of letters, digits, hyphens
    and underscores, at most 253 characters of host. Other schemes (app shells, browser extensions) as they are sent,
    case kept. None for everything else, ``null`` and a trailing dot included. Punycode labels are not decoded: an
    ``xn--`` label that encodes nothing is accepted, since no browser sends one and it can match only itself.

    Source: RFC 6454 section 6.2, WHATWG URL "host serializer".
    """
    if len(text) > MAX_ORIGIN:
        return None
    http = _HTTP.fullmatch(text)
    if http is None:
        return _parse_other(text)
    scheme, host, digits = http.groups()
    if len(host) > MAX_HOST or not _is_canonical_host(host):
        return None
    if digits is None:
        return Origin(scheme, host, None)
    port = int(digits)
    return Origin(scheme, host, port) if port <= 0xFFFF and port != DEFAULT_PORTS[scheme] else None


def _parse_other(text: str) -> Origin | None:
    other = _OTHER.fullmatch(text)
    if other is None:
        return None
    scheme, host, digits = other.groups()
    if scheme.lower() in NEVER_ORIGINS or len(host) > MAX_HOST:
        return None
    port = None if digits is None else int(digits)
    return Origin(scheme, host, port) if port is None or port <= 0xFFFF else None


def _is_canonical_host(host: str) -> bool:
    if host[0] == "[":
        return canonical_ipv6(host[1:-1]) == host
    last = host[host.rfind(".") + 1 :]
    if last[0] in "0123456789" and _NUMBER.fullmatch(last):
        return canonical_ipv4(host) == host
    return True


def canonical_ipv4(host: str) -> str | None:
    """Give the dotted quad of an IPv4 address in any spelling browsers take (``127.1``, ``0x7f000001``), else None.

    Source: WHATWG URL, "IPv4 parser".
    """
    parts = host.split(".")
    if len(parts) > 4:
        return None
    numbers = []
    for part in parts:
        try:
            # int() alone would also take a sign, underscores and foreign digits.
            if part[:2] in ("0x", "0X") and re.fullmatch(r"[0-9A-Fa-f]*", part[2:]):
                numbers.append(int(part[2:] or "0", 16))
            elif re.fullmatch(r"[0-9]+", part):
                numbers.append(int(part, 8 if part[0] == "0" else 10))
            else:
                return None
        except ValueError:  # an 8 or a 9 in an octal number, or more digits than int() takes
            return None
    *heads, last = numbers
    if any(number > 0xFF for number in heads) or last >= 256 ** (4 - len(heads)):
        return None
    return str(IPv4Address(sum(number << (24 - 8 * place) for place, number in enumerate(heads)) + last))


def canonical_ipv6(text: str) -> str | None:
    """Give the bracketed, compressed form of an IPv6 address without brackets, or None if it is none.

    Source: WHATWG URL, "IPv6 serializer": unlike RFC 5952 and unlike newer versions of ipaddress, the
    IPv4-mapped addresses are written in hexadecimal too.
    """
    try:
        address = IPv6Address(text)
    except ValueError:
        return None
    if address.scope_id is not None:
        return None
    groups = [f"{int(address) >> shift & 0xFFFF:x}" for shift in range(112, -1, -16)]
    start, length = _longest_zeros(groups)
    if length < 2:
        return f"[{':'.join(groups)}]"
    return f"[{':'.join(groups[:start])}::{':'.join(groups[start + length :])}]"


def _longest_zeros(groups: list[str]) -> tuple[int, int]:
    best, start = (0, 0), 0
    for place, group in enumerate(groups):
        if group != "0":
            start = place + 1
        elif place + 1 - start > best[1]:
            best = (start, place + 1 - start)
    return best


def host_address(host: str) -> IPv4Address | IPv6Address | None:
    """Give the IP address that a canonical host spells, or None for a name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Tell whether a canonical host can only be the visitor's own machine.

    Source: W3C Secure Contexts section 3.1, "potentially trustworthy origin".
    """
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = host_address(host)
    if isinstance(address, IPv6Address):
        # Not is_loopback: whether it takes in IPv4-mapped addresses depends on the version of Python.
        return address == _IPV6_LOOPBACK
    return address is not None and address.is_loopback


def is_of_development(host: str) -> bool:
    """Tell whether a canonical host names another machine for each visitor: loopback, a private address, .local, .test.

    Source: RFC 1918, RFC 4193, RFC 6761, RFC 6762.
    """
    address = host_address(host)
    if address is None:
        return is_loopback(host) or f".{host}".endswith((".local", ".test"))
    return address.is_loopback or any(address in network for network in _PRIVATE)
