"""manage.py cors_status: what the database knows of the stored policies."""

import io
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_cors_policy import status as status_module
from django_cors_policy.audit import tenants
from django_cors_policy.feed import EVERYTHING, PolicyChange, PolicyRevision, record_everything
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.store import store

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parent.parent
ORIGIN = "https://app.acme.example"


def text(*args):
    out = io.StringIO()
    call_command("cors_status", *args, stdout=out)
    return out.getvalue().splitlines()


def line(start, *args):
    """Give what follows the beginning of one line."""
    [found] = [line for line in text(*args) if line.startswith(start)]
    return found.removeprefix(start).strip()


def document(*args):
    out = io.StringIO()
    call_command("cors_status", "--json", *args, stdout=out)
    return json.loads(out.getvalue())


@pytest.fixture
def acme():
    return TenantPolicy.objects.create(tenant="acme")


@pytest.fixture
def elsewhere(monkeypatch):
    """Give the alias of another database, which has no table."""
    other = {**connections.settings["default"], "ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
    monkeypatch.setitem(connections.settings, "elsewhere", {**other, "OPTIONS": {}})
    connections["elsewhere"].connect()
    yield "elsewhere"
    connections["elsewhere"].connection.close()  # the driver's: Django keeps one in memory open
    del connections["elsewhere"]


def migrated(alias):
    with connections[alias].schema_editor() as editor:
        for model in status_module.MODELS:
            editor.create_model(model)


# --- the numbers


def test_an_empty_database_has_nothing_and_no_warning():
    PolicyChange.rows.all().delete()
    lines = text()
    assert f"database        default ({connection.vendor})" in lines
    assert "newest change   none" in lines
    assert "changes         0 in the last hour, 0 kept" in lines
    assert "tenants         0 enabled, 0 disabled" in lines
    assert "origins         0 enabled, 0 disabled" in lines
    assert "do not compile  none" in lines
    assert "beyond limits   none" in lines
    assert not [line for line in lines if line.startswith(("Warning", "oldest"))]


def test_tenants_and_origins_are_counted_by_whether_they_are_enabled(acme):
    TenantPolicy.objects.create(tenant="off", enabled=False)
    TenantPolicy.objects.create(tenant="off as well", enabled=False)
    for number in range(5):
        acme.origins.create(pattern=f"https://{number}.example", enabled=number < 2)
    found = document()
    assert found["tenants"] == {"enabled": 1, "disabled": 2}
    assert found["origins"] == {"enabled": 2, "disabled": 3, "expired": 0, "expiring": 0}
    assert line("tenants") == "1 enabled, 2 disabled"
    assert line("origins") == "2 enabled, 3 disabled"


def test_origins_that_have_expired_or_soon_will_are_counted_where_they_are_enabled(acme):
    for number, (days, enabled) in enumerate([(-1, True), (-9, True), (1, True), (8, True), (-1, False), (1, False)]):
        expires_at = timezone.now() + timedelta(days=days)
        acme.origins.create(pattern=f"https://{number}.example", expires_at=expires_at, enabled=enabled)
    assert document()["origins"] == {"enabled": 4, "disabled": 2, "expired": 2, "expiring": 1}
    assert line("expired") == "2, and 1 within 7 days"


def test_the_feed_is_told_by_its_ends_and_its_last_hour(acme):
    PolicyChange.rows.all().delete()
    now = timezone.now()
    ages = [timedelta(hours=5, minutes=1), timedelta(minutes=61), timedelta(minutes=59), timedelta(minutes=3)]
    for age in ages:
        newest = PolicyChange.rows.create(tenant="acme", token="t", created_at=now - age)
    feed = document()["feed"]
    assert (feed["revision"], feed["kept"], feed["last_hour"]) == (newest.revision, 4, 2)
    assert feed["newest_age"] == pytest.approx(180, abs=60)
    assert feed["oldest_age"] == pytest.approx(18_060, abs=60)
    assert line("newest change") == f"revision {newest.revision}, 3 min ago"
    assert line("oldest kept") == "5 h ago"
    assert line("changes") == "2 in the last hour, 4 kept"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172_799, "47 h"), (172_800, "2 d")],
)
def test_an_age_is_shown_in_the_largest_unit_of_which_there_are_two(seconds, shown):
    assert status_module._age(seconds) == shown


