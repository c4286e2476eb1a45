"""What the README says is what the code does."""

import ast
import configparser
import json
import logging
import re
import shlex
import textwrap
from dataclasses import fields
from datetime import date
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from jsonschema import Draft202012Validator

from django_cors_policy import conf, tenants
from django_cors_policy.audit import RULES, Report, audit, edge, static_findings
from django_cors_policy.audit.explain import sections
from django_cors_policy.audit.formats import FORMATS
from django_cors_policy.audit.suppressions import suppress
from django_cors_policy.cors import Kind, Limits, Reason, parse_pattern
from django_cors_policy.cors.lint import Severity
from django_cors_policy.defaults import default_headers
from django_cors_policy.models import TenantPolicy

TOP = Path(__file__).parent.parent
README = (TOP / "README.rst").read_text(encoding="utf-8")


def section(title):
    """Give the text between a section's underline and the next section's title, of the same or a higher level."""
    match = re.search(
        rf"^{re.escape(title)}\n([=-])\1+\n(.*?)(?=^[^\n]+\n(?:=+|\1+)\n|\Z)", README, re.DOTALL | re.MULTILINE
    )
    assert match, title
    return match[2]


def code_blocks(text):
    blocks = re.findall(r"\.\. code-block:: python\n\n((?: +.*\n|\n)+)", text)
    return ["\n".join(line[4:] for line in block.splitlines()) for block in blocks]


def table(text):
    """Give the rows of a simple table as (first column, the rest)."""
    return re.findall(r"^ *``([^`]+)`` {2,}(\S.*)$", text, re.MULTILINE)


def test_every_setting_that_is_read_is_documented_and_no_other():
    documented = re.findall(r"^``(CORS_\w+)[:`]|, ``(CORS_\w+):", section("Settings"), re.MULTILINE)
    assert {first or second for first, second in documented} == conf.current().names


@pytest.mark.parametrize("name", ["CORS_PREFLIGHT_MAX_AGE", "CORS_POLICY_REFRESH_SECONDS", "CORS_POLICY_CACHE_SIZE"])
def test_defaults_are_the_ones_documented(name):
    current = conf.current()
    used = {
        "CORS_PREFLIGHT_MAX_AGE": current.spec.preflight_max_age,
        "CORS_POLICY_REFRESH_SECONDS": current.refresh_seconds,
        "CORS_POLICY_CACHE_SIZE": current.cache_size,
    }
    [written] = re.findall(rf"^``{name}: \w+ = ([^`]+)``", README, re.MULTILINE)
    assert float(written.replace("_", "")) == used[name]


def test_the_limits_are_the_ones_documented():
    documented = {name: rest.split()[0] for name, rest in table(section("Settings")) if not name.startswith("http")}
    assert {field.name: str(field.default) for field in fields(Limits)}.items() <= documented.items()


def test_the_documented_patterns_are_patterns():
    patterns = [name for name, _ in table(section("Settings")) if "://" in name or name == "*"]
    assert len(patterns) == 6
    assert all(str(parse_pattern(pattern)) == pattern for pattern in patterns)


def test_the_resolvers_are_the_ones_documented():
    documented = re.findall(r"^``django_cors_policy\.tenants\.(\w+)``", README, re.MULTILINE)
    assert documented == [name for name in vars(tenants) if name.startswith("by_")]


def test_the_reasons_and_kinds_are_the_ones_documented():
    text = section("Reasons and the log")
    assert [name for name, _ in table(text)] == [str(reason) for reason in Reason]
    assert all(f"``{kind}``" in text for kind in Kind)


