"""What cors_audit and the system checks run: each source gives findings, a Report holds them."""

from collections.abc import Collection, Iterator

from django.core.exceptions import ImproperlyConfigured
from django.db import Error

from django_cors_policy import conf
from django_cors_policy.audit import settings, stack, tenants
from django_cors_policy.audit.report import Report
from django_cors_policy.cors import quoted
from django_cors_policy.cors.lint import LINT_RULES, Finding, Rule, Severity

__all__ = [
    "RULES",
    "Report",
    "Severity",
    "UnknownTenant",
    "audit",
    "policy_findings",
    "static_findings",
    "stored_findings",
]

RULES: tuple[Rule, ...] = tuple(
    sorted((*LINT_RULES, *settings.RULES, *stack.RULES, *tenants.RULES), key=lambda rule: rule.code)
)

UnknownTenant = tenants.UnknownTenant
policy_findings = tenants.findings_of


def static_findings() -> Iterator[Finding]:
    """Find what the settings and the stack alone tell; no database."""
    yield from settings.findings()
    yield from stack.findings()


def stored_findings(only: Collection[str] | None = None) -> Iterator[Finding]:
    """Find what the stored policies tell, all or some tenants'. Raises UnknownTenant, django.db.Error.

    Where tenants are off nothing is served of them, and they are looked at only if somebody names them.
    """
    if only is not None or conf.current().resolver is not None:
        yield from tenants.findings(only)


def audit(only: Collection[str] | None = None) -> Report:
    """Run every rule; with ``only``, look at these tenants' policies alone, beside the settings.

    A database that cannot be read is the report's ``failure``; the settings are looked at all the same. Raises
    UnknownTenant for a key that has no policy.
    """
    findings = list(static_findings())
    if only is None and conf.current().resolver is None:
        switched_off = "the stored policies, since CORS_TENANT_RESOLVER is None"
        return Report(findings, rules=len(RULES), not_looked_at=[switched_off])
    try:
        findings += stored_findings(only)
        policies, disabled = tenants.count(only), tenants.count(only, enabled=False)
    except (Error, ImproperlyConfigured) as error:
        failure = f"the stored policies cannot be read: {quoted(str(error))}; is the database there and migrated?"
        return Report(findings, rules=len(RULES), not_looked_at=["the stored policies"], failure=failure)
    left_out = [f"{disabled} disabled {'policy' if disabled == 1 else 'policies'}"] if disabled else []
    return Report(findings, rules=len(RULES), policies=policies, not_looked_at=left_out)
