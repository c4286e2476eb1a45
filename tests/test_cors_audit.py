import io
import json
import os
import re
import signal
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
@pytest.mark.parametrize(
    ("name", "start"),
    [("text", "high "), ("json", "{"), ("sarif", "{"), ("github", "::error "), ("junit", "<?xml ")],
)
def test_each_format_is_printed(settings, name, start):
    settings.MIDDLEWARE = []
    code, text = run("--format", name)
    assert code == 1
    assert text.startswith(start)
    assert "CORS401" in text


@pytest.mark.django_db
def test_json_has_the_same_findings_as_the_text(settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://App.example.com"]
    TenantPolicy.objects.create(tenant="testserver").origins.create(pattern="no origin")
    code, text = run("--format", "json")
    report = json.loads(text)
    assert code == 1
    assert report["version"] == 1
    assert [(found["code"], found["tenant"]) for found in report["findings"]] == [
        ("CORS601", "testserver"),
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
    for tenant in ("acme.tenants.example", "globex.tenants.example", "initech.tenants.example"):
        TenantPolicy.objects.create(tenant=tenant).origins.create(pattern="no origin")


@pytest.mark.parametrize(
    ("named", "tenants"),
    [
        ([], {"acme", "globex", "initech"}),
        (["acme"], {"acme"}),
        (["acme", "initech"], {"acme", "initech"}),
    ],
)
def test_only_the_tenants_that_are_named(three, named, tenants):
    _, text = run("--format", "json", *(f"--tenant={name}.tenants.example" for name in named))
    assert {found["tenant"].partition(".")[0] for found in json.loads(text)["findings"]} == tenants


def test_an_unknown_tenant_is_an_error_that_names_the_nearest(three):
    with pytest.raises(CommandError, match=r"'glob-ex\.tenants\.example'; did you mean 'globex\.ten") as error:
        run("--tenant", "glob-ex.tenants.example")
    assert error.value.returncode == 2


# --- --rule, --exclude


@pytest.fixture
def one_and_another(db, settings):
    settings.CORS_ALLOWED_ORIGINS = ["http://app.example.com"]
    settings.MIDDLEWARE = []


@pytest.mark.parametrize(
    ("args", "code", "found"),
    [
        ([], 1, ["CORS401", "CORS104"]),
        (["--rule", "CORS104"], 0, ["CORS104"]),
        (["--rule", "insecure-origin", "--rule", "401"], 1, ["CORS401", "CORS104"]),
        (["--exclude", "cors401"], 0, ["CORS104"]),
        (["--exclude", "CORS104", "--exclude", "CORS401"], 0, []),
        (["--rule", "CORS104", "--exclude", "CORS104"], 0, []),
        (["--rule", "CORS101"], 0, []),
    ],
)
def test_only_the_rules_that_are_wanted_are_reported_and_counted(one_and_another, args, code, found):
    exited, text = run("--format", "json", *args)
    assert exited == code
    assert [row["code"] for row in json.loads(text)["findings"]] == found


def test_a_rule_that_is_not_wanted_does_not_pass_in_junit(one_and_another):
    _, text = run("--format", "junit", "--rule", "CORS104", "--rule", "CORS105")
    assert set(re.findall("CORS[0-9]{3}", text)) == {"CORS104", "CORS105"}


def test_the_report_says_by_how_many_rules(one_and_another):
    assert "by 2 rules." in run("--rule", "CORS104", "--rule", "CORS401")[1]
    assert f"by {len(RULES) - 1} rules." in run("--exclude", "CORS104")[1]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--rule", "CORS1041"], "no rule is called 'CORS1041'; did you mean 'CORS104'?"),
        (["--exclude", "insecure-orgin"], "no rule is called 'insecure-orgin'; did you mean 'insecure-origin'?"),
        (
            ["--rule", "xyzzy"],
            "no rule is called 'xyzzy'; --list-rules names them all",
        ),
        (["--format", "sariff"], "no format is called 'sariff'; did you mean 'sarif'?"),
        (["--output", "jsn=x"], "no format is called 'jsn'; did you mean 'json'?"),
        (["--output", "x"], "--output takes FORMAT=FILE, such as sarif=cors.sarif, and not 'x'"),
        (["--baseline", "nowhere.json"], "the baseline 'nowhere.json' cannot be read: "),
    ],
)
def test_what_is_unknown_is_a_2_with_the_near_miss_before_anything_is_looked_at(
    args, message, tmp_path, monkeypatch, django_assert_num_queries, db
):
    monkeypatch.chdir(tmp_path)
    out = io.StringIO()
    with django_assert_num_queries(0), pytest.raises(CommandError) as error:
        run(*args, stdout=out)
    assert error.value.returncode == 2
    assert str(error.value).startswith(message)
    assert out.getvalue() == ""
    assert list(tmp_path.iterdir()) == []


