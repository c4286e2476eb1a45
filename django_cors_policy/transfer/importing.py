"""Bringing the stored policies to what a file says: all of it, or nothing."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db import router, transaction
from django.utils.translation import gettext

from django_cors_policy import conf
from django_cors_policy.audit.tenants import in_pages
from django_cors_policy.cors import LimitError, check_count, quoted
from django_cors_policy.feed import lock
from django_cors_policy.models import AllowedOrigin, TenantPolicy, canonical_tenant
from django_cors_policy.recorded import BATCH
from django_cors_policy.transfer.files import READERS, BinaryFile
from django_cors_policy.transfer.outcome import KEPT, Change, Found, Kind, Result, Row
from django_cors_policy.transfer.rows import (
    ORIGIN,
    PATTERN,
    POLICY,
    TENANT,
    Column,
    Record,
    Unreadable,
    Value,
    apply,
    as_cell,
    values_of,
)
from django_cors_policy.transfer.spool import Spool, Spooled
from django_cors_policy.transfer.writing import Plan, write
from django_cors_policy.wording import said

_TENANT: Any = TenantPolicy._meta.get_field(TENANT)
MAX_BATCH = 5_000_000  # characters of the file in memory at once, or so
MAX_REMOVED = 5_000  # rows that are removed at once
_ROW = 1_000  # characters that a row counts for at least: its objects take more memory than its text


class _Refused(Exception):  # noqa: N818
    """Undoes the transaction."""


@dataclass(slots=True)
class _Wanted:
    """What the file says of one tenant: ``policy`` as JSON, None where every row of it was refused.

    ``origins``: the line and the values of each pattern, as JSON; None for one that was refused.
    """

    tenant: str
    line: int
    policy: str | None = None
    origins: dict[str, tuple[int, str | None]] = field(default_factory=dict)
    size: int = 0  # characters


def import_policies(
    file: BinaryFile,
    kind: str,
    *,
    dry_run: bool,
    actor: str,
    reason: str,
    tenants_allowed: Collection[str] | None = None,
    remove_missing: bool = False,
    using: str | None = None,
    kept: int = KEPT,
    show: Callable[[Row], object] = lambda _: None,
) -> Result:
    """Bring the stored policies to what a binary file in csv or json says, in one transaction.

    The file is the whole truth for the tenants that it names, and with ``remove_missing`` for all that
    ``tenants_allowed`` holds (None: for all). If a row is refused, or it is a ``dry_run``, nothing is written. ``show``
    is given each row but the unchanged as it is found; the writers' lock is held meanwhile, so it must not wait for
    people. Raises django.db.Error, OSError, sqlite3.Error; then nothing is written either.
    """
    alias = using or router.db_for_write(TenantPolicy)
    found = Found(show, kept)
    with Spool() as spool:
        if not _read(READERS[kind](file), spool, tenants_allowed, found):
            return Result(found.counts, tuple(found.rows), written=False)
        if remove_missing and spool.is_empty():
            why = gettext("The file names no policy: all would be removed; remove them in the admin if that is meant.")
            found.refuse(None, "", None, why)
        spool.sort()
        comparison = _Comparison(spool, alias, found, tenants_allowed, remove_missing)
        written = False
        if dry_run or found.refused:
            for _ in comparison.plans():
                pass
        else:
            with suppress(_Refused), transaction.atomic(using=alias):
                lock(alias)
                for plan in comparison.plans():
                    if not found.refused:
                        write(plan, alias, actor=actor, reason=reason)
                if found.refused:
                    raise _Refused
                written = True
    return Result(found.counts, tuple(found.rows), written)


# --- reading


def _read(records: Iterator[Record], spool: Spool, allowed: Collection[str] | None, found: Found) -> bool:
    """Check each row by itself and put it into the spool; tell whether the file could be read to its end."""
    try:
        for record in records:
            _take(record, spool, allowed, found)
    except Unreadable as error:
        found.refuse(error.line, "", None, error.reason)
        return False
    return True


def _take(record: Record, spool: Spool, allowed: Collection[str] | None, found: Found) -> None:
    tenant = canonical_tenant(record.tenant)
    pattern = None if record.origin is None else str(record.origin[PATTERN])
    if allowed is not None and tenant and tenant not in allowed:
        # Whatever else is wrong, and whether there is such a tenant, is not told.
        found.refuse(record.line, record.tenant, pattern, gettext("This is not a tenant of yours."))
        return
    faults = list(record.faults)
    try:
        if tenant or not faults:  # else it is why there is none
            _TENANT.clean(tenant, None)
    except ValidationError as error:
        faults += _messages(TENANT, error.messages)
        tenant = ""
    if record.origin is not None and pattern:
        origin = AllowedOrigin(pattern=pattern)  # of no policy yet: they are counted together
        apply(origin, ORIGIN, record.origin)
        faults += _faults(origin, ("policy",), ORIGIN)
        pattern = origin.pattern
    if faults:
        found.refuse(record.line, record.tenant, pattern, " ".join(faults))
    if tenant:
        # One that is refused is known still to be in the file: it must not be shown as removed.
        spool.add(
            tenant,
            record.line,
            None if faults else record.policy,
            pattern or "",
            None if faults else record.origin,
        )


def _faults(instance: TenantPolicy | AllowedOrigin, exclude: Collection[str], columns: Iterable[Column]) -> list[str]:
    """Say what the model refuses, as a form does, but for what would take a query; correct what it corrects."""
    errors: dict[str, list[str]] = {}
    cleaners: tuple[Callable[[], None], ...] = (partial(instance.clean_fields, exclude=exclude), instance.clean)
    for clean in cleaners:
        try:
            clean()
        except ValidationError as error:
            for name, messages in error.message_dict.items():
                errors.setdefault(name, []).extend(messages)
    names = {column.field: column.name for column in columns}
    return [text for name, messages in errors.items() for text in _messages(names.get(name, name), messages)]


def _messages(name: str, messages: Iterable[str]) -> list[str]:
    return [gettext("%(column)s: %(message)s") % {"column": name, "message": message} for message in messages]


# --- comparing


@dataclass(frozen=True, slots=True)
class _Comparison:
    """The spooled rows and the stored ones."""

    spool: Spool
    alias: str
    found: Found
    allowed: Collection[str] | None
    remove_missing: bool

    def plans(self) -> Iterator[Plan]:
        """Tell what becomes of each row, and give what is to be written, a bounded part at a time."""
        for batch in self._batches():
            plan = Plan()
            for policy, origins in in_pages(self.alias, batch, whole=True):
                self._change(batch.pop(policy.tenant), policy, origins, plan)
            for wanted in batch.values():
                self._add(wanted, plan)
            yield plan
        if self.remove_missing:
            yield from self._removals()

    def _batches(self) -> Iterator[dict[str, _Wanted]]:
        batch: dict[str, _Wanted] = {}
        size = 0
        for tenant, rows in self.spool.by_tenant():
            batch[tenant] = self._wanted(tenant, rows)
            size += batch[tenant].size
            if len(batch) >= BATCH or size >= MAX_BATCH:
                yield batch
                batch, size = {}, 0
        if batch:
            yield batch

    def _wanted(self, tenant: str, rows: Iterator[Spooled]) -> _Wanted:
        """Bring a tenant's rows together, and refuse those that do not agree."""
        limits = conf.current().limits
        wanted = _Wanted(tenant, 0)
        for row in rows:
            pattern = row.pattern or None
            wanted.line = wanted.line or row.line
            if row.policy is not None and wanted.policy is None:
                wanted.policy, wanted.line = row.policy, row.line
                wanted.size += _ROW + len(row.policy)
            elif row.policy is not None and row.policy != wanted.policy:
                self.found.refuse(row.line, tenant, pattern, _disagreement(row, wanted))
            if pattern is None:
                continue
            if pattern in wanted.origins:
                text = gettext("%(pattern)s stands in line %(line)d already; leave one of the two.")
                first, _ = wanted.origins[pattern]
                self.found.refuse(row.line, tenant, pattern, text % {"pattern": quoted(pattern), "line": first})
                continue
            try:
                check_count(len(wanted.origins) + 1, limits, pattern)
            except LimitError as error:
                self.found.refuse(row.line, tenant, pattern, said(error))
            else:
                wanted.origins[pattern] = (row.line, row.origin)
                wanted.size += _ROW + len(row.origin or "")
        return wanted

    def _add(self, wanted: _Wanted, plan: Plan) -> None:
        if wanted.policy is None:
            return  # it is refused, and without it there is nothing to add an origin to
        policy = TenantPolicy(tenant=wanted.tenant)
        changes = _applied(policy, POLICY, json.loads(wanted.policy))  # what is another than the default
        if self._refuses(policy, wanted):
            return
        self.found.add(Kind.ADDED, wanted.line, wanted.tenant, None, changes)
        plan.new_policies.append(policy)
        for pattern, (line, values) in wanted.origins.items():
            self._add_origin(policy, line, pattern, values, plan)

    def _add_origin(self, policy: TenantPolicy, line: int, pattern: str, values: str | None, plan: Plan) -> None:
        if values is not None:
            origin = AllowedOrigin(pattern=pattern)
            changes = _applied(origin, ORIGIN, json.loads(values))
            self.found.add(Kind.ADDED, line, policy.tenant, pattern, changes)
            plan.new_origins.append((policy, origin))
            if policy.pk is not None:
                plan.touched.add(policy.pk)

    def _change(self, wanted: _Wanted, policy: TenantPolicy, stored: Iterable[AllowedOrigin], plan: Plan) -> None:
        if wanted.policy is not None:
            changes = _applied(policy, POLICY, json.loads(wanted.policy))
            if not self._refuses(policy, wanted):
                self._tell(wanted.line, policy.tenant, None, changes)
                if changes:
                    plan.changed_policies.append(policy)
                    plan.touched.add(policy.pk)
        for origin in stored:
            line, values = wanted.origins.pop(origin.pattern, (None, None))
            if line is None:
                self.found.add(Kind.REMOVED, None, policy.tenant, origin.pattern)
                plan.gone_origins.append(origin.pk)
                plan.touched.add(policy.pk)
            elif values is not None:
                changes = _applied(origin, ORIGIN, json.loads(values))
                self._tell(line, policy.tenant, origin.pattern, changes)
                if changes:
                    plan.changed_origins.append(origin)
                    plan.touched.add(policy.pk)
        for pattern, (line, values) in wanted.origins.items():
            self._add_origin(policy, line, pattern, values, plan)

    def _tell(self, line: int, tenant: str, pattern: str | None, changes: tuple[Change, ...]) -> None:
        self.found.add(Kind.CHANGED if changes else Kind.UNCHANGED, line, tenant, pattern, changes)

    def _refuses(self, policy: TenantPolicy, wanted: _Wanted) -> bool:
        faults = _faults(policy, (), POLICY)
        if faults:
            self.found.refuse(wanted.line, wanted.tenant, None, " ".join(faults))
        return bool(faults)

    def _removals(self) -> Iterator[Plan]:
        plan, removed = Plan(), 0
        for policy, origins in in_pages(self.alias, self.allowed, whole=True):
            if self.spool.names(policy.tenant):
                continue
            for pattern in (None, *(origin.pattern for origin in origins)):
                self.found.add(Kind.REMOVED, None, policy.tenant, pattern)
                removed += 1
            plan.gone_policies.append(policy.pk)
            if removed >= MAX_REMOVED or len(plan.gone_policies) >= BATCH:
                yield plan
                plan, removed = Plan(), 0
        yield plan


def _disagreement(row: Spooled, wanted: _Wanted) -> str:
    before, after = json.loads(wanted.policy or ""), json.loads(row.policy or "")
    [name, *_] = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    text = gettext(
        "%(column)s is %(value)s here and %(other)s in line %(line)d; write the same in all rows of a tenant."
    )
    values = {"value": quoted(as_cell(after.get(name))), "other": quoted(as_cell(before.get(name)))}
    return text % {"column": name, "line": wanted.line, **values}


def _applied(instance: Any, columns: tuple[Column, ...], values: Mapping[str, Value]) -> tuple[Change, ...]:
    """Set what a row says, and give what that changes."""
    stored = values_of(instance, columns)
    apply(instance, columns, values)
    return tuple(
        Change(column.name, as_cell(stored[column.field]), as_cell(values[column.field]))
        for column in columns
        if values.get(column.field, stored[column.field]) != stored[column.field]
    )
