from datetime import date, datetime

import pytest

from django_cors_policy import conf
from django_cors_policy.audit import RULES, Report, static_findings
from django_cors_policy.audit.report import NotRun
from django_cors_policy.audit.suppressions import suppress
from django_cors_policy.cors.lint import Finding, Rule, Severity
from tests.audit import rows

TODAY = date(2026, 5, 17)
BY_CODE = {rule.code: rule for rule in RULES}


def finding(code="CORS104", subject="http://a.example", tenant=None):
    rule = BY_CODE[code]
    return Finding(rule, rule.severities[0], subject, "Message.", "Hint.", tenant)


def entry(rule="CORS104", subject="http://a.example", reason="Why.", **more):
    return {"rule": rule, "subject": subject, "reason": reason, **more}


def suppressed(settings, entries, *found, report=None, only=None):
    """Give what is suppressed and what is left, by subject, and what is said of the entries."""
    settings.CORS_AUDIT_SUPPRESS = entries
    assert conf.current().problems == ()
    done = suppress(report or Report(found), RULES, today=TODAY, only=only)
    left = [row.subject for row in done.findings if row.rule.code != "CORS119"]
    said = [row.message.partition("' ")[2].rpartition("' ")[2] for row in done.findings if row.rule.code == "CORS119"]
    assert all(severity == "low" for severity, _ in rows(done.findings, "CORS119"))
    return [row.finding.subject for row in done.suppressed], left, said


UNUSED = "matches nothing any more."


@pytest.mark.parametrize("rule", ["CORS104", "cors104", "104", "insecure-origin"])
def test_an_entry_takes_a_finding_out_by_code_or_slug(settings, rule):
    found = finding()
    settings.CORS_AUDIT_SUPPRESS = [entry(rule)]
    report = suppress(Report([found, finding(subject="http://b.example")]), RULES, today=TODAY)
    assert [(row.finding, row.reason) for row in report.suppressed] == [(found, "Why.")]
    assert [row.subject for row in report.findings] == ["http://b.example"]
    assert report.summary["high"] == 1
    assert not suppress(Report([found]), RULES, today=TODAY).reaches(Severity.INFO)


@pytest.mark.parametrize(
    "entries",
    [
        [entry("CORS105")],
        [entry(subject="http://a.exampl")],
        [entry(subject="http://A.example")],
        [entry(subject="http://*")],
        [entry(tenant="acme")],
    ],
)
def test_nothing_but_the_same_rule_subject_and_tenant_is_taken_out(settings, entries):
    report = Report([finding()], policies=1)
    assert suppressed(settings, entries, report=report) == ([], ["http://a.example"], [UNUSED])


def test_a_tenants_finding_is_taken_out_by_its_tenant_alone(settings):
    found = [finding(tenant="acme"), finding(tenant="globex"), finding()]
    settings.CORS_AUDIT_SUPPRESS = [entry(tenant="acme")]
    report = suppress(Report(found, policies=2), RULES, today=TODAY)
    assert [row.finding.tenant for row in report.suppressed] == ["acme"]
    assert [row.tenant for row in report.findings] == [None, "globex"]


def test_two_findings_of_one_subject_are_both_taken_out(settings):
    twice = [finding("CORS303", "x bad"), finding("CORS303", "x bad")]
    taken, left, said = suppressed(settings, [entry("CORS303", "x bad")], *twice)
    assert (len(taken), left, said) == (2, [], [])


@pytest.mark.parametrize("reason", ["", " \n"])
def test_an_entry_without_a_reason_suppresses_nothing_and_is_reported(settings, reason):
    assert suppressed(settings, [entry(reason=reason)], finding()) == (
        [],
        ["http://a.example"],
        ["has no reason, so it suppresses nothing."],
    )


def test_a_reason_that_is_left_out_is_none(settings):
    written = entry()
    del written["reason"]
    assert suppressed(settings, [written], finding())[2] == ["has no reason, so it suppresses nothing."]


@pytest.mark.parametrize(
    ("until", "holds"),
    [
        ("2026-05-17", True),
        ("2026-05-16", False),
        (date(2026, 5, 17), True),
        (date(2026, 5, 16), False),
        (datetime(2026, 5, 17, 23, 59), True),
        (None, True),
    ],
)
def test_an_entry_holds_until_the_end_of_its_day(settings, until, holds):
    taken, left, said = suppressed(settings, [entry(until=until)], finding())
    assert (bool(taken), bool(left)) == (holds, not holds)
    assert said == ([] if holds else ["ended on 2026-05-16."])


