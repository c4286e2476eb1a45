import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import DatabaseError, InterfaceError, OperationalError

from django_cors_policy.audit import RULES
from django_cors_policy.audit.report import PROXY
from django_cors_policy.models import TenantPolicy

ROOT = Path(__file__).parent.parent
COLOUR = "\x1b["


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(*args, stdout=None, **options):
    """Run the command; give its exit code and what it wrote."""
    out = stdout or io.StringIO()
    code = 0
    try:
        call_command("cors_audit", *args, stdout=out, **options)
    except SystemExit as exit_:
        code = exit_.code
    return code, out.getvalue()


# --- the report


@pytest.mark.django_db
def test_an_empty_database_and_plain_settings_are_clean():
    code, report = run()
    assert code == 0
    assert report.startswith("No findings.\n")
    assert report.endswith(f"Not looked at: {PROXY}.\n")


@pytest.mark.django_db
def test_settings_stack_and_stored_policies_are_all_looked_at(settings):
    settings.CORS_COLOUR = "red"
    settings.MIDDLEWARE = []
    TenantPolicy.objects.create(tenant="acme").origins.create(pattern="no origin")
    _, text = run()
    assert {"CORS115", "CORS401", "CORS601"} <= set(re.findall("CORS[0-9]{3}", text))


@pytest.mark.django_db
def test_json_has_the_same_findings_as_the_text(settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://App.example.com"]
    TenantPolicy.objects.create(tenant="acme").origins.create(pattern="no origin")
    code, text = run("--format", "json")
    report = json.loads(text)
    assert code == 1
    assert report["version"] == 1
    assert [(found["code"], found["tenant"]) for found in report["findings"]] == [
        ("CORS601", "acme"),
        ("CORS111", None),
    ]
    assert report["summary"] == {"critical": 0, "high": 1, "medium": 1, "low": 0, "info": 0}
    _, text = run()
    assert re.findall("^[a-z]+ +(CORS[0-9]{3})", text, re.MULTILINE) == ["CORS601", "CORS111"]


@pytest.mark.django_db
def test_the_settings_are_audited_although_the_checks_have_errors(settings):
    settings.CORS_ALLOW_ALL_ORIGINS = settings.CORS_ALLOW_CREDENTIALS = True
    code, text = run()
    assert code == 1
    assert "CORS101" in text


# --- --fail-level


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changed", "severity"),
    [
        ({"CORS_ALLOW_ALL_ORIGINS": True, "CORS_ALLOW_CREDENTIALS": True, "CORS_ALLOW_METHODS": []}, "critical"),
        ({"MIDDLEWARE": []}, "high"),
        ({"CORS_ALLOWED_ORIGINS": ["null"]}, "medium"),
        ({"CORS_COLOUR": "red"}, "low"),
        ({"CORS_PREFLIGHT_MAX_AGE": 86_400}, "info"),
    ],
)
@pytest.mark.parametrize("level", ["critical", "high", "medium", "low", "info", None])
def test_the_exit_code_is_1_from_the_fail_level_up(settings, changed, severity, level):
    for name, value in changed.items():
        setattr(settings, name, value)
    order = ["info", "low", "medium", "high", "critical"]
    code, _ = run(*(["--fail-level", level] if level else []))
    assert code == int(order.index(severity) >= order.index(level or "high"))


# --- --tenant


@pytest.fixture
def three(db):
    for tenant in ("acme", "globex", "initech"):
        TenantPolicy.objects.create(tenant=tenant).origins.create(pattern="no origin")


@pytest.mark.parametrize(
    ("args", "tenants"),
    [
        ([], {"acme", "globex", "initech"}),
        (["--tenant", "acme"], {"acme"}),
        (["--tenant", "acme", "--tenant", "initech"], {"acme", "initech"}),
    ],
)
def test_only_the_tenants_that_are_named(three, args, tenants):
    _, text = run("--format", "json", *args)
    assert {found["tenant"] for found in json.loads(text)["findings"]} == tenants


