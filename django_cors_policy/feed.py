"""The feed of changes: how a committed write reaches every process.

A write is recorded in the transaction that makes it, by ``recording()``; the store reads what it appends.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import takewhile
from weakref import WeakKeyDictionary

from django.db import Error, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.dispatch import Signal
from django.utils import timezone

EVERYTHING = ""  # the tenant of a change that may touch any of them
MAX_NAMED = 1000  # tenants that one call names; beyond it, it records EVERYTHING
TENANT_LENGTH = 253  # characters, a host's

KEEP_CHANGES = timedelta(days=1)
MAX_CHANGES = 10_000  # rows of the feed; a process that slept through more drops all it knows
NEWEST_KEPT = 1000  # rows that stay whatever their age, as many as a process takes in: it looks for the last it knows
PRUNED_AT_ONCE = 100  # rows of the feed that a write removes, beyond twice those it adds

# Sent with using and tenants when a write has happened, and again when it is committed: what this process knows of
# these tenants is out of date.
policies_changed = Signal()


class NeverInFixtures(models.Manager[models.Model]):
    """An empty default manager: dumpdata finds nothing, for such rows mean nothing in another database."""

    def get_queryset(self) -> models.QuerySet[models.Model]:
        return super().get_queryset().none()


class PolicyRevision(models.Model):
    """One row, only ever locked: writers queue here, so that changes become visible in the order of their revisions."""

    objects = NeverInFixtures()
    rows = models.Manager["PolicyRevision"]()

    class Meta:
        base_manager_name = "objects"

    def __str__(self) -> str:
        return f"the writers' lock {self.pk}"


class PolicyChange(models.Model):
    """One tenant whose policy a committed write has touched, or every tenant where ``tenant`` is empty.

    ``token`` is random: it tells this row from another that has the same revision after a restore.
    """

    revision = models.BigAutoField(primary_key=True)
    token = models.CharField(max_length=16)
    tenant = models.CharField(max_length=TENANT_LENGTH, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = NeverInFixtures()
    rows = models.Manager["PolicyChange"]()

    class Meta:
        base_manager_name = "objects"

    def __str__(self) -> str:
        return f"{self.revision}: {self.tenant or 'every tenant'}"


@contextmanager
def recording(using: str) -> Iterator[set[str]]:
    """Lock the feed, run a block of writes, and append the tenants that it adds to the set it is given.

    The lock comes before the first write and is held until the transaction commits; it is taken in every call, since
    a savepoint that was rolled back may have released it.
    """
    with transaction.atomic(using=using, savepoint=False):
        lock(using)
        touched: set[str] = set()
        yield touched
        if touched:
            _append(touched, using)


def record_everything(using: str) -> None:
    """Tell every process to forget what it knows, after writes that the models do not see (raw SQL, migrations)."""
    with recording(using) as touched:
        touched.add(EVERYTHING)


def lock(using: str, *, nowait: bool = False) -> None:
    """Wait until no other writer has the feed, and have it until the transaction that is under way ends."""
    locked = PolicyRevision.rows.using(using).select_for_update(nowait=nowait).filter(pk=1)
    if not list(locked):  # a flush removed it
        PolicyRevision.rows.using(using).get_or_create(pk=1)
        list(locked.all())


def _append(touched: set[str], using: str) -> None:
    names = {EVERYTHING} if len(touched) > MAX_NAMED or EVERYTHING in touched else touched
    changes = PolicyChange.rows.using(using)
    changes.bulk_create(PolicyChange(tenant=name, token=secrets.token_hex(8)) for name in sorted(names))
    # Now, for the rest of this transaction; and at the commit, for what others loaded before it.
    policies_changed.send(sender=PolicyChange, using=using, tenants=frozenset(names))
    # Of many writes in one transaction not all names are kept until then. What a rollback leaves behind here is told
    # with the next commit, which harms nobody.
    waiting = _waiting.setdefault(transaction.get_connection(using), set())
    waiting |= names
    if len(waiting) > MAX_NAMED:
        waiting.clear()
        waiting.add(EVERYTHING)
    transaction.on_commit(partial(_announce, using), using=using)
    transaction.on_commit(partial(_prune, using, PRUNED_AT_ONCE + 2 * len(names)), using=using)


# What each connection's transaction has touched, to be told at its commit.
_waiting: WeakKeyDictionary[BaseDatabaseWrapper, set[str]] = WeakKeyDictionary()


def _announce(using: str) -> None:
    """Tell what the transaction has touched, the first time that it is called after the commit."""
    names = _waiting.pop(transaction.get_connection(using), None)
    if names is not None:
        policies_changed.send(sender=PolicyChange, using=using, tenants=frozenset(names))


def _prune(using: str, at_most: int) -> None:
    """Remove the oldest rows, a bounded number of them, after the commit.

    In the write's own transaction, under snapshot isolation, a row that another has removed by then fails the write.
    """
    changes = PolicyChange.rows.using(using)
    too_old = timezone.now() - KEEP_CHANGES
    try:
        newest = changes.order_by("-revision").values_list("revision", flat=True).first() or 0
        # Only the oldest are looked at, so that a write's work is bounded whatever the feed has grown to.
        oldest = changes.filter(revision__lte=newest - NEWEST_KEPT).order_by("revision")[:at_most]
        gone = list(
            takewhile(
                lambda row: row[1] < too_old or row[0] <= newest - MAX_CHANGES,
                oldest.values_list("revision", "created_at"),
            )
        )
        if gone:
            # With both ends: of an open range PostgreSQL expects so many rows that it reads a large table whole.
            changes.filter(revision__range=(gone[0][0], gone[-1][0])).delete()
    except Error:
        return  # the write has happened; the next one removes them
