"""manage.py cors_status: what the database knows of the stored policies."""

import json
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, connections

from django_cors_policy.audit.rating import rate_all
from django_cors_policy.audit.report import encodable
from django_cors_policy.cors import quoted
from django_cors_policy.reading import database
from django_cors_policy.status import NotMigrated, status, touch, write_alias


class Command(BaseCommand):
    help = "Show the state of the stored CORS policies and of the feed of their changes, as the database has it."
    requires_system_checks: list[str] = []  # noqa: RUF012 -- it is for when something is wrong

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print a JSON document")
        parser.add_argument(
            "--database",
            choices=tuple(connections),
            metavar="ALIAS",
            help="look at this database; by default at the one that policies are read from",
        )
        parser.add_argument(
            "--touch",
            action="store_true",
            help="tell every process to read all policies anew, after raw SQL; print the revision that says so "
            "(without --database: where policies are written)",
        )
        parser.add_argument(
            "--rate",
            action="store_true",
            help="look at every policy anew and keep its gravest severity, by which the admin filters: after "
            "raw SQL, and after the settings have changed",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            if options["touch"]:
                lines = self._touch(options["database"] or write_alias(), as_json=options["json"])
            elif options["rate"]:
                lines = self._rate(options["database"] or write_alias(), as_json=options["json"])
            else:
                found = status(options["database"] or database())
                lines = [found.as_json()] if options["json"] else list(found.as_text())
        except NotMigrated as error:
            raise CommandError(str(error)) from error
        except (Error, ImproperlyConfigured) as error:
            raise CommandError(f"the database cannot be used: {quoted(str(error))}") from error
        for line in lines:
            self.stdout.write(encodable(line, self.stdout))

    def _touch(self, alias: str, *, as_json: bool) -> list[str]:
        revision = touch(alias)
        if as_json:
            return [json.dumps({"version": 1, "database": alias, "touched": revision}, indent=2)]
        return [f"Revision {revision} of database {alias} tells every process to read all policies anew."]

    def _rate(self, alias: str, *, as_json: bool) -> list[str]:
        rated = rate_all(alias)
        if as_json:
            return [json.dumps({"version": 1, "database": alias, "rated": rated}, indent=2)]
        return [f"{rated} {'policy' if rated == 1 else 'policies'} of database {alias} rated."]