# --- --output


def test_several_files_are_written_beside_what_is_printed(one_and_another, tmp_path):
    files = {name: tmp_path / f"report.{name}" for name in ("text", "json", "sarif", "github", "junit")}
    args = [f"--output={name}={path}" for name, path in files.items()]
    code, printed = run(*args, force_color=True)
    assert code == 1
    assert COLOUR in printed
    assert files["text"].read_text() == re.sub(r"\x1b\[[0-9;]+m", "", printed)
    for name, path in files.items():
        assert path.read_text() == run("--format", name)[1]


def test_a_file_that_cannot_be_written_is_a_2_on_one_line_after_the_report(one_and_another, tmp_path):
    out = io.StringIO()
    with pytest.raises(CommandError, match=r"report' cannot be written: No such file or directory$") as error:
        run("--output", f"json={tmp_path}/nowhere/report", stdout=out)
    assert error.value.returncode == 2
    assert "CORS104" in out.getvalue()


# --- suppressions, baseline


def test_what_is_suppressed_is_not_counted_and_told_by_number(one_and_another, settings):
    settings.CORS_AUDIT_SUPPRESS = [{"rule": "CORS401", "subject": "MIDDLEWARE", "reason": "Not yet."}]
    code, text = run()
    assert code == 0
    assert "CORS401" not in text
    assert "Not shown: 1 suppressed, 0 in the baseline." in text.splitlines()
    document = json.loads(run("--format", "json")[1])
    assert [(row["code"], row["reason"]) for row in document["suppressed"]] == [("CORS401", "Not yet.")]


def test_a_suppression_that_ended_is_found_on_the_day_after(one_and_another, settings):
    settings.CORS_AUDIT_SUPPRESS = [
        {"rule": "CORS401", "subject": "MIDDLEWARE", "reason": "Not yet.", "until": "2020-02-29"}
    ]
    code, text = run()
    assert code == 1
    assert "ended on 2020-02-29" in text


def test_a_suppression_is_not_stale_since_its_rule_was_not_asked_for(one_and_another, settings):
    settings.CORS_AUDIT_SUPPRESS = [{"rule": "CORS401", "subject": "MIDDLEWARE", "reason": "Not yet."}]
    assert "CORS119" not in run("--rule", "CORS104", "--rule", "CORS119")[1]
    assert json.loads(run("--rule", "CORS104", "--format", "json")[1])["suppressed"] == []


def test_only_what_is_new_to_a_baseline_is_reported(one_and_another, settings, tmp_path):
    path = str(tmp_path / "baseline.json")
    assert run("--write-baseline", path)[0] == 1
    code, text = run("--baseline", path)
    assert code == 0
    assert text.startswith("No findings.\nNot shown: 0 suppressed, 2 in the baseline.\n")
    settings.CORS_ALLOWED_ORIGINS = ["http://new.example.com", "http://app.example.com"]
    _, text = run("--baseline", path)
    assert [line.split()[-1] for line in text.splitlines() if "CORS104" in line] == ["http://new.example.com"]


def test_a_baseline_is_renewed_with_what_it_knew(one_and_another, settings, tmp_path):
    path = tmp_path / "baseline.json"
    run("--write-baseline", str(path))
    before = path.read_text()
    run("--baseline", str(path), "--write-baseline", str(path))
    assert path.read_text() == before


# --- --fix-hints


