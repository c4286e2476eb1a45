"""Where a probe asks: a host and paths for each tenant and for none, and the origins to ask from."""

import random
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db import Error, transaction

from django_cors_policy import conf
from django_cors_policy.audit import routes
from django_cors_policy.audit.battery import Hostile, Seeds, battery, wildcard_samples
from django_cors_policy.audit.judge import ALLOWED
from django_cors_policy.audit.written import Grants, Written
from django_cors_policy.cors import compile_regex
from django_cors_policy.cors.lint import regex_samples
from django_cors_policy.models import TenantPolicy
from django_cors_policy.reading import database
from django_cors_policy.store import store
from django_cors_policy.tenants import allowed_hosts

_MOST_PATHS = 6
_MOST_OWN_HOSTS = 2
_MOST_FOREIGN = 5  # tenants' hosts that a battery is made of, beside the place's own
_MOST_OF_A_TENANT = 3  # origins that are sent to the others
_NOWHERE = "cors-audit-nowhere/"
_HOST = re.compile(r"[a-zA-Z0-9_.-]+|\[[0-9a-fA-F:]+\]")


class Path(NamedTuple):
    """``kind`` is "route", whose view the stub stands for, "view", which is let answer, "nowhere", or "static"."""

    path: str
    kind: str = "route"


@dataclass(frozen=True, slots=True)
class Place:
    """A host, the tenant that it is looked at for, and the paths to ask, the first for every origin."""

    host: str
    tenant: str | None
    paths: tuple[Path, ...]


class Cases(NamedTuple):
    """The origins that are allowed at a place, and those that are not to be."""

    allowed: list[Hostile]
    hostile: list[Hostile]


class Places:
    """The places of a project. ``limits`` says which tenants have none; ``views`` are the paths with real views."""

    def __init__(
        self, written: Written, chance: random.Random, most: int, only: Collection[str] | None, views: Sequence[str]
    ) -> None:
        self._written = written
        self._views = views
        self._static = routes.static_path()
        self.limits: list[str] = []
        try:
            stored = stored_keys()
        except Error:
            stored = []  # the audit says that they cannot be read
        keys = stored if only is None else [key for key in stored if key in only]
        chosen = keys if len(keys) <= most else sorted(chance.sample(keys, most))
        if len(keys) > most:
            self.limits.append(f"the live answers for {len(keys) - most} of {len(keys)} tenants (--max-requests)")
        written.load(chosen)
        found = [self._of(tenant) for tenant in chosen]
        tenants = [place for place in found if place is not None]
        if lost := len(found) - len(tenants):
            self.limits.append(f"the live answers for {lost} tenants that no host or path tried leads to")
        own = [host for host in _own_hosts() if written.tenant(host, "/") not in stored][:_MOST_OWN_HOSTS]
        self.all = [*(Place(host, None, self._paths(None)) for host in own), *tenants]
        asked = {path.path for place in self.all for path in place.paths if path.kind in ("route", "view")}
        left_out, total = routes.left_out(path for path in asked if routes.resolves(path))
        if left_out:
            self.limits.append(f"{left_out} of {total} routes (--path names those that are to be asked)")
        for tenant in {written.tenant(place.host, path.path) for place in self.all for path in place.paths} - {None}:
            store.get(str(tenant))  # into memory, before a transaction begins

    def _of(self, tenant: str) -> Place | None:
        for host in (tenant, *(f"{tenant}{entry}" for entry in allowed_hosts() if entry.startswith("."))):
            if _HOST.fullmatch(host) and self._written.tenant(host, "/") == tenant:
                return Place(host, tenant, self._paths(None))
        host = next(_own_hosts())
        paths = tuple(path for path in self._paths(tenant) if self._written.tenant(host, path.path) == tenant)
        return Place(host, tenant, paths) if paths else None

    def _paths(self, argument: str | None) -> tuple[Path, ...]:
        if self._views:
            return tuple(Path(path, "view") for path in self._views)
        groups: dict[tuple[bool, str], list[str]] = {}
        for path in [*(routes.paths(argument) if argument else ()), *routes.paths()]:
            groups.setdefault((not self._written.covers(path), path.split("/")[1]), []).append(path)
        # One of each kind first, the covered ones before the others; then more of them.
        ordered = [path for _, group in sorted(groups.items(), key=lambda item: item[0][0]) for path in group[:1]]
        ordered += [path for group in groups.values() for path in group[1:]]
        ordered = ordered or ["/"]
        if argument is not None:
            ordered = [path for path in ordered if path.startswith(f"/{argument}/")] or [f"/{argument}/"]
        chosen = [Path(path) for path in ordered[:_MOST_PATHS]]
        chosen.append(Path(f"{ordered[0].rstrip('/')}/{_NOWHERE}", "nowhere"))
        if ordered[0].rstrip("/"):
            chosen.append(Path(ordered[0].rstrip("/"), "nowhere"))  # which CommonMiddleware may redirect
        if self._static is not None:
            chosen.append(Path(self._static, "static"))
        return tuple(chosen)

    def cases(self, place: Place) -> Cases:
        """Give the origins for a place, of its policies and of everybody else's."""
        return cases(self._written, place, [other for other in self.all if other is not place])


