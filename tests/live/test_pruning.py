"""Two writers under snapshot isolation: that one of them prunes the feed is nothing to the other."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_cors_policy.feed import NEWEST_KEPT, PolicyChange
from django_cors_policy.models import TenantPolicy

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def snapshots(monkeypatch):
    """Let every transaction see one state of the database, and fail where it would change what another has changed."""
    options = connection.settings_dict.setdefault("OPTIONS", {})
    if connection.vendor == "postgresql":
        import psycopg

        monkeypatch.setitem(options, "isolation_level", psycopg.IsolationLevel.REPEATABLE_READ)
    else:
        monkeypatch.setitem(options, "isolation_level", "repeatable read")
        monkeypatch.setitem(options, "init_command", "SET innodb_snapshot_isolation = ON")
    connection.close()
    yield
    connection.close()


def save(tenant):
    try:
        TenantPolicy.objects.get(tenant=tenant).save()
    finally:
        connection.close()


def test_a_save_goes_through_where_another_has_pruned_since_it_began(snapshots):
    for tenant in ("acme", "globex"):
        TenantPolicy.objects.create(tenant=tenant)
    PolicyChange.rows.bulk_create(PolicyChange(tenant="x", token="t") for _ in range(NEWEST_KEPT + 500))
    PolicyChange.rows.update(created_at=timezone.now() - timedelta(days=2))
    before = PolicyChange.rows.count()
    with ThreadPoolExecutor(1) as other, transaction.atomic():
        acme = TenantPolicy.objects.get(tenant="acme")  # from here on it sees the feed as it is now
        other.submit(save, "globex").result()
        acme.note = "saved all the same"
        acme.save()
    assert TenantPolicy.objects.get(tenant="acme").note == "saved all the same"
    assert PolicyChange.rows.count() == before + 2 - 2 * 102


def test_no_statement_of_a_write_reads_a_feed_that_has_grown_far_too_large():
    """Nor where the database has no statistics of it yet, and expects what it may."""
    acme = TenantPolicy.objects.create(tenant="acme")
    numbers = "generate_series(1, 200000) seq" if connection.vendor == "postgresql" else "seq_1_to_200000"
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_cors_policy_policychange (token, tenant, created_at)"
            f" SELECT 't', 'x', %s FROM {numbers}",
            [timezone.now() - timedelta(days=2)],
        )
        with CaptureQueriesContext(connection) as captured:
            acme.save()
        statements = [query["sql"] for query in captured if "policychange" in query["sql"]]
        assert [sql.split()[0] for sql in statements] == ["INSERT", "SELECT", "SELECT", "DELETE"]
        for sql in statements[1:]:
            cursor.execute(f"EXPLAIN {sql}")
            plan = str(cursor.fetchall())
            assert "Seq Scan" not in plan, plan
            assert "'ALL'" not in plan, plan
