"""Who changed which tenant's policy, when and why: one entry for each tenant that a change has touched.

An entry holds what differs, not the whole policy: adding the ten thousandth origin writes as little as the first.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import models, router, transaction
from django.db.models.functions import MD5
from django.dispatch import Signal
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_cors_policy.feed import EVERYTHING, MAX_NAMED, TENANT_LENGTH, NeverInFixtures

ACTOR_LENGTH = 254  # characters of a user's name
POLICY, ORIGIN = "policy", "origin"  # the kinds of rows

# A row by its kind and primary key, and what it holds: its tenant, and its fields as JSON has them.
Row = tuple[str, Any]
State = tuple[str, dict[str, Any]]

Reader = Callable[[list[Any], str], dict[Row, State]]  # primary keys and a database, to rows

readers: dict[str, Reader] = {}  # by the kind of row

# Sent with using and tenants, in the transaction of the writes, when their history has been written.
policies_written = Signal()


class Action(models.TextChoices):
    """Where a change came from."""

    ADMIN = "admin", _("the admin")
    ALLOWED = "allowed", _("a blocked origin was allowed")
    RESTORED = "restored", _("an earlier version was restored")
    IMPORT = "import", _("an import")
    COMMAND = "command", _("a fixture")
    CODE = "code", _("code")


class JSONText(models.TextField):  # type: ignore[type-arg]
    """JSON in a column of text, which nobody searches.

    For Django's own field every system check asks the database whether it knows JSON (Django 6.1 with SQLite), also
    where no database is there yet.
    """

    def from_db_value(self, value: str | None, *_: object) -> Any:
        return None if value is None else json.loads(value)

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else json.dumps(value)


class PolicyHistory(models.Model):
    """One change of one tenant's policy; ``tenant`` is empty where it touched more than can be told.

    ``before`` and ``after`` hold the fields that differ, and under ``origins`` the origins that do, by pattern. Without
    ``before`` there was no policy, without ``after`` there is none any more; without both it is not known what changed.
    """

    id = models.BigAutoField(primary_key=True)
    tenant = models.CharField(_("tenant"), max_length=TENANT_LENGTH, blank=True)
    actor = models.CharField(_("who"), max_length=ACTOR_LENGTH, blank=True)
    action = models.CharField(_("how"), max_length=16, choices=Action.choices)
    before = JSONText(_("before"), null=True)
    after = JSONText(_("after"), null=True)
    reason = models.TextField(_("why"), blank=True)
    created_at = models.DateTimeField(_("when"), default=timezone.now)

    nowhere = NeverInFixtures()  # else one that is loaded takes the place of another
    objects = models.Manager["PolicyHistory"]()

    class Meta:
        base_manager_name = "nowhere"
        verbose_name = _("change of a policy")
        verbose_name_plural = _("changes of policies")
        ordering = ("-pk",)
        indexes = (models.Index(fields=("tenant", "-id"), name="cors_policy_history_tenant"),)

    def __str__(self) -> str:
        tenant = self.tenant or gettext("many tenants")
        return f"{self.pk}: {tenant}"


def of_tenants(rows: models.QuerySet[Any], tenants: Collection[str], field: str = "tenant") -> models.QuerySet[Any]:
    """Leave the rows of exactly these tenants: MariaDB's collation takes Acme for acme, who is somebody else."""
    found = rows.filter(**{f"{field}__in": tenants})  # by the index
    # Digests have no collation. This one every database knows; nobody finds another text of the same letters for it.
    digests = [hashlib.md5(tenant.encode(), usedforsecurity=False).hexdigest() for tenant in tenants]
    exact: models.QuerySet[Any] = found.alias(exact_key=MD5(field)).filter(exact_key__in=digests)
    return exact


def changes_of(tenant: str) -> models.QuerySet[PolicyHistory]:
    """Give a tenant's changes, the newest first, and those that touched more tenants than are told."""
    return of_tenants(PolicyHistory.objects.all(), (tenant, EVERYTHING))


