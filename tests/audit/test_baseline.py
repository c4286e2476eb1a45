import json
import random

import pytest

from django_cors_policy.audit import Report
from django_cors_policy.audit.baseline import UnusableBaseline, against, as_baseline, fingerprints, read_baseline
from django_cors_policy.cors.lint import Finding, Rule, Severity

RULE = Rule("CORS901", "some-rule", tuple(Severity), "Something is found.", None)
OTHER = Rule("CORS902", "other-rule", tuple(Severity), "Something else is found.", 942)


def finding(severity="high", subject="subject", tenant=None, rule=RULE, message="Message.", hint="Hint."):
    return Finding(rule, Severity(severity), subject, message, hint, tenant)


@pytest.fixture
def compare(tmp_path):
    """Give what is new in a report against a baseline of another, and what is known."""

    def compare(before, now):
        path = tmp_path / "baseline.json"
        path.write_text(as_baseline(Report(before)))
        report = against(Report(now), read_baseline(str(path)))
        return list(report.findings), list(report.known)

    return compare


FINDINGS = [finding(), finding(subject="b"), finding(tenant="acme"), finding("low", rule=OTHER)]


def test_nothing_is_new_against_its_own_baseline(compare):
    assert compare(FINDINGS, FINDINGS) == ([], list(Report(FINDINGS).findings))


@pytest.mark.parametrize("place", range(len(FINDINGS)))
def test_only_what_is_new_is_left(compare, place):
    new, known = compare(FINDINGS[:place] + FINDINGS[place + 1 :], FINDINGS)
    assert new == [FINDINGS[place]]
    assert len(known) == len(FINDINGS) - 1


def test_order_message_and_hint_make_nothing_new(compare):
    shuffled = [
        finding(found.severity, found.subject, found.tenant, found.rule, "Another.", "Other.") for found in FINDINGS
    ]
    random.Random(5).shuffle(shuffled)
    assert compare(FINDINGS, shuffled)[0] == []


@pytest.mark.parametrize(("before", "now", "new"), [("low", "high", 1), ("high", "low", 0), ("low", "low", 0)])
def test_what_is_graver_than_it_was_is_new(compare, before, now, new):
    assert len(compare([finding(before)], [finding(now)])[0]) == new


def test_a_second_of_the_same_is_new(compare):
    new, known = compare([finding()], [finding(), finding()])
    assert (len(new), len(known)) == (1, 1)


def test_no_part_of_a_fingerprint_runs_into_the_next():
    several = [finding(subject="b", tenant="a"), finding(subject="a", tenant="b"), finding(subject="ab", tenant="")]
    several += [finding(subject='a", "b'), finding(subject="\udcff")]
    assert len(set(fingerprints(several))) == len(several)


def test_a_baseline_keeps_what_an_older_one_knew_and_is_the_same_in_any_order():
    report = against(Report(FINDINGS), {fingerprints(FINDINGS[:1])[0]: Severity.HIGH})
    assert len(report.known) == 1
    assert as_baseline(report) == as_baseline(Report(FINDINGS[::-1]))
    rows = json.loads(as_baseline(report))["findings"]
    assert [(row["code"], row["tenant"], row["subject"]) for row in rows] == [
        ("CORS901", None, "b"),
        ("CORS901", None, "subject"),
        ("CORS901", "acme", "subject"),
        ("CORS902", None, "subject"),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"[" * 100_000, "cannot be read"),
        (b"[]", "is no baseline"),
        (b"{}", "is no baseline"),
        (b'{"version": 2, "findings": []}', "another version"),
        (b'{"version": 1}', "is no baseline"),
        (b'{"version": 1, "findings": [1]}', "is no baseline"),
        (b'{"version": 1, "findings": [{"fingerprint": "a", "severity": "grave"}]}', "is no baseline"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_baseline_is_refused_on_one_line(tmp_path, text, why):
    path = tmp_path / "base\nline"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(UnusableBaseline, match=why) as error:
        read_baseline(str(path))
    assert str(error.value).isprintable()
