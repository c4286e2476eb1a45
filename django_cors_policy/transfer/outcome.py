"""What becomes of a file's rows, for people to read."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django_cors_policy.audit.report import one_line
from django_cors_policy.cors import quoted

KEPT = 100  # rows of each kind that a Result holds


class Kind(StrEnum):
    """What becomes of a row: of a policy's own columns, or of one origin."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Change:
    """A column that changes, and what it says before and after, as in a cell."""

    column: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Row:
    """What becomes of a policy, or of one of its origins where ``pattern`` is not None.

    ``line`` is the file's, None for what it does not name. ``reason`` says why a row is refused, and what to write.
    """

    kind: Kind
    line: int | None
    tenant: str
    pattern: str | None
    changes: tuple[Change, ...] = ()
    reason: str = ""

    def as_text(self) -> str:
        """Give the row as one line of text."""
        parts = [f"{self.kind:<8}", "" if self.line is None else f"line {self.line}", one_line(self.tenant[:300])]
        parts.append("" if self.pattern is None else one_line(self.pattern[:300]))
        parts += [f"{change.column}: {quoted(change.before)} -> {quoted(change.after)}" for change in self.changes]
        return "  ".join(part for part in (*parts, one_line(self.reason)) if part)


@dataclass(frozen=True, slots=True)
class Result:
    """How many rows of each kind a file has, the first of each but the unchanged, and whether they are written."""

    counts: Mapping[Kind, int]
    rows: tuple[Row, ...]
    written: bool


@dataclass(slots=True)
class Found:
    """What became of the rows so far."""

    show: Callable[[Row], object]
    kept: int
    counts: Counter[Kind] = field(default_factory=Counter)
    rows: list[Row] = field(default_factory=list)

    def add(self, kind: Kind, line: int | None, tenant: str, pattern: str | None, *args: Any) -> None:
        self.counts[kind] += 1
        if kind is not Kind.UNCHANGED:
            row = Row(kind, line, tenant, pattern, *args)
            if self.counts[kind] <= self.kept:
                self.rows.append(row)
            self.show(row)

    def refuse(self, line: int | None, tenant: str, pattern: str | None, reason: str) -> None:
        self.add(Kind.REFUSED, line, tenant, pattern, (), reason)

    @property
    def refused(self) -> bool:
        return self.counts[Kind.REFUSED] > 0
