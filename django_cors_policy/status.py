"""What the database knows of the stored policies, for ``manage.py cors_status``: a process knows only itself."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connections, router, transaction
from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from django_cors_policy import conf
from django_cors_policy.audit.report import one_line
from django_cors_policy.audit.tenants import in_pages, subject, written_and_compiled
from django_cors_policy.cors import LimitError, quoted
from django_cors_policy.feed import MAX_CHANGES as KEPT
from django_cors_policy.feed import PolicyChange, PolicyRevision, record_everything
from django_cors_policy.history import PolicyHistory
from django_cors_policy.models import AllowedOrigin, TenantPolicy

SHOWN = 5  # entries that are not served; the rest is counted
SOON = timedelta(days=7)
AHEAD = 2.0  # seconds that the newest change may lie in the future before the clocks are worth a word

_BY_ENABLED = {"enabled": Q(enabled=True), "disabled": Q(enabled=False)}
MODELS = (PolicyRevision, PolicyChange, PolicyHistory, TenantPolicy, AllowedOrigin)


class NotMigrated(Exception):  # noqa: N818 -- it says what the database is
    """A database without the tables, or without some of them."""


@dataclass(frozen=True, slots=True)
class Feed:
    """The feed of changes; ages are in seconds, below 0 where the writer's clock is ahead. None: there is no change."""

    revision: int | None
    newest_age: float | None
    oldest_age: float | None
    kept: int
    last_hour: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Entries of enabled policies that are not served, and how many policies they are of."""

    entries: int = 0
    tenants: int = 0

    def plus(self, entries: int) -> "Refused":
        return Refused(self.entries + entries, self.tenants + 1) if entries else self


@dataclass(frozen=True, slots=True)
class Entry:
    """One of them: ``value`` is what was written, cut; ``reason`` one word, ``message`` a sentence."""

    tenant: str
    field: str
    value: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Status:
    """All that is shown.

    ``shadow`` counts the enabled policies that do not answer yet. ``expired`` and ``expiring`` origins are enabled
    ones. ``invalid`` entries do not compile, ``beyond_limits`` are cut by CORS_TENANT_LIMITS; ``first`` are a few of
    both.
    """

    database: str
    vendor: str
    lock: bool
    feed: Feed
    tenants: dict[str, int]
    shadow: int
    origins: dict[str, int]
    invalid: Refused
    beyond_limits: Refused
    first: tuple[Entry, ...]
    settings: dict[str, Any]

    @property
    def warnings(self) -> Iterator[str]:
        """What is worth a second look; nothing here is an error."""
        tenants, cache = sum(self.tenants.values()), self.settings["CORS_POLICY_CACHE_SIZE"]
        if not self.lock:
            yield "The row that writers lock is missing (PolicyRevision): the next write brings it back."
        if self.feed.revision is None and tenants:
            yield "There are tenants and no change is recorded: record one with --touch."
        if self.feed.newest_age is not None and self.feed.newest_age < -AHEAD:
            yield f"The newest change is from {_age(-self.feed.newest_age)} ahead: the clocks of two machines differ."
        if self.feed.kept > 2 * KEPT:
            yield f"The feed keeps {self.feed.kept} changes: each write removes some, until {KEPT} are left."
        if self.settings["CORS_TENANT_RESOLVER"] is None:
            yield "CORS_TENANT_RESOLVER is None: no request has a tenant, and none of this is served."
        if cache < tenants:
            yield (
                f"CORS_POLICY_CACHE_SIZE is {cache}, and there are {tenants} tenants: "
                "a process that serves more of them than it holds loads some again and again."
            )

    def as_json(self) -> str:
        """Give the status as JSON, in ASCII; ``version`` grows when a field is removed or changes its meaning."""
        return json.dumps({"version": 1, **asdict(self), "warnings": list(self.warnings)}, indent=2)

    def as_text(self) -> Iterator[str]:
        """Give the status line by line."""
        yield f"database        {self.database} ({self.vendor})"
        if self.feed.revision is None or self.feed.newest_age is None or self.feed.oldest_age is None:
            yield "newest change   none"
        else:
            yield f"newest change   revision {self.feed.revision}, {_ago(self.feed.newest_age)}"
            yield f"oldest kept     {_ago(self.feed.oldest_age)}"
        yield f"changes         {self.feed.last_hour} in the last hour, {self.feed.kept} kept"
        shadow = f", {self.shadow} of the enabled in shadow mode" if self.shadow else ""
        yield f"tenants         {self.tenants['enabled']} enabled, {self.tenants['disabled']} disabled{shadow}"
        yield f"origins         {self.origins['enabled']} enabled, {self.origins['disabled']} disabled"
        yield f"expired         {self.origins['expired']}, and {self.origins['expiring']} within {SOON.days} days"
        yield f"do not compile  {_of(self.invalid)}"
        yield f"beyond limits   {_of(self.beyond_limits)}"
        for entry in self.first:
            yield f"  {quoted(entry.tenant)}: {entry.message}"
        left_out = self.invalid.entries + self.beyond_limits.entries - len(self.first)
        if left_out:
            yield f"  and {left_out} more; cors_audit lists them"
        for name, value in self.settings.items():
            yield f"{name} = {quoted(value)}"
        for warning in self.warnings:
            yield f"Warning: {warning}"


def status(alias: str) -> Status:
    """Look at a database. Raises NotMigrated, django.db.Error.

    Memory is bounded, and so are the queries: two for each 500 tenants of ordinary size, and a handful.
    """
    _look_for_tables(alias)
    now = timezone.now()
    invalid = beyond_limits = Refused()
    first: list[Entry] = []
    for policy, origins in in_pages(alias):
        errors = written_and_compiled(policy, origins)[1].errors
        beyond = sum(isinstance(error, LimitError) for error in errors)
        beyond_limits = beyond_limits.plus(beyond)
        invalid = invalid.plus(len(errors) - beyond)
        for error in errors[: SHOWN - len(first)]:
            tenant = one_line(policy.tenant[:300])
            first.append(Entry(tenant, error.field, subject(error), error.reason, error.message))
    return Status(
        database=alias,
        vendor=connections[alias].vendor,
        lock=PolicyRevision.rows.using(alias).filter(pk=1).exists(),
        feed=_feed(alias, now),
        tenants=_counts(TenantPolicy.objects.using(alias), **_BY_ENABLED),
        shadow=TenantPolicy.objects.using(alias).filter(enabled=True, shadow=True).count(),
        origins=_counts(
            AllowedOrigin.objects.using(alias),
            **_BY_ENABLED,
            expired=Q(enabled=True, expires_at__lte=now),
            expiring=Q(enabled=True, expires_at__gt=now, expires_at__lte=now + SOON),
        ),
        invalid=invalid,
        beyond_limits=beyond_limits,
        first=tuple(first),
        settings=_settings(),
    )


def touch(alias: str) -> int:
    """Tell every process to read all policies anew; give the revision that says so. Raises NotMigrated, Error."""
    _look_for_tables(alias)
    with transaction.atomic(using=alias):  # the newest is this one, as long as the lock is held
        record_everything(alias)
        return PolicyChange.rows.using(alias).order_by("-revision").values_list("revision", flat=True)[0]


def write_alias() -> str:
    """Give the alias of the database that policies are written to."""
    return router.db_for_write(TenantPolicy)


def _look_for_tables(alias: str) -> None:
    there = set(connections[alias].introspection.table_names())
    if not there.issuperset(model._meta.db_table for model in MODELS):
        raise NotMigrated(f"the tables of django_cors_policy are not in database {alias}: run manage.py migrate")


def _counts(rows: QuerySet[Any], **which: Q) -> dict[str, int]:
    # An aggregate must not be called like a field.
    counted = rows.aggregate(**{f"count_{name}": Count("pk", filter=of) for name, of in which.items()})
    return {name: counted[f"count_{name}"] for name in which}


def _feed(alias: str, now: datetime) -> Feed:
    changes = PolicyChange.rows.using(alias).order_by("revision")
    newest, oldest = changes.last(), changes.first()
    return Feed(
        revision=None if newest is None else newest.revision,
        newest_age=None if newest is None else (now - newest.created_at).total_seconds(),
        oldest_age=None if oldest is None else (now - oldest.created_at).total_seconds(),
        kept=changes.count(),
        last_hour=changes.filter(created_at__gte=now - timedelta(hours=1)).count(),
    )


def _settings() -> dict[str, Any]:
    current = conf.current()
    return {
        "CORS_TENANT_RESOLVER": current.resolver_path,
        "CORS_POLICY_DATABASE": current.database,
        "CORS_POLICY_REFRESH_SECONDS": current.refresh_seconds,
        "CORS_POLICY_MAX_STALE_SECONDS": current.max_stale_seconds,
        "CORS_POLICY_CACHE_SIZE": current.cache_size,
    }


def _of(refused: Refused) -> str:
    if not refused.entries:
        return "none"
    entries = "entry" if refused.entries == 1 else "entries"
    return f"{refused.entries} {entries} of {refused.tenants} tenant{'' if refused.tenants == 1 else 's'}"


def _ago(seconds: float) -> str:
    return f"{_age(-seconds)} ahead" if seconds < -1 else f"{_age(max(seconds, 0))} ago"


def _age(seconds: float) -> str:
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds // unit:.0f} {name}"
    return f"{seconds:.0f} s"
