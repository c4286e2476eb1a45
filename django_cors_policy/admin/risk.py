"""What the audit finds of a policy, on its pages."""

import logging
from collections.abc import Iterable
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext, pgettext, pgettext_lazy

from django_cors_policy.audit import policy_findings
from django_cors_policy.audit.report import in_order
from django_cors_policy.cors import quoted
from django_cors_policy.cors.lint import Finding, Severity
from django_cors_policy.models import AllowedOrigin, TenantPolicy

logger = logging.getLogger("django_cors_policy")

GRAVE = Severity.HIGH.rank
MAX_NAMED = 5  # subjects of one rule
SEVERITIES = {
    Severity.CRITICAL: pgettext_lazy("severity", "critical"),
    Severity.HIGH: pgettext_lazy("severity", "high"),
    Severity.MEDIUM: pgettext_lazy("severity", "medium"),
    Severity.LOW: pgettext_lazy("severity", "low"),
    Severity.INFO: pgettext_lazy("severity", "info"),
}


def findings(policy: TenantPolicy, origins: Iterable[AllowedOrigin] | None = None) -> list[Finding]:
    """Find what a policy tells, with these origins or its stored ones, the gravest first; nothing where that fails."""
    try:
        return sorted(policy_findings(policy, origins), key=in_order)
    except Exception:  # advice that cannot be given must not keep anybody from saving
        logger.exception("CORS: the findings of %s cannot be told", quoted(policy.tenant))
        return []


def ask_why(grave: list[Finding]) -> SafeString:
    """Ask, in HTML, for the reason of something of high severity."""
    first = grave[0]
    asked = gettext("Give a reason for this: %(code)s (%(severity)s), %(subject)s.") % {
        "code": first.rule.code,
        "severity": SEVERITIES[first.severity],
        "subject": first.subject,
    }
    more = len(grave) - 1
    others = " " + ngettext("And %(more)d more.", "And %(more)d more.", more) % {"more": more} if more else ""
    return format_html('{} <span lang="en">{}</span>{}', asked, first.message, others)


def new_and_grave(policy: TenantPolicy, origins: list[AllowedOrigin], stored: TenantPolicy | None) -> list[Finding]:
    """Find what is of high severity in a policy, with these origins, and was not live before."""
    before = set()
    if stored is not None and (is_live(stored) or not is_live(policy)):
        before = {(found.rule.code, found.subject) for found in findings(stored)}
    grave = [found for found in findings(policy, origins) if found.severity.rank >= GRAVE]
    return [found for found in grave if (found.rule.code, found.subject) not in before]


def is_live(policy: TenantPolicy) -> bool:
    return policy.enabled and not policy.shadow


def badge(rating: int | None) -> Any:
    """Show what a policy was rated."""
    for severity, label in SEVERITIES.items():
        if rating == severity.rank + 1:
            return format_html('<span class="cors-severity cors-{}">{}</span>', severity, label)
    return gettext("not looked at") if rating is None else pgettext("risk", "none")


def shown(group: list[Finding]) -> dict[str, object]:
    """Give what a page shows of findings that differ in their subjects alone; their sentences are in English."""
    first = group[0]
    more = len(group) - MAX_NAMED
    return {
        "severity": str(first.severity),
        "label": SEVERITIES[first.severity],
        "code": first.rule.code,
        "slug": first.rule.slug,
        "summary": gettext(first.rule.summary),
        "subjects": [found.subject for found in group[:MAX_NAMED]],
        "more": ngettext("and %(count)d more", "and %(count)d more", more) % {"count": more} if more > 0 else "",
        "message": first.message,
        "hint": first.hint,
    }


def context(found: list[Finding]) -> dict[str, object]:
    """Give what findings.html shows: each rule once, and how many there are of each severity."""
    by_rule: dict[tuple[str, str], list[Finding]] = {}
    for one in found:
        by_rule.setdefault((str(one.severity), one.rule.code), []).append(one)
    groups = list(by_rule.values())
    counts = [(str(of), label, sum(group[0].severity is of for group in groups)) for of, label in SEVERITIES.items()]
    return {"findings": [shown(group) for group in groups], "counts": [row for row in counts if row[2]]}
