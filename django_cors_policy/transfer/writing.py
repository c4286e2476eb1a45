"""Writing what an import has found, a bounded part at a time."""

from dataclasses import dataclass, field

from django.utils import timezone

from django_cors_policy.history import Action, change
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.recorded import parts
from django_cors_policy.transfer.rows import ORIGIN, POLICY

_CHANGED_AT_ONCE = 100  # rows of one UPDATE, which has a condition for each row and column


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written of a part of the file.

    ``touched`` are the stored policies that change themselves or in their origins; new origins belong to a policy that
    may be new too. What is gone are primary keys.
    """

    new_policies: list[TenantPolicy] = field(default_factory=list)
    changed_policies: list[TenantPolicy] = field(default_factory=list)
    gone_policies: list[int] = field(default_factory=list)
    new_origins: list[tuple[TenantPolicy, AllowedOrigin]] = field(default_factory=list)
    changed_origins: list[AllowedOrigin] = field(default_factory=list)
    gone_origins: list[int] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)


def write(plan: Plan, alias: str, *, actor: str, reason: str) -> None:
    """Write a part, one entry in the history of each tenant that it touches. Raises django.db.Error."""
    policies, origins = TenantPolicy.objects.using(alias), AllowedOrigin.objects.using(alias)
    with change(actor=actor, action=Action.IMPORT, reason=reason, using=alias):
        for keys in parts(plan.gone_policies):
            policies.filter(pk__in=keys).delete()
        for keys in parts(plan.gone_origins):
            origins.filter(pk__in=keys).delete()
        policies.bulk_update(plan.changed_policies, [column.field for column in POLICY], _CHANGED_AT_ONCE)
        origins.bulk_update(plan.changed_origins, [column.field for column in ORIGIN], _CHANGED_AT_ONCE)
        policies.bulk_create(plan.new_policies)
        # Not every database gives the keys of the rows that it has made.
        made = dict(
            policies.filter(tenant__in=[policy.tenant for policy in plan.new_policies]).values_list("tenant", "pk")
        )
        for policy, origin in plan.new_origins:
            origin.policy_id = policy.pk or made[policy.tenant]
        for new in parts([origin for _, origin in plan.new_origins]):  # the history tells no write of too many rows
            origins.bulk_create(new)
        for keys in parts(sorted(plan.touched)):
            policies.filter(pk__in=keys).update(updated_at=timezone.now())  # as a save would
