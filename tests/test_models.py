"""The recorded writes: what each write records, and what the models refuse."""

import json
import re
from datetime import UTC, datetime
from io import StringIO

import pytest
from asgiref.sync import async_to_sync
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.management import call_command
from django.core.serializers import deserialize
from django.db import IntegrityError, connection, transaction
from django.db.models import Value
from django.db.models.functions import Lower
from django.forms import modelform_factory
from django.test.utils import CaptureQueriesContext

from django_cors_policy import feed, models
from django_cors_policy import recorded as recorded_models
from django_cors_policy.feed import PolicyChange, PolicyRevision, policies_changed, record_everything, recording
from django_cors_policy.models import AllowedOrigin, TenantPolicy, split_names

pytestmark = pytest.mark.django_db


class ProxyPolicy(TenantPolicy):
    class Meta:
        proxy = True
        app_label = "proxies"


class ProxyOrigin(AllowedOrigin):
    class Meta:
        proxy = True
        app_label = "proxies"


@pytest.fixture
def acme():
    return TenantPolicy.objects.create(tenant="acme")


@pytest.fixture
def globex():
    return TenantPolicy.objects.create(tenant="globex")


@pytest.fixture
def origin(acme):
    return acme.origins.create(pattern="https://app.acme.example")


def last_revision():
    return PolicyChange.rows.order_by("-revision").values_list("revision", flat=True).first() or 0


def recorded(write):
    """Give the tenants that a write records, one entry for each row of the feed."""
    before = last_revision()
    write()
    return sorted(PolicyChange.rows.filter(revision__gt=before).values_list("tenant", flat=True))


def on_conflict(fields, update):
    target = {"unique_fields": fields} if connection.features.supports_update_conflicts_with_target else {}
    return {"update_conflicts": True, "update_fields": update, **target}


# --- rule 3: what is recorded


def test_a_new_policy_is_recorded():
    assert recorded(lambda: TenantPolicy(tenant="acme").save()) == ["acme"]


def test_create_and_get_or_create_are_recorded():
    assert recorded(lambda: TenantPolicy.objects.create(tenant="acme")) == ["acme"]
    assert recorded(lambda: TenantPolicy.objects.get_or_create(tenant="globex")) == ["globex"]
    assert recorded(lambda: TenantPolicy.objects.get_or_create(tenant="globex")) == []


def test_update_or_create_is_recorded(acme):
    write = TenantPolicy.objects.update_or_create
    assert recorded(lambda: write(tenant="acme", defaults={"max_age": 5})) == ["acme"]
    assert recorded(lambda: write(tenant="globex", defaults={"max_age": 5})) == ["globex"]


def test_a_renamed_tenant_is_recorded_under_both_keys(acme):
    acme.tenant = "renamed"
    assert recorded(acme.save) == ["acme", "renamed"]


def test_the_stored_key_is_recorded_not_the_instances(acme):
    TenantPolicy.objects.filter(pk=acme.pk).update(tenant="moved")
    acme.tenant = "acme"
    assert recorded(lambda: acme.save(update_fields=["note"])) == ["moved"]


def test_an_origin_records_its_tenant(origin):
    assert recorded(origin.save) == ["acme"]


def test_an_origin_that_moves_records_both_tenants(origin, globex):
    origin.policy = globex
    assert recorded(origin.save) == ["acme", "globex"]


def test_deleting_a_policy_records_once_however_many_origins_go_with_it(acme, origin):
    acme.origins.create(pattern="https://two.acme.example")
    assert recorded(acme.delete) == ["acme"]
    assert not AllowedOrigin.objects.exists()


def test_deleting_an_origin_is_recorded(origin):
    assert recorded(origin.delete) == ["acme"]


