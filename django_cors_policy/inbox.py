"""The inbox: what the database keeps of the origins that were denied, and how much of it.

Nothing here goes through the feed: what was denied is no policy. Rows are always locked in the order of their primary
keys, so that no two processes wait for each other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter

from django.conf import settings
from django.db import models, transaction
from django.db.models import Count, F, QuerySet, Value
from django.db.models.functions import Greatest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_cors_policy.feed import TENANT_LENGTH, NeverInFixtures

BATCH = 400  # rows in one statement, which names each twice; SQLite used to stop at 999 parameters
KEPT = 100  # rows of a tenant, and as many more that are ignored
NEWEST = 20  # of these, whatever their count
KEEP = timedelta(days=30)

ORIGIN_LENGTH = 300  # characters, cors.origins.MAX_ORIGIN
PATH_LENGTH = 200
METHOD_LENGTH = 32


class BlockedOrigin(models.Model):
    """An origin that was denied at a tenant, or, where ``tenant`` is empty, at what is no stored tenant's.

    ``method`` and ``path`` are those of one of the requests. ``would`` says what a policy in shadow mode would have
    done: "", "allow", "block" or "change".
    """

    tenant = models.CharField(_("tenant"), max_length=TENANT_LENGTH, blank=True)
    origin = models.CharField(_("origin"), max_length=ORIGIN_LENGTH)
    reason = models.CharField(_("reason"), max_length=32)
    would = models.CharField(_("in shadow mode"), max_length=16, blank=True, default="")
    count = models.PositiveBigIntegerField(_("count"), default=0)
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))
    method = models.CharField(_("method"), max_length=METHOD_LENGTH)
    path = models.CharField(_("path"), max_length=PATH_LENGTH)
    ignored = models.BooleanField(_("ignored"), default=False)

    nowhere = NeverInFixtures()  # what was sent to one site says nothing of another
    objects = models.Manager["BlockedOrigin"]()

    class Meta:
        base_manager_name = "nowhere"
        verbose_name = _("blocked origin")
        verbose_name_plural = _("blocked origins")
        constraints = (models.UniqueConstraint(fields=("tenant", "origin"), name="cors_policy_blocked_unique"),)
        # The last three are what the admin's list is filtered by, in its order.
        indexes = (
            models.Index(fields=("tenant", "-last_seen"), name="cors_policy_blocked_tenant"),
            models.Index(fields=("-last_seen", "-id"), name="cors_policy_blocked_seen"),
            *(
                models.Index(fields=(name, "-last_seen", "-id"), name=f"cors_policy_blocked_{name}")
                for name in ("ignored", "reason", "would")
            ),
        )

    def __str__(self) -> str:
        return self.origin


@dataclass(slots=True, eq=False)
class Seen:
    """What was seen of an origin at a tenant: between ``count - error`` and ``count`` denials.

    The moments are in seconds since the epoch.
    """

    tenant: str
    origin: str
    reason: str
    method: str
    path: str
    first_seen: float
    last_seen: float
    would: str = ""
    count: int = 1
    error: int = 0


def add(seen: Sequence[Seen], using: str) -> list[Seen]:
    """Add what was seen of at most BATCH origins to their rows, all or nothing; give what has lost its row meanwhile.

    No count is lost to another process that does the same.
    """
    keys = _find(seen, using)
    missing = [each for each in seen if (each.tenant, each.origin) not in keys]
    if missing:
        # Made empty and by themselves: only a statement that adds is right whoever made the row.
        BlockedOrigin.objects.using(using).bulk_create(map(_row, missing), ignore_conflicts=True)
        keys = _find(seen, using)
    # Where the collation is blind to case, as MariaDB's is by default, one row stands for all spellings of an origin.
    # Two tenants are two all the same: where another's row is in the way, there is none for this one.
    rows = BlockedOrigin.objects.using(using)
    folded = {(tenant, origin.lower()): key for (tenant, origin), key in keys.items()}
    found: list[tuple[int, Seen]] = []
    gone: list[Seen] = []
    for each in seen:
        key = keys.get((each.tenant, each.origin)) or folded.get((each.tenant, each.origin.lower()))
        if key is not None:
            found.append((key, each))
        elif not rows.filter(tenant=each.tenant, origin=each.origin).exists():
            gone.append(each)
    # One by one: bulk_update() locks the rows in whatever order the database finds them, and takes as long.
    with transaction.atomic(using=using):
        gone += [each for key, each in sorted(found, key=itemgetter(0)) if not _update(key, each, using)]
    return gone


def _find(seen: Iterable[Seen], using: str) -> dict[tuple[str, str], int]:
    tenants, origins = {each.tenant for each in seen}, {each.origin for each in seen}
    rows = BlockedOrigin.objects.using(using).filter(tenant__in=tenants, origin__in=origins)
    return {(tenant, origin): key for key, tenant, origin in rows.values_list("pk", "tenant", "origin")}


def _row(seen: Seen) -> BlockedOrigin:
    return BlockedOrigin(
        tenant=seen.tenant,
        origin=seen.origin,
        reason=seen.reason,
        would=seen.would,
        first_seen=_moment(seen.first_seen),
        last_seen=_moment(seen.last_seen),
        method=seen.method,
        path=seen.path,
    )


def _update(key: int, seen: Seen, using: str) -> int:
    last_seen = Value(_moment(seen.last_seen), output_field=models.DateTimeField())
    return (
        BlockedOrigin.objects.using(using)
        .filter(pk=key)
        .update(
            count=F("count") + seen.count - seen.error,
            last_seen=Greatest("last_seen", last_seen),
            reason=seen.reason,
            would=seen.would,
            method=seen.method,
            path=seen.path,
        )
    )


def _moment(seconds: float) -> datetime:
    moment = datetime.fromtimestamp(seconds, tz=timezone.get_default_timezone())
    return moment if settings.USE_TZ else timezone.make_naive(moment)


# --- bounds ----------------------------------------------------------------------------------------------------------


def trim(tenants: Sequence[str], using: str) -> None:
    """Remove what is beyond KEPT of at most BATCH tenants, and of the ignored those unseen longest.

    The heaviest stay, and the NEWEST: whoever sends a hundred origins often hides none that comes after.
    """
    rows = BlockedOrigin.objects.using(using)
    counted = rows.filter(tenant__in=tenants).order_by().values_list("tenant", "ignored").annotate(rows=Count("pk"))
    for tenant, ignored, _number in counted.filter(rows__gt=KEPT):
        own = rows.filter(tenant=tenant, ignored=ignored)
        keys = own.order_by("-last_seen", "-pk").values_list("pk", flat=True)
        newest = list(keys[: KEPT if ignored else NEWEST])
        others = own.exclude(pk__in=newest).order_by("-count", "-last_seen", "-pk").values_list("pk", flat=True)
        kept = KEPT - len(newest)
        remove(own, list(others[kept : kept + BATCH]), using)


def prune(now: float, using: str) -> None:
    """Remove what has not been seen for KEEP, ignored or not; ``now`` is in seconds since the epoch."""
    old = BlockedOrigin.objects.using(using).filter(last_seen__lt=_moment(now) - KEEP)
    while keys := list(old.order_by("last_seen").values_list("pk", flat=True)[:BATCH]):
        remove(old, keys, using)


# --- what people do --------------------------------------------------------------------------------------------------


def remove(rows: QuerySet[BlockedOrigin], keys: Sequence[int], using: str) -> int:
    """Delete those of the keys that still are among the rows: one may have been seen again, or ignored."""
    with transaction.atomic(using=using):
        return _locked(rows, keys, using).delete()[0]


def ignore(rows: QuerySet[BlockedOrigin], keys: Sequence[int], using: str, *, ignored: bool) -> int:
    """Ignore those of the keys that still are among the rows, or show them again; give how many."""
    with transaction.atomic(using=using):
        return _locked(rows, keys, using).update(ignored=ignored)


def _locked(rows: QuerySet[BlockedOrigin], keys: Sequence[int], using: str) -> QuerySet[BlockedOrigin]:
    locked = rows.using(using).filter(pk__in=keys).order_by("pk").select_for_update()
    return BlockedOrigin.objects.using(using).filter(pk__in=list(locked.values_list("pk", flat=True)))
