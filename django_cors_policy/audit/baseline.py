"""What was found before: a file of fingerprints, so that only what is new is shown."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django_cors_policy.audit.report import Report, in_order
from django_cors_policy.cors import quoted
from django_cors_policy.cors.lint import Finding, Severity


class UnusableBaseline(ValueError):  # noqa: N818 -- it is the baseline that is unusable
    """A file that cannot be read, or that is no baseline."""


def fingerprints(findings: Iterable[Finding]) -> list[str]:
    """Give a name for each finding that holds as long as its rule, tenant and subject do: 32 hex digits and a count.

    Of several with the same three, the count tells one from another. Neither the message nor the place is in it: a
    measured time or a line may change with every run.
    """
    seen: Counter[str] = Counter()
    names = []
    for found in findings:
        key = json.dumps([found.rule.code, found.tenant, found.subject])
        seen[key] += 1
        names.append(f"{hashlib.sha256(key.encode()).hexdigest()[:32]}:{seen[key]}")
    return names


def as_baseline(report: Report) -> str:
    """Give the file's text: sorted by rule, so that it can be read and compared."""
    findings = sorted((*report.findings, *report.known), key=in_order)
    rows: list[dict[str, Any]] = [
        {
            "fingerprint": name,
            "severity": found.severity,
            "code": found.rule.code,
            "tenant": found.tenant,
            "subject": found.subject,
        }
        for name, found in zip(fingerprints(findings), findings, strict=True)
    ]
    rows.sort(key=lambda row: (row["code"], row["tenant"] or "", row["subject"], row["fingerprint"]))
    return json.dumps({"version": 1, "findings": rows}, indent=2) + "\n"


def read_baseline(path: str) -> dict[str, Severity]:
    """Give the severity of each finding that a file names, by its fingerprint. Raises UnusableBaseline."""
    try:
        written: Any = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UnusableBaseline(f"the baseline {quoted(path)} cannot be read: {quoted(str(error))}") from error
    try:
        if written["version"] != 1:
            raise UnusableBaseline(f"the baseline {quoted(path)} is of another version than 1")
        return {str(row["fingerprint"]): Severity(row["severity"]) for row in written["findings"]}
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, UnusableBaseline):
            raise
        raise UnusableBaseline(f"{quoted(path)} is no baseline: --write-baseline writes one") from error


def against(report: Report, baseline: dict[str, Severity]) -> Report:
    """Set aside what the baseline knows; what is graver than it was is new again."""
    left: list[Finding] = []
    known: list[Finding] = []
    for name, found in zip(fingerprints(report.findings), report.findings, strict=True):
        severity = baseline.get(name)
        (left if severity is None or found.severity.rank > severity.rank else known).append(found)
    return report.refined(left, known=known, suppressed=report.suppressed)