def test_an_unknown_tenant_is_an_error_that_names_the_nearest(three):
    with pytest.raises(CommandError, match="'glob-ex'; did you mean 'globex'") as error:
        run("--tenant", "glob-ex")
    assert error.value.returncode == 2


# --- --list-rules


def test_every_rule_is_listed_on_a_line_without_a_query():
    code, text = run("--list-rules")
    assert code == 0
    lines = text.splitlines()
    assert len(lines) == len(RULES)
    assert [line.split()[0] for line in lines] == sorted(rule.code for rule in RULES)
    assert "CORS404 below-cache (high / low): A cache stands above" in text


# --- what is no audit


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--format", "xml"], "xml"),
        (["--fail-level", "grave"], "grave"),
        (["--fail-level", "HIGH"], "HIGH"),
        (["--tenant"], "--tenant"),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_unknown_arguments_are_named(args, named):
    with pytest.raises(CommandError, match=named):
        run(*args)


@pytest.mark.parametrize("error", [DatabaseError, OperationalError, InterfaceError, ImproperlyConfigured])
def test_policies_that_cannot_be_read_are_an_error_on_one_line(monkeypatch, error):
    def fail(_):
        raise error("no such table:\n\x1b[31mx")

    monkeypatch.setattr("django_cors_policy.audit.tenants.findings", fail)
    with pytest.raises(CommandError, match=r"cannot be read.*migrated") as raised:
        run()
    assert raised.value.returncode == 2
    assert str(raised.value).isprintable()


# --- colours


