"""What the history tells of each write, and what it leads back to."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from django_cors_policy import history, models, recorded
from django_cors_policy.history import Action, PolicyHistory, Unknown, change, undo
from django_cors_policy.models import AllowedOrigin, TenantPolicy

pytestmark = pytest.mark.django_db

A, B = "https://a.example.com", "https://b.example.com"
ROW = {"enabled": True, "expires_at": None, "note": ""}


@pytest.fixture
def acme():
    policy = TenantPolicy.objects.create(tenant="acme")
    policy.origins.create(pattern=A)
    PolicyHistory.objects.all().delete()
    return policy


def told():
    """Give the entries, the oldest first, by tenant, before and after."""
    return [(entry.tenant, entry.before, entry.after) for entry in PolicyHistory.objects.order_by("pk")]


def whole(policy):
    """Give a policy as the history has it."""
    fields = {name: getattr(policy, name) for name in TenantPolicy.told}
    origins = {
        origin.pattern: {
            "enabled": origin.enabled,
            "expires_at": history.as_json(origin.expires_at),
            "note": origin.note,
        }
        for origin in policy.origins.all()
    }
    return {**fields, **({"origins": origins} if origins else {})}


def test_a_new_policy_is_told_whole():
    policy = TenantPolicy.objects.create(tenant="acme", note="new")
    assert told() == [("acme", None, whole(policy))]


def test_of_a_changed_policy_what_differs_is_told(acme):
    acme.enabled = False
    acme.note = "closed"
    acme.save()
    assert told() == [("acme", {"enabled": True, "note": ""}, {"enabled": False, "note": "closed"})]


def test_a_save_that_changes_nothing_tells_nothing(acme):
    acme.save()
    acme.origins.get().save()
    TenantPolicy.objects.update(enabled=True)
    assert told() == []


def test_an_origin_that_comes_changes_and_goes_is_told(acme):
    origin = acme.origins.create(pattern=B, expires_at=datetime(2030, 1, 2, tzinfo=UTC))
    origin.enabled = False
    origin.save()
    origin.delete()
    first = {"enabled": True, "expires_at": "2030-01-02T00:00:00+00:00", "note": ""}
    assert told() == [
        ("acme", {}, {"origins": {B: first}}),
        ("acme", {"origins": {B: first}}, {"origins": {B: {**first, "enabled": False}}}),
        ("acme", {"origins": {B: {**first, "enabled": False}}}, {}),
    ]


def test_a_policy_that_goes_is_told_with_its_origins(acme):
    before = whole(acme)
    acme.delete()
    assert told() == [("acme", before, None)]


def test_policies_that_go_together_are_told_each(acme):
    globex = TenantPolicy.objects.create(tenant="globex")
    PolicyHistory.objects.all().delete()
    before = [("acme", whole(acme), None), ("globex", whole(globex), None)]
    TenantPolicy.objects.all().delete()
    assert told() == before


def test_a_tenant_that_is_renamed_is_told_under_both_keys_with_its_origins(acme):
    state = whole(acme)
    acme.tenant = "acme2"
    acme.save()
    TenantPolicy.objects.update(tenant="acme3")
    assert told() == [("acme", state, None), ("acme2", None, state), ("acme2", state, None), ("acme3", None, state)]


def test_an_origin_that_moves_is_told_of_both_tenants(acme):
    globex = TenantPolicy.objects.create(tenant="globex")
    PolicyHistory.objects.all().delete()
    acme.origins.update(policy=globex)
    assert told() == [("acme", {"origins": {A: ROW}}, {}), ("globex", {}, {"origins": {A: ROW}})]


def test_what_is_created_in_bulk_is_told(acme):
    AllowedOrigin.objects.bulk_create(
        [AllowedOrigin(policy=acme, pattern=A), AllowedOrigin(policy=acme, pattern=B)], ignore_conflicts=True
    )
    TenantPolicy.objects.bulk_create([TenantPolicy(tenant="globex")])
    assert told() == [
        ("acme", {}, {"origins": {B: ROW}}),
        ("globex", None, whole(TenantPolicy.objects.get(tenant="globex"))),
    ]


def test_of_more_rows_than_are_told_the_tenants_are_named(acme, monkeypatch):
    monkeypatch.setattr(recorded, "TOLD", 1)
    AllowedOrigin.objects.bulk_create([AllowedOrigin(policy=acme, pattern=p) for p in (B, "https://c.example.com")])
    acme.origins.all().delete()
    assert told() == [("acme", None, None), ("acme", None, None)]


def test_of_more_origins_than_are_told_a_policy_goes_with_its_name_alone(acme, monkeypatch):
    monkeypatch.setattr(recorded, "TOLD", 1)
    acme.delete()
    assert told() == [("acme", None, None)]


def test_a_write_of_more_rows_than_one_statement_takes_is_told_as_one(acme, monkeypatch):
    TenantPolicy.objects.create(tenant="globex")
    PolicyHistory.objects.all().delete()
    monkeypatch.setattr(recorded, "BATCH", 1)
    TenantPolicy.objects.update(enabled=False)
    assert told() == [("", None, None)]


def test_more_tenants_than_can_be_named_in_one_change_are_told_as_one(acme, monkeypatch):
    monkeypatch.setattr(history, "MAX_NAMED", 1)
    with change():
        acme.origins.create(pattern=B)
        TenantPolicy.objects.create(tenant="globex")
    assert told() == [("", None, None)]


def test_an_update_cannot_move_what_a_policy_is_found_by_unseen(acme):
    acme.origins.update(pattern=B)
    assert told() == [("acme", {"origins": {A: ROW}}, {"origins": {B: ROW}})]


# --- who, how and why


def test_a_write_by_code_says_so(acme):
    acme.origins.create(pattern=B)
    entry = PolicyHistory.objects.get()
    assert (entry.actor, entry.action, entry.reason) == ("", Action.CODE, "")


def test_the_writes_of_a_change_are_one_entry_with_a_name_and_a_reason(acme):
    with change(actor="billing", reason="upgrade") as made:
        acme.max_age = 60
        acme.save()
        acme.origins.create(pattern=B)
        acme.origins.filter(pattern=A).update(note="old")
        made.reason = "the upgrade of May"
    entry = PolicyHistory.objects.get()
    assert (entry.actor, entry.action, entry.reason) == ("billing", "code", "the upgrade of May")
    assert entry.before == {"max_age": 600, "origins": {A: ROW}}
    assert entry.after == {"max_age": 60, "origins": {A: {**ROW, "note": "old"}, B: ROW}}


def test_what_comes_and_goes_within_a_change_is_not_told(acme):
    with change():
        acme.origins.create(pattern=B).delete()
    assert told() == []


def test_a_change_that_fails_leaves_neither_write_nor_history(acme):
    def twice():
        with change():
            acme.origins.create(pattern=B)
            acme.origins.create(pattern=B)

    with pytest.raises(IntegrityError), transaction.atomic():
        twice()
    assert told() == []
    assert acme.origins.count() == 1


def test_a_write_that_is_rolled_back_is_not_told(acme):
    with transaction.atomic():
        acme.origins.create(pattern=B)
        transaction.set_rollback(True)
    assert told() == []


def test_a_change_within_another_is_told_by_itself(acme):
    with change(actor="one"):
        acme.origins.create(pattern=B)
        with change(actor="two"):
            acme.origins.filter(pattern=B).delete()
    assert list(PolicyHistory.objects.order_by("pk").values_list("actor", flat=True)) == ["two", "one"]


def test_a_write_in_another_thread_is_no_part_of_the_change(acme):
    """Its connection has a transaction of its own, which may be committed where this one is not."""

    def write():
        with history.writing("default") as made:
            return made

    with change(actor="billing", reason="upgrade") as around, ThreadPoolExecutor(1) as other:
        made = other.submit(copy_context().run, write).result()
        assert made is not around
        with history.writing("default") as mine:
            assert mine is around
    assert (made.actor, made.reason) == ("billing", "upgrade")


def test_what_a_savepoint_took_back_is_not_told(acme):
    with change():
        with transaction.atomic():
            TenantPolicy.objects.create(tenant="ghost").origins.create(pattern=B)
            acme.origins.all().delete()
            transaction.set_rollback(True)
        acme.origins.create(pattern=B)
    assert told() == [("acme", {}, {"origins": {B: ROW}})]


def test_a_key_is_taken_for_no_other(acme):
    """MariaDB's collation takes Acme for acme."""
    PolicyHistory.objects.create(tenant="Acme", action="code")
    PolicyHistory.objects.create(tenant="acme", action="code")
    assert [entry.tenant for entry in history.changes_of("acme")] == ["acme"]
    assert [entry.tenant for entry in history.changes_of("Acme")] == ["Acme"]