def test_deleting_by_queryset_is_recorded_once_for_each_tenant(acme, globex, origin):
    acme.origins.create(pattern="https://two.acme.example")
    globex.origins.create(pattern="https://app.globex.example")
    assert recorded(lambda: AllowedOrigin.objects.all().delete()) == ["acme", "globex"]
    assert recorded(lambda: TenantPolicy.objects.all().delete()) == ["acme", "globex"]


def test_django_waffle_32_update_is_recorded(acme, globex):
    assert recorded(lambda: TenantPolicy.objects.update(enabled=False)) == ["acme", "globex"]


def test_an_update_of_nothing_records_nothing(acme):
    assert recorded(lambda: TenantPolicy.objects.filter(tenant="nobody").update(enabled=False)) == []


def test_an_update_that_changes_what_it_filters_by_reaches_every_row(acme, globex):
    many = TenantPolicy.objects.filter(enabled=True)
    assert many.update(enabled=False) == 2
    assert not TenantPolicy.objects.filter(enabled=True).exists()


def test_an_update_that_moves_origins_records_both_tenants(origin, globex):
    assert recorded(lambda: AllowedOrigin.objects.update(policy=globex)) == ["acme", "globex"]


def test_an_update_of_many_rows_is_one_and_reaches_them_all(acme, monkeypatch):
    """The first of two batches may change what the second is found by."""
    monkeypatch.setattr(recorded_models, "BATCH", 2)
    AllowedOrigin.objects.bulk_create(AllowedOrigin(policy=acme, pattern=f"https://{n}.example") for n in range(5))
    AllowedOrigin.objects.filter(pattern="https://0.example").update(note="leaked")
    leaked = AllowedOrigin.objects.filter(policy__origins__note="leaked")
    assert recorded(lambda: leaked.update(enabled=False, note="dealt with")) == [""]
    assert not AllowedOrigin.objects.filter(enabled=True).exists()


def test_an_update_of_primary_keys_records_everything(acme):
    assert recorded(lambda: TenantPolicy.objects.update(id=acme.pk + 70, tenant="moved")) == [""]


def test_what_django_refuses_breaks_no_transaction(acme):
    with transaction.atomic():
        with pytest.raises(FieldDoesNotExist):
            TenantPolicy.objects.filter(tenant="nobody").update(bogus=1)
        with pytest.raises(TypeError, match="slice"):
            TenantPolicy.objects.all()[:1].update(note="x")
        with pytest.raises(TypeError, match="limit"):
            TenantPolicy.objects.all()[:1].delete()
        with pytest.raises(ValueError, match="None"):
            TenantPolicy(tenant="unsaved").delete()
        assert TenantPolicy.objects.count() == 1


def test_deleting_through_a_proxy_is_recorded(acme, origin):
    assert recorded(ProxyOrigin.objects.get().delete) == ["acme"]
    assert recorded(ProxyPolicy.objects.get().delete) == ["acme"]
    assert recorded(lambda: ProxyPolicy(tenant="globex").save()) == ["globex"]


def test_bulk_create_is_recorded(acme, globex):
    policies = [TenantPolicy(tenant="one"), TenantPolicy(tenant="two")]
    assert recorded(lambda: TenantPolicy.objects.bulk_create(policies)) == ["one", "two"]
    origins = [AllowedOrigin(policy=policy, pattern="https://app.example") for policy in (acme, globex)]
    assert recorded(lambda: AllowedOrigin.objects.bulk_create(origins)) == ["acme", "globex"]


def test_bulk_create_records_conflicts_too(acme, origin):
    again = [AllowedOrigin(policy=acme, pattern=origin.pattern, note="again")]
    options = on_conflict(["policy", "pattern"], update=["note"])
    assert recorded(lambda: AllowedOrigin.objects.bulk_create(again, **options)) == ["acme"]
    assert recorded(lambda: AllowedOrigin.objects.bulk_create(again, ignore_conflicts=True)) == ["acme"]


