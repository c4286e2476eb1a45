"""What cors_audit and the system checks run: each source gives findings, a Report holds them."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from django.core.exceptions import ImproperlyConfigured
from django.db import Error

from django_cors_policy import conf
from django_cors_policy.audit import cookies, judge, resolver, settings, stack, suppressions, tenants, urlconf
from django_cors_policy.audit.report import NotRun, OverHttp, Report
from django_cors_policy.cors import quoted
from django_cors_policy.cors.lint import LINT_RULES, Finding, Rule, Severity

if TYPE_CHECKING:
    from django_cors_policy.audit.edge import Edge
    from django_cors_policy.audit.plan import Probed
    from django_cors_policy.audit.probe import Wanted

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
    sorted(
        (
            *LINT_RULES,
            *settings.RULES,
            *suppressions.RULES,
            *stack.RULES,
            *cookies.RULES,
            *resolver.RULES,
            *judge.RULES,
            *tenants.RULES,
        ),
        key=lambda rule: rule.code,
    )
)

UnknownTenant = tenants.UnknownTenant
policy_findings = tenants.findings_of


def static_findings() -> Iterator[Finding]:
    """Find what the settings and the stack alone tell; no database."""
    yield from settings.findings()
    yield from stack.findings()
    yield from cookies.findings()


def stored_findings(only: Collection[str] | None = None) -> Iterator[Finding]:
    """Find what the stored policies tell, all or some tenants'. Raises UnknownTenant, django.db.Error.

    Where tenants are off nothing is served of them, and they are looked at only if somebody names them.
    """
    if only is not None or conf.current().resolver is not None:
        yield from tenants.findings(only)


def audit(only: Collection[str] | None = None, *, wanted: "Wanted | None" = None, edge: "Edge | None" = None) -> Report:
    """Run every rule; with ``only``, look at these tenants' policies alone, beside the settings.

    A URLconf or a database that cannot be read is the report's ``failure``; all else is looked at all the same. With
    ``wanted``, requests are sent too; with ``edge``, also over HTTP. After Ctrl-C the report holds what was found so
    far. Raises UnknownTenant for a key that has no policy, UnknownPath for a path that no route matches.
    """
    findings: list[Finding] = []
    try:
        report = _without_requests(only, findings)
        if wanted is not None:
            report = _with_requests(report, wanted)
        return report if edge is None or report.interrupted else _over_http(report, edge)
    except KeyboardInterrupt:
        return Report(findings, rules=len(RULES), not_looked_at=["what comes after Ctrl-C"], interrupted=True)


def _with_requests(report: Report, wanted: "Wanted") -> Report:
    from django_cors_policy.audit.probe import probe  # noqa: PLC0415 -- Django's test client is no server's business

    probed = probe(wanted)
    return _joined(report, probed, judge.RULES, requests=probed.requests)


def _over_http(report: Report, edge: "Edge") -> Report:
    from django_cors_policy.audit.edge import RULES as EDGE_RULES  # noqa: PLC0415 -- nor is a client
    from django_cors_policy.audit.edge import ask  # noqa: PLC0415

    probed = ask(edge)
    codes = tuple(rule.code for rule in EDGE_RULES)
    sent = OverHttp(edge.origin, probed.requests, codes) if probed.requests else None
    return _joined(report, probed, EDGE_RULES, requests=report.requests, over_http=sent)


def _joined(
    report: Report, probed: "Probed", rules: Collection[Rule], *, requests: int, over_http: OverHttp | None = None
) -> Report:
    not_run = [NotRun(tuple(rule.code for rule in rules), probed.failure)] if probed.failure else []
    return Report(
        [*report.findings, *probed.findings],
        rules=report.rules,
        policies=report.policies,
        requests=requests,
        over_http=over_http,
        not_looked_at=[*report.not_looked_at[:-1], *probed.not_looked_at],
        failure="; ".join(filter(None, (report.failure, probed.failure))) or None,
        not_run=[*report.not_run, *not_run],
        interrupted=probed.interrupted,
    )


def _without_requests(only: Collection[str] | None, findings: list[Finding]) -> Report:
    findings += static_findings()
    findings += resolver.findings()
    not_run = []
    if (fault := urlconf.failure()) is not None:
        not_run.append(NotRun(_registered(urlconf.NEEDED_BY), fault))
    if only is None and conf.current().resolver is None:
        switched_off = "the stored policies, since CORS_TENANT_RESOLVER is None"
        return Report(findings, rules=len(RULES), not_looked_at=[switched_off], failure=fault, not_run=not_run)
    policies, left_out = 0, []
    try:
        findings += stored_findings(only)
        policies, disabled = tenants.count(only), tenants.count(only, enabled=False)
    except (Error, ImproperlyConfigured) as error:
        why = quoted(str(error))
        findings.append(tenants.unreadable(why))
        unread = f"the stored policies cannot be read: {why}; is the database there and migrated?"
        fault = f"{fault}; {unread}" if fault else unread
        reported = {found.rule.code for found in findings}
        codes = [rule.code for rule in tenants.RULES if rule.code not in reported]
        not_run.append(NotRun(_registered(codes), unread))
        left_out.append("the stored policies")
    else:
        left_out += [f"{disabled} disabled {'policy' if disabled == 1 else 'policies'}"] if disabled else []
    return Report(findings, rules=len(RULES), policies=policies, not_looked_at=left_out, failure=fault, not_run=not_run)


def _registered(codes: Collection[str]) -> tuple[str, ...]:
    return tuple(rule.code for rule in RULES if rule.code in codes)
