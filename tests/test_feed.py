"""The feed: its size, and what a commit tells in its own process."""

from datetime import timedelta
from weakref import WeakKeyDictionary

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_cors_policy import feed, reading
from django_cors_policy.feed import (
    EVERYTHING,
    MAX_NAMED,
    PolicyChange,
    policies_changed,
    record_everything,
    recording,
)
from django_cors_policy.models import TenantPolicy
from django_cors_policy.store import PolicyStore

pytestmark = pytest.mark.django_db(transaction=True)

OLD = timedelta(days=1, minutes=1)


@pytest.fixture
def acme():
    """A policy, and an empty feed."""
    policy = TenantPolicy.objects.create(tenant="acme")
    PolicyChange.rows.all().delete()
    return policy


@pytest.fixture
def keeps_none(monkeypatch):
    """Let age count for every row but the newest."""
    monkeypatch.setattr(feed, "NEWEST_KEPT", 1)


def fill(number, age):
    """Add changes of an age."""
    at = timezone.now() - age
    PolicyChange.rows.bulk_create(PolicyChange(tenant="x", token="t", created_at=at) for _ in range(number))


def rows():
    return PolicyChange.rows.count()


# --- by age


def test_changes_older_than_a_day_are_removed_by_a_write_and_younger_ones_stay(acme, keeps_none):
    fill(5, OLD)
    fill(3, timedelta(hours=23, minutes=59))
    acme.save()
    assert rows() == 3 + 1
    acme.save()
    assert rows() == 3 + 2


def test_the_newest_change_is_kept_even_where_the_clocks_of_two_writers_differ(acme, monkeypatch, keeps_none):
    monkeypatch.setattr(feed, "KEEP_CHANGES", timedelta(days=-1))
    acme.save()
    assert rows() == 1


@pytest.mark.parametrize("ahead", [timedelta(days=3), timedelta(days=-3)])
def test_a_writer_whose_clock_is_wrong_leaves_every_process_what_it_knows(acme, ahead, monkeypatch):
    fill(1050, timedelta(0))
    reader = PolicyStore(run_thread=lambda _: None)
    reader.get("acme")
    known = reader._position
    now = timezone.now() + ahead
    monkeypatch.setattr(feed.timezone, "now", lambda: now)
    acme.save()
    # Of no age at all by the right clock: but the thousand newest are for the readers, and the rest is no loss.
    assert rows() == (1000 if ahead > timedelta(0) else 1051)
    assert reading.changes_since(known, "default")[0] == {"acme"}


def test_a_change_from_the_future_keeps_no_more_than_the_number(acme, monkeypatch, keeps_none):
    monkeypatch.setattr(feed, "MAX_CHANGES", 4)
    fill(1, -timedelta(days=900))  # while it is the oldest, no age removes what comes after it
    fill(2, OLD)
    acme.save()
    assert rows() == 4
    acme.save()
    assert rows() == 2


# --- what readers know


def test_a_write_after_a_quiet_month_names_its_tenant_and_not_everything(acme, monkeypatch):
    """The last change that a process knows has to be there still, or it forgets all tenants."""
    fill(2, timedelta(days=30))
    reader = PolicyStore(run_thread=lambda _: None)
    reader.get("acme")
    known = reader._position
    with transaction.atomic():  # as the admin does: the policy, and each of its origins
        acme.save()
        for number in range(3):
            acme.origins.create(pattern=f"https://{number}.example")
    assert reading.changes_since(known, "default")[0] == {"acme"}


def test_as_many_changes_are_kept_whatever_their_age_as_a_process_takes_in(acme):
    assert feed.NEWEST_KEPT >= reading.MAX_CHANGES
    fill(1050, timedelta(days=30))
    record_everything("default")
    assert rows() == 1000
    assert EVERYTHING in PolicyChange.rows.values_list("tenant", flat=True)


# --- by number, with bounded work


def test_changes_beyond_their_number_are_removed(acme, monkeypatch, keeps_none):
    monkeypatch.setattr(feed, "MAX_CHANGES", 3)
    for _ in range(6):
        acme.save()
    assert rows() == 3


def test_a_day_and_ten_thousand_changes_are_kept():
    assert (timedelta(days=1), 10_000) == (feed.KEEP_CHANGES, feed.MAX_CHANGES)


