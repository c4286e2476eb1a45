"""manage.py cors_audit: what is unsafe or broken in the live settings, the stored policies and the stack."""

import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_cors_policy.audit import RULES, Severity, UnknownTenant, audit
from django_cors_policy.cors import quoted


class Command(BaseCommand):
    help = "Audit the CORS settings, the stored policies and the middleware for what is unsafe or broken."
    requires_system_checks: list[str] = []  # noqa: RUF012 -- it reports more than they do

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=("text", "json"), default="text", help="how the report is printed")
        parser.add_argument(
            "--fail-level",
            choices=[str(severity) for severity in Severity],
            default="high",
            help="exit with 1 if a finding is at least this grave (default: high)",
        )
        parser.add_argument(
            "--tenant",
            action="append",
            metavar="KEY",
            help="of the stored policies, look at this tenant's alone; may be given several times",
        )
        parser.add_argument("--list-rules", action="store_true", help="print every rule and exit")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["list_rules"]:
            for rule in RULES:
                severities = " / ".join(rule.severities)
                self.stdout.write(f"{rule.code} {rule.slug} ({severities}): {rule.summary}")
            return
        try:
            report = audit(options["tenant"])
        except UnknownTenant as error:
            raise CommandError(str(error), returncode=2) from error
        except Exception as error:  # a fault of the audit's own must not pass for findings
            message = f"the audit failed: {quoted(f'{type(error).__name__}: {error}')}; --traceback shows where"
            raise CommandError(message, returncode=2) from error
        if options["format"] == "json":
            self.stdout.write(report.as_json())
        else:
            # By the stream that is written to: self.style goes by the process's own, and knows no NO_COLOR.
            coloured = options["force_color"] or (self.stdout.isatty() and not os.environ.get("NO_COLOR"))
            encoding = getattr(self.stdout, "encoding", None) or "utf-8"
            for line in report.as_text(self._colour) if coloured else report.as_text():
                # What the stream cannot encode is escaped: a name in a row must not end the report.
                self.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding))
        if report.failure is not None:
            raise CommandError(report.failure, returncode=2)
        if report.reaches(Severity(options["fail_level"])):
            sys.exit(1)

    def _colour(self, severity: Severity, text: str) -> str:
        styles = {
            Severity.CRITICAL: self.style.ERROR,
            Severity.HIGH: self.style.ERROR,
            Severity.MEDIUM: self.style.WARNING,
            Severity.LOW: self.style.NOTICE,
            Severity.INFO: self.style.HTTP_INFO,
        }
        return str(styles[severity](text))
