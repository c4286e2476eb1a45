"""Bringing the stored policies to what a file says."""

import io
import json
import string
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import Error, OperationalError, connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_cors_policy.feed import PolicyChange
from django_cors_policy.history import PolicyHistory
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.transfer import FORMATS, Change, Kind, Row, export, import_policies, importing

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).parent.parent.parent


def bring(content, kind="csv", *, dry_run=False, **options):
    if not isinstance(content, str | bytes):
        content = json.dumps(content)
        kind = "json"
    file = io.BytesIO(content if isinstance(content, bytes) else content.encode())
    return import_policies(file, kind, dry_run=dry_run, **{"actor": "ann", "reason": "why", **options})


def found(result, kind):
    return [(row.line, row.tenant, row.pattern) for row in result.rows if row.kind is kind]


def refused(content, **options):
    """Give the lines and the reasons of a file that is refused, and of which nothing is written."""
    before = stored()
    result = bring(content, **options)
    assert not result.written
    assert stored() == before
    return [(row.line, row.reason) for row in result.rows if row.kind is Kind.REFUSED]


def stored():
    """Give all that is stored, by what people know it by."""
    policies = TenantPolicy.objects.order_by("tenant").values(*TenantPolicy.told, "tenant")
    origins = AllowedOrigin.objects.order_by("policy__tenant", "pattern")
    return list(policies), list(origins.values(*AllowedOrigin.told, "policy__tenant"))


def patterns(tenant):
    return set(AllowedOrigin.objects.filter(policy__tenant=tenant).values_list("pattern", flat=True))


@pytest.fixture
def acme():
    policy = TenantPolicy.objects.create(tenant="acme.example", max_age=300, note="kept")
    policy.origins.create(pattern="https://a.example", note="kept")
    policy.origins.create(pattern="https://old.example")
    return policy


# --- there and back