def test_the_fixes_are_printed_in_place_of_the_report(db, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://App.example.com"]
    code, text = run("--fix-hints")
    assert code == 0
    assert text == "# CORS111, CORS114\nCORS_ALLOWED_ORIGINS = [\n    'https://app.example.com',\n]\n"
    settings.CORS_AUDIT_SUPPRESS = [{"rule": "CORS111", "subject": "https://App.example.com", "reason": "Why not."}]
    assert "App" not in run("--fix-hints")[1]


# --- what cannot be looked at


@pytest.fixture
def broken_urlconf(settings, tmp_path, monkeypatch):
    (tmp_path / "broken_urls.py").write_text("raise RuntimeError('many\\nlines')")
    monkeypatch.syspath_prepend(tmp_path)
    settings.ROOT_URLCONF = "broken_urls"
    settings.MIDDLEWARE = []


@pytest.mark.parametrize("urlconf", ["broken_urls", "nowhere.at.all", "tests.views"])
def test_a_urlconf_that_cannot_be_used_is_a_2_and_the_rest_is_looked_at(broken_urlconf, db, settings, urlconf):
    settings.ROOT_URLCONF = urlconf
    out = io.StringIO()
    with pytest.raises(CommandError, match=f"the URLconf '{urlconf}' cannot be imported: ") as error:
        run(stdout=out)
    assert error.value.returncode == 2
    assert str(error.value).isprintable()
    assert "CORS401" in out.getvalue()
    assert re.search("^Not run to the end: CORS115, CORS402.*: the URLconf ", out.getvalue(), re.MULTILINE)


def away(_):
    raise OperationalError("no such table: x")


def test_a_database_that_is_away_names_the_rules_that_need_it(settings, monkeypatch):
    monkeypatch.setattr("django_cors_policy.audit.tenants.findings", away)
    settings.MIDDLEWARE = []
    out = io.StringIO()
    with pytest.raises(CommandError, match="cannot be read"):
        run("--format", "json", stdout=out)
    document = json.loads(out.getvalue())
    assert "CORS401" in [row["code"] for row in document["findings"]]
    [missed] = document["not_run"]
    assert {"CORS601", "CORS602"} <= set(missed["codes"])
    assert "no such table" in missed["reason"]


def test_a_probe_that_could_not_run_names_its_rules(broken_urlconf, db):
    _, text = run("--probe", "--allow-partial", "--format", "json")
    codes = [missed["codes"] for missed in json.loads(text)["not_run"]]
    assert codes[1] == [rule.code for rule in RULES if rule.code.startswith("CORS5")]


def test_both_may_be_away(broken_urlconf, monkeypatch):
    monkeypatch.setattr("django_cors_policy.audit.tenants.findings", away)
    out = io.StringIO()
    with pytest.raises(CommandError, match=r"the URLconf .*; the stored policies"):
        run("--format", "json", stdout=out)
    assert len(json.loads(out.getvalue())["not_run"]) == 2


@pytest.mark.parametrize(("level", "code"), [("critical", 0), ("high", 1)])
def test_what_is_partial_may_be_allowed(broken_urlconf, db, level, code):
    exited, text = run("--allow-partial", "--fail-level", level)
    assert exited == code
    assert "Not run to the end: " in text


def test_a_urlconf_fails_where_tenants_are_off_too(broken_urlconf, settings):
    settings.CORS_TENANT_RESOLVER = None
    with pytest.raises(CommandError, match="URLconf"):
        run()


def test_of_a_partial_audit_files_are_written_and_a_baseline_only_if_it_is_allowed(broken_urlconf, db, tmp_path):
    baseline, sarif = tmp_path / "baseline", tmp_path / "sarif"
    args = ["--write-baseline", str(baseline), "--output", f"sarif={sarif}"]
    with pytest.raises(CommandError, match="URLconf"):
        run(*args)
    assert not baseline.exists()
    [invocation] = json.loads(sarif.read_text())["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    run(*args, "--allow-partial")
    assert baseline.exists()


# --- Ctrl-C


def test_ctrl_c_prints_what_was_found_so_far_and_writes_no_file(one_and_another, monkeypatch, tmp_path):
    def interrupted(_):
        yield from ()
        raise KeyboardInterrupt

    monkeypatch.setattr("django_cors_policy.audit.tenants.findings", interrupted)
    code, text = run("--output", f"json={tmp_path}/json", "--write-baseline", f"{tmp_path}/baseline")
    assert code == 130
    assert {"CORS104", "CORS401"} <= set(re.findall("CORS[0-9]{3}", text))
    assert f"Not looked at: what comes after Ctrl-C; {PROXY}." in text
    assert list(tmp_path.iterdir()) == []


# --- --list-rules


def test_every_rule_is_listed_on_a_line_without_a_query():
    code, text = run("--list-rules")
    assert code == 0
    lines = text.splitlines()
    assert len(lines) == len(RULES)
    assert [line.split()[0] for line in lines] == sorted(rule.code for rule in RULES)
    assert "CORS404 below-cache (high / low): A cache stands above" in text


# --- --explain


@pytest.mark.parametrize("name", ["CORS105", "cors105", "105", "public-suffix-wildcard", " CORS105 "])
def test_a_rule_is_explained_by_its_code_number_or_slug_without_a_query(name):
    code, text = run("--explain", name)
    assert code == 0
    assert text.startswith("CORS105 public-suffix-wildcard\n------------------------------\n")
    assert ":Severity: critical / medium\n" in text
    assert text.count("CORS1") == 1  # its own section alone


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CORS1055", "no rule is called 'CORS1055'; did you mean 'CORS105'?"),
        ("public-sufix", "no rule is called 'public-sufix'; did you mean 'public-suffix-wildcard'?"),
        ("xyzzy", "no rule is called 'xyzzy'; --list-rules names them all"),
        ("", "no rule is called ''; --list-rules names them all"),
        ("a\n\x1b[31m", r"no rule is called 'a\n\x1b[31m'; --list-rules names them all"),
    ],
)
def test_an_unknown_rule_is_a_2_and_one_line_with_the_nearest(name, message):
    with pytest.raises(CommandError) as error:
        run("--explain", name)
    assert (str(error.value), error.value.returncode) == (message, 2)


