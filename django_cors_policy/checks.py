"""The audit's findings as Django system checks."""

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import Error

from django_cors_policy.audit import static_findings, stored_findings
from django_cors_policy.audit.report import one_line
from django_cors_policy.cors.lint import Finding, Severity
from django_cors_policy.reading import database

# An Error stops migrate and runserver: only for what cannot work, and for any origin with credentials.
_ERRORS = frozenset({"CORS101", "CORS116", "CORS201", "CORS417", "CORS419"})


def register() -> None:
    checks.register(check_settings, checks.Tags.security)
    checks.register(check_stored_policies, checks.Tags.database)


def check_settings(**_: Any) -> list[checks.CheckMessage]:
    """Report what the settings and the stack tell."""
    return [_message(found) for found in static_findings()]


def check_stored_policies(databases: Sequence[str] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """Report what the stored policies tell; under ``check --database`` with the database that holds them alone."""
    if database() not in (databases or ()):
        return []
    try:
        return [_message(found) for found in stored_findings()]
    except Error:
        return []  # before the first migrate there is nothing to look at


def _message(found: Finding) -> checks.CheckMessage:
    if found.rule.code in _ERRORS and found.tenant is None:
        level = checks.ERROR
    else:
        level = checks.WARNING if found.severity.rank >= Severity.MEDIUM.rank else checks.INFO
    where = f"tenant {found.tenant}: " if found.tenant is not None else ""
    return checks.CheckMessage(
        level,
        one_line(f"{where}{found.message}"),
        hint=one_line(found.hint),
        id=f"django_cors_policy.{found.rule.code}",
    )