def rules_table():
    rows = [
        (rule.code, rule.slug, " / ".join(rule.severities), rule.summary.replace("*", r"\*").replace("_", r"\_"))
        for rule in RULES
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    line = "  ".join("=" * width for width in widths)
    written = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([line, *written, line])


def test_every_rule_is_documented():
    written = README.partition(".. rules: begin\n")[2].partition(".. rules: end")[0].strip()
    assert written == rules_table()


# --- the rules, one by one

# Rules that have a section and are not there yet; to be removed with the last of them.
EXPLAINED = sections()
BY_CODE = {rule.code: rule for rule in RULES}
EXAMPLES = sorted(
    BY_CODE.keys()
    # These show a row, a part of a list, or middleware or a database that is not there.
    - {"CORS308", "CORS401", "CORS403", "CORS405", "CORS407", "CORS417", "CORS419"}
    - {code for code in BY_CODE if code[4] in "56"}
)


def test_the_readme_holds_every_rules_section_word_for_word():
    written = README.partition(".. explained: begin\n")[2].partition(".. explained: end")[0]
    shipped = (TOP / "django_cors_policy/audit/rules.rst").read_text(encoding="utf-8")
    assert written.strip() == shipped.strip()
    assert shipped.isascii()  # --explain prints it to any terminal


def test_rules_sections_and_tests_are_of_the_same_rules():
    tests = "".join(
        path.read_text(encoding="utf-8") for path in (TOP / "tests").rglob("test_*.py") if path != Path(__file__)
    )
    assert list(EXPLAINED) == sorted(BY_CODE)
    assert {code for code in BY_CODE if f'"{code}"' not in tests} == set()


@pytest.mark.parametrize("code", EXPLAINED)
def test_a_section_is_complete(code):
    title, line, *lines = EXPLAINED[code].splitlines()
    assert set(line) == {"-"}
    assert len(line) == len(title)
    assert 8 <= len(EXPLAINED[code].splitlines()) <= 20
    assert any(line.startswith("Fix: ") for line in lines)
    assert any(line.startswith(":See: https://") for line in lines)
    assert "::\n\n    " in EXPLAINED[code]


@pytest.mark.parametrize("code", BY_CODE)
def test_a_section_says_what_the_rule_says(code):
    title, _, _, severity, *rest = EXPLAINED[code].splitlines()
    rule = BY_CODE[code]
    assert title == f"{rule.code} {rule.slug}"
    assert severity == f":Severity: {' / '.join(rule.severities)}"
    weakness = [f":Weakness: https://cwe.mitre.org/data/definitions/{rule.cwe}.html"] if rule.cwe else []
    assert [line for line in rest if line.startswith(":Weakness:")] == weakness


@pytest.mark.parametrize("code", EXAMPLES)
def test_the_example_of_a_section_is_found(code, settings):
    block = re.search(r"::\n\n((?:    .*\n)+)", EXPLAINED[code])[1]
    namespace = {"os": SimpleNamespace(environ={"CREDENTIALS": "False"}), "default_headers": default_headers}
    exec(textwrap.dedent(block), namespace)
    if code == "CORS409":
        settings.CORS_TENANT_RESOLVER = None
    for name, value in namespace.items():
        if name.isupper():
            setattr(settings, name, value)
    report = suppress(Report(static_findings()), RULES, today=date(2027, 1, 1))
    assert code in {finding.rule.code for finding in report.findings}


# --- the audit


def test_the_json_document_is_the_one_documented():
    example = json.loads(re.search(r"The JSON document::\n\n(.*?)\n\n\S", README, re.DOTALL)[1])
    assert list(example["summary"]) == [str(severity) for severity in Severity]
    schema = json.loads((TOP / "django_cors_policy/audit/report.schema.json").read_text("utf-8"))
    assert list(example) == list(schema["properties"])
    assert list(example["findings"][0]) == list(schema["$defs"]["finding"]["properties"])
    Draft202012Validator(schema).validate(example)


def audit_commands():
    """Give the arguments of each cors_audit that the README runs."""
    text = re.sub(r"\n +--", " --", section("The audit") + section("Formats") + section("In CI and on production"))
    for line in re.findall(r"manage\.py cors_audit([^`\n]*)$", text + section("Baseline"), re.MULTILINE):
        yield shlex.split(line.partition(">")[0])


@pytest.mark.django_db
def test_the_documented_audit_commands_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    commands = sorted(audit_commands(), key=lambda args: "--baseline" in args)  # which is written before
    assert len(commands) >= 8
    for args in commands:
        call_command("cors_audit", *args, stdout=StringIO())
    assert {path.name for path in tmp_path.iterdir()} == {"cors.sarif", "cors.xml", "cors.baseline.json"}


def test_the_documented_formats_are_the_commands():
    assert [name for name, _ in table(section("Formats"))] == list(FORMATS)


@pytest.mark.django_db
def test_the_documented_suppressions_suppress(settings):
    [code] = code_blocks(section("Suppressions"))
    namespace = {}
    exec(code, namespace)
    settings.CORS_AUDIT_SUPPRESS = namespace["CORS_AUDIT_SUPPRESS"]
    settings.CORS_ALLOWED_ORIGINS = ["http://kiosk.example.com"]
    settings.ALLOWED_HOSTS = ["api.acme.example"]
    TenantPolicy.objects.create(tenant="api.acme.example").origins.create(pattern="https://*.acme.example")
    report = suppress(audit(), RULES, today=date(2027, 6, 30))
    assert (report.findings, len(report.suppressed)) == ((), 2)


@pytest.mark.django_db
def test_the_documented_code_works():
    namespace = {}
    [create] = code_blocks(section("In code"))
    exec(create, namespace)
    assert [origin.pattern for origin in namespace["policy"].origins.all()] == ["https://app.acme.example"]


def test_the_documented_test_passes(client, db):
    namespace = {"TenantPolicy": TenantPolicy}
    exec(code_blocks(section("In tests"))[0].replace("/api/", "/ok/"), namespace)
    namespace["test_the_front_end_may_read_the_answer"](client, db)


def test_the_documented_resolver_works(settings, client, db, monkeypatch):
    code = next(block for block in code_blocks(section("Tenants")) if "def by_second" in block)
    namespace = {}
    exec(code, namespace)
    monkeypatch.setattr(tenants, "documented", namespace["by_second_segment"], raising=False)
    settings.CORS_TENANT_RESOLVER = "django_cors_policy.tenants.documented"
    TenantPolicy.objects.create(tenant="acme").origins.create(pattern="https://app.example.com")
    for path, allowed in (("/t/acme/api/", True), ("/t/globex/api/", False), ("/ok/", False)):
        response = client.get(path, headers={"origin": "https://app.example.com"})
        assert ("Access-Control-Allow-Origin" in response.headers) is allowed


def test_the_documented_logging_shows_why_an_origin_was_denied(client, db, caplog):
    code = next(block for block in code_blocks(section("Reasons and the log")) if "LOGGING" in block)
    namespace = {}
    exec(code, namespace)
    logger = namespace["LOGGING"]["loggers"]["django_cors_policy"]
    caplog.set_level(logger["level"], "django_cors_policy")
    client.get("/ok/", headers={"origin": "https://evil.test"})
    assert "https://evil.test" in caplog.text


def test_the_old_names_are_the_ones_that_the_audit_knows(settings):
    for old, new in re.findall(r"``(CORS_ORIGIN_\w+)`` is\s+``(CORS_\w+)``", README):
        setattr(settings, old, [])
        [finding] = [found for found in static_findings() if found.subject == old]
        assert finding.hint == f"Rename it to {new}."
        delattr(settings, old)


def test_the_commands_exist():
    tox = configparser.ConfigParser()
    tox.read(TOP / "tox.ini")
    commands = re.findall(r"-m tox run(?: -e (\w+))?|and -e (\w+) on", README)
    named = {first or second for first, second in commands}
    assert named == {"", "bench", "demo", "browser", "postgres", "mariadb"}
    known = "".join(tox.sections())
    assert all(name in known for name in named)


def test_ci_runs_the_commands_as_the_readme_writes_them():
    script = (TOP / ".ci/run").read_text(encoding="utf-8")
    for command in re.findall(r"^    (python -m pip install tox && .*)$", README, re.MULTILINE):
        assert command in script


def test_the_documented_options_are_the_commands():
    from django_cors_policy.management.commands.cors_audit import Command

    out = StringIO()
    Command(stdout=out).create_parser("manage.py", "cors_audit").print_help(out)
    documented = re.findall(r"(?<![-\w])--[a-z][a-z-]*", section("The audit").partition("System checks")[0])
    assert len(documented) >= 4
    assert all(option in out.getvalue() for option in documented)


def test_the_documented_options_of_the_status_are_the_commands():
    from django_cors_policy.management.commands.cors_status import Command

    out = StringIO()
    Command(stdout=out).create_parser("manage.py", "cors_status").print_help(out)
    documented = re.findall(r"\[(--[a-z]+)", section("Operations"))
    assert documented == ["--json", "--database", "--touch"]
    assert all(option in out.getvalue() for option in documented)


def test_the_documented_options_of_the_explanation_are_the_commands():
    from django_cors_policy.management.commands.cors_explain import Command

    out = StringIO()
    Command(stdout=out).create_parser("manage.py", "cors_explain").print_help(out)
    documented = re.findall(r"^``(--[a-z-]+)", section("Why was it blocked?"), re.MULTILINE)
    offered = set(re.findall(r"^  (--[a-z-]+)", out.getvalue(), re.MULTILINE))
    assert offered == {
        *documented,
        "--version",
        "--settings",
        "--pythonpath",
        "--traceback",
        "--no-color",
        "--force-color",
    }


@pytest.mark.django_db
def test_the_documented_status_has_the_names_of_the_real_one():
    policy = TenantPolicy.objects.create(tenant="api.acme.example")
    policy.origins.create(pattern="app.acme.example")
    out = StringIO()
    call_command("cors_status", "--json", stdout=out)
    real = json.loads(out.getvalue())
    example = json.loads(re.search(r"enabled ones::\n\n(.*?)\n\n\S", section("Operations"), re.DOTALL)[1])

    def names(value):
        if isinstance(value, dict):
            return {name: names(inner) for name, inner in value.items()}
        return [names(value[0])] if value and isinstance(value, list) else None

    assert names(example) == names(real)
    assert {**example["first"][0], "message": ""} == {**real["first"][0], "message": ""}
    assert example["settings"] == real["settings"]


def log_lines():
    """Give (logger, level, format) of each line that the package logs."""
    for path in sorted((TOP / "django_cors_policy").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        texts = {
            node.targets[0].id: node.value.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and is_text(node.value)
        }
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        names = [node.args[0].value for node in calls if called(node) == LOGGER and is_text(node.args[0])]
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (match := re.fullmatch(r"logger\.(\w+)", called(node))):
                level = {"exception": "error"}.get(match[1], match[1]).upper()
                if level in logging.getLevelNamesMapping():
                    text = node.args[0]
                    yield names[0], level, text.value if is_text(text) else texts[text.id]


LOGGER = "logging.getLogger"


def called(node):
    return ast.unparse(node.func)


def is_text(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def documented_log_lines():
    for part in section("Log lines").split("The logger ")[1:]:
        name = re.match(r"``([\w.]+)``:", part)[1]
        for text, level in re.findall(r"^``(CORS.+)`` : ([A-Z]+)$", part, re.MULTILINE):
            yield name, level, text


def says(written, logged):
    """Tell whether a documented line, with words for what varies, is one of a format's."""
    pattern = ".+".join(map(re.escape, re.split(r"%[a-z]", logged[2])))
    return written[:2] == logged[:2] and re.fullmatch(pattern, written[2]) is not None


def test_every_line_that_is_logged_is_documented_and_no_other():
    logged, documented = list(log_lines()), list(documented_log_lines())
    assert len(logged) >= 9
    assert [line for line in logged if not any(says(written, line) for written in documented)] == []
    assert [written for written in documented if not any(says(written, line) for line in logged)] == []
    assert len(documented) >= len(logged)  # no row stands for two


def test_micronaut_ghsa_583g_g682_crxf_cors_stops_reading_and_not_sending(client, db):
    assert "It keeps a page from **reading**, not from **sending**." in README
    response = client.post("/ok/", headers={"origin": "https://evil.test"})
    assert response.content == b"POST ok"
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.django_db
def test_the_documented_fixture_commands_work(tmp_path):
    call_command("dumpdata", "django_cors_policy", natural_foreign=True, output=str(tmp_path / "x.json"), verbosity=0)


def test_the_pace_of_the_edge_is_the_one_documented():
    text = section("The edge")
    for option, default in (("rate", edge.RATE), ("max-requests", edge.MAX_REQUESTS), ("timeout", edge.TIMEOUT)):
        assert f"``--{option}`` ({default:g}" in text
    assert f"about {edge.MAX_REQUESTS / edge.RATE:g} seconds" in text
    assert edge.Edge("https://api.example.com/api/").asked == ("/api/",)


# --- the pictures


@pytest.mark.parametrize("name", re.findall(r"^\.\. image:: (\S+)$", README, re.MULTILINE))
def test_each_picture_is_there_and_small(name):
    assert 0 < (TOP / name).stat().st_size < 60_000
