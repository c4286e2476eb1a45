"""The audit's findings as Django system checks."""

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.db import DatabaseError

from django_cors_policy.audit import static_findings, stored_findings
from django_cors_policy.cors.lint import Finding, Severity

# An Error stops migrate and runserver: only for what cannot work, and for any origin with credentials.
_ERRORS = frozenset({"CORS101", "CORS116", "CORS201"})


def register() -> None:
    checks.register(check_settings, checks.Tags.security)
    checks.register(check_stored_policies, checks.Tags.database)


def check_settings(**_: Any) -> list[checks.CheckMessage]:
    """Report what the settings and the stack tell."""
    return [_message(found) for found in static_findings()]


def check_stored_policies(databases: Sequence[str] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """Report what the stored policies tell; under ``check --database`` alone."""
    if not databases:
        return []
    try:
        return [_message(found) for found in stored_findings()]
    except DatabaseError:
        return []  # before the first migrate there is nothing to look at


def _message(found: Finding) -> checks.CheckMessage:
    if found.rule.code in _ERRORS and found.tenant is None:
        kind: type[checks.CheckMessage] = checks.Error
    else:
        kind = checks.Info if found.severity in (Severity.LOW, Severity.INFO) else checks.Warning
    where = f"tenant {found.tenant}: " if found.tenant is not None else ""
    return kind(f"{where}{found.message}", hint=found.hint, id=f"django_cors_policy.{found.rule.code}")