def stored_keys() -> list[str]:
    """Give the tenants that have a policy which is enabled; none where tenants are off. Raises django.db.Error."""
    if conf.current().resolver is None:
        return []
    policies = TenantPolicy.objects.using(database()).filter(enabled=True)
    with transaction.atomic(using=database()):
        return sorted(policies.values_list("tenant", flat=True))


def cases(written: Written, place: Place, others: Sequence[Place]) -> Cases:
    """Give the origins for a place, of its policies and of the other places'."""
    paths = [path.path for path in place.paths]
    policies = {id(policy): policy for path in paths for policy in written.policies(place.host, path)}
    samples, wildcards, slow = _samples(list(policies.values()))
    granted = [
        origin
        for origin in dict.fromkeys(samples)
        if any(written.granting(place.host, path, origin) is not None for path in paths)
    ]
    seeds = Seeds(
        allowed=granted,
        wildcards=wildcards,
        hosts=list(dict.fromkeys([place.host, *(other.host for other in others[:_MOST_FOREIGN])])),
        others=[origin for other in others for origin in _own_origins(written, other)],
        slow=slow,
    )
    hostile = [case for case in battery(seeds) if case.origin not in granted]
    return Cases([Hostile(origin, ALLOWED, sendable=True) for origin in granted], hostile)


def _own_origins(written: Written, place: Place) -> list[str]:
    stored = None if place.tenant is None else written.stored(place.tenant)
    return [] if stored is None else _samples([stored])[0][:_MOST_OF_A_TENANT]


def _samples(policies: Sequence[Grants]) -> tuple[list[str], list[str], list[str]]:
    """Give origins that policies seem to allow, the wildcards that they hold, and origins that are slow to refuse."""
    samples: list[str] = []
    wildcards: list[str] = []
    slow: list[str] = []
    for policy in policies:
        for entry in policy.spec.allowed_origins:
            if not isinstance(entry, str) or entry == "*":
                continue
            if "*" in entry:
                wildcards.append(entry)
            samples += wildcard_samples(entry) if "*" in entry else [entry]
        for written in policy.spec.allowed_origin_regexes:
            try:
                regex = compile_regex(written)
            except ValueError:
                continue  # CORS201 says it
            found, long = regex_samples(regex)
            samples += found
            slow += long
    return samples, wildcards, slow


def _own_hosts() -> Iterator[str]:
    """Give a host for each entry of ALLOWED_HOSTS."""
    for entry in allowed_hosts() or ("example.com",):
        if entry == "*":
            yield "cors-audit.example.com"
        elif entry.startswith("."):
            yield f"cors-audit{entry}"
        else:
            yield entry
