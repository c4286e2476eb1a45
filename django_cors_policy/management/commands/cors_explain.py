"""manage.py cors_explain: what a browser makes of a fetch, and why."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_cors_policy.audit.report import encodable
from django_cors_policy.audit.tenants import UnknownTenant
from django_cors_policy.cors import FetchRequest, quoted
from django_cors_policy.explain import Unanswerable, explain
from django_cors_policy.telling import after_revocation, as_curl, as_json, as_text


class Command(BaseCommand):
    help = "Say whether a browser lets a page read an answer of this project, and why; what is allowed exits with 0."
    requires_system_checks: list[str] = []  # noqa: RUF012 -- it is for when something is wrong

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("origin", help="the page's, such as https://app.example.com; null for a sandboxed one")
        parser.add_argument("method", help="such as PUT")
        parser.add_argument("url", help="such as https://api.example.com/items/")
        parser.add_argument(
            "--header",
            action="append",
            default=[],
            metavar="'NAME: VALUE'",
            help="a header that the script sets; may be given several times",
        )
        parser.add_argument(
            "--credentials",
            choices=("include", "same-origin", "omit"),
            default="same-origin",
            help="whether cookies are sent (default: same-origin, as fetch() does)",
        )
        parser.add_argument("--tenant", metavar="KEY", help="whose the URL has to be")
        parser.add_argument(
            "--as-of-revocation",
            action="store_true",
            help="say what a browser may go on to do once what lets it through is taken out, and until when",
        )
        parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
        parser.add_argument("--curl", action="store_true", help="print the requests as curl commands, too (text)")

    def handle(self, *_: Any, **options: Any) -> None:
        fetch = FetchRequest(
            options["origin"],
            options["url"],
            options["method"],
            [_header(text) for text in options["header"]],
            options["credentials"],
        )
        try:
            explanation = explain(fetch, options["tenant"])
        except (Unanswerable, UnknownTenant) as error:
            raise CommandError(str(error), returncode=2) from error
        lines = [as_json(explanation)] if options["format"] == "json" else list(as_text(explanation))
        if options["as_of_revocation"] and options["format"] == "text":
            lines.append(after_revocation(explanation))
        if options["curl"] and options["format"] == "text":
            lines += as_curl(explanation)
        for line in lines:
            self.stdout.write(encodable(line, self.stdout))
        if not explanation.verdict.allowed:
            sys.exit(1)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise CommandError(f"--header {quoted(text)} has no colon: write it as 'X-Api-Key: 1'", returncode=2)
    return name, value