def test_of_more_origins_than_are_told_no_more_are_read(acme, monkeypatch):
    globex = TenantPolicy.objects.create(tenant="globex")
    globex.origins.create(pattern=B)
    monkeypatch.setattr(recorded, "BATCH", 1)
    monkeypatch.setattr(models, "TOLD", 0)
    rows = TenantPolicy.children_of([acme.pk, globex.pk], "default")
    assert [fields["pattern"] for _, fields in rows.values()] == [A]


def test_a_fixture_says_so(acme, tmp_path):
    out = StringIO()
    call_command("dumpdata", "django_cors_policy", natural_foreign=True, natural_primary=True, stdout=out)
    fixture = tmp_path / "policies.json"
    fixture.write_text(out.getvalue().replace(A, B))
    call_command("loaddata", fixture, verbosity=0)
    assert told() == [("acme", {}, {"origins": {B: ROW}})]
    assert PolicyHistory.objects.get().action == Action.COMMAND


def test_the_history_never_travels_in_fixtures(acme):
    acme.origins.create(pattern=B)
    for options in ({}, {"use_base_manager": True}):
        out = StringIO()
        call_command("dumpdata", "django_cors_policy.policyhistory", stdout=out, **options)
        assert out.getvalue().strip() == "[]"


def test_a_name_that_is_too_long_is_cut(acme):
    with change(actor="x" * 300):
        acme.origins.create(pattern=B)
    assert len(PolicyHistory.objects.get().actor) == history.ACTOR_LENGTH