@pytest.mark.parametrize("names", [1, 7])
def test_a_write_removes_a_bounded_number_and_more_than_it_adds(acme, monkeypatch, keeps_none, names):
    monkeypatch.setattr(feed, "PRUNED_AT_ONCE", 1)
    fill(50, OLD)
    before = rows()
    with feed.recording("default") as touched:
        touched.update(f"t{number}" for number in range(names))
    assert rows() == before + names - (1 + 2 * names)


def test_a_feed_that_has_grown_far_too_large_costs_a_write_no_more(acme):
    """Each statement stops after as many rows as it may remove, so that its size does not matter."""
    fill(3000, OLD)
    with CaptureQueriesContext(connection) as captured:
        acme.save()
    of_the_feed = [query["sql"] for query in captured if "policychange" in query["sql"]]
    selects = [sql for sql in of_the_feed if sql.startswith("SELECT")]
    assert len(selects) == 2
    assert all("LIMIT 1" in sql for sql in selects)  # 1, and 102
    assert all("ORDER BY" in sql for sql in selects)
    assert rows() == 3000 + 1 - 102


# --- never at the write's expense


def test_the_rows_are_removed_after_the_commit(acme, monkeypatch, keeps_none):
    """By a snapshot of its own: in the write's, a row that another writer has removed by then is an error."""
    fill(5, OLD)
    delete = feed.models.QuerySet.delete
    seen = []

    def watch(queryset):
        if queryset.model is PolicyChange:
            seen.append((connection.in_atomic_block, TenantPolicy.objects.get().note))
        return delete(queryset)

    monkeypatch.setattr(feed.models.QuerySet, "delete", watch)
    acme.note = "committed"
    with transaction.atomic():
        acme.save()
        assert not seen
    assert seen == [(False, "committed")]


def test_a_write_that_is_rolled_back_removes_nothing(acme, keeps_none):
    fill(5, OLD)
    before = rows()
    with transaction.atomic():
        acme.save()
        transaction.set_rollback(True)
    assert rows() == before


def test_a_removal_that_fails_is_left_to_the_next_write(acme, monkeypatch, keeps_none):
    fill(5, OLD)

    def refuse(execute, sql, *args):
        if sql.startswith("DELETE"):
            raise OperationalError("could not serialize access due to concurrent delete")
        return execute(sql, *args)

    acme.note = "written all the same"
    with connection.execute_wrapper(refuse):
        acme.save()
    assert TenantPolicy.objects.get().note == "written all the same"
    assert rows() == 5 + 1
    acme.save()
    assert rows() == 2


def test_an_emptied_feed_is_nothing_to_remove_from(acme):
    with transaction.atomic():
        acme.save()
        PolicyChange.rows.all().delete()
    assert rows() == 0


# --- many writes in one transaction


@pytest.fixture
def told(monkeypatch):
    """Give the sets of tenants that are told of at commits."""
    monkeypatch.setattr(feed, "_waiting", WeakKeyDictionary())
    heard = []

    def hear(tenants, **_):
        heard.append(tenants)

    policies_changed.connect(hear)
    yield heard
    policies_changed.disconnect(hear)


def record(*tenants):
    with recording("default") as touched:
        touched.update(tenants)


def test_what_a_transaction_touched_is_told_once_at_its_commit(told):
    with transaction.atomic():
        record("acme")
        record("globex")
        assert told == [{"acme"}, {"globex"}]
    assert told[2:] == [{"acme", "globex"}]


def test_of_more_tenants_than_can_be_named_a_commit_tells_everything(told):
    with transaction.atomic():
        for number in range(MAX_NAMED + 1):
            record(f"t{number}")
        assert sum(map(len, feed._waiting.values())) == 1
    assert told[-1] == {EVERYTHING}


def test_what_was_undone_is_told_at_the_next_commit_at_the_latest(told):
    with transaction.atomic():
        record("undone")
        transaction.set_rollback(True)
    record("acme")
    assert told == [{"undone"}, {"acme"}, {"undone", "acme"}]


def test_a_savepoint_that_is_undone_takes_no_names_with_it(told):
    with transaction.atomic():
        record("acme")
        with transaction.atomic():
            record("undone")
            transaction.set_rollback(True)
    assert told[2:] == [{"acme", "undone"}]
