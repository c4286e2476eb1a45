"""The effective policy of a tenant, or of the settings, as configuration of what stands in front of Django."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from django.utils import timezone

from django_cors_policy import conf, reading
from django_cors_policy.audit import tenants
from django_cors_policy.cors import Policy
from django_cors_policy.models import AllowedOrigin
from django_cors_policy.transfer import apache, caddy, nginx, s3
from django_cors_policy.transfer.plan import Plan, plan, shown

KINDS: tuple[str, ...] = ("nginx", "apache", "caddy", "s3")

_TITLES = {"nginx": "nginx", "apache": "the Apache HTTP Server", "caddy": "Caddy"}
_WRITERS: dict[str, tuple[str, Callable[[Plan, list[str]], Iterator[str]]]] = {
    "nginx": (nginx.INCLUDE, nginx.write),
    "apache": (apache.INCLUDE, apache.write),
    "caddy": (caddy.INCLUDE, caddy.write),
}
_EXPORTED = "It stays as it is when the settings or the stored policies change: export it again then."
_EMPTY = "An Origin or Access-Control-Request-Method without a value is taken for none at all, or denied."
_NAMED = "Of the Access-Control-* fields of what is behind it, those that answer CORS are removed by name, others pass."


@dataclass(frozen=True, slots=True)
class Effective:
    """What answers for a tenant (None: where no tenant speaks): policies in the order in which they are asked.

    ``notes`` are sentences for people, of what is not as they may expect.
    """

    tenant: str | None
    policies: tuple[Policy, ...]
    preflight_status: int
    urls: re.Pattern[str] | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration: its lines, without line breaks, and in sentences what to know of it.

    The notes are comments among the lines as well, but for S3, whose JSON has none.
    """

    lines: tuple[str, ...]
    notes: tuple[str, ...]


def effective(tenant: str | None) -> Effective:
    """Give the effective policy of a tenant, or the settings' own. Raises UnknownTenant, django.db.Error."""
    configuration = conf.current()
    policies = configuration.policies
    notes = []
    if tenant is not None:
        tenants.known(tenant)
        served = list(tenants.in_pages(reading.database(), [tenant])) if configuration.resolver else []
        if configuration.resolver is None:
            notes.append("CORS_TENANT_RESOLVER is None, so this is the settings' policy alone.")
        elif not served:
            notes.append("The tenant's policy is disabled, so this is the settings' policy alone.")
        for policy, origins in served:
            if policy.shadow:
                notes.append("The tenant's policy is in shadow mode, so this is the settings' policy alone.")
                continue
            policies = (tenants.written_and_compiled(policy, origins)[1], policies[-1])
            notes += _expiries(origins)
    return Effective(tenant, policies, configuration.preflight_status, configuration.urls, tuple(notes))


def _expiries(origins: Iterable[AllowedOrigin]) -> Iterator[str]:
    """Say when an origin expires, which no server knows of."""
    now = timezone.now()
    moments = [(each.expires_at, each.pattern) for each in origins if each.enabled and each.expires_at is not None]
    later = sorted(each for each in moments if each[0] > now)
    for moment, pattern in later[:1]:
        others = f", and {len(later) - 1} more later" if len(later) > 1 else ""
        when = f"{moment:%Y-%m-%d %H:%M} {moment:%Z}".rstrip()
        yield f"{shown(pattern)} expires at {when}{others}: export it again then, for this lets it in for ever."


def as_config(kind: str, source: Effective) -> Config:
    """Write an effective policy for one of KINDS: the same requests get the answers of CorsMiddleware.

    What cannot be said there so that it means the same is left out, which lets less through, and noted.
    """
    notes = [*source.notes, _EXPORTED]
    if source.urls is not None:
        pattern = shown(source.urls.pattern)
        notes.append(f"It knows nothing of CORS_URLS_REGEX ({pattern}): include it where such paths are served, alone.")
    if kind == "s3":
        notes.insert(0, s3.INCLUDE)
        return Config(tuple(s3.write(source.policies, notes)), tuple(notes))
    include, write = _WRITERS[kind]
    planned, left_out = plan(source.tenant, source.policies, source.preflight_status)
    notes += [_EMPTY, *([] if kind == "caddy" else [_NAMED]), *left_out]
    lines = list(write(planned, notes))
    whose = "the settings" if source.tenant is None else f"tenant {shown(source.tenant)}, then the settings"
    introduction = [f"CORS for {_TITLES[kind]}: the policy of {whose}. Made by django-cors-policy.", include, *notes]
    return Config((*(f"# {line}" for line in introduction), "#", *lines), tuple(notes))