@pytest.fixture
def findings_of_all_severities(db, settings, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    settings.CORS_ALLOW_ALL_ORIGINS = settings.CORS_ALLOW_CREDENTIALS = True
    settings.CORS_ALLOWED_ORIGINS = ["null"]
    settings.CORS_COLOUR = "red"
    settings.CORS_PREFLIGHT_MAX_AGE = 86_400
    settings.MIDDLEWARE = []


def coloured(text):
    return set(re.findall(r"\x1b\[[0-9;]+m([a-z]+) *\x1b\[0m", text))


def test_each_severity_is_coloured_where_colours_are_forced(findings_of_all_severities):
    _, text = run(force_color=True)
    assert coloured(text) == {"critical", "high", "medium", "low", "info"}
    _, plain = run()
    assert re.sub(r"\x1b\[[0-9;]+m", "", text) == plain


def test_a_terminal_is_coloured(findings_of_all_severities, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    _, text = run(stdout=terminal)
    assert "high" in coloured(text)


def test_what_is_written_elsewhere_is_not_coloured_although_the_process_has_a_terminal(
    findings_of_all_severities, monkeypatch
):
    monkeypatch.setattr(sys, "stdout", Terminal())
    _, text = run(stdout=io.StringIO())
    assert COLOUR not in text


@pytest.mark.parametrize(("variable", "options"), [("1", {}), ("", {"no_color": True})])
def test_colours_can_be_refused(findings_of_all_severities, monkeypatch, variable, options):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("NO_COLOR", variable)
    _, text = run(stdout=terminal, **options)
    assert COLOUR not in text


def test_json_is_never_coloured(findings_of_all_severities):
    _, text = run("--format", "json", force_color=True)
    assert COLOUR not in text


# --- what others wrote


@pytest.mark.django_db
def test_a_stream_that_lacks_a_letter_gets_it_escaped(settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://bücher.例え"]
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="latin-1")
    with pytest.raises(SystemExit):
        call_command("cors_audit", "--fail-level", "info", stdout=stream)
    stream.flush()
    assert r"https://bücher.\u4f8b\u3048".encode("latin-1") in written.getvalue()


# --- a process of its own


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Give a way to run django commands in a process, with settings of its own and a migrated database."""
    folder = tmp_path_factory.mktemp("project")

    def django(*args, database="migrated", settings="", **variables):
        (folder / "audited.py").write_text(f"from tests.settings import *\n{settings}\n")
        environment = {
            **os.environ,
            "DATABASE_URL": f"sqlite:///{folder / database}.sqlite3",
            "DJANGO_SETTINGS_MODULE": "audited",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]),
            **variables,
        }
        command = [sys.executable, "-W", "error", "-m", "django", *args]
        return subprocess.run(command, env=environment, cwd=folder, capture_output=True, timeout=60, check=False)

    migrated = django("migrate", "django_cors_policy", "--verbosity", "0", "--skip-checks")
    assert migrated.returncode == 0, migrated.stderr
    return django


@pytest.mark.parametrize(
    ("args", "settings", "code", "line"),
    [
        ([], "", 0, "No findings."),
        ([], "MIDDLEWARE = []", 1, "1 finding: 1 high."),
        (["--fail-level", "critical"], "MIDDLEWARE = []", 0, "1 finding: 1 high."),
    ],
)
def test_a_process_exits_with_0_or_1_and_reports_on_stdout(project, args, settings, code, line):
    done = project("cors_audit", *args, settings=settings)
    assert (done.returncode, done.stderr) == (code, b"")
    assert line in done.stdout.decode().splitlines()
    assert COLOUR not in done.stdout.decode()


@pytest.mark.parametrize(
    ("args", "database", "line"),
    [
        (["--tenant", b"\xff"], "migrated", r"CommandError: no policy is stored for tenant '\udcff'"),
        ([], "empty", "CommandError: the stored policies cannot be read: 'no such table: "),
    ],
)
def test_a_process_that_cannot_audit_exits_with_2_and_one_line_on_stderr(project, args, database, line):
    done = project("cors_audit", *args, database=database)
    assert done.returncode == 2
    [error] = done.stderr.decode().splitlines()
    assert error.startswith(line)


def test_the_settings_are_looked_at_even_where_the_database_cannot_be_read(project):
    done = project("cors_audit", database="empty", settings='CORS_ORIGIN_WHITELIST = ["https://app.example.com"]')
    assert done.returncode == 2
    report = done.stdout.decode()
    assert "Rename it to CORS_ALLOWED_ORIGINS." in report
    assert "Not looked at: the stored policies; " in report


def test_a_process_with_an_unknown_argument_exits_with_2(project):
    done = project("cors_audit", "--format", "xml")
    assert (done.returncode, done.stdout) == (2, b"")
    assert "xml" in done.stderr.decode().splitlines()[-1]


def test_two_processes_report_the_same(project):
    settings = """
CORS_ALLOWED_ORIGINS = {f"https://App{number}.example.com" for number in range(20)}
CORS_ALLOW_HEADERS = {f"x bad {number}" for number in range(20)}
CORS_ALLOWED_ORIGN = CORS_COLOUR = CORS_ORIGIN_WHITELIST = []
MIDDLEWARE = []
"""
    reports = {project("cors_audit", settings=settings, PYTHONHASHSEED=seed).stdout for seed in ("1", "2")}
    assert len(reports) == 1
    assert b"44 findings" in reports.pop()


def test_a_fault_of_the_audits_own_is_a_2_and_names_itself(monkeypatch):
    def fail(only):
        raise RuntimeError("many\nlines")

    monkeypatch.setattr("django_cors_policy.management.commands.cors_audit.audit", fail)
    with pytest.raises(CommandError, match=r"the audit failed: 'RuntimeError: many\\nlines'") as failed:
        call_command("cors_audit")
    assert failed.value.returncode == 2


@pytest.mark.django_db
def test_the_report_says_how_much_it_looked_at(settings, django_assert_num_queries):
    TenantPolicy.objects.create(tenant="acme.tenants.example")
    TenantPolicy.objects.create(tenant="off.tenants.example", enabled=False)

    def looked_at(**options):
        out = io.StringIO()
        call_command("cors_audit", stdout=out, **options)
        return next(line for line in out.getvalue().splitlines() if line.startswith("Looked at:"))

    rules = f"by {len(RULES)} rules."
    assert looked_at() == f"Looked at: the settings, the middleware and 1 stored policy, {rules}"
    settings.CORS_TENANT_RESOLVER = None
    with django_assert_num_queries(0):
        assert looked_at() == f"Looked at: the settings, the middleware and 0 stored policies, {rules}"
    assert "1 stored policy" in looked_at(tenant=["acme.tenants.example"])