def test_bulk_create_that_takes_a_row_over_records_both_tenants(origin, globex):
    taken = [AllowedOrigin(pk=origin.pk, policy=globex, pattern=origin.pattern)]
    options = on_conflict(["id"], update=["policy"])
    assert recorded(lambda: AllowedOrigin.objects.bulk_create(taken, **options)) == ["acme", "globex"]


def test_bulk_create_by_an_expression_records_everything():
    policies = [TenantPolicy(tenant=Lower(Value("ACME"))), TenantPolicy(tenant=Lower(Value("GLOBEX")))]
    assert recorded(lambda: TenantPolicy.objects.bulk_create(policies)) == [""]


def test_bulk_create_records_the_key_that_a_collation_takes_for_its_own(acme):
    policy = TenantPolicy(tenant="ACME", enabled=False)
    tenants = recorded(lambda: TenantPolicy.objects.bulk_create([policy], ignore_conflicts=True))
    # A database that knows no letter case keeps the one row; the others store a second.
    assert tenants == (["ACME"] if TenantPolicy.objects.count() == 2 else ["ACME", "acme"])


def test_bulk_update_is_recorded(acme, globex):
    for policy in (acme, globex):
        policy.note = "bulk"
    assert recorded(lambda: TenantPolicy.objects.bulk_update([acme, globex], ["note"])) == ["acme", "globex"]


def test_related_managers_are_recorded(acme, globex, origin):
    assert recorded(lambda: globex.origins.add(origin)) == ["acme", "globex"]
    assert recorded(lambda: globex.origins.update(enabled=False)) == ["globex"]
    assert recorded(lambda: globex.origins.all().delete()) == ["globex"]


def test_a_fixture_is_recorded_even_where_a_child_comes_first(acme, origin):
    fixture = [
        {
            "model": "django_cors_policy.allowedorigin",
            "pk": 70,
            "fields": {"policy": 71, "pattern": "https://x.example", "created_at": "2026-01-01T00:00:00Z"},
        },
        {
            "model": "django_cors_policy.tenantpolicy",
            "pk": 71,
            "fields": {
                "tenant": "loaded",
                "created_at": "2026-01-01T00:00:00Z",
                "updated_at": "2026-01-01T00:00:00Z",
            },
        },
    ]

    def load():
        with connection.constraint_checks_disabled():
            for item in deserialize("json", json.dumps(fixture)):
                item.save()

    assert recorded(load) == ["loaded"]


