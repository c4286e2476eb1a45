"""A report in the formats of machines: JSON, SARIF 2.1.0, GitHub's annotations, JUnit."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any
from xml.etree import ElementTree

from django_cors_policy.audit.baseline import fingerprints
from django_cors_policy.audit.explain import sections
from django_cors_policy.audit.lines import place_of
from django_cors_policy.audit.report import PROXY, Report, one_line
from django_cors_policy.cors.lint import Finding, Rule, Severity

__all__ = ["FORMATS", "as_github", "as_json", "as_junit", "as_sarif", "as_text"]

JSON_VERSION = 1  # grows when a field is removed or changes its meaning; report.schema.json says what there is
SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

Format = Callable[[Report, Sequence[Rule], Severity], str]


def as_text(report: Report, rules: Sequence[Rule], level: Severity) -> str:  # noqa: ARG001 -- all formats are called alike
    """Give the report for people, without colours."""
    return "\n".join(report.as_text())


# --- JSON


def as_json(report: Report, rules: Sequence[Rule], level: Severity) -> str:  # noqa: ARG001
    """Give the report as report.schema.json describes it, in ASCII."""
    suppressed = [entry.finding for entry in report.suppressed]
    document = {
        "version": JSON_VERSION,
        "findings": list(map(_row, report.findings, fingerprints(report.findings))),
        "summary": report.summary,
        "suppressed": [
            {**_row(entry.finding, name), "reason": entry.reason}
            for entry, name in zip(report.suppressed, fingerprints(suppressed), strict=True)
        ],
        "in_baseline": len(report.known),
        "looked_at": {
            "rules": report.rules,
            "policies": report.policies,
            "requests": report.requests,
            **({} if report.over_http is None else {"over_http": asdict(report.over_http)}),
        },
        "not_run": [{"codes": list(missed.codes), "reason": missed.reason} for missed in report.not_run],
        "not_looked_at": list(report.not_looked_at),
        "interrupted": report.interrupted,
    }
    return json.dumps(document, indent=2)


def _row(found: Finding, fingerprint: str) -> dict[str, Any]:
    return {
        "code": found.rule.code,
        "slug": found.rule.slug,
        "severity": found.severity,
        "subject": found.subject,
        "tenant": found.tenant,
        "message": found.message,
        "hint": found.hint,
        "cwe": found.rule.cwe,
        "fingerprint": fingerprint,
    }


# --- SARIF

_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
# GitHub reads it as CVSS is read: over 9 is critical, from 7 high, from 4 medium, from 0.1 low.
_SECURITY_SEVERITY = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
    Severity.INFO: "0.1",
}


def as_sarif(report: Report, rules: Sequence[Rule], level: Severity) -> str:  # noqa: ARG001
    """Give the report as SARIF 2.1.0, in ASCII: every rule declared, what is suppressed marked so with its reason."""
    index = {rule.code: place for place, rule in enumerate(rules)}
    everything: list[tuple[Finding, str | None]] = [(found, None) for found in report.findings]
    everything += [(entry.finding, entry.reason) for entry in report.suppressed]
    names = fingerprints(found for found, _ in everything)
    results = [
        _result(found, reason, name, index[found.rule.code])
        for (found, reason), name in zip(everything, names, strict=True)
    ]
    run = {
        "tool": {"driver": {"name": "django-cors-policy", "rules": [_descriptor(rule) for rule in rules]}},
        "invocations": [
            {
                "executionSuccessful": not (report.not_run or report.interrupted),
                "toolExecutionNotifications": [
                    {"level": severity, "message": {"text": one_line(text)}} for severity, text in _notes(report)
                ],
            }
        ],
        "results": results,
    }
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _descriptor(rule: Rule) -> dict[str, Any]:
    gravest = rule.severities[0]
    descriptor: dict[str, Any] = {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.slug.split("-")),
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.summary},
        "help": {"text": sections().get(rule.code, rule.summary)},
        "defaultConfiguration": {"level": _LEVELS[gravest]},
        "properties": {"security-severity": _SECURITY_SEVERITY[gravest], "tags": ["security"], "precision": "high"},
    }
    if rule.cwe is not None:
        descriptor["helpUri"] = f"https://cwe.mitre.org/data/definitions/{rule.cwe}.html"
        descriptor["properties"]["tags"].append(f"external/cwe/cwe-{rule.cwe:03}")
    return descriptor


def _result(found: Finding, reason: str | None, fingerprint: str, rule: int) -> dict[str, Any]:
    subject = one_line(found.subject)
    where = {"name": subject, "kind": "resource"}
    if found.tenant is not None:
        where["fullyQualifiedName"] = one_line(f"{found.tenant}: {found.subject}")
    location: dict[str, Any] = {"logicalLocations": [where]}
    if (place := place_of(found)) is not None:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": place.uri},
            "region": {"startLine": place.line},
        }
    of = f" (tenant {found.tenant})" if found.tenant is not None else ""
    result: dict[str, Any] = {
        "ruleId": found.rule.code,
        "ruleIndex": rule,
        "level": _LEVELS[found.severity],
        "message": {"text": one_line(f"{found.message}{of} {found.hint}")},
        "locations": [location],
        # GitHub reads the first alone, and would make it from the line's text.
        "partialFingerprints": {"primaryLocationLineHash": fingerprint, "corsFinding/v1": fingerprint},
        "properties": {
            "severity": found.severity,
            "security-severity": _SECURITY_SEVERITY[found.severity],
            "subject": found.subject,
            "tenant": found.tenant,
        },
    }
    if reason is not None:
        result["suppressions"] = [{"kind": "external", "justification": reason}]
    return result


def _notes(report: Report) -> Iterator[tuple[str, str]]:
    """Give what the audit missed, each with the level of it."""
    if report.interrupted:
        yield "error", "The audit was interrupted before it was done."
    for missed in report.not_run:
        yield "error", f"Not run to the end: {', '.join(missed.codes)}: {missed.reason}"
    for left_out in report.not_looked_at:
        yield "note", f"Not looked at: {left_out}"


# --- GitHub

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def as_github(report: Report, rules: Sequence[Rule], level: Severity) -> str:  # noqa: ARG001
    """Give a workflow command for each finding, and a line with their number."""
    lines = []
    for found in report.findings:
        place = place_of(found) if found.tenant is None else None
        of = f" (tenant {found.tenant})" if found.tenant is not None else ""
        properties = {"title": f"{found.rule.code} {found.rule.slug} ({found.severity}): {found.subject}{of}"}
        if place is not None:
            properties = {"file": place.path, "line": str(place.line), **properties}
        lines.append(_command(_COMMANDS[_LEVELS[found.severity]], properties, f"{found.message}\n{found.hint}"))
    lines += [
        _command(_COMMANDS[severity], {"title": "cors_audit"}, text)
        for severity, text in _notes(report)
        if PROXY not in text
    ]
    return "\n".join([*lines, f"cors_audit: {len(report.findings)} findings."])


def _command(name: str, properties: dict[str, str], message: str) -> str:
    written = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {written}::{_data(message)}"


def _data(text: str) -> str:
    lines = "\n".join(one_line(line) for line in text.split("\n"))
    return lines.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(one_line(text)).replace(":", "%3A").replace(",", "%2C")


# --- JUnit


def as_junit(report: Report, rules: Sequence[Rule], level: Severity) -> str:
    """Give the report as JUnit's XML, in ASCII: a test for each finding, and one for each rule that found nothing.

    What is at or over the level is a failure, what is suppressed is skipped, what could not run to its end an error.
    """
    root = ElementTree.Element("testsuites", name="cors_audit")
    suite = ElementTree.SubElement(root, "testsuite", name="cors_audit")
    for found in report.findings:
        case = _case(suite, found)
        if found.severity.rank >= level.rank:
            kind = f"{found.rule.code} {found.severity}"
            _text(ElementTree.SubElement(case, "failure", message=one_line(found.message), type=kind), _about(found))
        else:
            _text(ElementTree.SubElement(case, "system-out"), f"{found.severity}: {_about(found)}")
    for entry in report.suppressed:
        ElementTree.SubElement(_case(suite, entry.finding), "skipped", message=one_line(entry.reason))
    for missed in report.not_run:
        case = ElementTree.SubElement(suite, "testcase", classname="cors_audit", name=", ".join(missed.codes))
        ElementTree.SubElement(case, "error", message=one_line(missed.reason), type="not run")
    if report.interrupted:
        case = ElementTree.SubElement(suite, "testcase", classname="cors_audit", name="interrupted")
        ElementTree.SubElement(case, "error", message="The audit was interrupted before it was done.", type="not run")
    else:
        for rule in _clean(report, rules):
            ElementTree.SubElement(suite, "testcase", classname=_class(rule), name=rule.summary)
    for element in (root, suite):
        for attribute, path in (("tests", "."), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            cases = suite.iter("testcase")
            count = sum(path == "." or case.find(path) is not None for case in cases)
            element.set(attribute, str(count))
    ElementTree.indent(root)
    return str(ElementTree.tostring(root, encoding="us-ascii", xml_declaration=True), "ascii")


def _clean(report: Report, rules: Iterable[Rule]) -> Iterator[Rule]:
    busy = {found.rule.code for found in (*report.findings, *(entry.finding for entry in report.suppressed))}
    busy |= {code for missed in report.not_run for code in missed.codes}
    return (rule for rule in rules if rule.code not in busy and report.asked_for(rule.code))


def _class(rule: Rule) -> str:
    return f"cors_audit.{rule.code} {rule.slug}"


def _case(suite: ElementTree.Element, found: Finding) -> ElementTree.Element:
    of = f" (tenant {found.tenant})" if found.tenant is not None else ""
    return ElementTree.SubElement(
        suite, "testcase", classname=_class(found.rule), name=one_line(f"{found.subject}{of}")
    )


def _about(found: Finding) -> str:
    return f"{one_line(found.message)}\n{one_line(found.hint)}"


def _text(element: ElementTree.Element, text: str) -> None:
    element.text = text


FORMATS: dict[str, Format] = {
    "text": as_text,
    "json": as_json,
    "sarif": as_sarif,
    "github": as_github,
    "junit": as_junit,
}
