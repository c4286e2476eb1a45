"""manage.py cors_import: stored policies from a file."""

import sqlite3
import sys
import tempfile
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, connections

from django_cors_policy.audit.report import encodable
from django_cors_policy.cors import quoted
from django_cors_policy.transfer import Kind, Result, Row, import_policies

_ENDS = {".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json"}


class Command(BaseCommand):
    help = "Bring the stored CORS policies to what a file says, as cors_export writes it: all of it, or nothing."
    requires_system_checks: list[str] = []  # noqa: RUF012 -- it is for when something is wrong

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="the file; - for standard input")
        parser.add_argument("--format", choices=("csv", "json"), help="what it is, if its name does not end so")
        parser.add_argument("--dry-run", action="store_true", help="show what would change, and write nothing")
        parser.add_argument(
            "--remove-missing", action="store_true", help="remove the policies of tenants that the file does not name"
        )
        parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")
        parser.add_argument(
            "--database",
            choices=tuple(connections),
            metavar="ALIAS",
            help="write to this database; by default to the one that policies are written to",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        path = options["file"]
        kind = options["format"] or _ENDS.get(Path(path).suffix.lower())
        if kind is None:
            raise CommandError(f"give --format: {quoted(path)} does not end in .csv or .json", returncode=2)
        # Nobody reads what is shown before the writers' lock is free: a pager would hold it.
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace", newline="\n") as shown:
            try:
                if path == "-":
                    result = self._import(sys.stdin.buffer, kind, shown, options)
                else:
                    with open(path, "rb") as file:
                        result = self._import(file, kind, shown, options)
            except (Error, ImproperlyConfigured) as error:
                message = f"nothing is written, the database cannot be used: {quoted(str(error))}"
                raise CommandError(message, returncode=2) from error
            except (OSError, ValueError, sqlite3.Error) as error:
                why = getattr(error, "strerror", None) or str(error)
                raise CommandError(f"nothing is written, {quoted(path)} cannot be read: {why}", returncode=2) from error
            shown.seek(0)
            for line in shown:
                self.stdout.write(encodable(line, self.stdout), ending="")
        self._conclude(result, dry_run=options["dry_run"])

    def _import(self, file: BinaryIO, kind: str, shown: TextIO, options: dict[str, Any]) -> Result:
        def show(row: Row) -> None:
            shown.write(f"{row.as_text()}\n")

        return import_policies(
            file,
            kind,
            dry_run=options["dry_run"],
            remove_missing=options["remove_missing"],
            actor="cors_import",
            reason=options["reason"],
            using=options["database"],
            kept=0,
            show=show,
        )

    def _conclude(self, result: Result, *, dry_run: bool) -> None:
        counts = ", ".join(f"{result.counts.get(kind, 0)} {kind}" for kind in Kind)
        if result.counts.get(Kind.REFUSED):
            self.stdout.write(f"{counts}. Nothing is written: correct what is refused.")
            sys.exit(1)
        self.stdout.write(f"{counts}. {'Nothing is written: a dry run.' if dry_run else 'Written.'}")