@dataclass(slots=True)
class Change:
    """Writes that make one entry of each tenant's history; ``actor`` and ``reason`` may be set until they are kept."""

    using: str
    actor: str = ""
    action: str = Action.CODE
    reason: str = ""
    connection: object = None  # whose transaction it is
    rows: dict[Row, list[State | None]] = field(default_factory=dict)
    untold: set[str] = field(default_factory=set)  # tenants of writes of too many rows
    told: set[Row] = field(default_factory=set)  # rows of changes within this one, which tell what became of them

    def add(self, found: Mapping[Row, State], left: Mapping[Row, State]) -> None:
        """Add a write: the rows that it found, and those that it left; the others among them are gone."""
        for row in {**found, **left}:
            self.rows.setdefault(row, [found.get(row), None])[1] = left.get(row)

    def read_again(self) -> None:
        """See what is left in the end: a part of the change may have been rolled back."""
        for kind, read in readers.items():
            keys = [row[1] for row in self.rows if row[0] == kind and row not in self.told]
            stored = read(keys, self.using)
            for key in keys:
                self.rows[kind, key][1] = stored.get((kind, key))

    def keep(self) -> None:
        """Write the history, in the transaction of the writes."""
        entries = _entries(self.rows.values())
        names = {*entries, *self.untold}
        if not names:
            return
        if EVERYTHING in names or len(names) > MAX_NAMED:
            names = {EVERYTHING}
            entries = {}
        PolicyHistory.objects.using(self.using).bulk_create(
            PolicyHistory(  # type: ignore[misc]
                tenant=tenant,
                actor=self.actor[:ACTOR_LENGTH],
                action=self.action,
                before=None if tenant in self.untold else entries.get(tenant, (None, None))[0],
                after=None if tenant in self.untold else entries.get(tenant, (None, None))[1],
                reason=self.reason,
            )
            for tenant in sorted(names)
        )
        policies_written.send(sender=PolicyHistory, using=self.using, tenants=frozenset(names))


_current: ContextVar[Change | None] = ContextVar("change", default=None)


@contextmanager
def change(
    *, actor: str = "", action: str = Action.CODE, reason: str = "", using: str | None = None
) -> Iterator[Change]:
    """Make the writes of a block one transaction and, in each tenant's history, one entry with a name and a reason."""
    using = using or router.db_for_write(PolicyHistory)
    with transaction.atomic(using=using):
        made = Change(using, actor, action, reason, connection=transaction.get_connection(using))
        around = _current.get()
        token = _current.set(made)
        try:
            yield made
        finally:
            _current.reset(token)
        made.read_again()
        made.keep()
        if around is not None:
            around.told.update(made.rows)


@contextmanager
def writing(using: str, action: str = Action.CODE) -> Iterator[Change]:
    """Give the change that a write belongs to: that of the block around it, or one of its own."""
    current = _current.get()
    # A context may be copied into another thread, whose connection has a transaction of its own.
    if current is not None and current.connection is transaction.get_connection(using):
        yield current
        return
    made = Change(using, action=action)
    if current is not None:
        made.actor, made.action, made.reason = current.actor, current.action, current.reason
    yield made
    made.keep()


# --- what differs ----------------------------------------------------------------------------------------------------

Side = dict[str, Any] | None


def _entries(rows: Iterable[list[State | None]]) -> dict[str, tuple[Side, Side]]:
    """Give what differs by tenant, before and after."""
    sides: tuple[Any, Any] = (defaultdict(lambda: [None, {}]), defaultdict(lambda: [None, {}]))
    for states in rows:
        if states[0] == states[1]:
            continue
        for side, state in zip(sides, states, strict=True):
            if state is None:
                continue
            tenant, fields = state
            if "pattern" in fields:
                side[tenant][1][fields["pattern"]] = {name: fields[name] for name in fields if name != "pattern"}
            else:
                side[tenant][0] = fields
    before, after = sides
    entries = {}
    for tenant in {**before, **after}:
        (old, old_origins), (new, new_origins) = before[tenant], after[tenant]
        if (old is None) == (new is None):  # else it has come, or gone, and all of it is told
            differ = [name for name in old or {} if old[name] != new[name]]
            old, new = ({name: fields[name] for name in differ} for fields in (old or {}, new or {}))
        entries[tenant] = _side(old, old_origins), _side(new, new_origins)
    return entries


def _side(fields: Side, origins: dict[str, Any]) -> Side:
    if fields is None and not origins:
        return None
    return {**(fields or {}), **({"origins": origins} if origins else {})}


def as_json(value: Any) -> Any:
    """Give a field's value as JSON has it."""
    return value.isoformat() if isinstance(value, datetime) else value


class Unknown(ValueError):  # noqa: N818 -- it is the version that is
    """A version that the history does not lead back to."""


def undo(state: Side, entries: Iterable[PolicyHistory]) -> Side:
    """Give what a policy was before these changes, the newest first; None where there was none.

    ``state`` is the whole policy as it is now. Raises Unknown for a change of which is not known what it was.
    """
    for entry in entries:
        if entry.before is None and entry.after is None:
            raise Unknown(f"change {entry.pk} touched more than the history keeps")
        if entry.before is None:
            state = None
            continue
        before, after = entry.before, entry.after or {}
        state = {**(state or {}), **{name: before[name] for name in before if name != "origins"}}
        gone = after.get("origins", {})
        kept = {name: origin for name, origin in state.get("origins", {}).items() if name not in gone}
        state["origins"] = {**kept, **before.get("origins", {})}
    return state
