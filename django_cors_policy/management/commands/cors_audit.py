"""manage.py cors_audit: what is unsafe or broken in the live settings, the stored policies and the stack."""

import os
import sys
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from django_cors_policy.audit import RULES, Severity, UnknownTenant, audit, edge
from django_cors_policy.audit.baseline import UnusableBaseline, against, as_baseline, read_baseline
from django_cors_policy.audit.explain import sections
from django_cors_policy.audit.fixes import snippet
from django_cors_policy.audit.formats import FORMATS
from django_cors_policy.audit.naming import UnknownName, codes_of
from django_cors_policy.audit.output import Output, UnusableOutput, format_called, outputs, write_whole
from django_cors_policy.audit.probe import MAX_REQUESTS, Wanted
from django_cors_policy.audit.report import Report, encodable
from django_cors_policy.audit.routes import UnknownPath
from django_cors_policy.audit.suppressions import suppress
from django_cors_policy.cors import quoted


class Command(BaseCommand):
    help = "Audit the CORS settings, the stored policies and the middleware for what is unsafe or broken."
    requires_system_checks: list[str] = []  # noqa: RUF012 -- it reports more than they do

    def add_arguments(self, parser: CommandParser) -> None:
        # Without choices=: what is unknown is told in one line, with what is near.
        parser.add_argument(
            "--format", default="text", metavar="FORMAT", help=f"how the report is printed: {', '.join(FORMATS)}"
        )
        parser.add_argument(
            "--output",
            action="append",
            default=[],
            metavar="FORMAT=FILE",
            help="write the report to a file too; may be given several times",
        )
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
        parser.add_argument("--probe", action="store_true", help="send requests through the project's own middleware")
        parser.add_argument(
            "--path",
            action="append",
            metavar="PATH",
            help="with --probe: ask this path, and let its view answer GET and HEAD; with --url: ask it too; may be "
            "given several times",
        )
        parser.add_argument(
            "--url",
            metavar="URL",
            help="send GET and OPTIONS to a running deployment over HTTP; its views answer GET. Needs httpx",
        )
        parser.add_argument(
            "--rate",
            type=float,
            default=edge.RATE,
            metavar="N",
            help="with --url: send at most so many requests a second (default: %(default)g)",
        )
        parser.add_argument(
            "--timeout",
            type=float,
            default=edge.TIMEOUT,
            metavar="SECONDS",
            help="with --url: wait for an answer at most so long (default: %(default)g)",
        )
        parser.add_argument(
            "--max-requests",
            type=int,
            metavar="N",
            help=f"send at most so many (default: {MAX_REQUESTS} with --probe, {edge.MAX_REQUESTS} with --url)",
        )
        parser.add_argument(
            "--seed", type=int, default=0, metavar="N", help="what the requests are chosen by (default: 0)"
        )
        parser.add_argument("--no-progress", action="store_true", help="show no progress on a terminal")
        for option, what in (("--rule", "report this rule alone"), ("--exclude", "leave this rule out of the report")):
            parser.add_argument(
                option,
                action="append",
                default=[],
                metavar="CODE",
                help=f"{what}, by code or slug; may be given several times",
            )
        parser.add_argument("--baseline", metavar="FILE", help="report only what this file does not know")
        parser.add_argument("--write-baseline", metavar="FILE", help="write what is found to this file")
        parser.add_argument(
            "--allow-partial", action="store_true", help="do not exit with 2 where rules could not run to their end"
        )
        parser.add_argument(
            "--fix-hints",
            action="store_true",
            help="print, in place of the report, settings that resolve what has one mechanical answer",
        )
        parser.add_argument("--list-rules", action="store_true", help="print every rule and exit")
        parser.add_argument("--explain", metavar="CODE", help="print what a rule is about, and how to fix it, and exit")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["list_rules"]:
            self._list_rules()
        elif options["explain"] is not None:
            self._explain(options["explain"])
        else:
            self._audit(options)

    def _list_rules(self) -> None:
        for rule in RULES:
            severities = " / ".join(rule.severities)
            self.stdout.write(f"{rule.code} {rule.slug} ({severities}): {rule.summary}")

    def _explain(self, name: str) -> None:
        try:
            [code] = codes_of([name], RULES)
        except UnknownName as error:
            raise CommandError(str(error), returncode=2) from error
        self.stdout.write(sections()[code])

    def _audit(self, options: dict[str, Any]) -> None:
        wanted, deployment = self._wanted(options)
        try:
            chosen, files, known = self._asked(options)
            report = audit(options["tenant"], wanted=wanted, edge=deployment)
        except (UnknownTenant, UnknownPath, UnknownName, UnusableBaseline, UnusableOutput) as error:
            raise CommandError(str(error), returncode=2) from error
        except Exception as error:  # a fault of the audit's own must not pass for findings
            message = f"the audit failed: {quoted(f'{type(error).__name__}: {error}')}; --traceback shows where"
            raise CommandError(message, returncode=2) from error
        finally:
            if any(asked is not None and asked.progress is not None for asked in (wanted, deployment)):
                self.stderr.write("\r\x1b[K", style_func=str, ending="")
        report = suppress(report, RULES, today=date.today(), only=options["tenant"])
        report = against(report.only(chosen), known)
        self._print(report, chosen, options)
        if report.interrupted:  # files keep what they held: half a report would close what is open
            sys.exit(130)
        failed = report.failure if not options["allow_partial"] else None
        texts = {file.path: self._written(file.format, report, chosen, options) for file in files}
        if options["write_baseline"] and failed is None:
            texts[options["write_baseline"]] = as_baseline(report)
        self._write(texts)
        if failed is not None:
            raise CommandError(failed, returncode=2)
        if report.reaches(Severity(options["fail_level"])):
            sys.exit(1)

    def _wanted(self, options: dict[str, Any]) -> tuple[Wanted | None, edge.Edge | None]:
        """Give what is to be asked in process, and over HTTP."""
        if options["path"] and not options["probe"] and options["url"] is None:
            raise CommandError("--path is for --probe and --url", returncode=2)
        shows = not options["no_progress"] and self.stderr.isatty()
        alike: dict[str, Any] = {
            "tenants": options["tenant"],
            "paths": options["path"] or (),
            "seed": options["seed"],
            "progress": self._show if shows else None,
        }
        if options["max_requests"] is not None:
            alike["max_requests"] = options["max_requests"]
        wanted = Wanted(**alike) if options["probe"] else None
        if options["url"] is None:
            return wanted, None
        try:
            return wanted, edge.Edge(options["url"], rate=options["rate"], timeout=options["timeout"], **alike)
        except edge.UnusableEdge as error:
            raise CommandError(str(error), returncode=2) from error

    def _show(self, sent: int, most: int) -> None:
        """Keep one line of a terminal up to date; a hundred times, not for each of thousands of requests."""
        if sent % max(most // 100, 1) == 0 or sent >= most:
            done = min(sent * 30 // max(most, 1), 30)
            bar = f"[{'#' * done:<30}] {sent} of at most {most} requests"
            self.stderr.write(f"\r{bar}\x1b[K", style_func=str, ending="")

    def _asked(self, options: dict[str, Any]) -> tuple[set[str], list[Output], dict[str, Severity]]:
        """Give the rules, the files and what is known already, before anything is looked at."""
        format_called(options["format"])
        chosen = codes_of(options["rule"], RULES) or {rule.code for rule in RULES}
        chosen -= codes_of(options["exclude"], RULES)
        known = read_baseline(options["baseline"]) if options["baseline"] else {}
        return chosen, outputs(options["output"]), known

    def _print(self, report: Report, chosen: set[str], options: dict[str, Any]) -> None:
        if options["fix_hints"]:
            text = snippet(report.findings)
        elif options["format"] == "text" and self._coloured(options):
            text = "\n".join(report.as_text(self._colour))
        else:
            text = self._written(options["format"], report, chosen, options)
        for line in text.split("\n"):
            self.stdout.write(encodable(line, self.stdout))

    def _written(self, name: str, report: Report, chosen: set[str], options: dict[str, Any]) -> str:
        rules = [rule for rule in RULES if rule.code in chosen]
        return FORMATS[name](report, rules, Severity(options["fail_level"]))

    def _write(self, texts: dict[str, str]) -> None:
        try:
            for path, text in texts.items():
                write_whole(path, text)
        except UnusableOutput as error:
            raise CommandError(str(error), returncode=2) from error

    def _coloured(self, options: dict[str, Any]) -> bool:
        # By the stream that is written to: self.style goes by the process's own, and knows no NO_COLOR.
        return bool(options["force_color"] or (self.stdout.isatty() and not os.environ.get("NO_COLOR")))

    def _colour(self, severity: Severity, text: str) -> str:
        styles = {
            Severity.CRITICAL: self.style.ERROR,
            Severity.HIGH: self.style.ERROR,
            Severity.MEDIUM: self.style.WARNING,
            Severity.LOW: self.style.NOTICE,
            Severity.INFO: self.style.HTTP_INFO,
        }
        return str(styles[severity](text))
