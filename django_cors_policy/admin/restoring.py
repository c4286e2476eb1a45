"""Bringing an earlier version of a policy back."""

from copy import copy
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils.translation import gettext

from django_cors_policy import conf
from django_cors_policy.admin.differences import label_of
from django_cors_policy.cors import LimitError, check_count
from django_cors_policy.history import PolicyHistory, Side, Unknown, as_json, changes_of, undo
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.wording import said

MOST_UNDONE = 10_000  # changes


def state_of(policy: TenantPolicy) -> Side:
    """Give a stored policy whole, as the history has it; None for one that is not stored."""
    if policy._state.adding:
        return None
    origins = {origin.pattern: _told(origin) for origin in policy.origins.all()}
    return {**_told(policy), **({"origins": origins} if origins else {})}


def _told(row: TenantPolicy | AllowedOrigin) -> dict[str, Any]:
    return {name: as_json(getattr(row, name)) for name in row.told if name != "pattern"}


def state_after(entry: PolicyHistory, tenant: str, present: Side) -> dict[str, Any]:
    """Give what a tenant's policy was right after a change; after its deletion, what was deleted.

    Raises Unknown where the history does not lead there.
    """
    if entry.before is not None and entry.after is None:
        return undo(None, [entry]) or {}
    newer = changes_of(tenant).filter(pk__gt=entry.pk)
    # A deletion tells the whole policy, so the way need not begin in the present.
    deletion = newer.filter(before__isnull=False, after__isnull=True).last()
    if deletion is not None:
        newer, present = newer.filter(pk__lte=deletion.pk), None
    if newer[MOST_UNDONE:].exists():
        raise Unknown(f"more than {MOST_UNDONE} changes came after change {entry.pk}")
    state = undo(present, newer.iterator())
    if state is None:
        raise Unknown(f"there was no policy after change {entry.pk}")
    return state


@dataclass(frozen=True, slots=True)
class Restoration:
    """What restoring a version writes, and why it cannot be restored: a sentence for each fault."""

    policy: TenantPolicy
    kept: list[AllowedOrigin]
    added: list[AllowedOrigin]
    changed: list[AllowedOrigin]
    removed: list[AllowedOrigin]
    faults: list[str]

    @property
    def origins(self) -> list[AllowedOrigin]:
        return [*self.kept, *self.changed, *self.added]

    def write(self) -> None:
        """Write it; in one change, and under the writers' lock."""
        self.policy.save()
        # First what goes: a changed origin may take its canonical form, which one that goes has.
        AllowedOrigin.objects.filter(pk__in=[origin.pk for origin in self.removed]).delete()
        for origin in self.changed:
            origin.save()
        for origin in self.added:
            origin.policy = self.policy  # it has a primary key by now
        AllowedOrigin.objects.bulk_create(self.added)


def restoration(policy: TenantPolicy, state: dict[str, Any]) -> Restoration:
    """Plan how a policy becomes what it was; ``policy`` is as stored, or one to add with nothing but its key."""
    restored = copy(policy)
    _take(restored, state)
    made = Restoration(restored, [], [], [], [], _faults_of_policy(restored, policy.tenant))
    stored = {} if policy._state.adding else {origin.pattern: origin for origin in policy.origins.all()}
    limits = conf.current().limits
    seen: set[str] = set()
    for pattern, fields in sorted(state.get("origins", {}).items()):
        origin = stored.pop(pattern, None) or AllowedOrigin(policy=restored, pattern=pattern)
        before = _told(origin)
        _take(origin, fields)
        made.faults.extend(f"{pattern}: {fault}" for fault in _faults_of_origin(origin, seen))
        seen.add(origin.pattern)
        if origin._state.adding:
            made.added.append(origin)
        elif (origin.pattern, _told(origin)) != (pattern, before):
            made.changed.append(origin)
        else:
            made.kept.append(origin)
    made.removed.extend(stored.values())
    try:
        check_count(len(seen), limits, max(seen, default=""))
    except LimitError as error:
        made.faults.append(said(error))
    return made


def _take(row: TenantPolicy | AllowedOrigin, fields: dict[str, Any]) -> None:
    """Set what a version tells; a field that the models had not then stays as it is."""
    for name in row.told:
        if name in fields:
            field: Any = row._meta.get_field(name)
            setattr(row, name, field.to_python(fields[name]))


def _faults_of_policy(policy: TenantPolicy, tenant: str) -> list[str]:
    faults: list[str] = []
    try:
        policy.full_clean()
    except ValidationError as error:
        for name, messages in error.message_dict.items():
            label = "" if name == NON_FIELD_ERRORS else f"{label_of(TenantPolicy, name)}: "
            faults.extend(f"{label}{message}" for message in messages)
    if policy._state.adding and policy.tenant != tenant:
        text = gettext("Today the tenant's key would be %(key)s: add a policy of that key instead.")
        faults.append(text % {"key": policy.tenant})
    policy.tenant = tenant
    return faults


def _faults_of_origin(origin: AllowedOrigin, seen: set[str]) -> list[str]:
    origin.counted_by_form = True  # all of them are counted together
    try:
        origin.full_clean(exclude={"policy"}, validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        return list(error.messages)
    return [gettext("This policy lists the origin already.")] if origin.pattern in seen else []
