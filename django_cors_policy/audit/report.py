"""The findings of one run, in a stable order, and as text."""

from collections.abc import Callable, Collection, Iterable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any, Self

from django_cors_policy.cors.lint import Finding, Severity

PROXY = "what a proxy or CDN in front of Django adds or removes"  # which is seen over HTTP alone


def one_line(text: str) -> str:
    """Give text with everything escaped that would end its line, reorder it or command a terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def encodable(line: str, stream: Any) -> str:
    """Escape what a stream cannot encode: a name in a row must not end the report."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)


@dataclass(frozen=True, slots=True)
class NotRun:
    """Rules that could not look at all they should, by their codes, and why."""

    codes: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class OverHttp:
    """The requests to a running deployment, and the rules that looked at its answers, by their codes."""

    url: str
    requests: int
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A finding that CORS_AUDIT_SUPPRESS names, and the reason that is given there."""

    finding: Finding
    reason: str


def in_order(found: Finding) -> tuple[int, str, str, str, str]:
    """Give what findings are sorted by."""
    return (-found.severity.rank, found.rule.code, found.tenant or "", found.subject, found.message)


class Report:
    """Findings, the gravest first; equal ones by code, tenant and subject.

    ``rules`` and ``policies`` are how many were run and looked at: a clean report of nothing is no comfort.
    ``requests`` were sent in process, others ``over_http``. ``not_looked_at`` names what was left out, ``failure`` what
    could not be read, ``not_run`` the rules that needed it; ``interrupted``: by Ctrl-C, before it was done. What is
    ``suppressed``, or ``known`` to a baseline, is no longer among the findings.
    """

    suppressed: tuple[Suppressed, ...] = ()
    known: tuple[Finding, ...] = ()

    def __init__(
        self,
        findings: Iterable[Finding],
        *,
        rules: int = 0,
        policies: int = 0,
        requests: int = 0,
        over_http: OverHttp | None = None,
        not_looked_at: Iterable[str] = (),
        failure: str | None = None,
        not_run: Iterable[NotRun] = (),
        interrupted: bool = False,
    ) -> None:
        self.rules = rules
        self.policies = policies
        self.requests = requests
        self.over_http = over_http
        self.not_looked_at = (*not_looked_at, *([PROXY] if over_http is None else []))
        self.failure = failure
        self.not_run = tuple(not_run)
        self.interrupted = interrupted
        self.findings = tuple(sorted(findings, key=in_order))

    def refined(
        self,
        findings: Iterable[Finding],
        *,
        suppressed: Iterable[Suppressed] = (),
        known: Iterable[Finding] = (),
    ) -> Self:
        """Give the same report with other findings, and with what was set aside of them."""
        report = copy(self)
        report.findings = tuple(sorted(findings, key=in_order))
        report.suppressed = tuple(sorted(suppressed, key=lambda entry: in_order(entry.finding)))
        report.known = tuple(sorted(known, key=in_order))
        return report

    def only(self, codes: Collection[str]) -> Self:
        """Give the same report with the findings of these rules alone."""
        report = self.refined(
            (found for found in self.findings if found.rule.code in codes),
            suppressed=(entry for entry in self.suppressed if entry.finding.rule.code in codes),
            known=(found for found in self.known if found.rule.code in codes),
        )
        report.rules = len(codes)
        return report

    @property
    def summary(self) -> dict[str, int]:
        """The number of findings by severity, every severity named."""
        counts = dict.fromkeys(map(str, Severity), 0)
        for found in self.findings:
            counts[found.severity] += 1
        return counts

    def asked_for(self, code: str) -> bool:
        """Tell whether what a rule looks at was there: some look at answers, which have to be asked for."""
        if not code.startswith("CORS5") or self.requests:
            return True
        return self.over_http is not None and code in self.over_http.codes

    def reaches(self, level: Severity) -> bool:
        """Tell whether any finding is as grave as this level, or graver."""
        return any(found.severity.rank >= level.rank for found in self.findings)

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
        if self.suppressed or self.known:
            yield f"Not shown: {len(self.suppressed)} suppressed, {len(self.known)} in the baseline."
        policies = "policy" if self.policies == 1 else "policies"
        yield f"Looked at: the settings, the middleware and {self.policies} stored {policies}, by {self.rules} rules."
        if self.requests:
            yield f"Sent: {self.requests} requests through the project's own middleware."
        if self.over_http is not None:
            yield f"Sent: {self.over_http.requests} requests over HTTP to {one_line(self.over_http.url)}."
        for missed in self.not_run:
            yield f"Not run to the end: {', '.join(missed.codes)}: {one_line(missed.reason)}."
        yield f"Not looked at: {'; '.join(self.not_looked_at)}."