HOSTS = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=4).map("h{}.example".format)
NOTES = st.text(st.sampled_from("='\"@\t,;\r\n ü-") | st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NAMES = st.lists(st.sampled_from(["x-a", "x-b"]), unique=True).map(", ".join)
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(9998, 12, 30), timezones=st.just(UTC))
ORIGINS = st.dictionaries(
    HOSTS.map("https://{}".format),
    st.fixed_dictionaries({"enabled": st.booleans(), "note": NOTES, "expires_at": st.none() | MOMENTS}),
    max_size=3,
)
POLICIES = st.dictionaries(
    HOSTS,
    st.tuples(
        st.fixed_dictionaries(
            {
                "enabled": st.booleans(),
                "shadow": st.booleans(),
                "allow_credentials": st.booleans(),
                "allow_methods": st.sampled_from(["", "GET\r\nPUT", "DELETE"]),
                "allow_headers": NAMES,
                "expose_headers": NAMES,
                "max_age": st.integers(0, 7200),
                "allow_private_network": st.booleans(),
                "note": NOTES,
            }
        ),
        ORIGINS,
    ),
    max_size=3,
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(policies=POLICIES)
def test_what_is_exported_comes_back_in_an_empty_database_and_changes_nothing_in_its_own(kind, policies):
    TenantPolicy.objects.all().delete()
    for tenant, (fields, origins) in policies.items():
        policy = TenantPolicy.objects.create(tenant=tenant, **fields)
        for pattern, more in origins.items():
            policy.origins.create(pattern=pattern, **more)
    before = stored()
    text = "".join(export(kind))
    changes = PolicyChange.rows.count(), PolicyHistory.objects.count()

    again = bring(text, kind)
    assert again.written
    assert set(again.counts) <= {Kind.UNCHANGED}
    assert (PolicyChange.rows.count(), PolicyHistory.objects.count()) == changes

    TenantPolicy.objects.all().delete()
    empty = bring(text, kind)
    assert set(empty.counts) <= {Kind.ADDED}
    assert stored() == before


# --- what a file means


def test_the_file_is_the_whole_truth_for_the_tenants_it_names(acme):
    TenantPolicy.objects.create(tenant="other.example").origins.create(pattern="https://o.example")
    content = "tenant,max_age,pattern\nacme.example,60,https://a.example\nacme.example,60,https://new.example\n"
    result = bring(content)
    assert result.written
    assert result.counts == {Kind.CHANGED: 1, Kind.UNCHANGED: 1, Kind.REMOVED: 1, Kind.ADDED: 1}
    assert result.rows == (
        Row(Kind.CHANGED, 2, "acme.example", None, (Change("max_age", "300", "60"),)),
        Row(Kind.REMOVED, None, "acme.example", "https://old.example"),
        Row(Kind.ADDED, 3, "acme.example", "https://new.example"),
    )
    assert patterns("acme.example") == {"https://a.example", "https://new.example"}
    assert patterns("other.example") == {"https://o.example"}
    acme.refresh_from_db()
    assert acme.max_age == 60


def test_columns_that_are_not_there_keep_what_is_stored_and_are_the_default_of_what_is_new(acme):
    bring("tenant,pattern\nacme.example,https://a.example\nnew.example,https://n.example\n")
    acme.refresh_from_db()
    assert (acme.max_age, acme.note, acme.origins.get().note) == (300, "kept", "kept")
    new = TenantPolicy.objects.get(tenant="new.example")
    assert (new.max_age, new.enabled, new.origins.get().enabled) == (600, True, True)


def test_an_origin_changes_in_place(acme):
    origin = acme.origins.get(pattern="https://a.example")
    result = bring(
        [{"tenant": "acme.example", "origins": [{"pattern": "https://a.example", "expires_at": "2030-01-01T00:00Z"}]}]
    )
    [row] = [row for row in result.rows if row.kind is Kind.CHANGED]
    assert row.changes == (Change("expires_at", "", "2030-01-01T00:00:00+00:00"),)
    assert acme.origins.get().pk == origin.pk
    assert acme.origins.get().expires_at == datetime(2030, 1, 1, tzinfo=UTC)


def test_a_policy_whose_origins_change_was_updated(acme):
    before = acme.updated_at
    bring("tenant,pattern\nacme.example,\n")
    acme.refresh_from_db()
    assert acme.updated_at > before
    assert patterns("acme.example") == set()


def test_rows_of_a_tenant_stand_anywhere():
    content = "tenant,pattern\n" + "".join(f"t{n % 3}.example,https://a{n}.example\n" for n in range(9))
    bring(content)
    assert patterns("t0.example") == {"https://a0.example", "https://a3.example", "https://a6.example"}


def test_keys_and_origins_are_brought_into_the_form_that_requests_have(acme):
    result = bring("tenant,pattern\nACME.example.,HTTPS://A.example:443/\nacme.example,https://OLD.example\n")
    assert result.counts == {Kind.UNCHANGED: 3}


def test_a_key_in_another_case_is_another_tenants(settings):
    settings.CORS_TENANT_RESOLVER = "django_cors_policy.tenants.by_path_prefix"
    TenantPolicy.objects.create(tenant="Acme")
    assert bring("tenant,pattern\nacme,\n", dry_run=True).counts == {Kind.ADDED: 1}
    assert "Acme" not in "".join(export("json", ["acme"]))


def test_another_resolvers_keys_are_left_as_they_are(settings):
    settings.CORS_TENANT_RESOLVER = "django_cors_policy.tenants.by_path_prefix"
    bring("tenant,pattern\nAcme,\n")
    assert TenantPolicy.objects.get().tenant == "Acme"


def test_remove_missing_removes_the_policies_that_the_file_does_not_name(acme):
    gone = TenantPolicy.objects.create(tenant="gone.example")
    gone.origins.create(pattern="https://g.example")
    result = bring("tenant,pattern\nacme.example,https://a.example\n", remove_missing=True)
    assert found(result, Kind.REMOVED) == [
        (None, "acme.example", "https://old.example"),
        (None, "gone.example", None),
        (None, "gone.example", "https://g.example"),
    ]
    assert TenantPolicy.objects.get() == acme


def test_remove_missing_with_a_file_that_names_nobody_is_refused(acme):
    [(line, why)] = refused("tenant,pattern\n", remove_missing=True)
    assert (line, why) == (
        None,
        "The file names no policy: all would be removed; remove them in the admin if that is meant.",
    )
    assert refused([], remove_missing=True) == [(None, why)]


def test_a_header_alone_changes_nothing(acme):
    result = bring("tenant,pattern\n")
    assert (result.counts, result.written) == ({}, True)


def test_batches_make_no_difference(monkeypatch, acme):
    monkeypatch.setattr(importing, "BATCH", 1)
    content = "tenant,pattern\n" + "".join(f"t{n}.example,https://a.example\n" for n in range(5))
    assert bring(content, remove_missing=True).counts == {Kind.ADDED: 10, Kind.REMOVED: 3}
    monkeypatch.setattr(importing, "BATCH", 500)
    monkeypatch.setattr(importing, "MAX_BATCH", 1)
    monkeypatch.setattr(importing, "MAX_REMOVED", 1)
    result = bring("tenant,pattern\nt0.example,https://b.example\n", remove_missing=True)
    assert result.counts == {Kind.ADDED: 1, Kind.REMOVED: 9, Kind.UNCHANGED: 1}
    assert TenantPolicy.objects.count() == 1


# --- all or nothing


def test_a_dry_run_tells_the_same_and_writes_nothing_and_takes_no_lock(acme):
    content = "tenant,max_age,pattern\nacme.example,60,https://new.example\nb.example,5,\n"
    before = stored()
    with CaptureQueriesContext(connection) as queries:
        dry = bring(content, dry_run=True, remove_missing=True)
    assert not dry.written
    assert stored() == before
    assert not any("policyrevision" in query["sql"] for query in queries)
    wet = bring(content, remove_missing=True)
    assert (wet.rows, wet.counts) == (dry.rows, dry.counts)


def test_the_lock_comes_before_anything_is_read(acme):
    with CaptureQueriesContext(connection) as queries:
        bring("tenant,pattern\nacme.example,https://a.example\n")
    first = next(query["sql"] for query in queries if "SELECT" in query["sql"])
    assert "policyrevision" in first


def test_one_refused_row_keeps_all_from_being_written(acme):
    result = bring("tenant,pattern\nb.example,https://b.example\nacme.example,http://a.example\n")
    assert not result.written
    assert found(result, Kind.ADDED) == [(2, "b.example", None), (2, "b.example", "https://b.example")]
    assert found(result, Kind.REFUSED) == [(3, "acme.example", "http://a.example")]
    assert not TenantPolicy.objects.filter(tenant="b.example").exists()


def test_what_is_refused_after_a_part_was_written_undoes_it(monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 1)
    written = []
    monkeypatch.setattr(importing, "write", recording(importing.write, written))
    content = "tenant,max_age,pattern\na.example,5,https://a.example\nb.example,9999,\nc.example,5,\n"
    [(line, _)] = refused(content)
    assert line == 3
    assert len(written) == 1  # what comes after it is not written in vain


def recording(function, calls):
    def call(*args, **kwargs):
        calls.append(args)
        return function(*args, **kwargs)

    return call


def test_a_fault_of_the_database_undoes_all(monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 1)
    inserted = []

    def fail(execute, sql, params, many, context):
        if sql.startswith("INSERT") and "allowedorigin" in sql:
            inserted.append(sql)
            if len(inserted) == 2:
                raise OperationalError("disk full")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail), pytest.raises(Error, match="disk full"):
        bring("tenant,pattern\na.example,https://a.example\nb.example,https://b.example\n")
    assert stored() == ([], [])


