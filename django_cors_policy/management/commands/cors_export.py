"""manage.py cors_export: the stored policies as a file, or one as another server's configuration."""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, connections

from django_cors_policy.audit.output import UnusableOutput, write_pieces
from django_cors_policy.audit.report import encodable
from django_cors_policy.audit.tenants import UnknownTenant, known
from django_cors_policy.cors import quoted
from django_cors_policy.transfer import FORMATS, configs, export


class Command(BaseCommand):
    help = (
        "Write the stored CORS policies as CSV or JSON, which cors_import reads, or one tenant's effective policy as "
        "configuration of nginx, Apache, Caddy or Amazon S3 (without --tenant: the settings' own)."
    )
    requires_system_checks: list[str] = []  # noqa: RUF012 -- it is for when something is wrong

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--format", choices=(*FORMATS, *configs.KINDS), default="csv", help="what is written (default: csv)"
        )
        parser.add_argument(
            "--tenant", action="append", metavar="KEY", help="write this tenant's policy; may be given several times"
        )
        parser.add_argument("--output", metavar="FILE", help="write to this file, all of it or nothing")
        parser.add_argument(
            "--database",
            choices=tuple(connections),
            metavar="ALIAS",
            help="read this database; by default the one that policies are served from",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            pieces = self._config(options) if options["format"] in configs.KINDS else self._policies(options)
            if options["output"] is not None:
                write_pieces(options["output"], pieces)
            else:
                for piece in pieces:
                    self.stdout.write(piece, ending="")
        except UnicodeEncodeError as error:  # a file that says something else is no export
            message = f"the output cannot hold {quoted(error.object[error.start : error.end])}; --output FILE can"
            raise CommandError(message, returncode=2) from error
        except (UnknownTenant, UnusableOutput) as error:
            raise CommandError(str(error), returncode=2) from error
        except (Error, ImproperlyConfigured) as error:
            raise CommandError(f"the database cannot be used: {quoted(str(error))}", returncode=2) from error

    def _policies(self, options: dict[str, Any]) -> Iterator[str]:
        if options["tenant"] is not None:
            known(*options["tenant"], using=options["database"])
        return export(options["format"], options["tenant"], using=options["database"])

    def _config(self, options: dict[str, Any]) -> Iterator[str]:
        kind, tenants = options["format"], options["tenant"] or [None]
        if len(tenants) > 1 or options["database"] is not None:
            message = f"--format {kind} takes one --tenant, and no --database: it writes what is served"
            raise CommandError(message, returncode=2)
        config = configs.as_config(kind, configs.effective(tenants[0]))
        if kind == "s3":  # in the others they are comments
            for note in config.notes:
                self.stderr.write(encodable(note, self.stderr))
        return (f"{line}\n" for line in config.lines)