def test_a_fixture_that_renames_a_tenant_records_both_keys(acme):
    row = {"model": "django_cors_policy.tenantpolicy", "pk": acme.pk, "fields": {"tenant": "loaded"}}
    row["fields"] |= {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
    assert recorded(lambda: [item.save() for item in deserialize("json", json.dumps([row]))]) == ["acme", "loaded"]


@pytest.mark.django_db(transaction=True)
def test_a_row_that_is_deserialized_outside_a_transaction_records_both_tenants(origin, globex):
    row = {"model": "django_cors_policy.allowedorigin", "pk": origin.pk, "fields": {"policy": globex.pk}}
    row["fields"] |= {"pattern": origin.pattern, "created_at": "2026-01-01T00:00:00Z"}
    write = next(item.save for item in deserialize("json", json.dumps([row])))
    assert recorded(write) == ["acme", "globex"]


def test_dumpdata_and_loaddata_carry_policies_by_natural_keys(acme, origin, tmp_path):
    fixture = tmp_path / "policies.json"
    options = {"natural_foreign": True, "natural_primary": True}
    call_command("dumpdata", "django_cors_policy", output=str(fixture), verbosity=0, **options)
    TenantPolicy.objects.all().delete()
    assert recorded(lambda: call_command("loaddata", str(fixture), verbosity=0)) == ["acme", "acme"]
    assert AllowedOrigin.objects.get().policy.tenant == "acme"
    assert AllowedOrigin.objects.get_by_natural_key("acme", origin.pattern) == AllowedOrigin.objects.get()


def test_async_methods_are_recorded(acme):
    async def write():
        await TenantPolicy.objects.filter(tenant="acme").aupdate(note="async")
        await TenantPolicy.objects.acreate(tenant="globex")
        await acme.adelete()

    assert recorded(async_to_sync(write)) == ["acme", "acme", "globex"]


def test_more_tenants_than_can_be_named_are_recorded_as_everything(monkeypatch):
    monkeypatch.setattr(feed, "MAX_NAMED", 2)
    monkeypatch.setattr(recorded_models, "MAX_NAMED", 2)
    policies = [TenantPolicy(tenant=f"tenant-{n}") for n in range(3)]
    assert recorded(lambda: TenantPolicy.objects.bulk_create(policies)) == [""]
    assert recorded(lambda: TenantPolicy.objects.update(note="all")) == [""]


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_there_is_nothing_to_lock(acme, django_assert_num_queries):
    with django_assert_num_queries(0):
        TenantPolicy.objects.select_for_update()


def test_reading_the_tenants_of_many_rows_stops_where_they_cannot_be_named(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(recorded_models, "MAX_NAMED", 2)
    monkeypatch.setattr(recorded_models, "BATCH", 1)
    keys = [TenantPolicy.objects.create(tenant=f"tenant-{n}").pk for n in range(5)]
    with django_assert_num_queries(3):
        assert recorded_models.tenants_of(TenantPolicy, keys, "default") == {""}


def test_everything_can_be_recorded_after_writes_that_the_models_do_not_see():
    assert recorded(lambda: record_everything("default")) == [""]


@pytest.mark.django_db(transaction=True)
def test_a_flush_records_everything_and_the_lock_comes_back(acme):
    call_command("flush", interactive=False, verbosity=0)
    assert list(PolicyChange.rows.values_list("tenant", flat=True)) == [""]
    assert PolicyRevision.rows.count() == 1


def test_migrating_another_app_or_before_the_tables_exist_records_nothing(monkeypatch):
    def migrated():
        from django.apps import apps

        models._record_migration(apps.get_app_config("auth"), "default")
        monkeypatch.setattr(connection.introspection, "table_names", list)
        models._record_migration(apps.get_app_config("django_cors_policy"), "default")

    assert recorded(migrated) == []


# --- rules 1 and 2: how it is recorded

WRITES = {
    "save": lambda policy: policy.save(),
    "update": lambda policy: TenantPolicy.objects.update(note="x"),
    "update_or_create": lambda policy: TenantPolicy.objects.update_or_create(tenant="acme", defaults={"note": "y"}),
    "bulk_create": lambda policy: AllowedOrigin.objects.bulk_create([AllowedOrigin(policy=policy, pattern="x://y")]),
    "delete": lambda policy: policy.delete(),
    "queryset-delete": lambda policy: TenantPolicy.objects.all().delete(),
    "origin": lambda policy: policy.origins.create(pattern="https://app.example"),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_the_lock_comes_before_the_first_write_and_is_never_updated(acme, write):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        write(acme)
    statements = [query["sql"] for query in queries]
    lock = next(place for place, sql in enumerate(statements) if sql.startswith("SELECT") and "policyrevision" in sql)
    writes = [place for place, sql in enumerate(statements) if sql.startswith(("INSERT", "UPDATE", "DELETE"))]
    assert writes
    assert lock < writes[0]
    assert not [sql for sql in statements if sql.startswith("UPDATE") and "policyrevision" in sql]
    if connection.features.has_select_for_update:
        assert "FOR UPDATE" in statements[lock]
        # A row lock taken before it, by a SELECT, is the beginning of a deadlock too.
        assert "FOR UPDATE" not in "".join(statements[:lock])
    begin = [place for place, sql in enumerate(statements) if sql.startswith("BEGIN")]
    assert not begin or begin[0] < lock


def test_update_or_create_locks_the_feed_before_the_row(acme):
    with CaptureQueriesContext(connection) as queries:
        TenantPolicy.objects.update_or_create(tenant="acme", defaults={"note": "locked"})
    tables = [re.search(r'FROM [`"](\w+)', query["sql"]) for query in queries if query["sql"].startswith("SELECT")]
    assert [table[1] for table in tables][:2] == [
        "django_cors_policy_policyrevision",
        "django_cors_policy_tenantpolicy",
    ]


@pytest.mark.django_db(transaction=True)
def test_rows_to_lock_can_be_named_before_the_transaction_begins(acme, django_assert_num_queries):
    with django_assert_num_queries(0):
        rows = TenantPolicy.objects.select_for_update()
    with transaction.atomic():
        assert list(rows) == [acme]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_that_cannot_be_recorded_does_not_happen(acme, write, monkeypatch):
    before = list(TenantPolicy.objects.values_list("tenant", "note", "origins__pattern"))

    def fail(*_):
        raise RuntimeError("the feed is full")

    monkeypatch.setattr(feed, "_append", fail)
    with pytest.raises(RuntimeError):
        write(acme)
    assert list(TenantPolicy.objects.values_list("tenant", "note", "origins__pattern")) == before


@pytest.mark.django_db(transaction=True)
def test_django_waffle_296_and_django_constance_a_rollback_leaves_no_record(acme):
    before = last_revision()

    def fail_late():
        acme.save()
        TenantPolicy.objects.create(tenant="acme")

    with pytest.raises(IntegrityError), transaction.atomic():
        fail_late()
    assert last_revision() == before


@pytest.mark.django_db(transaction=True)
def test_the_lock_is_taken_again_after_a_savepoint_was_rolled_back(acme):
    with transaction.atomic():
        with transaction.atomic():
            acme.save()
            transaction.set_rollback(True)
        with CaptureQueriesContext(connection) as queries:
            acme.save()
        assert "policyrevision" in queries[0]["sql"]


def test_a_lock_row_that_is_gone_comes_back():
    PolicyRevision.rows.all().delete()
    assert recorded(lambda: TenantPolicy.objects.create(tenant="acme")) == ["acme"]
    assert PolicyRevision.rows.count() == 1


def test_every_row_of_the_feed_has_a_token_of_its_own(acme, globex):
    tokens = list(PolicyChange.rows.values_list("token", flat=True))
    assert len(set(tokens)) == len(tokens)
    assert all(len(token) == 16 for token in tokens)


@pytest.mark.django_db(transaction=True)
def test_what_has_changed_is_announced_at_once_and_again_at_the_commit():
    heard = []

    def hear(tenants, **_):
        heard.append((sorted(tenants), connection.in_atomic_block))

    policies_changed.connect(hear)
    try:
        TenantPolicy.objects.create(tenant="acme")
    finally:
        policies_changed.disconnect(hear)
    assert heard == [(["acme"], True), (["acme"], False)]


def test_recording_nothing_writes_nothing():
    def nothing():
        with recording("default"):
            pass

    assert recorded(nothing) == []


# --- rule 4: the feed


def test_lock_and_feed_never_travel_in_fixtures(acme):
    for options in ({}, {"use_base_manager": True}):
        out = StringIO()
        call_command("dumpdata", "django_cors_policy", stdout=out, **options)
        assert {row["model"] for row in json.loads(out.getvalue())} == {"django_cors_policy.tenantpolicy"}


# --- what is refused and what is corrected


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("https://app.acme.example", "https://app.acme.example"),
        ("HTTPS://App.Acme.Example:443/", "https://app.acme.example"),
        ("https://Bücher.example", "https://xn--bcher-kva.example"),
        ("https://*.acme.example", "https://*.acme.example"),
        ("http://localhost:*", "http://localhost:*"),
        ("http://*.localhost:*", "http://*.localhost:*"),
        ("capacitor://localhost", "capacitor://localhost"),
    ],
)
def test_an_origin_is_stored_in_its_canonical_form(acme, written, stored):
    origin = AllowedOrigin(policy=acme, pattern=written)
    origin.full_clean()
    assert origin.pattern == stored


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("https://app.acme.example/path", "path"),
        ("https://app.acme.example.", "dot"),
        ("http://127.1", "canonical spelling"),
        ("app.acme.example", "https://app.acme.example"),
        ("null", "null"),
        ("*", "any_origin"),
        ("http://app.acme.example", "insecure_origins"),
        ("https://app.acme.example:*", "any_port"),
        ("https://*.github.io", "public_suffix_wildcards"),
        ("https://*.co.uk", "public_suffix_wildcards"),
    ],
)
def test_an_origin_that_is_malformed_or_beyond_the_limits_is_refused_on_its_field(acme, written, said):
    with pytest.raises(ValidationError) as refused:
        AllowedOrigin(policy=acme, pattern=written).full_clean()
    assert list(refused.value.message_dict) == ["pattern"]
    assert said in refused.value.message_dict["pattern"][0]


