"""Policies that are read from another database than they are written to: a replica, which the tests play."""

import pytest
from django.core import checks
from django.db import connections, models, router, transaction

from django_cors_policy.feed import PolicyChange, PolicyRevision
from django_cors_policy.history import PolicyHistory
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.store import MISS, store

ORIGIN = "https://app.acme.example"
COPIED = (TenantPolicy, AllowedOrigin, PolicyChange)


class Router:
    def __init__(self, alias):
        self.alias = alias

    def db_for_write(self, model, **hints):
        if self.alias is None:
            raise LookupError("no tenant was set for this request")
        return self.alias

    db_for_read = db_for_write


@pytest.fixture(autouse=True)
def replica(settings, tmp_path, monkeypatch, django_db_blocker):
    """Two databases beside the tests' own: one is written to, one read from; every request looks for changes."""
    with django_db_blocker.unblock():
        for alias in ("primary", "replica"):
            entry = {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / alias, "HOST": "", "PORT": ""}
            # In place: what DATABASES is set to anew is not connected to.
            monkeypatch.setitem(settings.DATABASES, alias, {**settings.DATABASES["default"], **entry, "OPTIONS": {}})
            with connections[alias].schema_editor() as editor:
                for model in (*COPIED, PolicyRevision, PolicyHistory):
                    editor.create_model(model)
        monkeypatch.setattr(router, "routers", [Router("primary")])
        settings.CORS_POLICY_DATABASE = "replica"
        settings.CORS_POLICY_REPLICA_LAG_SECONDS = 5
        settings.CORS_POLICY_REFRESH_SECONDS = 0
        yield
        for alias in ("primary", "replica"):
            connections[alias].close()
            del connections[alias]


@pytest.fixture
def acme():
    policy = TenantPolicy.objects.create(tenant="acme")
    policy.origins.create(pattern=ORIGIN)
    replicate()
    return policy


def replicate():
    """Bring the replica to where the primary is, in one transaction, as replication does."""
    with transaction.atomic("replica"), connections["replica"].cursor() as cursor:
        for model in reversed(COPIED):
            cursor.execute(f"DELETE FROM {model._meta.db_table}")
        for model in COPIED:
            models.QuerySet(model, using="replica").bulk_create(models.QuerySet(model, using="primary"))


def allows():
    policy = store.get("acme")
    return policy is not None and policy.origins.match(ORIGIN) is not None


def test_a_change_is_obeyed_once_the_replica_has_it(acme):
    assert allows()
    AllowedOrigin.objects.all().delete()
    assert allows()  # loaded anew, and the old row: it is all that the replica has
    assert allows()
    replicate()
    assert not allows()


def test_what_the_primary_has_said_of_a_change_is_not_taken_for_the_replicas_word(acme):
    """Nothing may be skipped in the replica's feed, however the own writes and its answers come one after another."""
    assert allows()
    acme.save()
    AllowedOrigin.objects.all().delete()
    assert allows()
    acme.save()
    assert allows()
    replicate()
    assert not allows()
    acme.origins.create(pattern=ORIGIN)
    assert not allows()
    replicate()
    assert allows()


def test_a_replica_that_was_built_anew_from_an_older_state_forgets_all(acme):
    AllowedOrigin.objects.all().delete()
    replicate()
    assert not allows()
    PolicyChange.rows.order_by("-revision").first().delete()
    TenantPolicy.objects.get().origins.create(pattern=ORIGIN)
    replicate()
    assert allows()


def test_a_transaction_on_the_primary_does_not_keep_the_replica_from_being_remembered(acme, settings):
    settings.CORS_POLICY_REFRESH_SECONDS = 3600
    with transaction.atomic("primary"):
        AllowedOrigin.objects.all().delete()
        assert allows()
        assert store.peek("acme") is not MISS
    assert store.peek("acme") is MISS  # the commit is one more moment at which it may be new


def test_a_write_to_the_primary_does_not_end_the_outage_of_the_replica(acme, caplog):
    assert allows()
    with connections["replica"].schema_editor() as editor:
        editor.delete_model(PolicyChange)
    assert allows()
    acme.save()
    acme.save()
    assert not allows()  # forgotten at the write, and not to be had
    assert [record.levelname for record in caplog.records] == ["ERROR"]


# --- the system check


def messages():
    return [(message.id.removeprefix("django_cors_policy."), message.level) for message in checks.run_checks()]


def test_reading_elsewhere_is_an_error_unless_that_is_a_replica(settings):
    assert messages() == []
    settings.CORS_POLICY_REPLICA_LAG_SECONDS = None
    assert messages() == [("CORS419", checks.ERROR)]
    [message] = checks.run_checks()
    assert "'replica'" in message.msg
    assert "CORS_POLICY_DATABASE = 'primary'" in message.hint
    settings.CORS_POLICY_REPLICA_LAG_SECONDS = 0
    assert messages() == []


def test_where_tenants_are_off_nothing_is_read(settings):
    settings.CORS_POLICY_REPLICA_LAG_SECONDS = settings.CORS_TENANT_RESOLVER = None
    assert messages() == []


@pytest.mark.parametrize(("key", "codes"), [("NAME", 1), ("HOST", 1), ("PORT", 1), ("CONN_MAX_AGE", 0)])
def test_another_alias_of_the_same_database_is_not_elsewhere(settings, key, codes):
    settings.CORS_POLICY_REPLICA_LAG_SECONDS = None
    connections["replica"].settings_dict.update(connections["primary"].settings_dict, **{key: "7"})
    assert len(messages()) == codes


@pytest.mark.parametrize("alias", ["replica", None])
def test_what_the_router_writes_to_or_cannot_tell_is_not_elsewhere(settings, monkeypatch, alias):
    settings.CORS_POLICY_REPLICA_LAG_SECONDS = None
    monkeypatch.setattr(router, "routers", [Router(alias)])
    assert messages() == []


def test_policies_are_read_where_the_router_writes_them(acme, settings, monkeypatch):
    settings.CORS_POLICY_DATABASE = None
    AllowedOrigin.objects.all().delete()
    assert not allows()
    monkeypatch.setattr(router, "routers", [Router("replica")])
    store.reset()
    assert allows()
