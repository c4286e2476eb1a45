"""The rows as a table: plain text, reStructuredText or JSON."""

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from textwrap import fill
from typing import Any

from django.db import connection

from benchmarks.timing import Row

JSON_VERSION = 2
PACKAGES = ("django", "django-cors-headers", "gunicorn", "psycopg")


def verdict(row: Row, *, short: bool) -> str:
    if row.gate is None:
        return ""
    return "MISSED" if row.is_missed(short=short) else "ok"


def measured(row: Row) -> str:
    # Next to 1, the second decimal is what the gate is about.
    value = f"{row.value:,.3f}" if row.unit == "x" and row.value < 2 else f"{row.value:,.2f}".removesuffix(".00")
    return value + row.unit


def targets(row: Row) -> list[str]:
    sign = ">=" if row.at_least else "<="
    return ["" if target is None else f"{sign} {target:,}" for target in (row.gate, row.aim)]


def columns(table: Sequence[Sequence[str]]) -> list[int]:
    """Give the width of each."""
    return [max(map(len, column)) for column in zip(*table, strict=True)]


def text(rows: Sequence[Row], *, short: bool) -> str:
    """Lay the rows out as a table, in which times are microseconds of one request."""
    heading = ("case", "ours us", "theirs us", "reference us", "measured", "middle half", "gate", "aim", "")
    table: list[tuple[str, ...]] = [heading]
    for row in rows:
        times = ["" if cost is None else f"{cost:,.2f}" for cost in (row.ours, row.theirs, row.reference)]
        spread = "" if row.quartiles is None else "{:.3f}-{:.3f}".format(*row.quartiles)
        table.append((row.case, *times, measured(row), spread, *targets(row), verdict(row, short=short)))
    widths = columns(table)
    lines = []
    for case, *cells in table:
        right = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join((case.ljust(widths[0]), *right)).rstrip())
    return "\n".join(lines)


def rst(rows: Sequence[Row], *, short: bool) -> str:
    """Lay them out as the README has them: a table, and the machine below."""
    table: list[tuple[str, ...]] = [("case", "measured", "gate", "aim", "")]
    table += [(row.case, measured(row), *targets(row), verdict(row, short=short)) for row in rows]
    widths = columns(table)
    rule = "  ".join("=" * width for width in widths)
    lines = ["  ".join(map(str.ljust, cells, widths)).rstrip() for cells in table]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule, "", machine_line()])


def document(rows: Sequence[Row], *, rounds: int, short: bool) -> dict[str, Any]:
    """Give the same as data; ``version`` changes when a name in it does."""
    return {
        "version": JSON_VERSION,
        "machine": machine(),
        "rounds": rounds,
        "short": short,
        "rows": [{**asdict(row), "missed": row.is_missed(short=short)} for row in rows],
    }


# --- what it was taken on ---------------------------------------------------------------------------------------------


def machine() -> dict[str, str | int]:
    found: dict[str, str | int] = {"processor": processor(), "cores": os.cpu_count() or 1}
    found["python"] = platform.python_version()
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # those of the extra that these rows do without
            continue
    if connection.vendor == "postgresql":
        major, minor = divmod(connection.pg_version, 10_000)  # type: ignore[attr-defined]
        found["postgresql"] = f"{major}.{minor}"
    return found


def machine_line() -> str:
    names = {"python": "Python", "django": "Django", "postgresql": "PostgreSQL"}
    known = machine()
    processor, cores = known.pop("processor"), known.pop("cores")
    versions = ", ".join(f"{names.get(name, name)} {number}" for name, number in known.items())
    return fill(f"Taken on: {processor}, {cores} cores; {versions}.", width=118)


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Give the processor's name, as the kernel has it."""
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def exit_code(rows: Sequence[Row], *, short: bool) -> int:
    return int(any(row.is_missed(short=short) for row in rows))