def test_limits_can_be_lifted_in_the_settings(acme, settings):
    settings.CORS_TENANT_LIMITS = {"insecure_origins": True, "any_port": True, "any_origin": True, "max_age": 86400}
    for pattern in ("http://app.acme.example", "https://app.acme.example:*", "*"):
        AllowedOrigin(policy=acme, pattern=pattern).full_clean()
    TenantPolicy(tenant="globex", max_age=86400).full_clean()


def test_an_origin_beyond_the_number_is_refused(acme, origin, settings):
    settings.CORS_TENANT_LIMITS = {"max_origins": 1}
    with pytest.raises(ValidationError, match="at most 1 origins"):
        AllowedOrigin(policy=acme, pattern="https://two.acme.example").full_clean()
    origin.full_clean()  # the one that is there may be edited
    AllowedOrigin(pattern="https://two.acme.example").clean()  # without a policy yet, the form counts


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_a_moment_at_either_end_of_time_is_refused(acme, year):
    """In UTC it may be one that Python or the database cannot read back."""
    moment = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    with pytest.raises(ValidationError) as refused:
        AllowedOrigin(policy=acme, pattern="https://app.example", expires_at=moment).full_clean()
    assert list(refused.value.message_dict) == ["expires_at"]


def test_one_origin_in_two_spellings_is_one(acme, origin):
    with pytest.raises(ValidationError, match="lists the origin already"):
        AllowedOrigin(policy=acme, pattern="https://APP.acme.example/").full_clean()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("tenant", "https://acme.example", "host alone"),
        ("tenant", "acme.example:8000", "host alone"),
        ("tenant", "", "blank"),
        ("tenant", "*", "host alone"),
        ("tenant", "a..b", "host alone"),
        ("tenant", "[::1]:80", "host alone"),
        ("tenant", "b\xfccher.example", "host alone"),
        ("tenant", "acme\x1b[31m.example", "host alone"),
        ("allow_methods", "GET, not a method", "not a method"),
        ("allow_headers", "x-ok\nx:bad", "x:bad"),
        ("expose_headers", "x-ok, (bad)", "(bad)"),
        ("allow_headers", "x-a," * 2000, "4000 characters"),
        ("allow_methods", "(," * 2001, "4000 characters"),
        ("tenant", None, "null"),
        ("max_age", 7201, "7200"),
        ("max_age", -1, "0"),
        ("max_age", None, "null"),
    ],
)
def test_a_policy_that_cannot_be_served_is_refused_on_the_field(field, value, said):
    with pytest.raises(ValidationError) as refused:
        TenantPolicy(**{"tenant": "acme", field: value}).full_clean()
    assert list(refused.value.message_dict) == [field]
    assert said in refused.value.message_dict[field][0]


