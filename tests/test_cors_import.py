"""manage.py cors_import: stored policies from a file."""

import io
import sys

import pytest
from django.core.management import CommandError, call_command
from django.db import Error, connection

from django_cors_policy.history import PolicyHistory
from django_cors_policy.models import TenantPolicy
from django_cors_policy.transfer.spool import Spool

pytestmark = pytest.mark.django_db

CONTENT = "tenant,max_age,pattern\nacme.example,60,https://a.example\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "policies.csv"


def run(path, *args):
    """Give what is printed, a line each, and the exit code."""
    out, code = io.StringIO(), 0
    try:
        call_command("cors_import", str(path), *args, stdout=out)
    except SystemExit as stopped:
        code = stopped.code
    return out.getvalue().splitlines(), code


def failed(*args):
    with pytest.raises(CommandError) as error:
        call_command("cors_import", *map(str, args), stdout=io.StringIO())
    assert error.value.returncode == 2
    assert not TenantPolicy.objects.exists()
    return str(error.value)


def test_rows_and_their_numbers_are_printed_and_written(path):
    path.write_text(CONTENT)
    assert run(path, "--reason", "moving") == (
        [
            "added     line 2  acme.example  max_age: '600' -> '60'",
            "added     line 2  acme.example  https://a.example",
            "2 added, 0 changed, 0 removed, 0 unchanged, 0 refused. Written.",
        ],
        0,
    )
    [entry] = PolicyHistory.objects.all()
    assert (entry.actor, entry.action, entry.reason) == ("cors_import", "import", "moving")


def test_a_dry_run_writes_nothing(path):
    path.write_text(CONTENT)
    lines, code = run(path, "--dry-run")
    assert (lines[0], code) == ("added     line 2  acme.example  max_age: '600' -> '60'", 0)
    assert lines[-1].endswith("Nothing is written: a dry run.")
    assert not TenantPolicy.objects.exists()


@pytest.mark.parametrize("args", [(), ("--dry-run",)])
def test_what_is_refused_exits_with_one(path, args):
    path.write_text(CONTENT + "acme.example,60,http://a.example\n")
    lines, code = run(path, *args)
    assert code == 1
    assert lines[0].startswith("refused   line 3  acme.example  http://a.example  pattern: 'http://a.example'")
    assert lines[-1].endswith("1 refused. Nothing is written: correct what is refused.")
    assert not TenantPolicy.objects.exists()


def test_remove_missing_is_asked_for(path):
    TenantPolicy.objects.create(tenant="gone.example")
    path.write_text(CONTENT)
    assert run(path, "--remove-missing")[0][2] == "removed   gone.example"
    assert TenantPolicy.objects.get().tenant == "acme.example"


@pytest.mark.parametrize("name", ["policies.json", "policies.JSONL", "policies.ndjson"])
def test_the_format_is_told_by_the_name(tmp_path, name):
    path = tmp_path / name
    path.write_text('{"tenant": "acme.example", "origins": []}')
    assert run(path)[1] == 0


def test_a_name_that_tells_no_format_needs_one(tmp_path):
    path = tmp_path / "policies.xlsx"
    path.write_text(CONTENT)
    assert failed(path).endswith("policies.xlsx' does not end in .csv or .json")
    assert run(path, "--format", "csv")[1] == 0


def test_standard_input_is_read(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CONTENT.encode())))
    assert failed("-").startswith("give --format: '-'")
    assert run("-", "--format", "csv")[1] == 0


@pytest.mark.parametrize(
    ("name", "why"), [("nowhere.csv", "No such file or directory"), ("", "Is a directory"), ("a\0.csv", "null byte")]
)
def test_a_file_that_cannot_be_read_exits_with_two(tmp_path, name, why):
    assert why in failed(f"{tmp_path}/{name}", "--format", "csv")


def test_a_disk_that_is_full_exits_with_two(path, monkeypatch):
    path.write_text("tenant,pattern\n" + "acme.example,\n" * 1000)
    limited = Spool.__init__

    def init(self):
        limited(self)
        self._database.execute("PRAGMA max_page_count = 3")

    monkeypatch.setattr(Spool, "__init__", init)
    said = failed(path)
    assert said.startswith("nothing is written, ")
    assert said.endswith("database or disk is full")


def test_a_database_that_fails_exits_with_two_and_shows_no_row(path):
    def fail(execute, sql, params, many, context):
        if sql.startswith("INSERT") and "allowedorigin" in sql:
            raise Error("gone\naway")
        return execute(sql, params, many, context)

    path.write_text(CONTENT)
    out = io.StringIO()
    with connection.execute_wrapper(fail), pytest.raises(CommandError) as error:
        call_command("cors_import", str(path), stdout=out)
    assert str(error.value) == "nothing is written, the database cannot be used: 'gone\\naway'"
    assert (error.value.returncode, out.getvalue()) == (2, "")
    assert not TenantPolicy.objects.exists()


def test_no_row_is_printed_while_the_lock_is_held(path):
    """A pager that is not read on would hold up every writer."""
    path.write_text(CONTENT)
    outer = len(connection.savepoint_ids)

    class Output(io.StringIO):
        def write(self, text):
            assert len(connection.savepoint_ids) == outer
            return super().write(text)

    out = Output()
    call_command("cors_import", str(path), stdout=out)
    assert "Written." in out.getvalue()


def test_a_terminal_that_cannot_hold_a_name_gets_it_escaped(path):
    path.write_text("tenant,pattern\nmünchen.example,\n", encoding="utf-8")
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    with pytest.raises(SystemExit):
        call_command("cors_import", str(path), stdout=out)
    out.seek(0)
    assert "m\\xfcnchen.example" in out.read()