# --- what is not served


def test_what_does_not_compile_is_counted_and_told_with_its_tenant_and_reason(acme):
    acme.origins.create(pattern=ORIGIN)
    acme.origins.create(pattern="no origin")
    TenantPolicy.objects.create(tenant="globex", allow_methods="A B, C D")
    found = document()
    assert found["invalid"] == {"entries": 3, "tenants": 2}
    assert found["beyond_limits"] == {"entries": 0, "tenants": 0}
    assert found["first"][0] == {
        "tenant": "acme",
        "field": "allowed_origins",
        "value": "no origin",
        "reason": "whitespace",
        "message": "'no origin': an origin holds no white space.",
    }
    assert [(entry["tenant"], entry["value"]) for entry in found["first"][1:]] == [("globex", "A B"), ("globex", "C D")]
    assert line("do not compile") == "3 entries of 2 tenants"
    assert "  'acme': 'no origin': an origin holds no white space." in text()


def test_what_the_limits_cut_is_counted_apart(acme, settings):
    settings.CORS_TENANT_LIMITS = {"max_origins": 1}
    for pattern in (ORIGIN, "https://b.example", "https://c.example", "http://plain.example"):
        acme.origins.create(pattern=pattern)
    TenantPolicy.objects.create(tenant="globex", max_age=7201)
    found = document()
    assert found["beyond_limits"] == {"entries": 4, "tenants": 2}
    assert found["invalid"] == {"entries": 0, "tenants": 0}
    assert found["first"][-1]["field"] == "preflight_max_age"
    assert line("beyond limits") == "4 entries of 2 tenants"


def test_one_entry_of_one_tenant_is_said_so(acme):
    acme.origins.create(pattern="no origin")
    assert line("do not compile") == "1 entry of 1 tenant"


def test_what_is_not_served_anyway_is_not_compiled(acme):
    acme.origins.create(pattern="no origin", enabled=False)
    acme.origins.create(pattern="none either", expires_at=timezone.now() - timedelta(seconds=1))
    TenantPolicy.objects.create(tenant="off", enabled=False, allow_methods="A B")
    assert document()["invalid"] == {"entries": 0, "tenants": 0}


def test_the_first_few_are_shown_and_the_rest_is_counted(acme):
    for tenant in (acme, TenantPolicy.objects.create(tenant="globex")):
        for number in range(4):
            tenant.origins.create(pattern=f"no origin {number}")
    found = document()
    assert [entry["tenant"] for entry in found["first"]] == ["acme"] * 4 + ["globex"]
    assert "  and 3 more; cors_audit lists them" in text()


def test_what_raw_sql_wrote_breaks_no_line_and_fills_no_screen(acme):
    evil = "a\n\x1b[31m\u202e" + "b" * 240
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_cors_policy_tenantpolicy SET tenant = %s, allow_methods = %s", [evil, evil * 999])
    assert all(line.isprintable() and len(line) < 1000 for line in text())
    [entry] = [entry for entry in document()["first"] if entry["field"] == "allow_methods"][:1]
    assert all(value.isprintable() and len(value) < 4000 for value in entry.values())
    assert json.dumps(document()).isascii()


def test_a_stream_that_lacks_a_letter_gets_it_escaped(acme):
    TenantPolicy.objects.update(tenant="例え", allow_methods="A B")
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding="latin-1")
    call_command("cors_status", stdout=stream)
    stream.flush()
    assert rb"'\u4f8b\u3048'" in written.getvalue()


def test_queries_grow_with_pages_and_not_with_tenants(monkeypatch):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            document()
        return len(captured)

    monkeypatch.setattr(tenants, "BATCH", 10)
    TenantPolicy.objects.bulk_create(TenantPolicy(tenant=f"t{number}") for number in range(5))
    few = queries()
    TenantPolicy.objects.bulk_create(TenantPolicy(tenant=f"u{number}") for number in range(90))
    assert queries() == few + 2 * 9


