"""CORS_AUDIT_SUPPRESS: the findings that a project has decided to live with, and the entries that no longer hold."""

from collections.abc import Collection, Sequence
from datetime import date

from django.utils.translation import gettext_noop

from django_cors_policy import conf
from django_cors_policy.audit.naming import UnknownName, code_of, codes_of
from django_cors_policy.audit.report import Report, Suppressed, one_line
from django_cors_policy.conf import Suppression
from django_cors_policy.cors import quoted
from django_cors_policy.cors.lint import Finding, Rule, Severity

STALE_SUPPRESSION = Rule(
    "CORS119",
    "stale-suppression",
    (Severity.LOW,),
    gettext_noop("An entry of CORS_AUDIT_SUPPRESS has no reason, is past its date, or matches nothing any more."),
    None,
)
RULES = (STALE_SUPPRESSION,)


def suppress(report: Report, rules: Sequence[Rule], *, today: date, only: Collection[str] | None = None) -> Report:
    """Set aside what the entries name, and report the entries that have no reason, have ended, or match nothing.

    Those without a reason and past their day set nothing aside. ``rules`` are all that there are, ``only`` the tenants
    that were looked at, None for all: an entry for what was not looked at may match again.
    """
    entries = conf.current().suppressions
    faults = [_fault(entry, today) for entry in entries]
    holding = {
        (code_of(entry.rule, rules), entry.subject, entry.tenant): entry
        for entry, fault in zip(entries, faults, strict=True)
        if fault is None
    }
    left: list[Finding] = []
    suppressed: list[Suppressed] = []
    used = set()
    for found in report.findings:
        key = (found.rule.code, found.subject, found.tenant)
        entry = holding.get(key)
        if entry is None:
            left.append(found)
        else:
            suppressed.append(Suppressed(found, entry.reason))
            used.add(key)
    for entry, written_wrong in zip(entries, faults, strict=True):
        code = code_of(entry.rule, rules)
        unused = (code, entry.subject, entry.tenant) not in used and _looked_at(entry, code, report, only)
        if fault := written_wrong or (_unmatched(entry, rules) if unused else None):
            left.append(_stale(entry, *fault))
    return report.refined(left, suppressed=suppressed, known=report.known)


def _fault(entry: Suppression, today: date) -> tuple[str, str] | None:
    """Give what keeps an entry from holding, and what to do, or None."""
    if not entry.reason.strip():
        return "has no reason, so it suppresses nothing", "Say in 'reason' why the finding may stay."
    if entry.until is not None and today > entry.until:
        return f"ended on {entry.until}", "Look at the finding again: resolve it, or set a later day."
    return None


def _looked_at(entry: Suppression, code: str | None, report: Report, only: Collection[str] | None) -> bool:
    """Tell whether the finding would be there if there were any."""
    if code is None:
        return True
    if report.interrupted or any(code in missed.codes for missed in report.not_run):
        return False
    if not report.asked_for(code):
        return False
    if entry.tenant is None:
        return True
    if report.failure is not None:
        return False
    return conf.current().resolver is not None if only is None else entry.tenant in only


def _unmatched(entry: Suppression, rules: Sequence[Rule]) -> tuple[str, str]:
    hint = "Remove it; if the finding is there, write its rule, subject and tenant as the report shows them."
    try:
        codes_of([entry.rule], rules)
    except UnknownName as error:
        hint = f"Correct it: {error}"
    return "matches nothing any more", hint


def _stale(entry: Suppression, what: str, hint: str) -> Finding:
    subject = one_line(f"{entry.rule} {entry.subject}")[:300]
    message = f"The entry of CORS_AUDIT_SUPPRESS for {quoted(entry.rule)} and {quoted(entry.subject)} {what}."
    return Finding(STALE_SUPPRESSION, Severity.LOW, subject, message, hint, entry.tenant)