def test_a_fault_of_a_field_that_a_form_leaves_out_is_said_of_the_whole():
    with pytest.raises(ValidationError) as refused:
        TenantPolicy(tenant="acme", max_age=7201, allow_methods="no good").full_clean(exclude=["max_age"])
    assert set(refused.value.message_dict) == {"__all__", "allow_methods"}
    assert "7201" in refused.value.message_dict["__all__"][0]


def test_a_form_without_a_faulty_field_says_so_and_does_not_raise():
    form = modelform_factory(TenantPolicy, fields=["note"])(
        {"note": "x"}, instance=TenantPolicy(tenant="a", max_age=9999)
    )
    assert "9999" in form.errors["__all__"][0]


@pytest.mark.parametrize("pattern", ["", "https://" + "a" * 300 + ".example"])
def test_a_pattern_that_the_field_itself_refuses_gets_one_error(acme, pattern):
    with pytest.raises(ValidationError) as refused:
        AllowedOrigin(policy=acme, pattern=pattern).full_clean()
    assert len(refused.value.message_dict["pattern"]) == 1


def test_credentials_can_be_kept_from_tenants(settings):
    settings.CORS_TENANT_LIMITS = {"credentials": False}
    with pytest.raises(ValidationError) as refused:
        TenantPolicy(tenant="acme", allow_credentials=True).full_clean()
    assert list(refused.value.message_dict) == ["allow_credentials"]


