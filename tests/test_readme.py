"""What the README says is what the code does."""

import configparser
import json
import re
from dataclasses import fields
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from django_cors_policy import conf, tenants
from django_cors_policy.audit import RULES, static_findings
from django_cors_policy.cors import Kind, Limits, Reason, parse_pattern
from django_cors_policy.cors.lint import Severity
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


def test_the_json_document_is_the_one_documented():
    example = json.loads(re.search(r"The JSON document::\n\n(.*?)\n\n\S", README, re.DOTALL)[1])
    assert list(example["summary"]) == [str(severity) for severity in Severity]
    assert list(example["findings"][0]) == ["code", "slug", "severity", "subject", "tenant", "message", "hint"]


@pytest.mark.django_db
def test_the_documented_code_works():
    namespace = {}
    create, lock = code_blocks(section("In code"))
    exec(create, namespace)
    assert [origin.pattern for origin in namespace["policy"].origins.all()] == ["https://app.acme.example"]
    exec(lock, namespace)
    assert not namespace["policy"].origins.exists()


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
    assert named == {"", "demo", "browser", "postgres", "mariadb"}
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


def test_micronaut_ghsa_583g_g682_crxf_cors_stops_reading_and_not_sending(client, db):
    assert "It keeps a page from **reading**, not from **sending**." in README
    response = client.post("/ok/", headers={"origin": "https://evil.test"})
    assert response.content == b"POST ok"
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.django_db
def test_the_documented_fixture_commands_work(tmp_path):
    call_command("dumpdata", "django_cors_policy", natural_foreign=True, output=str(tmp_path / "x.json"), verbosity=0)
