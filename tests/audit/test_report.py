import random
import re

import pytest

from django_cors_policy.audit import RULES, Report
from django_cors_policy.audit.report import PROXY, NotRun, Suppressed
from django_cors_policy.cors.lint import LINT_RULES, Finding, Rule, Severity

RULE = Rule("CORS901", "some-rule", tuple(Severity), "Something is found.", None)
OTHER = Rule("CORS902", "other-rule", tuple(Severity), "Something else is found.", 942)


def finding(severity="high", subject="subject", tenant=None, rule=RULE, message="Message.", hint="Hint."):
    return Finding(rule, Severity(severity), subject, message, hint, tenant)


# --- the rules


def test_no_code_and_no_slug_is_used_twice():
    assert len({rule.code for rule in RULES}) == len({rule.slug for rule in RULES}) == len(RULES)


def test_the_rules_of_all_sources_come_in_the_order_of_their_codes():
    assert list(RULES) == sorted(RULES, key=lambda rule: rule.code)
    assert set(LINT_RULES) < set(RULES)
    assert {"CORS115", "CORS404", "CORS602"} <= {rule.code for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)
def test_a_rule_says_what_it_finds_in_one_sentence(rule):
    assert re.fullmatch(r"CORS[1-6][0-9]{2}", rule.code)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.slug)
    assert list(rule.severities) == sorted(rule.severities, key=lambda severity: -severity.rank)
    assert rule.summary.endswith(".")
    assert rule.summary.isprintable()


# --- order, summary, level


def test_the_gravest_come_first_and_equal_ones_by_code_tenant_and_subject():
    ordered = [
        finding("critical", rule=OTHER),
        finding("high", "a"),
        finding("high", "b"),
        finding("high", "a", "acme"),
        finding("high", "b", "acme"),
        finding("high", "a", "globex"),
        finding("high", "a", rule=OTHER),
        finding("medium"),
        finding("low"),
        finding("info"),
    ]
    shuffled = ordered[:]
    random.Random(7).shuffle(shuffled)
    assert list(Report(shuffled).findings) == ordered


def test_the_summary_counts_every_severity():
    assert Report([finding("high"), finding("high"), finding("info")]).summary == {
        "critical": 0,
        "high": 2,
        "medium": 0,
        "low": 0,
        "info": 1,
    }


@pytest.mark.parametrize("severity", Severity)
@pytest.mark.parametrize("level", Severity)
def test_a_level_is_reached_by_what_is_as_grave_or_graver(severity, level):
    order = ["info", "low", "medium", "high", "critical"]
    assert Report([finding(severity)]).reaches(level) == (order.index(severity) >= order.index(level))


@pytest.mark.parametrize("level", Severity)
def test_no_level_is_reached_without_findings(level):
    assert not Report([]).reaches(level)


# --- text


def test_the_text_report():
    report = Report([finding("low", "*", "acme"), finding("critical", "X", rule=OTHER)], rules=3, policies=2)
    assert list(report.as_text()) == [
        "critical CORS902 other-rule: X",
        "         Message.",
        "         Hint.",
        "low      CORS901 some-rule: * (tenant acme)",
        "         Message.",
        "         Hint.",
        "2 findings: 1 critical, 1 low.",
        "Looked at: the settings, the middleware and 2 stored policies, by 3 rules.",
        f"Not looked at: {PROXY}.",
    ]


@pytest.mark.parametrize(
    ("findings", "line"),
    [
        ([], "No findings."),
        ([finding()], "1 finding: 1 high."),
        ([finding(), finding(), finding("info")], "3 findings: 2 high, 1 info."),
    ],
)
def test_the_text_report_ends_with_the_numbers_and_what_it_cannot_see(findings, line):
    first, _, last = list(Report(findings).as_text())[-3:]
    assert (first, last) == (line, f"Not looked at: {PROXY}.")


def test_the_text_report_says_what_is_not_shown_and_what_was_not_run():
    report = Report([], rules=3, not_run=[NotRun(("CORS901", "CORS902"), "away:\nno table")])
    report = report.refined([], suppressed=[Suppressed(finding(), "Why.")], known=[finding(), finding("low")])
    assert list(report.as_text())[:2] == ["No findings.", "Not shown: 1 suppressed, 2 in the baseline."]
    assert list(report.as_text())[3] == r"Not run to the end: CORS901, CORS902: away:\nno table."


def test_what_is_set_aside_stays_in_order():
    low, high = finding("low"), finding("high")
    report = Report([]).refined([], suppressed=[Suppressed(low, ""), Suppressed(high, "")], known=[low, high])
    assert [entry.finding for entry in report.suppressed] == list(report.known) == [high, low]


def test_a_report_of_some_rules_alone():
    one, other = finding(), finding(rule=OTHER)
    report = Report([one, other], rules=9)
    report = report.refined([one, other], suppressed=[Suppressed(one, ""), Suppressed(other, "")], known=[one, other])
    chosen = report.only({"CORS902"})
    assert (chosen.findings, chosen.known, chosen.rules) == ((other,), (other,), 1)
    assert [entry.finding for entry in chosen.suppressed] == [other]
    assert (len(report.findings), report.rules) == (2, 9)


def test_only_the_severity_is_coloured():
    report = Report([finding("high", tenant="high")])
    first, *rest = report.as_text(lambda severity, text: f"<{severity}:{text}>")
    assert first == "<high:high    > CORS901 some-rule: subject (tenant high)"
    assert rest == list(report.as_text())[1:]


@pytest.mark.parametrize("field", ["subject", "tenant", "message", "hint"])
@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a\nhigh     CORS101 any: b", r"a\nhigh     CORS101 any: b"),
        ("a\r\n\x0b\x0c\x1cb", r"a\r\n\x0b\x0c\x1cb"),
        ("a\x85\u2028\u2029b", r"a\x85\u2028\u2029b"),
        ("\x1b]0;title\x07\x1b[2J\x9b31m", r"\x1b]0;title\x07\x1b[2J\x9b31m"),
        ("\u202egro.live\u2066", r"\u202egro.live\u2066"),
        ("\x00\x7f\udcff\U000e0001", r"\x00\x7f\udcff\U000e0001"),
        ("bücher.例え", "bücher.例え"),
    ],
)
def test_nothing_written_by_others_breaks_a_line_or_commands_the_terminal(field, written, shown):
    lines = list(Report([finding(**{field: written})]).as_text())
    assert len(lines) == 6
    assert all(line.isprintable() for line in lines)
    assert shown in "\n".join(lines)