# --- settings and warnings


def test_the_settings_that_matter_are_shown(settings):
    settings.CORS_POLICY_REFRESH_SECONDS = 2.5
    settings.CORS_POLICY_DATABASE = "default"
    assert document()["settings"] == {
        "CORS_TENANT_RESOLVER": "django_cors_policy.tenants.by_host",
        "CORS_POLICY_DATABASE": "default",
        "CORS_POLICY_REFRESH_SECONDS": 2.5,
        "CORS_POLICY_MAX_STALE_SECONDS": 300,
        "CORS_POLICY_CACHE_SIZE": 10_000,
    }
    assert "CORS_POLICY_REFRESH_SECONDS = 2.5" in text()


def warnings():
    found = document()["warnings"]
    assert [line.removeprefix("Warning: ") for line in text() if line.startswith("Warning: ")] == found
    return found


def test_a_cache_that_is_smaller_than_the_tenants_is_a_warning(acme, settings):
    TenantPolicy.objects.create(tenant="off", enabled=False)
    settings.CORS_POLICY_CACHE_SIZE = 2
    assert warnings() == []
    settings.CORS_POLICY_CACHE_SIZE = 1
    [warning] = warnings()
    assert warning.startswith("CORS_POLICY_CACHE_SIZE is 1, and there are 2 tenants: ")


def test_a_lock_row_that_is_missing_is_a_warning_and_the_next_write_brings_it_back(acme):
    PolicyRevision.rows.all().delete()
    [warning] = warnings()
    assert warning.startswith("The row that writers lock is missing")
    assert not document()["lock"]
    acme.save()
    assert document()["lock"]


def test_tenants_without_any_change_are_a_warning(acme):
    PolicyChange.rows.all().delete()
    [warning] = warnings()
    assert "--touch" in warning
    call_command("cors_status", "--touch", stdout=io.StringIO())
    assert warnings() == []


def test_a_clock_that_is_ahead_is_a_warning(acme):
    PolicyChange.rows.update(created_at=timezone.now() + timedelta(minutes=5, seconds=30))
    [warning] = warnings()
    assert warning == "The newest change is from 5 min ahead: the clocks of two machines differ."
    assert line("newest change").endswith("5 min ahead")


def test_a_feed_that_has_grown_too_large_is_a_warning(acme, monkeypatch):
    monkeypatch.setattr(status_module, "KEPT", 2)
    for _ in range(5):
        acme.save()
    assert any("each write removes some" in warning for warning in warnings())


def test_tenants_that_are_off_are_a_warning(settings):
    settings.CORS_TENANT_RESOLVER = None
    [warning] = warnings()
    assert warning.startswith("CORS_TENANT_RESOLVER is None")


# --- which database


@pytest.mark.parametrize("chosen", ["--database", "CORS_POLICY_DATABASE"])
def test_it_looks_where_it_is_told_or_else_where_policies_are_read(acme, elsewhere, settings, chosen):
    migrated(elsewhere)
    if chosen == "--database":
        found = document("--database", elsewhere)
    else:
        settings.CORS_POLICY_DATABASE = elsewhere
        found = document()
        assert document("--database", "default")["tenants"]["enabled"] == 1
    assert (found["database"], found["vendor"], found["tenants"]["enabled"]) == (elsewhere, "sqlite", 0)


@pytest.mark.parametrize("option", [[], ["--json"], ["--touch"]])
def test_a_database_without_the_tables_is_an_error_on_one_line(elsewhere, option):
    with pytest.raises(CommandError) as error:
        text("--database", elsewhere, *option)
    assert str(error.value) == ("the tables of django_cors_policy are not in database elsewhere: run manage.py migrate")
    assert error.value.returncode == 1