def test_rows_cost_no_query_each():
    def queries(number):
        content = "tenant,pattern\n" + "".join(f"acme.example,https://a{n}.example\n" for n in range(number))
        TenantPolicy.objects.all().delete()
        with CaptureQueriesContext(connection) as made:
            assert bring(content).written
        return len(made)

    assert queries(5) == queries(90)


def test_every_tenant_is_named_in_the_feed_and_has_one_entry_in_the_history(acme):
    last = PolicyChange.rows.latest("revision").revision
    PolicyHistory.objects.all().delete()
    bring("tenant,max_age,pattern\nacme.example,60,https://new.example\nb.example,5,https://b.example\n")
    assert set(PolicyChange.rows.filter(revision__gt=last).values_list("tenant", flat=True)) == {
        "acme.example",
        "b.example",
    }
    entries = PolicyHistory.objects.order_by("tenant")
    assert [(entry.tenant, entry.actor, entry.action, entry.reason) for entry in entries] == [
        ("acme.example", "ann", "import", "why"),
        ("b.example", "ann", "import", "why"),
    ]
    assert set(entries[0].before["origins"]) == {"https://a.example", "https://old.example"}
    assert set(entries[0].after["origins"]) == {"https://new.example"}


# --- what is refused


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("acme.example,60,http://a.example,", "http is not allowed here"),
        ("acme.example,60,https://a.example/path,", "write 'https://a.example'"),
        ("acme.example,60,*,", "any_origin"),
        (f"acme.example,60,https://{'a' * 300}.example,", "pattern: Ensure this value has at most 300 characters"),
        ("acme.example,60,https://a.example,soon", "expires_at is 'soon'; write a moment"),
        ("acme.example,99999,https://a.example,", "max_age: 99999: a tenant's preflights live at most 7200 seconds"),
        ("acme.example,-1,https://a.example,", "max_age is '-1'; write a whole number."),
        ("acme.example,9999999999,https://a.example,", "max_age: 9999999999: a lifetime is a whole number of seconds"),
        (",60,https://a.example,", "tenant: This field cannot be blank."),
        (f"{'a' * 254},60,,", "tenant: Ensure this value has at most 253 characters"),
        ("https://acme.example,60,,", "Write the host alone"),
        ("acme.example", "The row has 1 cells"),
    ],
)
def test_a_row_is_refused_as_the_admin_refuses_it(acme, row, why):
    [(line, said)] = refused(f"tenant,max_age,pattern,expires_at\r\n{row}\r\n")
    assert line == 2
    assert why in said


