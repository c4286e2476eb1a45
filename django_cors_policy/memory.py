"""What a process knows of its tenants, and whom it forgets first."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from django_cors_policy.cors import Policy

SECOND_CHANCES = 100  # recently used entries that one insertion passes over
NEWCOMERS = 10  # one part in so many of a full memory is for tenants that have not been asked for twice


@dataclass(slots=True, eq=False)
class Entry:
    """What is known of a tenant. ``rows`` are kept only while an origin of theirs is yet to expire."""

    policy: Policy | None
    exists: bool
    expires_at: float | None  # seconds since the epoch
    rows: list[tuple[Any, ...]] | None
    used: bool = False


_Part = OrderedDict[str, Entry]


class Memory:
    """Entries by tenant: at most so many tenants, and as many keys that have no policy.

    The two are bounded apart: a scan of host names pushes no customer out. In a full memory a tenant begins as a
    newcomer, and becomes one of the others when it is asked for again: nor does a scan of customers.

    ``entries`` may be read without a lock; whoever calls a method holds one.
    """

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.known: _Part = OrderedDict()
        self.newcomers: _Part = OrderedDict()
        self.unknown: _Part = OrderedDict()

    def __len__(self) -> int:
        """Give the number of tenants."""
        return len(self.known) + len(self.newcomers)

    def keep(self, tenant: str, entry: Entry, size: int) -> None:
        """Add an entry, or put it in the place of the tenant's old one, and forget what is beyond the size."""
        part = self._part_of(tenant)
        if part is not None and (part is self.unknown) is not entry.exists:
            part[tenant] = self.entries[tenant] = entry
            return
        self.forget(tenant)
        self.entries[tenant] = entry
        if not entry.exists:
            self._shrink(self.unknown, size - 1)  # before it comes: it has not been used yet
            self.unknown[tenant] = entry
        elif len(self) < size:
            self.known[tenant] = entry
        else:
            self.newcomers[tenant] = entry
            if len(self.newcomers) > max(1, size // NEWCOMERS):
                self._admit_oldest()
            self._shrink(self.known, size - len(self.newcomers))

    def replace(self, tenant: str, old: Entry, new: Entry) -> None:
        """Put one entry in another's place, unless that one has been forgotten."""
        part = self._part_of(tenant)
        if part is not None and part[tenant] is old:
            part[tenant] = self.entries[tenant] = new

    def clear(self) -> None:
        for entries in (self.entries, self.known, self.newcomers, self.unknown):
            entries.clear()

    def forget(self, tenant: str) -> None:
        part = self._part_of(tenant)
        if part is not None:
            del part[tenant], self.entries[tenant]

    def _part_of(self, tenant: str) -> _Part | None:
        return next((part for part in (self.known, self.newcomers, self.unknown) if tenant in part), None)

    def _admit_oldest(self) -> None:
        tenant, entry = self.newcomers.popitem(last=False)
        if entry.used:
            entry.used = False
            self.known[tenant] = entry
        else:
            del self.entries[tenant]

    def _shrink(self, part: _Part, size: int) -> None:
        chances = SECOND_CHANCES
        while len(part) > size:
            tenant, entry = part.popitem(last=False)
            if entry.used and chances:
                chances -= 1
                entry.used = False
                part[tenant] = entry
            else:
                del self.entries[tenant]