def test_a_database_with_some_of_the_tables_is_not_migrated_either(elsewhere):
    migrated(elsewhere)
    with connections[elsewhere].schema_editor() as editor:
        editor.delete_model(AllowedOrigin)
    with pytest.raises(CommandError, match=r"run manage\.py migrate"):
        text("--database", elsewhere)


@pytest.mark.parametrize("option", ["--json", "--touch"])
def test_tables_of_another_version_are_an_error_on_one_line(elsewhere, option):
    migrated(elsewhere)
    with connections[elsewhere].cursor() as cursor:
        cursor.execute("ALTER TABLE django_cors_policy_policychange RENAME token TO other")
    with pytest.raises(CommandError, match=r"^the database cannot be used: '.*token'$"):
        text("--database", elsewhere, option)


def test_a_database_that_is_not_declared_is_named():
    with pytest.raises(CommandError, match="nowhere"):
        text("--database", "nowhere")


@pytest.mark.parametrize(
    ("name", "option", "line"),
    [
        ("x", "--json", "CommandError: the tables of django_cors_policy are not in database default: run manage.py"),
        ("missing/x", "--touch", "CommandError: the database cannot be used: 'unable to open database file'"),
    ],
)
@pytest.mark.slow
def test_a_process_that_cannot_look_exits_with_1_and_one_line_on_stderr(tmp_path, name, option, line):
    # Checks that have errors do not stand before it.
    wrong = "from tests.settings import *\nCORS_ALLOW_ALL_ORIGINS = CORS_ALLOW_CREDENTIALS = True\n"
    (tmp_path / "looked_at.py").write_text(wrong)
    environment = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{tmp_path}/{name}.sqlite3",
        "DJANGO_SETTINGS_MODULE": "looked_at",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
    }
    command = [sys.executable, "-W", "error", "-m", "django", "cors_status", option]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    [error] = [error for error in done.stderr.splitlines() if not error.startswith("CORS settings: ")]  # the log's
    assert error.startswith(line)


# --- --touch


def test_touch_records_everything_and_prints_the_revision(acme):
    [printed] = text("--touch")
    newest = PolicyChange.rows.order_by("-revision")[0]
    assert newest.tenant == EVERYTHING
    assert printed == f"Revision {newest.revision} of database default tells every process to read all policies anew."
    touched = document("--touch")
    assert touched == {"version": 1, "database": "default", "touched": PolicyChange.rows.order_by("-revision")[0].pk}
    assert touched["touched"] > newest.revision


@pytest.mark.django_db(transaction=True)
def test_what_raw_sql_wrote_is_obeyed_after_a_touch(acme):
    acme.origins.create(pattern=ORIGIN)
    assert store.get("acme").origins.match(ORIGIN) is not None
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_cors_policy_allowedorigin SET pattern = 'https://other.example'")
    assert store.get("acme").origins.match(ORIGIN) is not None
    text("--touch")
    assert store.get("acme").origins.match(ORIGIN) is None


@pytest.mark.django_db(transaction=True)
def test_the_revision_is_read_while_the_feed_is_still_locked(monkeypatch):
    def record(using):
        record_everything(using)
        assert connection.in_atomic_block  # so no other writer's can be the newest

    monkeypatch.setattr(status_module, "record_everything", record)
    text("--touch")


def test_touch_writes_where_policies_are_written_and_not_where_they_are_read(elsewhere, settings):
    migrated(elsewhere)
    settings.CORS_POLICY_DATABASE = elsewhere
    assert document("--touch")["database"] == "default"
    assert not PolicyChange.rows.using(elsewhere).exists()
    assert document("--touch", "--database", elsewhere)["database"] == elsewhere
    assert PolicyChange.rows.using(elsewhere).count() == 1


# --- --rate


def test_rate_rates_every_policy_and_says_how_many(acme):
    TenantPolicy.objects.update(risk=None)
    assert text("--rate") == ["1 policy of database default rated."]
    assert TenantPolicy.objects.get().risk == 0
    TenantPolicy.objects.create(tenant="globex")
    assert text("--rate") == ["2 policies of database default rated."]
    assert document("--rate") == {"version": 1, "database": "default", "rated": 2}