def test_an_origin_that_is_refused_is_not_shown_as_removed(acme):
    result = bring("tenant,pattern,expires_at\nacme.example,https://A.example,soon\n", remove_missing=True)
    assert found(result, Kind.REFUSED) == [(2, "acme.example", "https://a.example")]
    assert found(result, Kind.REMOVED) == [(None, "acme.example", "https://old.example")]


def test_of_a_new_policy_that_is_refused_no_origin_is_shown_as_added():
    result = bring("tenant,max_age,pattern\nb.example,9999,https://b.example\nc.example,x,https://c.example\n")
    assert found(result, Kind.ADDED) == []
    assert found(result, Kind.REFUSED) == [(3, "c.example", "https://c.example"), (2, "b.example", None)]


def test_the_rest_of_a_policy_whose_columns_are_refused_is_shown(acme):
    policy = {"tenant": "acme.example", "max_age": "x", "origins": [{"pattern": "https://new.example"}]}
    result = bring([policy])
    assert found(result, Kind.REFUSED) == [(1, "acme.example", None)]
    assert found(result, Kind.ADDED) == [(1, "acme.example", "https://new.example")]
    assert Kind.UNCHANGED not in result.counts


def test_of_a_new_policy_an_origin_that_is_refused_is_not_added():
    origins = [{"pattern": "https://a.example"}, {"pattern": "https://b.example", "note": 5}]
    result = bring([{"tenant": "b.example", "origins": origins}])
    assert found(result, Kind.ADDED) == [(1, "b.example", None), (1, "b.example", "https://a.example")]


def test_rows_of_a_tenant_that_disagree_are_refused_with_both_lines():
    content = "tenant,max_age,pattern\na.example,5,\nb.example,5,\nA.example,6,https://a.example\n"
    why = "max_age is '6' here and '5' in line 2; write the same in all rows of a tenant."
    assert refused(content) == [(4, why)]
    lines = [{"tenant": "a.example", "origins": []}, {"tenant": "a.example", "note": "x", "origins": []}]
    [(_, said)] = refused("\n".join(map(json.dumps, lines)), kind="json")
    assert said == "note is 'x' here and '' in line 1; write the same in all rows of a tenant."


def test_an_origin_that_stands_twice_is_refused_with_both_lines():
    content = "tenant,pattern\na.example,https://a.example\na.example,HTTPS://a.example/\n"
    assert refused(content) == [(3, "'https://a.example' stands in line 2 already; leave one of the two.")]


def test_more_origins_than_a_policy_holds_are_refused(settings):
    settings.CORS_TENANT_LIMITS = {"max_origins": 2}
    content = "tenant,pattern\n" + "".join(f"a.example,https://a{n}.example\n" for n in range(4))
    found = refused(content)
    assert [line for line, _ in found] == [4, 5]
    assert "a policy holds at most 2 origins" in found[0][1]