# --- what is no audit


@pytest.mark.parametrize(
    ("args", "named"),
    [
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
def test_policies_that_cannot_be_read_are_a_finding_and_an_error_on_one_line(monkeypatch, error):
    def fail(_):
        raise error("no such table:\n\x1b[31mx")

    monkeypatch.setattr("django_cors_policy.audit.tenants.findings", fail)
    out = io.StringIO()
    with pytest.raises(CommandError, match=r"cannot be read.*migrated") as raised:
        run(stdout=out)
    assert raised.value.returncode == 2
    assert str(raised.value).isprintable()
    finding = next(line for line in out.getvalue().splitlines() if "CORS606" in line)
    assert finding == "high     CORS606 store-unreadable: default"
    assert "What a process knows is served for up to 300 seconds, then no tenant's" in out.getvalue()


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

    def django(*args, database="migrated", settings="", start=False, **variables):
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
        if start:
            return subprocess.Popen(
                command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
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
@pytest.mark.slow
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
@pytest.mark.slow
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
    assert "CORS606 store-unreadable: default" in report


@pytest.mark.slow
def test_a_process_with_an_unknown_argument_exits_with_2(project):
    done = project("cors_audit", "--format", "xml")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().startswith("CommandError: no format is called 'xml'")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.slow
def test_ctrl_c_in_a_process_prints_what_was_found_so_far_and_exits_with_130(project, tmp_path):
    # A shell starts what runs in the background with the signal ignored.
    heard = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heard}\nimport sys, time\nprint('ready', file=sys.stderr, flush=True)\ntime.sleep(60)"
    (tmp_path / "waiting.py").write_text(code)
    settings = f"import sys\nsys.path.append({str(tmp_path)!r})\nCORS_COLOUR = 1\nMIDDLEWARE = ['waiting.Middleware']"
    process = project("cors_audit", settings=settings, start=True)
    assert process.stderr.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, b"")
    assert "CORS115 unknown-setting: CORS_COLOUR" in out.decode()
    assert "Not looked at: what comes after Ctrl-C; " in out.decode()


@pytest.mark.slow
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
    def fail(*_, **__):
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
