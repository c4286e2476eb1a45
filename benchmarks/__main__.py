"""The table of costs, beside django-cors-headers and a middleware that does nothing.

Exits with 1 if a gate is missed, and with 2 if something that it needs is not there. What needs a database has one of
its own, on the PostgreSQL server that DATABASE_URL names, and drops it at the end.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import django

from benchmarks.database import own_database
from benchmarks.needs import NeedError, need_package, need_program
from benchmarks.report import document, exit_code, rst, text
from benchmarks.timing import Row

ROUNDS = 80
SHORT_ROUNDS = 24

# What can be measured by itself, in the order of the rows: each module's measure() gives them.
PARTS = {
    "cases": "benchmarks.cases",
    "tenants": "benchmarks.tenants",
    "throughput": "benchmarks.throughput",
    "freshness": "benchmarks.freshness",
    "size": "benchmarks.size",
}
WITHOUT_POSTGRESQL = {"cases", "size"}
WITH_GUNICORN = {"throughput", "freshness"}


def measure(parts: Collection[str], rounds: int, *, short: bool) -> list[Row]:
    """Measure these parts, with Django set up, for a few tenants or for all."""
    from benchmarks.tenants import FEW, MANY, make_tenants  # noqa: PLC0415 -- it needs Django set up

    make_tenants(FEW if WITHOUT_POSTGRESQL.issuperset(parts) else MANY)
    rows: list[Row] = []
    for name, path in PARTS.items():
        if name in parts:
            module = import_module(path)
            rows += module.measure(short=short) if name == "size" else module.measure(rounds)
    return rows


def prepare(parts: Collection[str], stack: ExitStack) -> None:
    """See to it that what the parts need is there until the stack is closed; raises NeedError."""
    if "throughput" in parts:
        need_program("wrk")
    if not WITH_GUNICORN.isdisjoint(parts):
        need_package("gunicorn")
    if not WITHOUT_POSTGRESQL.issuperset(parts):
        stack.enter_context(own_database())
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    django.setup()


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print a JSON document")
    output.add_argument("--rst", action="store_true", help="print the table as the README has it")
    parser.add_argument("--short", action="store_true", help="fewer rounds, and only half of each ratio is asked for")
    parser.add_argument("--rounds", type=int, help=f"how often all is timed ({ROUNDS}, or {SHORT_ROUNDS} with --short)")
    parser.add_argument("--only", action="append", choices=PARTS, help="measure this part; may be given more than once")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.svg", help="also draw the cost against the number of origins"
    )
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (SHORT_ROUNDS if options.short else ROUNDS)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    parts = options.only or list(PARTS)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends servers and drops the database
    with ExitStack() as stack:
        try:
            prepare(parts, stack)
        except NeedError as error:
            print(error, file=sys.stderr)
            return 2
        rows = measure(parts, options.rounds, short=options.short)
        if options.plot is not None:
            from benchmarks import plot  # noqa: PLC0415 -- it needs Django set up

            options.plot.write_text(plot.draw(plot.measure(options.rounds)))
        if options.json:
            print(json.dumps(document(rows, rounds=options.rounds, short=options.short), indent=2))
        else:
            print((rst if options.rst else text)(rows, short=options.short))
    return exit_code(rows, short=options.short)


if __name__ == "__main__":
    sys.exit(main())
