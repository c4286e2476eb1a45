"""What the written policies grant for a host and a path: read from their texts, by a matcher of the audit's own.

The middleware asks a PatternSet, through the store and its memory. A fault of those is only found by somebody who does
not ask them.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import IPv6Address, ip_address

from django.db import Error, transaction
from django.http import HttpRequest
from django.utils import timezone

from django_cors_policy import conf
from django_cors_policy.cors import PolicySpec, compile_policy
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.reading import database
from django_cors_policy.selection import tenant_of

_LABELS = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
_WEB = re.compile(rf"(https?)://({_LABELS}|\[[0-9a-f:]+\])(?::([0-9]{{1,5}}))?")
_APP = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*(?::[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": "80", "https": "443"}
_NEVER = frozenset({"http", "https", "file", "ftp", "ws", "wss", "about", "blob", "data", "javascript"})
_LONGEST = 300
_LONGEST_HOST = 253


def is_serialized(origin: str) -> bool:
    """Tell whether a value is an origin as browsers serialize those of web pages, which regexes and wildcards match."""
    web = _WEB.fullmatch(origin)
    if web is None or len(origin) > _LONGEST:
        return False
    scheme, host, port = web.groups()
    if len(host) > _LONGEST_HOST or port == _DEFAULT_PORTS[scheme] or not _is_port(port):
        return False
    # What ends in a number is an address, and an address has one spelling.
    if host.startswith("[") or re.search(r"(^|\.)([0-9]+|0x[0-9a-f]*)$", host):
        try:
            address = ip_address(host.strip("[]"))
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            high, low = divmod(int(address.ipv4_mapped), 0x10000)
            return host == f"[::ffff:{high:x}:{low:x}]"
        return host in (str(address), f"[{address}]")
    return True


def _is_port(port: str | None) -> bool:
    return port is None or (str(int(port)) == port and int(port) < 0x10000)


def entry_grants(entry: object, origin: str) -> bool:
    """Tell whether an entry of a list of origins grants one."""
    if not isinstance(entry, str):
        return False
    if "*" not in entry or entry == "*":
        return entry in ("*", origin)
    scheme, _, rest = entry.partition("://")
    if not is_serialized(origin):
        return False
    subdomains, host = ("(?:[a-z0-9_-]+[.])+", rest[2:]) if rest.startswith("*.") else ("", rest)
    port, host = ("(?::[0-9]+)?", host[:-2]) if host.endswith(":*") else ("", host)
    return re.fullmatch(f"{re.escape(scheme)}://{subdomains}{re.escape(host)}{port}", origin) is not None


def regex_grants(entry: object, origin: str) -> bool:
    """Tell whether an origin regex of the settings grants one: it is matched whole."""
    scheme = origin.partition("://")[0].lower()
    if not (is_serialized(origin) or (scheme not in _NEVER and _APP.fullmatch(origin))):
        return False
    try:
        return re.fullmatch(entry, origin) is not None  # type: ignore[call-overload]
    except (re.error, OverflowError, RecursionError, TypeError, Warning):
        return False


@dataclass(frozen=True)
class Grants:
    """One written policy. ``spec`` holds what is served of it: what the limits forbid is left out."""

    spec: PolicySpec
    credentials: bool

    def allows(self, origin: str) -> bool:
        return (
            self.spec.allow_all_origins
            or any(entry_grants(entry, origin) for entry in self.spec.allowed_origins)
            or any(regex_grants(entry, origin) for entry in self.spec.allowed_origin_regexes)
        )

    @cached_property
    def methods(self) -> tuple[str, ...]:
        return tuple(name for name in self.spec.allow_methods if isinstance(name, str))

    @cached_property
    def headers(self) -> tuple[str, ...]:
        return tuple(name for name in self.spec.allow_headers if isinstance(name, str))


def _grants(spec: PolicySpec, *, stored: bool) -> Grants:
    policy = compile_policy(spec, limits=conf.current().limits if stored else None, strict=False)
    dropped = [error.value for error in policy.errors if error.field == "allowed_origins"]
    kept = tuple(entry for entry in spec.allowed_origins if entry not in dropped)
    return Grants(replace(spec, allowed_origins=kept), policy.allow_credentials)


class Written:
    """The policies in the database and the settings, and which of them a host and a path are served by."""

    def __init__(self) -> None:
        self.settings = _grants(conf.current().spec, stored=False)
        self._stored: dict[str, Grants | None] = {}
        self._tenants: dict[tuple[str, str], str | None] = {}

    def tenant(self, host: str, path: str) -> str | None:
        """Give the tenant that the project's resolver finds for a host and a path."""
        if (host, path) not in self._tenants:
            request = HttpRequest()
            request.META = {"HTTP_HOST": host, "SERVER_NAME": host, "SERVER_PORT": "443", "PATH_INFO": path}
            request.path = request.path_info = path
            self._tenants[host, path] = tenant_of(conf.current(), request)
        return self._tenants[host, path]

    def covers(self, path: str) -> bool:
        urls = conf.current().urls
        return urls is None or urls.match(path) is not None

    def policies(self, host: str, path: str) -> tuple[Grants, ...]:
        """Give the policies that are asked, in their order; none where the path is not covered."""
        if not self.covers(path):
            return ()
        tenant = self.tenant(host, path)
        stored = None if tenant is None else self.stored(tenant)
        return (self.settings,) if stored is None else (stored, self.settings)

    def granting(self, host: str, path: str, origin: str) -> Grants | None:
        """Give the first policy that grants an origin."""
        return next((policy for policy in self.policies(host, path) if policy.allows(origin)), None)

    def stored(self, tenant: str) -> Grants | None:
        """Give a tenant's policy, if it has one that answers and can be read."""
        if tenant not in self._stored:
            self._stored[tenant] = None
            if tenant.isprintable():
                self.load([tenant])
        return self._stored[tenant]

    def load(self, tenants: Collection[str]) -> None:
        """Read the policies of these tenants in two queries. A database that is away has none."""
        policies = TenantPolicy.objects.using(database()).filter(tenant__in=tenants, enabled=True, shadow=False)
        patterns: dict[int, list[str]] = {}
        try:
            with transaction.atomic(using=database()):
                found = {policy.tenant: policy for policy in policies}
                origins = AllowedOrigin.objects.using(database()).filter(policy__in=found.values(), enabled=True)
                for origin in origins.order_by("pk"):
                    if origin.expires_at is None or origin.expires_at > timezone.now():
                        patterns.setdefault(origin.policy_id, []).append(origin.pattern)
        except Error:
            return
        for tenant in tenants:
            if tenant in found:  # a collation may take Acme for acme
                spec = found[tenant].spec(patterns.get(found[tenant].pk, ()))
                self._stored[tenant] = _grants(spec, stored=True)