def test_an_entry_that_matches_nothing_is_reported_once_and_names_itself(settings):
    settings.CORS_AUDIT_SUPPRESS = [entry(subject="http://gone.example"), entry(tenant="acme")]
    report = suppress(Report([], policies=1), RULES, today=TODAY)
    assert [(row.subject, row.tenant) for row in report.findings] == [
        ("CORS104 http://gone.example", None),
        ("CORS104 http://a.example", "acme"),
    ]


def test_an_unknown_rule_is_reported_with_the_near_miss(settings):
    settings.CORS_AUDIT_SUPPRESS = [entry("insecure-orgin")]
    [stale] = suppress(Report([]), RULES, today=TODAY).findings
    assert "did you mean 'insecure-origin'?" in stale.hint


# --- what was not looked at may match again


@pytest.mark.parametrize(
    ("written", "report", "only"),
    [
        (entry(), Report([], interrupted=True), None),
        (entry(), Report([], not_run=[NotRun(("CORS104",), "away")]), None),
        (entry(tenant="acme"), Report([], failure="away"), None),
        (entry(tenant="acme"), Report([], policies=1), ["globex"]),
    ],
)
def test_an_entry_for_what_was_not_looked_at_is_not_reported(settings, written, report, only):
    assert suppressed(settings, [written], report=report, only=only) == ([], [], [])


@pytest.mark.parametrize(
    ("written", "report", "only"),
    [
        (entry(), Report([], not_run=[NotRun(("CORS601",), "away")], failure="away"), ["globex"]),
        (entry(tenant="acme"), Report([], policies=1), ["acme"]),
        (entry(tenant="acme"), Report([], policies=0), None),
    ],
)
def test_an_entry_for_what_was_looked_at_is(settings, written, report, only):
    assert suppressed(settings, [written], report=report, only=only) == ([], [], [UNUSED])


def test_where_tenants_are_off_their_entries_are_left_alone(settings):
    settings.CORS_TENANT_RESOLVER = None
    assert suppressed(settings, [entry(tenant="acme")], report=Report([])) == ([], [], [])


@pytest.mark.parametrize(("requests", "said"), [(0, []), (1, [UNUSED])])
def test_an_entry_for_a_rule_that_sends_requests_waits_for_one(settings, requests, said):
    settings.CORS_AUDIT_SUPPRESS = [entry("CORS599")]
    rule = Rule("CORS599", "some-answer", (Severity.HIGH,), "Something is served.", None)
    report = suppress(Report([], requests=requests), (*RULES, rule), today=TODAY)
    assert len(report.findings) == len(said)


# --- CORS116


@pytest.mark.parametrize(
    ("written", "subject"),
    [
        ("CORS104", "CORS_AUDIT_SUPPRESS"),
        ({"rule": "CORS104"}, "CORS_AUDIT_SUPPRESS"),
        (["CORS104"], "CORS_AUDIT_SUPPRESS[0]"),
        ([entry(), entry(subject=None)], "CORS_AUDIT_SUPPRESS[1]['subject']"),
        ([{"rule": 104, "subject": "x", "reason": "y"}], "CORS_AUDIT_SUPPRESS[0]['rule']"),
        ([entry(reason=["x"])], "CORS_AUDIT_SUPPRESS[0]['reason']"),
        ([entry(tenant=7)], "CORS_AUDIT_SUPPRESS[0]['tenant']"),
        ([entry(until="tomorrow")], "CORS_AUDIT_SUPPRESS[0]['until']"),
        ([entry(until=20270131)], "CORS_AUDIT_SUPPRESS[0]['until']"),
        ([entry(untill="2027-01-31")], "CORS_AUDIT_SUPPRESS[0]['untill']"),
        ([entry(xyzzy=1)], "CORS_AUDIT_SUPPRESS[0]['xyzzy']"),
    ],
)
def test_an_entry_of_another_type_is_reported_and_suppresses_nothing(settings, written, subject):
    settings.CORS_AUDIT_SUPPRESS = written
    assert rows(static_findings(), "CORS116") == [("high", subject)]
    assert len(conf.current().suppressions) == subject.startswith("CORS_AUDIT_SUPPRESS[1]")


def test_a_key_that_is_nearly_right_says_which_is_meant(settings):
    settings.CORS_AUDIT_SUPPRESS = [entry(untill="2027-01-31")]
    [problem] = conf.current().problems
    assert problem.hint == "Write 'until'."
