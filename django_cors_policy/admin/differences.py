"""What differs between two versions of a policy, in words for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.utils import formats, timezone
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext, ngettext

from django_cors_policy.feed import EVERYTHING
from django_cors_policy.history import PolicyHistory, Side
from django_cors_policy.models import AllowedOrigin, TenantPolicy

MOST_ORIGINS = 20  # of one change
MOST_TEXT = 500  # characters of one value


@dataclass(frozen=True, slots=True)
class Difference:
    """A field by its label, with what it was and what it is; one that was not there before has None."""

    label: str
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class OriginDifference:
    """An origin that is "added", "removed" or "changed", and its fields that tell more."""

    pattern: str
    how: str
    label: str
    fields: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Differences:
    """The fields and origins that differ, and how many more origins do than are named."""

    fields: tuple[Difference, ...] = ()
    origins: tuple[OriginDifference, ...] = ()
    more: int = 0

    def __bool__(self) -> bool:
        return bool(self.fields or self.origins)


@dataclass(frozen=True, slots=True)
class ShownChange:
    """A change as a page shows it; ``said`` is what the differences do not tell."""

    number: int
    when: datetime
    who: str
    how: str
    why: str
    said: str
    differences: Differences


def shown(entry: PolicyHistory, *, sees_all: bool) -> ShownChange:
    """Put a change in words; of one that touched many tenants, only those who see all are told by whom and why."""
    is_told = sees_all or entry.tenant != EVERYTHING
    how = entry.get_action_display()
    said, differ = "", Differences()
    if entry.before is None and entry.after is None:
        if entry.tenant == EVERYTHING:
            said = gettext("Many policies were changed at once; what they were is not kept.")
        else:
            said = gettext("Too much was changed at once; what it was is not kept.")
    elif entry.after is None:
        said = gettext("The policy was deleted.")
    else:
        said = gettext("The policy was created.") if entry.before is None else ""
        differ = differences(entry.before, entry.after)
    who = entry.actor if is_told else ""
    return ShownChange(entry.pk, entry.created_at, who or how, how, entry.reason if is_told else "", said, differ)


def differences(before: Side, after: Side, most: int = MOST_ORIGINS) -> Differences:
    """Say what differs between two versions, or the two sides of a change; without before, from what is usual."""
    old_origins, new_origins = ((side or {}).get("origins", {}) for side in (before, after))
    patterns = sorted(
        pattern for pattern in {**old_origins, **new_origins} if old_origins.get(pattern) != new_origins.get(pattern)
    )
    return Differences(
        _fields(TenantPolicy, before, after or {}),
        tuple(_origin(name, old_origins.get(name), new_origins.get(name)) for name in patterns[:most]),
        max(0, len(patterns) - most),
    )


def _origin(pattern: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> OriginDifference:
    if after is None:
        return OriginDifference(pattern, "removed", gettext("removed"), ())
    how, label = ("added", gettext("added")) if before is None else ("changed", gettext("changed"))
    return OriginDifference(pattern, how, label, _fields(AllowedOrigin, before, after))


def _fields(
    model: type[TenantPolicy | AllowedOrigin], before: Mapping[str, Any] | None, after: Mapping[str, Any]
) -> tuple[Difference, ...]:
    found = []
    for name in model.told:
        usual = _field(model, name).get_default() if before is None else before.get(name)
        if name in after and after[name] != usual:
            was = None if before is None else worded(name, before.get(name))
            found.append(Difference(label_of(model, name), was, worded(name, after[name])))
    return tuple(found)


def label_of(model: type[Model], name: str) -> str:
    """Give a field's name for people."""
    return capfirst(str(_field(model, name).verbose_name))


def _field(model: type[Model], name: str) -> Any:
    return model._meta.get_field(name)


def worded(name: str, value: Any, most: int = MOST_TEXT) -> str:
    """Put a field's value, as JSON has it, in words."""
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if name == "expires_at":
        return gettext("never") if value is None else _moment(value)
    if name == "max_age":
        return ngettext("%(count)d second", "%(count)d seconds", value) % {"count": value}
    return Truncator(value).chars(most) if value else gettext("empty")


def _moment(value: str) -> str:
    moment = datetime.fromisoformat(value)
    return formats.date_format(timezone.localtime(moment) if timezone.is_aware(moment) else moment, "DATETIME_FORMAT")
