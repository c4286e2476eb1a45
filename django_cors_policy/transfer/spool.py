"""A sort file: the rows of one tenant stand anywhere in a file, and are needed together."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Self

from django_cors_policy.transfer.rows import PATTERN, Value

_CACHE = 8_000  # KB in memory; the rest is on disk


@dataclass(frozen=True, slots=True)
class Spooled:
    """A row that was read: ``policy`` and ``origin`` as JSON, or None where nothing is known of it.

    ``pattern`` is empty where the row names no origin. ``origin`` is None for one that was refused.
    """

    line: int
    policy: str | None
    pattern: str
    origin: str | None


class Spool:
    """Rows on disk, given back by tenant, and those of one tenant in the order of the file. Raises sqlite3.Error.

    SQLite's own temporary database: nobody else can open it, it is unlinked as soon as it is there, and gone whatever
    happens to the process.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        for statement in (
            f"PRAGMA cache_size = -{_CACHE}",
            "PRAGMA temp_store = FILE",
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "CREATE TABLE spooled (tenant TEXT, line INTEGER, policy TEXT, pattern TEXT, origin TEXT)",
            "BEGIN",
        ):
            self._database.execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(
        self,
        tenant: str,
        line: int,
        policy: Mapping[str, Value] | None,
        pattern: str,
        origin: Mapping[str, Value] | None,
    ) -> None:
        """Put a row in; what is None of it is not known."""
        own = None if policy is None else json.dumps(policy)
        # The pattern has a column of its own.
        rest = None if origin is None else json.dumps({key: value for key, value in origin.items() if key != PATTERN})
        self._database.execute("INSERT INTO spooled VALUES (?, ?, ?, ?, ?)", (tenant, line, own, pattern, rest))

    def sort(self) -> None:
        """Make by_tenant() and names() quick, once all rows are in."""
        self._database.execute("CREATE INDEX by_tenant ON spooled (tenant)")

    def by_tenant(self) -> Iterator[tuple[str, Iterator[Spooled]]]:
        """Give the rows of each tenant; they have to be taken before the next tenant's are."""
        rows = self._database.execute(
            "SELECT tenant, line, policy, pattern, origin FROM spooled ORDER BY tenant, spooled.rowid"
        )
        for tenant, group in groupby(rows, key=lambda row: row[0]):
            yield tenant, (Spooled(*row[1:]) for row in group)

    def names(self, tenant: str) -> bool:
        """Tell whether a tenant has a row."""
        found = self._database.execute("SELECT 1 FROM spooled WHERE tenant = ? LIMIT 1", (tenant,))
        return found.fetchone() is not None

    def is_empty(self) -> bool:
        """Tell whether no tenant has a row."""
        return self._database.execute("SELECT 1 FROM spooled LIMIT 1").fetchone() is None