@pytest.mark.parametrize("written", ["Api.Acme.Example", "api.acme.example."])
def test_a_tenants_host_is_stored_as_requests_have_it(written):
    policy = TenantPolicy(tenant=written)
    policy.full_clean()
    assert policy.tenant == "api.acme.example"


def test_a_tenants_address_is_a_host(acme):
    TenantPolicy(tenant="[::1]").full_clean()


def test_a_key_of_another_resolver_is_left_as_it_is(settings):
    settings.CORS_TENANT_RESOLVER = "django_cors_policy.tenants.by_path_prefix"
    policy = TenantPolicy(tenant="Acme")
    policy.full_clean()
    assert policy.tenant == "Acme"
    with pytest.raises(ValidationError, match="first segment"):
        TenantPolicy(tenant="acme/").full_clean()
    with pytest.raises(ValidationError, match="unprintable"):
        TenantPolicy(tenant="a\tb").full_clean()


def test_a_subdomain_is_one_label_in_lower_case(settings):
    settings.CORS_TENANT_RESOLVER = "django_cors_policy.tenants.by_subdomain"
    policy = TenantPolicy(tenant="Acme")
    policy.full_clean()
    assert policy.tenant == "acme"
    for tenant in ("acme.example.com", "acme corp", "acme:80"):
        with pytest.raises(ValidationError, match="one label"):
            TenantPolicy(tenant=tenant).full_clean()


def test_the_empty_key_stands_for_everything_and_cannot_be_stored():
    with pytest.raises(IntegrityError), transaction.atomic():
        TenantPolicy.objects.create(tenant="")


@pytest.mark.parametrize(
    ("text", "names"),
    [("", ()), ("GET", ("GET",)), ("GET, PUT", ("GET", "PUT")), ("GET\r\nPUT,\n\n , DELETE", ("GET", "PUT", "DELETE"))],
)
def test_lists_are_read_by_lines_and_commas(text, names):
    assert split_names(text) == names


def test_rows_name_themselves(acme, origin):
    assert str(acme) == "acme"
    assert str(origin) == "https://app.acme.example"
    assert str(PolicyRevision.rows.get()) == "the writers' lock 1"
    assert str(PolicyChange(revision=1, tenant="acme")) == "1: acme"
    assert str(PolicyChange(revision=2, tenant="")) == "2: every tenant"


def test_the_migrations_are_complete():
    call_command("makemigrations", "django_cors_policy", check=True, dry_run=True, verbosity=0)
