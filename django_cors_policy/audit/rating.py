"""The gravest severity of each stored policy, kept beside it so that the admin can filter by it."""

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable

from django.db import transaction
from django.db.models import QuerySet

from django_cors_policy.audit.tenants import BATCH, findings_of, with_origins
from django_cors_policy.cors.lint import Finding
from django_cors_policy.feed import EVERYTHING
from django_cors_policy.models import TenantPolicy

RATED_AT_ONCE = 100  # policies, while their writer keeps others waiting

logger = logging.getLogger("django_cors_policy")


def rating(findings: Iterable[Finding]) -> int:
    """Give what is kept: 0 where nothing is found, else one more than the gravest severity's rank."""
    return max((found.severity.rank + 1 for found in findings), default=0)


def rate(using: str, tenants: Collection[str], **_: object) -> None:
    """Rate these tenants' policies anew; where it cannot be told which, or they are many, nobody has looked at any.

    A policy that cannot be rated is saved all the same, as one that nobody has looked at.
    """
    rows = _rows(using)
    if EVERYTHING in tenants or len(tenants) > RATED_AT_ONCE:
        changed = rows if EVERYTHING in tenants else rows.filter(tenant__in=tenants)
        changed.filter(risk__isnull=False).update(risk=None)
        return
    try:
        with transaction.atomic(using=using):
            _rate(list(rows.filter(tenant__in=tenants)), using)
    except Exception:  # advice that cannot be given must not undo the save
        logger.exception("CORS: policies cannot be rated")
        rows.filter(tenant__in=tenants).update(risk=None)


def rate_all(using: str) -> int:
    """Rate every policy, enabled or not, a page at a time; give their number. Raises django.db.Error."""
    rows = TenantPolicy.objects.using(using).order_by("pk")
    page, rated = list(rows[:BATCH]), 0
    while page:
        _rate(page, using)
        rated += len(page)
        page = list(rows.filter(pk__gt=page[-1].pk)[:BATCH])
    return rated


def _rate(policies: list[TenantPolicy], using: str) -> None:
    by_rating = defaultdict(list)
    for policy, origins in with_origins(policies, using):
        by_rating[rating(findings_of(policy, origins))].append(policy.pk)
    for risk, keys in by_rating.items():
        _rows(using).filter(pk__in=keys).update(risk=risk)


def _rows(using: str) -> QuerySet[TenantPolicy]:
    # Not by the recording queryset: a rating is no change of the policy's.
    return QuerySet(TenantPolicy, using=using)
