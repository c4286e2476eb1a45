"""The table of costs, as text or JSON; exits 1 if a gate is missed."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import django

from benchmarks.timing import Row

JSON_VERSION = 1
ROUNDS = 60
SHORT_ROUNDS = 15


def verdict(row: Row, *, short: bool) -> str:
    if row.gate is None:
        return ""
    return "MISSED" if row.is_missed(short=short) else "ok"


def text(rows: Sequence[Row], *, short: bool) -> str:
    """Lay the rows out as a table, in which times are microseconds of one request."""
    table: list[tuple[str, ...]] = [("case", "ours us", "theirs us", "reference us", "measured", "gate", "aim", "")]
    for row in rows:
        times = ["" if cost is None else f"{cost:,.2f}" for cost in (row.ours, row.theirs, row.reference)]
        sign = ">=" if row.at_least else "<="
        targets = ["" if target is None else f"{sign} {target:,}" for target in (row.gate, row.aim)]
        measured = f"{row.value:,.2f}".removesuffix(".00") + row.unit
        table.append((row.case, *times, measured, *targets, verdict(row, short=short)))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for case, *cells in table:
        right = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join((case.ljust(widths[0]), *right)).rstrip())
    return "\n".join(lines)


def document(rows: Sequence[Row], *, rounds: int, short: bool) -> dict[str, Any]:
    """Give the same as data; ``version`` changes when a name in it does."""
    return {
        "version": JSON_VERSION,
        "python": platform.python_version(),
        "django": django.get_version(),
        "django-cors-headers": version("django-cors-headers"),
        "rounds": rounds,
        "short": short,
        "rows": [{**asdict(row), "missed": row.is_missed(short=short)} for row in rows],
    }


def exit_code(rows: Sequence[Row], *, short: bool) -> int:
    return int(any(row.is_missed(short=short) for row in rows))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print a JSON document")
    parser.add_argument("--short", action="store_true", help="fewer rounds, and only half of each gate is asked for")
    parser.add_argument("--rounds", type=int, help=f"how often all is timed ({ROUNDS}, or {SHORT_ROUNDS} with --short)")
    options = parser.parse_args(arguments)
    rounds = options.rounds or (SHORT_ROUNDS if options.short else ROUNDS)

    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    django.setup()
    from benchmarks.cases import measure  # noqa: PLC0415 -- it needs Django set up

    rows = measure(rounds)
    if options.json:
        print(json.dumps(document(rows, rounds=rounds, short=options.short), indent=2))
    else:
        print(text(rows, short=options.short))
    return exit_code(rows, short=options.short)


if __name__ == "__main__":
    sys.exit(main())