def test_an_entry_names_itself(acme):
    acme.origins.create(pattern=B)
    entry = PolicyHistory.objects.get()
    assert str(entry) == f"{entry.pk}: acme"
    entry.tenant = ""
    assert str(entry) == f"{entry.pk}: many tenants"


def test_who_listens_is_told_in_the_transaction_of_the_writes(acme):
    heard = []

    def listen(using, tenants, **_):
        heard.append((using, tenants, PolicyHistory.objects.count(), transaction.get_connection().in_atomic_block))

    history.policies_written.connect(listen)
    try:
        acme.origins.create(pattern=B)
    finally:
        history.policies_written.disconnect(listen)
    assert heard == [("default", {"acme"}, 1, True)]


# --- the way back


def test_each_version_can_be_had_back(acme):
    versions = [whole(acme)]

    def keep():
        versions.append(whole(TenantPolicy.objects.get(tenant="acme")))

    acme.origins.create(pattern=B)
    keep()
    with change():
        acme.max_age = 60
        acme.save()
        acme.origins.filter(pattern=A).delete()
        acme.origins.filter(pattern=B).update(enabled=False)
    keep()
    acme.delete()
    versions.append(None)
    TenantPolicy.objects.create(tenant="acme", note="again")
    keep()
    entries = list(PolicyHistory.objects.all())
    assert len(entries) == 4
    for steps, version in enumerate(reversed(versions)):
        undone = undo(versions[-1], entries[:steps])
        if undone is not None and not undone.get("origins"):
            undone.pop("origins", None)
        assert undone == version


def test_there_is_no_way_back_over_what_is_not_told():
    entry = PolicyHistory(pk=7, tenant="")
    with pytest.raises(Unknown, match="change 7 touched more than the history keeps"):
        undo({}, [entry])
