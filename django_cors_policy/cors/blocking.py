"""Addresses that a browser does not ask at all, as Chromium has it."""

from ipaddress import IPv6Address, ip_network

from .origins import host_address, is_loopback
from .urls import URL

# Fetch, "bad port". Chromium's own list: without 4190, which the standard has.
_BAD_PORTS = frozenset(
    {0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109}
    | {110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530}
    | {531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 5060}
    | {5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6697, 10080}
)
_LOCAL_NETWORKS = [
    ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.168.0.0/16", "::/127", "2001:db8::/32", "fc00::/7", "fe80::/10", "fec0::/10"),
    )
]


def is_bad_port(url: URL) -> bool:
    """Tell whether no fetch goes to the port. Source: Fetch, "block bad port"."""
    return url.port in _BAD_PORTS


def is_mixed_content(origin: str, url: URL) -> bool:
    """Tell whether a page is too secure for an address.

    Chromium departs from the standard in that it lets an https page ask the local network over http, once the visitor
    permits it.

    Source: Mixed Content, "should fetching request be blocked as mixed content?".
    """
    return origin.startswith("https:") and url.scheme == "http" and not _is_near(url.host or "")


def _is_near(host: str) -> bool:
    name = host.removesuffix(".")
    if is_loopback(name) or name == "local" or name.endswith(".local"):
        return True
    address = host_address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address is not None and any(address in network for network in _LOCAL_NETWORKS)
