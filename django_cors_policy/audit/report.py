"""The findings of one run, in a stable order, as text and as JSON."""

import json
from collections.abc import Callable, Iterable, Iterator

from django_cors_policy.cors.lint import Finding, Severity

PROXY = "what a proxy or CDN in front of Django adds or removes"  # which no rule here can see


def one_line(text: str) -> str:
    """Give text with everything escaped that would end its line, reorder it or command a terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


class Report:
    """Findings, the gravest first; equal ones by code, tenant and subject.

    ``rules`` and ``policies`` are how many were run and looked at: a clean report of nothing is no comfort.
    ``not_looked_at`` names what was left out, ``failure`` what could not be read.
    """

    def __init__(
        self,
        findings: Iterable[Finding],
        *,
        rules: int = 0,
        policies: int = 0,
        not_looked_at: Iterable[str] = (),
        failure: str | None = None,
    ) -> None:
        self.rules = rules
        self.policies = policies
        self.not_looked_at = (*not_looked_at, PROXY)
        self.failure = failure
        self.findings = tuple(
            sorted(
                findings,
                key=lambda found: (-found.severity.rank, found.rule.code, found.tenant or "", found.subject),
            )
        )

    @property
    def summary(self) -> dict[str, int]:
        """The number of findings by severity, every severity named."""
        counts = dict.fromkeys(map(str, Severity), 0)
        for found in self.findings:
            counts[found.severity] += 1
        return counts

    def reaches(self, level: Severity) -> bool:
        """Tell whether any finding is as grave as this level, or graver."""
        return any(found.severity.rank >= level.rank for found in self.findings)

    def as_json(self) -> str:
        """Give the report as JSON, in ASCII; ``version`` grows when a field is removed or changes its meaning."""
        findings = [
            {
                "code": found.rule.code,
                "slug": found.rule.slug,
                "severity": found.severity,
                "subject": found.subject,
                "tenant": found.tenant,
                "message": found.message,
                "hint": found.hint,
            }
            for found in self.findings
        ]
        return json.dumps({"version": 1, "findings": findings, "summary": self.summary}, indent=2)

    def as_text(self, colour: Callable[[Severity, str], str] = lambda _, text: text) -> Iterator[str]:
        """Give the report's lines; ``colour`` may dress a line's severity for a terminal."""
        for found in self.findings:
            where = f" (tenant {found.tenant})" if found.tenant is not None else ""
            severity = colour(found.severity, f"{found.severity:<8}")
            yield f"{severity} {found.rule.code} {found.rule.slug}: {one_line(found.subject + where)}"
            yield f"         {one_line(found.message)}"
            yield f"         {one_line(found.hint)}"
        counts = [f"{count} {severity}" for severity, count in self.summary.items() if count]
        findings = "finding" if len(self.findings) == 1 else "findings"
        yield f"{len(self.findings)} {findings}: {', '.join(counts)}." if counts else "No findings."
        policies = "policy" if self.policies == 1 else "policies"
        yield f"Looked at: the settings, the middleware and {self.policies} stored {policies}, by {self.rules} rules."
        yield f"Not looked at: {'; '.join(self.not_looked_at)}."