def test_what_is_stored_beyond_the_limits_is_refused_too(acme, settings):
    settings.CORS_TENANT_LIMITS = {"max_age": 100}
    [(_, said)] = refused("".join(export("csv")))
    assert "max_age: 300" in said


@pytest.mark.parametrize("content", ["", "tenant,patern\n", 'tenant,pattern\nacme.example,"open', b"PK\x03\x04"])
def test_of_a_file_that_cannot_be_read_to_its_end_nothing_else_is_told(acme, content):
    result = bring(content, remove_missing=True)
    assert result.counts == {Kind.REFUSED: 1}
    assert not result.written
    assert len(patterns("acme.example")) == 2


# --- whose tenants


def test_a_strangers_tenant_is_refused_whether_it_exists_or_not(acme):
    def said(tenant):
        rows = bring(f"tenant,max_age,pattern\n{tenant},x,http://a.example\n", tenants_allowed={"mine.example"}).rows
        return [(row.kind, row.line, row.pattern, row.changes, row.reason) for row in rows]

    assert said("acme.example") == said("nobody.example") == said("https://")
    assert said("acme.example") == [
        (Kind.REFUSED, 2, "http://a.example", (), "This is not a tenant of yours."),
    ]


def test_a_row_without_a_tenant_is_refused_for_what_it_is(acme):
    result = bring("tenant,pattern\nx\n,https://a.example\n", tenants_allowed={"mine.example"})
    assert [row.reason for row in result.rows] == [
        "The row has 1 cells, and the header 2; write one for each column.",
        "tenant: This field cannot be blank.",
    ]


def test_remove_missing_removes_ones_own_alone(acme):
    for tenant in ("mine.example", "mine2.example"):
        TenantPolicy.objects.create(tenant=tenant)
    allowed = {"mine.example", "mine2.example"}
    result = bring("tenant,pattern\nMINE.example,\n", tenants_allowed=allowed, remove_missing=True)
    assert found(result, Kind.REMOVED) == [(None, "mine2.example", None)]
    assert set(TenantPolicy.objects.values_list("tenant", flat=True)) == {"acme.example", "mine.example"}


# --- rows for people


def test_a_row_is_one_line_of_text():
    row = Row(Kind.REFUSED, 5, "a\x1b[2J", "https://a.example\n", (), "It is\nwrong.")
    assert row.as_text() == "refused   line 5  a\\x1b[2J  https://a.example\\n  It is\\nwrong."
    row = Row(Kind.CHANGED, None, "a", None, (Change("note", "x\n", ""),))
    assert row.as_text() == "changed   a  note: 'x\\n' -> ''"


def test_of_each_kind_the_first_rows_are_kept_and_all_are_shown():
    content = "tenant,pattern\n" + "".join(f"a.example,https://a{n}.example\n" for n in range(9))
    shown = []
    result = bring(content, kept=3, show=shown.append)
    assert len(shown) == 10
    assert result.rows == tuple(shown[:3])
    assert result.counts == {Kind.ADDED: 10}


# --- memory

MEASURE = """
import io, os, resource, sys
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django_cors_policy.transfer import export, import_policies

class File(io.RawIOBase):
    def __init__(self, rows):
        self.lines = (
            f"t{n % (rows // 10)}.tenants.example,https://o{n}.example\\n".encode() for n in range(rows)
        )
        self.rest = b"tenant,pattern\\n"
    def read(self, size):
        while len(self.rest) < size and (line := next(self.lines, b"")):
            self.rest += line
        block, self.rest = self.rest[:size], self.rest[size:]
        return block

rows = int(sys.argv[1])
result = import_policies(File(rows), "csv", dry_run=False, actor="", reason="")
assert result.written and sum(result.counts.values()) == rows + rows // 10, result
assert sum(1 for _ in export("json")) == rows // 10 + 1
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path):
    def kilobytes(rows):
        environment = {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": f"sqlite:///{tmp_path}/{rows}.sqlite3",
        }
        command = [sys.executable, "-W", "error", "-c", MEASURE, str(rows)]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
        assert done.stderr == ""
        return int(done.stdout)

    few, many = kilobytes(10_000), kilobytes(100_000)
    assert many - few < 15_000
