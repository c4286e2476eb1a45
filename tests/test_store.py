"""The store: what readers see and when, on a clock that is told the time."""

import asyncio
import contextvars
import logging
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.db import DatabaseError, OperationalError, connection, connections, router, transaction
from django.utils import timezone

from django_cors_policy import memory, reading
from django_cors_policy import store as store_module
from django_cors_policy.feed import PolicyChange, policies_changed, record_everything
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.store import MISS, PolicyStore

pytestmark = pytest.mark.django_db(transaction=True)

ORIGIN = "https://app.acme.example"
CHANGES_SINCE = reading.changes_since
READ_ROWS = reading.read_rows


class Deaf(PolicyStore):
    """A store of another process: it hears nothing of this one's writes and learns all from the feed."""


@pytest.fixture
def wall_clock(clock):
    return type(clock)(timezone.now().timestamp())


@pytest.fixture
def store(clock, wall_clock):
    started = []
    store = Deaf(clock, wall_clock, started.append, lambda seconds: None)
    store.started = started
    return store


@pytest.fixture
def acme():
    policy = TenantPolicy.objects.create(tenant="acme")
    policy.origins.create(pattern=ORIGIN)
    return policy


def allows(policy, origin=ORIGIN):
    return policy is not None and policy.origins.match(origin) is not None


def broken(monkeypatch, name="changes_since", error=DatabaseError):
    """Let every query of a kind fail, until the function that is given back is called."""
    working = getattr(reading, name)

    def fail(*_):
        raise error("gone")

    monkeypatch.setattr(reading, name, fail)
    return lambda: monkeypatch.setattr(reading, name, working)


# --- the steady state


def test_a_cold_tenant_costs_the_probe_and_one_query_and_a_warm_one_none(store, acme, django_assert_num_queries):
    with django_assert_num_queries(2):
        assert allows(store.get("acme"))
    TenantPolicy.objects.create(tenant="globex")
    with django_assert_num_queries(1):
        store.get("globex")
    with django_assert_num_queries(0):
        assert allows(store.get("acme"))
        assert not allows(store.get("globex"))


def test_insforge_1896_an_unknown_tenant_is_remembered_too(store, django_assert_num_queries):
    assert store.get("nobody") is None
    with django_assert_num_queries(0):
        assert store.get("nobody") is None


def test_a_policy_is_its_tenants_alone(store, acme):
    TenantPolicy.objects.create(tenant="globex").origins.create(pattern="https://app.globex.example")
    assert not allows(store.get("globex"))
    assert not allows(store.get("acme"), "https://app.globex.example")


def test_a_key_that_only_a_collation_takes_for_another_is_unknown(store, acme, monkeypatch):
    original = reading._stored("default").filter

    class CaseInsensitive:
        def filter(self, tenant):
            return original(tenant__iexact=tenant)

    monkeypatch.setattr(reading, "_stored", lambda alias: CaseInsensitive())
    assert allows(store.get("acme"))
    assert store.get("ACME") is None


def test_a_disabled_policy_and_a_disabled_origin_allow_nothing(store, acme):
    acme.origins.create(pattern="https://off.acme.example", enabled=False)
    assert not allows(store.get("acme"), "https://off.acme.example")
    TenantPolicy.objects.update(enabled=False)
    store.evict({"acme"})
    assert store.get("acme") is None


def test_a_row_that_does_not_compile_drops_itself_alone_and_says_so(store, acme, caplog):
    AllowedOrigin.objects.bulk_create([AllowedOrigin(policy=acme, pattern="https://bad.example/\r\npath")])
    assert allows(store.get("acme"))
    [record] = [record for record in caplog.records if record.name == "django_cors_policy.store"]
    assert "tenant 'acme': 1 entries are not served" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_a_row_beyond_the_limits_is_not_served(store, acme, settings):
    AllowedOrigin.objects.bulk_create([AllowedOrigin(policy=acme, pattern="http://plain.example")])
    assert not allows(store.get("acme"), "http://plain.example")
    settings.CORS_TENANT_LIMITS = {"insecure_origins": True}
    store.reset()
    assert allows(store.get("acme"), "http://plain.example")


# --- rule 6: the probe


def test_the_probe_is_one_query_and_not_before_it_is_due(store, acme, clock, django_assert_num_queries):
    store.get("acme")
    clock.advance(0.999)
    with django_assert_num_queries(0):
        store.get("acme")
    clock.advance(0.001)
    with django_assert_num_queries(1):
        assert allows(store.get("acme"))


def test_only_the_tenants_that_the_feed_names_are_read_again(store, acme, clock, django_assert_num_queries):
    TenantPolicy.objects.create(tenant="globex")
    store.get("acme")
    store.get("globex")
    acme.origins.all().delete()
    clock.advance(1)
    with django_assert_num_queries(1):
        store.get("globex")
    with django_assert_num_queries(1):
        assert not allows(store.get("acme"))


def test_unleash_12561_a_revoked_origin_is_obeyed_after_the_refresh_interval(store, acme, clock):
    assert allows(store.get("acme"))
    AllowedOrigin.objects.all().delete()
    clock.advance(1)
    assert not allows(store.get("acme"))


def test_a_tenant_that_gets_its_first_policy_is_known_after_the_refresh_interval(store, clock):
    assert store.get("acme") is None
    TenantPolicy.objects.create(tenant="acme").origins.create(pattern=ORIGIN)
    clock.advance(1)
    assert allows(store.get("acme"))


def test_a_change_of_everything_forgets_all(store, acme, clock):
    store.get("acme")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_cors_policy_allowedorigin")
    record_everything("default")
    clock.advance(1)
    assert not allows(store.get("acme"))


def replaced_by_another_row():
    last = PolicyChange.rows.order_by("-revision").first()
    PolicyChange.rows.filter(pk=last.pk).update(token="another")


def pruned_past_us():
    for _ in range(2):
        TenantPolicy.objects.get().save()
    PolicyChange.rows.exclude(pk=PolicyChange.rows.order_by("-revision").first().pk).delete()


def emptied():
    PolicyChange.rows.all().delete()


@pytest.mark.parametrize("lose", [replaced_by_another_row, pruned_past_us, emptied])
def test_a_feed_that_does_not_hold_the_last_known_row_forgets_all(store, acme, clock, lose):
    """A restore, a failover, or pruning past a process that slept: what the feed would have named is unknown."""
    store.get("acme")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_cors_policy_allowedorigin")
    lose()
    clock.advance(1)
    assert not allows(store.get("acme"))
    clock.advance(1)
    assert not allows(store.get("acme"))


def test_an_empty_feed_is_a_position_too(store, acme, clock, django_assert_num_queries):
    PolicyChange.rows.all().delete()
    assert allows(store.get("acme"))
    clock.advance(1)
    with django_assert_num_queries(1):
        assert allows(store.get("acme"))
    AllowedOrigin.objects.all().delete()
    clock.advance(1)
    assert not allows(store.get("acme"))


def test_a_change_of_everything_forgets_who_has_no_policy_too(store, clock):
    assert store.get("acme") is None
    TenantPolicy.objects.create(tenant="acme").origins.create(pattern=ORIGIN)
    PolicyChange.rows.update(tenant="")
    clock.advance(1)
    assert allows(store.get("acme"))


def test_more_changes_than_one_probe_takes_in_forget_all(store, acme, clock, monkeypatch):
    monkeypatch.setattr(reading, "MAX_CHANGES", 2)
    store.get("acme")
    for tenant in ("one", "two", "three"):
        TenantPolicy.objects.create(tenant=tenant)
    AllowedOrigin.objects.all().delete()  # beyond what the probe reads
    clock.advance(1)
    assert not allows(store.get("acme"))
    clock.advance(1)
    assert not allows(store.get("acme"))


# --- rule 7: the load


def test_a_load_is_one_query(store, acme, django_assert_num_queries):
    store.get("nobody")
    with django_assert_num_queries(1) as queries:
        store.get("acme")
    assert "allowedorigin" in queries[0]["sql"]
    assert "tenantpolicy" in queries[0]["sql"]


def racing(monkeypatch, *races):
    """Let something happen after each of the next loads has read its rows and before it is done."""
    read = reading.read_rows
    pending = list(races)

    def read_and_race(tenant, alias):
        rows = read(tenant, alias)
        if pending:
            pending.pop(0)()
        return rows

    monkeypatch.setattr(reading, "read_rows", read_and_race)


def test_a_load_that_was_raced_is_read_once_more(store, acme, monkeypatch):
    def revoke():
        AllowedOrigin.objects.all().delete()
        store.evict({"acme"})

    racing(monkeypatch, revoke)
    assert not allows(store.get("acme"))
    assert not allows(store.peek("acme"))


def test_a_load_that_is_raced_twice_is_answered_and_not_kept(store, acme, monkeypatch):
    def touch():
        store.evict({"acme"})

    def revoke():
        AllowedOrigin.objects.all().delete()
        store.evict({"acme"})

    racing(monkeypatch, touch, revoke)
    store.get("acme")
    assert store.peek("acme") is MISS
    assert not allows(store.get("acme"))


def test_a_raced_load_whose_place_was_taken_leaves_the_keeping_to_the_other(store, acme, pool, monkeypatch):
    """Changes are told to the load that is registered: one that is not must not keep what it read."""
    others_turn, other_is_done = threading.Event(), threading.Event()
    other = []

    def other_takes_the_place():
        store.evict({"acme"})
        other.append(pool.submit(in_thread, store.get, "acme"))
        assert others_turn.wait(10)

    def other_waits():
        others_turn.set()
        assert other_is_done.wait(10)

    def revoke_and_let_the_other_finish():
        AllowedOrigin.objects.all().delete()
        store.evict({"acme"})
        other_is_done.set()
        assert not allows(other[0].result(10))

    racing(monkeypatch, other_takes_the_place, other_waits, revoke_and_let_the_other_finish)
    store.get("acme")
    assert not allows(store.peek("acme"))
    assert not allows(store.get("acme"))


def test_a_reset_during_a_load_keeps_nothing_of_it(store, acme, monkeypatch):
    racing(monkeypatch, store.reset, store.reset)
    assert allows(store.get("acme"))
    assert store.peek("acme") is MISS


# --- rule 8: inside a transaction


def test_inside_a_transaction_nothing_is_kept_and_nothing_probed(store, clock, django_assert_num_queries):
    with transaction.atomic():
        policy = TenantPolicy.objects.create(tenant="acme")
        policy.origins.create(pattern=ORIGIN)
        with django_assert_num_queries(3):  # a savepoint, one load, and its release
            assert allows(store.get("acme"))
        transaction.set_rollback(True)
    assert store.get("acme") is None


def test_inside_a_transaction_a_fresh_entry_serves_and_a_due_one_is_read_through(
    store, acme, clock, django_assert_num_queries
):
    store.get("acme")
    with transaction.atomic():
        with django_assert_num_queries(0):
            assert allows(store.get("acme"))
        clock.advance(1)
        with django_assert_num_queries(3):
            assert allows(store.get("acme"))
    assert store.peek("acme") is MISS


def test_own_rows_are_seen_at_once_by_the_store_of_the_process(acme):
    own = store_module.store
    assert allows(own.get("acme"))
    with transaction.atomic():
        AllowedOrigin.objects.all().delete()
        assert not allows(own.get("acme"))
        transaction.set_rollback(True)
    assert allows(own.get("acme"))


def test_a_transaction_that_is_broken_already_is_no_outage(store, acme):
    with transaction.atomic():
        transaction.set_rollback(True)
        assert store.get("acme") is None
    assert not store.started
    assert allows(store.get("acme"))


def test_a_failed_load_does_not_break_the_transaction_it_stands_in(store, acme, monkeypatch):
    def fail(*_):
        with connection.cursor() as cursor:
            cursor.execute("SELECT nothing FROM nowhere")

    monkeypatch.setattr(reading, "read_rows", fail)
    with transaction.atomic():
        assert store.get("acme") is None
        assert TenantPolicy.objects.count() == 1
    assert len(store.started) == 1


# --- what this process writes itself


def test_a_committed_write_is_obeyed_at_once_in_the_process_that_made_it(acme):
    own = store_module.store
    assert allows(own.get("acme"))
    AllowedOrigin.objects.all().delete()
    assert not allows(own.get("acme"))


def test_what_others_load_before_the_commit_is_forgotten_at_the_commit(acme):
    own = store_module.store
    assert allows(own.get("acme"))

    def load_in_another_thread():
        with ThreadPoolExecutor(1) as pool:
            assert allows(pool.submit(in_thread, own.get, "acme").result())

    with transaction.atomic():
        AllowedOrigin.objects.all().delete()
        load_in_another_thread()
    assert not allows(own.get("acme"))


# --- rules 9 and 10: many at once


def in_thread(function, *args):
    try:
        return function(*args)
    finally:
        connection.close()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as pool:
        yield pool


class Gate:
    """Holds a query until it is opened, and says when somebody stands before it."""

    def __init__(self, monkeypatch, name, error=None, *, late=False):
        self.reached = threading.Event()
        self.open = threading.Event()
        self.passed = 0
        query = getattr(reading, name)

        def wait(*args):
            self.passed += 1
            early = query(*args) if late else None  # it has read, and its answer is slow to come
            self.reached.set()
            assert self.open.wait(10)
            if error:
                raise error
            return early if late and self.passed == 1 else query(*args)

        monkeypatch.setattr(reading, name, wait)


def test_while_one_probes_others_answer_from_what_is_young_enough(store, acme, clock, pool, monkeypatch):
    store.get("acme")
    clock.advance(1.4)
    gate = Gate(monkeypatch, "changes_since")
    prober = pool.submit(in_thread, store.get, "acme")
    assert gate.reached.wait(10)
    assert allows(store.get("acme"))
    assert allows(store.peek("acme"))
    gate.open.set()
    assert allows(prober.result(10))
    assert gate.passed == 1


def test_while_one_probes_a_cold_tenant_is_loaded(store, acme, clock, pool, monkeypatch):
    store.get("nobody")
    clock.advance(1)
    gate = Gate(monkeypatch, "changes_since")
    prober = pool.submit(in_thread, store.get, "nobody")
    assert gate.reached.wait(10)
    assert allows(store.get("acme"))
    gate.open.set()
    assert prober.result(10) is None


def test_after_an_idle_hour_nobody_gets_the_hour_old_policy(store, acme, clock, pool, monkeypatch):
    store.get("acme")
    AllowedOrigin.objects.all().delete()
    clock.advance(3600)
    gate = Gate(monkeypatch, "changes_since")
    prober = pool.submit(in_thread, store.get, "acme")
    assert gate.reached.wait(10)
    others = [pool.submit(in_thread, store.get, "acme") for _ in range(4)]
    gate.open.set()
    assert not any(allows(future.result(10)) for future in [prober, *others])
    assert gate.passed == 1


class Unanswered:
    """What another thread is to answer, and does not in time."""

    def __init__(self):
        self.waits = []

    def result(self, timeout):
        self.waits.append(timeout)
        raise TimeoutError

    def set_result(self, result):
        pass


def test_whoever_waits_in_vain_for_a_probe_declares_the_outage(store, acme, clock):
    store.get("acme")
    clock.advance(200)
    others = store._probe = Unanswered()
    assert allows(store.get("acme"))
    assert len(store.started) == 1
    store.started[0]()
    clock.advance(200)
    # What hangs on is nobody's to wait for any more.
    assert allows(store.get("acme"))
    assert others.waits == [reading.WAIT]
    assert len(store.started) == 1


def test_whoever_waited_for_a_probe_that_failed_makes_none_of_its_own(store, acme, clock, django_assert_num_queries):
    store.get("acme")
    clock.advance(200)
    store._probe = SimpleNamespace(result=lambda timeout: store._fail(DatabaseError("gone")))
    with django_assert_num_queries(0):
        assert allows(store.get("acme"))


def join_queries():
    """Wait for the threads whose queries nobody waits for any more."""
    for thread in threading.enumerate():
        if thread.name == "django-cors-policy-query":
            thread.join(10)


@pytest.mark.parametrize("name", ["changes_since", "read_rows"])
def test_a_query_that_hangs_takes_no_request_with_it(store, acme, monkeypatch, name):
    """Without a timeout of the driver's: a sync worker would be killed, and forget all."""
    if name == "read_rows":
        store.get("nobody")  # the probe is done: nothing but what hangs has to be in time
    monkeypatch.setattr(reading, "WAIT", 0.01)
    gate = Gate(monkeypatch, name)
    lent = connections["default"]
    assert store.get("acme") is None
    assert gate.reached.wait(10)
    assert (gate.passed, len(store.started)) == (1, 1)
    assert connections["default"] is not lent
    assert TenantPolicy.objects.count() == 1
    gate.open.set()
    join_queries()
    assert lent.connection is None
    connections["default"].close()
    connections["default"] = lent  # as the other tests know it
    lent.dec_thread_sharing()


def test_a_query_is_made_on_the_askers_connection_and_in_its_context(store, acme, monkeypatch):
    asked_by = contextvars.ContextVar("asked_by")
    asked_by.set("a request")
    seen = []

    def see(*args):
        seen.append((connections["default"], asked_by.get()))
        return READ_ROWS(*args)

    monkeypatch.setattr(reading, "read_rows", see)
    assert allows(store.get("acme"))
    assert seen == [(connections["default"], "a request")]
    with ThreadPoolExecutor(1) as pool, pytest.raises(DatabaseError, match="only be used in that same thread"):
        pool.submit(connections["default"].close).result()


def test_where_no_thread_can_be_started_the_request_queries_itself(store, acme, monkeypatch):
    def no_thread(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    assert allows(store.get("acme"))
    repaired = broken(monkeypatch)
    store.evict({"acme"})
    store._fresh_until = float("-inf")
    store.get("acme")
    repaired()
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            monkeypatch.undo()

    store._sleep = sleep
    store.started[0]()
    assert allows(store.get("acme"))
    assert slept == [1.0, 1.0, 1.0]


def test_a_cold_tenant_is_loaded_once_however_many_ask(store, acme, pool, monkeypatch):
    store.get("nobody")
    gate = Gate(monkeypatch, "read_rows")
    first = pool.submit(in_thread, store.get, "acme")
    assert gate.reached.wait(10)
    others = [pool.submit(in_thread, store.get, "acme") for _ in range(4)]
    gate.open.set()
    assert all(allows(future.result(10)) for future in [first, *others])
    assert gate.passed == 1
    assert not store.started  # who had waited in vain would have declared an outage


def test_whoever_waits_in_vain_for_a_load_declares_the_outage(store, acme):
    store.get("nobody")
    load = store._loads["acme"] = store_module._Load(done=Unanswered())
    assert store.get("acme") is None
    assert len(store.started) == 1
    store.started[0]()
    assert allows(store.get("acme"))
    assert load.done.waits == [reading.WAIT]
    assert len(store.started) == 1


def test_a_second_failure_is_part_of_the_same_outage(store, acme, clock, pool, monkeypatch, caplog):
    store.get("nobody")
    gate = Gate(monkeypatch, "read_rows", DatabaseError)
    loader = pool.submit(in_thread, store.get, "acme")
    assert gate.reached.wait(10)
    clock.advance(1)
    broken(monkeypatch)
    store.get("nobody")
    gate.open.set()
    assert loader.result(10) is None
    assert len(store.started) == 1
    assert len([record for record in caplog.records if record.name.endswith("store")]) == 1


def test_a_probe_that_was_overtaken_changes_neither_position_nor_age(store, acme, clock, pool, monkeypatch):
    store.get("acme")
    clock.advance(1)
    gate = Gate(monkeypatch, "changes_since")
    slow = pool.submit(in_thread, store._read_feed, "default")
    assert gate.reached.wait(10)
    monkeypatch.undo()
    acme.save()
    clock.advance(1)
    store._read_feed("default")
    position, good_at = store._position, store._good_at
    gate.open.set()
    slow.result(10)
    assert (store._position, store._good_at) == (position, good_at)


def test_the_lock_is_never_held_across_a_query(store, acme, clock, monkeypatch):
    def unlocked(query):
        def check(*args):
            assert store._lock.acquire(blocking=False)
            store._lock.release()
            return query(*args)

        return check

    for name in ("changes_since", "read_rows"):
        monkeypatch.setattr(reading, name, unlocked(getattr(reading, name)))
    assert allows(store.get("acme"))
    clock.advance(1)
    store.evict({"acme"})
    assert allows(store.get("acme"))


# --- async


def run(coroutine):
    """Run in an event loop of its own, with threads of its own, as an ASGI server does."""
    from asgiref.sync import ThreadSensitiveContext, sync_to_async

    async def main():
        async with ThreadSensitiveContext():
            try:
                return await coroutine
            finally:
                await sync_to_async(connections.close_all)()

    return asyncio.run(main())


def test_async_answers_as_sync_does_and_hops_to_no_thread_when_warm(store, acme, monkeypatch):
    assert allows(run(store.aget("acme")))
    monkeypatch.setattr(store_module, "sync_to_async", None)
    assert allows(run(store.aget("acme")))


def test_a_waiting_task_takes_no_thread_and_its_end_does_not_end_the_load(store, acme, pool, monkeypatch):
    store.get("nobody")
    gate = Gate(monkeypatch, "read_rows")
    leader = pool.submit(in_thread, store.get, "acme")
    assert gate.reached.wait(10)
    monkeypatch.setattr(store_module, "sync_to_async", None)

    async def follow():
        cancelled = asyncio.ensure_future(store.aget("acme"))
        follower = asyncio.ensure_future(store.aget("acme"))
        await asyncio.sleep(0)
        cancelled.cancel()
        gate.open.set()
        return await follower

    assert allows(run(follow()))
    assert allows(leader.result(10))


def test_a_task_that_waits_in_vain_declares_the_outage(store, acme, monkeypatch):
    store.get("nobody")
    monkeypatch.setattr(reading, "WAIT", 0.01)
    store._loads["acme"] = store_module._Load()
    assert run(store.aget("acme")) is None
    assert len(store.started) == 1


def test_a_cancelled_leader_leaves_nobody_waiting(store, acme, monkeypatch):
    store.get("nobody")
    gate = Gate(monkeypatch, "read_rows")

    async def lead_and_go():
        leader = asyncio.ensure_future(store.aget("acme"))
        while not gate.reached.is_set():
            await asyncio.sleep(0.001)
        leader.cancel()
        follower = asyncio.ensure_future(store.aget("acme"))
        await asyncio.sleep(0)
        gate.open.set()
        return await asyncio.wait_for(follower, 5)

    assert allows(run(lead_and_go()))
    assert not store._loads


def test_two_event_loops_share_a_load(store, acme, pool, monkeypatch):
    store.get("nobody")
    gate = Gate(monkeypatch, "read_rows")
    leader = pool.submit(run, store.aget("acme"))
    assert gate.reached.wait(10)
    followers = [pool.submit(run, store.aget("acme")) for _ in range(2)]
    gate.open.set()
    assert all(allows(future.result(10)) for future in [leader, *followers])
    assert not store.started


# --- rule 11: bounds


def test_a_scan_of_unknown_tenants_pushes_no_customer_out(store, acme, settings, django_assert_num_queries):
    settings.CORS_POLICY_CACHE_SIZE = 10
    store.get("acme")
    for number in range(50):
        store.get(f"unknown-{number}")
    assert len(store._memory.unknown) == 10
    with django_assert_num_queries(0):
        assert allows(store.get("acme"))


def test_known_tenants_are_bounded_and_the_recently_used_stay(store, settings):
    settings.CORS_POLICY_CACHE_SIZE = 3
    TenantPolicy.objects.bulk_create(TenantPolicy(tenant=f"t{number}") for number in range(6))
    store.get("t0")
    for number in range(1, 6):
        store.get("t0")  # in use all the time
        store.get(f"t{number}")
    assert len(store._memory.known) + len(store._memory.newcomers) == 3
    assert store.peek("t0") is not MISS


def test_keeping_one_passes_over_a_bounded_number_of_others(store, settings, monkeypatch):
    monkeypatch.setattr(memory, "SECOND_CHANCES", 1)
    settings.CORS_POLICY_CACHE_SIZE = 3
    TenantPolicy.objects.bulk_create(TenantPolicy(tenant=f"t{number}") for number in range(4))
    for number in range(3):
        store.get(f"t{number}")
        store.get(f"t{number}")
    store.get("t3")
    assert list(store._memory.known) == ["t2", "t0"]


# --- rule 12: expiry


def test_an_origin_expires_at_its_moment_without_a_query(store, acme, wall_clock, django_assert_num_queries):
    soon = datetime.fromtimestamp(wall_clock.now + 0.3, tz=UTC)
    later = soon + timedelta(seconds=0.3)
    acme.origins.create(pattern="https://soon.example", expires_at=soon)
    acme.origins.create(pattern="https://later.example", expires_at=later)
    acme.origins.create(pattern="https://past.example", expires_at=soon - timedelta(days=1))
    policy = store.get("acme")
    assert allows(policy, "https://soon.example")
    assert not allows(policy, "https://past.example")
    with django_assert_num_queries(0):
        wall_clock.advance(0.31)
        assert not allows(store.get("acme"), "https://soon.example")
        assert allows(store.get("acme"), "https://later.example")
        wall_clock.advance(0.31)
        assert not allows(store.get("acme"), "https://later.example")
        assert allows(store.get("acme"))


def test_an_origin_expires_where_time_zones_are_off(store, acme, wall_clock, settings, monkeypatch):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Berlin"
    if hasattr(time, "tzset"):  # where Django cannot make the machine's zone TIME_ZONE, it is another one
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
    soon = timezone.make_naive(datetime.fromtimestamp(wall_clock.now + 0.3, tz=UTC), timezone.get_default_timezone())
    acme.origins.create(pattern="https://soon.example", expires_at=soon)
    assert allows(store.get("acme"), "https://soon.example")
    wall_clock.advance(0.31)
    assert not allows(store.get("acme"), "https://soon.example")
    assert not store.started


def test_an_origin_expires_in_an_outage_too(store, acme, clock, wall_clock, monkeypatch):
    AllowedOrigin.objects.update(expires_at=datetime.fromtimestamp(wall_clock.now + 10, tz=UTC))
    assert allows(store.get("acme"))
    broken(monkeypatch)
    clock.advance(11)
    wall_clock.advance(11)
    assert not allows(store.get("acme"))


def test_an_entry_that_was_evicted_while_it_was_compiled_anew_does_not_come_back(store, acme, wall_clock, monkeypatch):
    AllowedOrigin.objects.update(expires_at=datetime.fromtimestamp(wall_clock.now + 10, tz=UTC))
    store.get("acme")
    wall_clock.advance(11)
    compile_entry = store._compile

    def evict_meanwhile(tenant, rows):
        store.evict({"acme"})
        return compile_entry(tenant, rows)

    monkeypatch.setattr(store, "_compile", evict_meanwhile)
    assert not allows(store._recall("acme"))
    assert not store._memory.known


# --- outage


def test_an_outage_serves_what_is_known_until_it_is_too_stale(store, acme, clock, monkeypatch, caplog):
    store.get("acme")
    broken(monkeypatch)
    clock.advance(1)
    assert allows(store.get("acme"))
    clock.advance(299)
    assert allows(store.get("acme"))
    clock.advance(0.1)
    assert store.get("acme") is None
    assert [record.levelno for record in caplog.records if record.name.endswith("store")] == [logging.ERROR]


def test_in_an_outage_requests_query_nothing(store, acme, clock, monkeypatch, django_assert_num_queries):
    store.get("acme")
    repaired = broken(monkeypatch)
    clock.advance(1)
    store.get("acme")
    repaired()
    with django_assert_num_queries(0):
        assert allows(store.get("acme"))
        assert store.get("cold") is None
        assert run(store.aget("cold")) is None
    assert len(store.started) == 1


def test_what_was_fresh_when_the_outage_began_is_too_stale_too(store, acme, clock, settings, monkeypatch):
    settings.CORS_POLICY_REFRESH_SECONDS = 3600
    store.get("acme")
    broken(monkeypatch, "read_rows")
    assert store.get("cold") is None
    assert allows(store.get("acme"))
    clock.advance(301)
    assert store.get("acme") is None


def test_in_an_outage_a_task_takes_no_thread(store, acme, clock, monkeypatch):
    store.get("acme")
    broken(monkeypatch)
    clock.advance(1)
    store.get("acme")
    monkeypatch.setattr(store_module, "sync_to_async", None)
    assert allows(run(store.aget("acme")))


def test_a_failed_load_declares_the_outage_too(store, acme, monkeypatch):
    store.get("nobody")
    broken(monkeypatch, "read_rows", RuntimeError)
    assert store.get("acme") is None
    assert len(store.started) == 1


def test_a_missing_table_is_an_outage_and_no_exception(store, acme, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(PolicyChange._meta, "db_table", "dropped")
    # SQLite's error might be a connection's: it is asked once more on a new one. And then never again.
    with django_assert_num_queries(2 if connection.vendor == "sqlite" else 1):
        assert store.get("acme") is None
        assert store.get("globex") is None


def test_an_outage_ends_with_the_first_good_probe(store, acme, clock, monkeypatch, caplog):
    store.get("acme")
    repaired = broken(monkeypatch)
    clock.advance(1)
    store.get("acme")
    AllowedOrigin.objects.all().delete()
    tries = []

    def sleep(seconds):
        tries.append(seconds)
        clock.advance(seconds)
        if len(tries) == 3:
            repaired()

    store._sleep = sleep
    [recover] = store.started
    recover()
    assert tries == [1.0, 1.0, 1.0]
    assert not allows(store.get("acme"))
    assert [record.levelname for record in caplog.records if record.name.endswith("store")] == ["ERROR", "WARNING"]


def test_the_probing_thread_is_a_daemon_and_closes_its_connection(acme, monkeypatch):
    repaired = broken(monkeypatch)
    sleeping, woken = threading.Event(), threading.Event()
    store = PolicyStore(sleep=lambda seconds: (sleeping.set(), woken.wait(10)))
    assert store.get("acme") is None
    assert sleeping.wait(10)
    [thread] = [thread for thread in threading.enumerate() if thread.name == "django-cors-policy-probe"]
    assert thread.daemon
    left_open = []
    wrapper = connections["default"].__class__
    original = wrapper.close

    def close(self):
        original(self)
        left_open.append((threading.current_thread().daemon, self.connection is not None))

    monkeypatch.setattr(wrapper, "close", close)
    repaired()
    woken.set()
    thread.join(10)
    assert left_open == [(True, False)]
    assert allows(store.get("acme"))


def test_the_database_is_the_one_that_the_settings_name(store, acme, settings):
    settings.CORS_POLICY_DATABASE = "default"
    assert allows(store.get("acme"))


def test_a_query_that_a_test_runner_forbids_is_no_outage(store, acme, monkeypatch):
    forbidden = [broken(monkeypatch, name, AssertionError) for name in ("changes_since", "read_rows")]
    assert store.get("acme") is None
    with transaction.atomic():
        assert store.get("acme") is None
    assert not store.started
    for repaired in forbidden:
        repaired()
    assert allows(store.get("acme"))


def test_a_write_of_the_own_process_that_went_through_ends_the_outage(acme, monkeypatch, caplog):
    own = store_module.store
    repaired = broken(monkeypatch)
    assert own.get("acme") is None
    repaired()
    assert own.get("acme") is None
    acme.save()
    assert allows(own.get("acme"))
    levels = [record.levelname for record in caplog.records if record.name.endswith("store")]
    assert levels == ["ERROR", "WARNING"]  # one line at each end


def test_one_thread_at_a_time_probes_and_one_that_could_not_start_is_started_later(store, acme, clock, monkeypatch):
    def no_thread(target):
        raise RuntimeError("can't start new thread")

    repaired = broken(monkeypatch)
    start = store._run_thread
    store._run_thread = no_thread
    assert store.get("acme") is None
    store._run_thread = start
    assert store.get("acme") is None
    assert store.get("acme") is None
    assert len(store.started) == 1
    store.end_outage("default")
    assert store.get("acme") is None
    assert len(store.started) == 1
    repaired()
    store.started[0]()
    assert allows(store.get("acme"))


def test_the_next_outage_has_a_thread_again(store, acme, clock, monkeypatch):
    for number in (1, 2):
        repaired = broken(monkeypatch)
        clock.advance(1)
        store.get("acme")
        assert len(store.started) == number
        repaired()
        store.started[-1]()
        assert allows(store.get("acme"))


def test_the_probing_goes_on_where_the_connection_cannot_be_closed(store, acme, clock, monkeypatch):
    repaired = broken(monkeypatch)
    store.get("acme")
    repaired()
    wrapper = connections["default"].__class__
    close = wrapper.close

    def fail_once(self):
        monkeypatch.setattr(wrapper, "close", close)
        close(self)
        raise DatabaseError("it is closed already")

    monkeypatch.setattr(wrapper, "close", fail_once)
    store.started[0]()
    assert allows(store.get("acme"))


def test_probes_of_an_outage_are_never_far_apart(store, acme, monkeypatch, settings):
    settings.CORS_POLICY_REFRESH_SECONDS = 3600
    repaired = broken(monkeypatch)
    store.get("acme")
    slept = []
    store._sleep = lambda seconds: (slept.append(seconds), repaired())
    store.started[0]()
    assert slept == [5.0]


def test_an_outage_does_not_end_before_the_policies_can_be_read_too(store, acme, monkeypatch, caplog):
    """Else it would end and begin anew with every probe; nor is such a probe one that keeps what is known young."""
    store.get("nobody")
    good_at = store._good_at
    repaired = broken(monkeypatch, "read_rows")
    assert store.get("acme") is None
    tries = []

    def sleep(seconds):
        tries.append(seconds)
        store._clock.advance(seconds)
        assert store._good_at == good_at
        if len(tries) == 3:
            repaired()

    store._sleep = sleep
    store.started[0]()
    assert len(tries) == 3
    assert allows(store.get("acme"))
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


class Hanging:
    """Queries of the feed that hang, each until its number is let go."""

    def __init__(self, monkeypatch):
        self.started = []
        self.turn = threading.Condition()
        self.let_go = set()

        def hang(*args):
            with self.turn:
                number = len(self.started)
                self.started.append(number)
                self.turn.notify_all()
                assert self.turn.wait_for(lambda: number in self.let_go, 10)
            return CHANGES_SINCE(*args)

        monkeypatch.setattr(reading, "changes_since", hang)

    def end(self, numbers):
        with self.turn:
            self.let_go |= set(numbers)
            self.turn.notify_all()

    def wait_for(self, count):
        with self.turn:
            assert self.turn.wait_for(lambda: len(self.started) >= count, 10)


def test_a_probe_of_an_outage_that_hangs_holds_up_no_other_and_its_late_answer_counts(
    store, acme, settings, monkeypatch, pool
):
    settings.CORS_POLICY_REFRESH_SECONDS = 0.1
    broken(monkeypatch)
    store.get("acme")
    hanging = Hanging(monkeypatch)
    recovery = pool.submit(store.started[0])
    try:
        hanging.wait_for(3)
        hanging.end([0])
        recovery.result(5)
    finally:
        hanging.end(range(1000))
    assert allows(store.get("acme"))


def test_probes_that_hang_do_not_pile_up(store, acme, settings, monkeypatch):
    """A driver without a timeout may never give up. Every thread and connection that it holds is one more."""
    settings.CORS_POLICY_REFRESH_SECONDS = 0
    monkeypatch.setattr(store_module, "MAX_HANGING", 2)
    monkeypatch.setattr(threading.Thread, "join", lambda self, timeout=None: None)
    broken(monkeypatch)
    store.get("acme")
    hanging = Hanging(monkeypatch)
    begun_at, slept = [], []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) > 1 and (started := len(tries())) > len(begun_at):
            hanging.wait_for(started)
            begun_at.append(len(slept) - 2)
        if len(slept) == 20:
            hanging.end(range(20))
            store.end_outage("default")

    def tries():
        return [thread for thread in threading.enumerate() if thread.name == "django-cors-policy-probe"]

    store._sleep = sleep
    store.started[0]()
    assert begun_at == [0, 1, 2, 4, 8, 16]
    monkeypatch.undo()
    for thread in tries():
        thread.join(10)


def test_a_connection_kept_since_before_an_outage_is_not_used_after_it(store, acme, clock, monkeypatch):
    """The one that every other thread has kept may hang for ever, and begin the next outage."""
    store.get("acme")
    kept = connection.connection
    repaired = broken(monkeypatch)
    store.evict({"acme"})
    clock.advance(1)
    with ThreadPoolExecutor(1) as other:
        other.submit(in_thread, store.get, "acme").result()
    repaired()
    assert connection.connection is kept
    store.started[0]()
    assert allows(store.get("acme"))
    renewed = connection.connection
    assert renewed is not kept
    clock.advance(1)
    assert allows(store.get("acme"))
    assert connection.connection is renewed


def test_a_database_that_hangs_is_not_asked_whether_it_does(store, acme, monkeypatch):
    store.get("nobody")
    asked = []

    def hang(*args):
        asked.append(args)
        raise TimeoutError

    monkeypatch.setattr(reading, "read_rows", hang)
    assert store.get("acme") is None
    assert len(asked) == 1
    assert len(store.started) == 1


def test_the_log_says_that_there_was_no_answer(store, acme, monkeypatch, caplog):
    monkeypatch.setattr(reading, "WAIT", 0.01)
    gate = Gate(monkeypatch, "changes_since")
    store.get("acme")
    assert gate.reached.wait(10)
    gate.open.set()
    join_queries()
    connections["default"].close()
    assert "'TimeoutError: no answer within 0.01 s'" in caplog.text


def test_a_router_that_raises_is_an_outage_and_no_exception(store, acme, monkeypatch):
    class Raises:
        def db_for_write(self, model, **hints):
            raise LookupError("no tenant was set for this request")

    monkeypatch.setattr(router, "routers", [Raises()])
    assert store.get("acme") is None
    assert len(store.started) == 1


def test_a_connection_that_the_server_has_closed_is_no_outage(store, acme, clock, monkeypatch):
    store.get("acme")
    clock.advance(1)
    kept = connection.connection

    def gone(query):
        def ask(*args):
            if connection.connection is kept:
                raise OperationalError("server closed the connection unexpectedly")
            return query(*args)

        return ask

    for name in ("changes_since", "read_rows"):
        monkeypatch.setattr(reading, name, gone(getattr(reading, name)))
    assert allows(store.get("acme"))
    assert not store.started


def test_a_database_that_fails_is_asked_once_more_and_not_again(store, acme, monkeypatch):
    asked = []

    def fail(*args):
        asked.append(args)
        raise OperationalError("no more connections")

    monkeypatch.setattr(reading, "changes_since", fail)
    connections["default"].close()
    assert store.get("acme") is None
    assert len(asked) == 2
    assert len(store.started) == 1


def test_whoever_has_waited_for_two_probes_waits_for_no_third(store, acme, clock):
    store.get("acme")
    clock.advance(10)
    waits = []

    def wait(timeout):
        waits.append(timeout)

    store._probe = SimpleNamespace(result=wait)
    assert allows(store.get("acme"))
    assert waits == [reading.WAIT] * 2


def test_one_tenant_that_cannot_be_read_is_no_outage_and_one_line_a_second(store, acme, clock, monkeypatch, caplog):
    def poisoned(tenant, alias):
        if tenant.startswith("poison"):
            raise DatabaseError("no such character in the database's encoding")
        return READ_ROWS(tenant, alias)

    monkeypatch.setattr(reading, "read_rows", poisoned)
    for number in range(3):
        assert store.get(f"poison-{number}") is None
    with transaction.atomic():
        assert store.get("poison") is None
    assert allows(store.get("acme"))
    assert not store.started
    assert [record.getMessage()[:30] for record in caplog.records] == ["CORS tenant 'poison-0' cannot "]
    clock.advance(1)
    store.get("poison")
    assert len(caplog.records) == 2


def test_whoever_waits_for_a_probe_gets_nothing_older_than_the_question(store, acme, clock, pool, monkeypatch):
    store.get("acme")
    clock.advance(10)
    gate = Gate(monkeypatch, "changes_since", late=True)
    prober = pool.submit(in_thread, store.get, "acme")
    assert gate.reached.wait(10)
    AllowedOrigin.objects.all().delete()
    clock.advance(3)
    waiting = threading.Event()
    result = store._probe.result
    store._probe.result = lambda timeout: (waiting.set(), result(timeout))
    asker = pool.submit(in_thread, store.get, "acme")
    assert waiting.wait(10)
    gate.open.set()
    prober.result(10)
    assert not allows(asker.result(10))


def test_without_autocommit_nothing_is_kept_either(store, clock):
    store.get("nobody")
    transaction.set_autocommit(False)
    try:
        TenantPolicy.objects.create(tenant="acme").origins.create(pattern=ORIGIN)
        assert allows(store.get("acme"))
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)
    assert store.get("acme") is None


def test_a_connection_that_is_not_open_yet_is_in_a_transaction_where_autocommit_is_off(monkeypatch):
    connections["default"].close()
    assert not reading.in_transaction("default")
    monkeypatch.setitem(connections["default"].settings_dict, "AUTOCOMMIT", False)
    assert reading.in_transaction("default")


# --- forks and settings


def test_a_fork_keeps_what_is_known_and_renews_the_rest(store, acme, clock, django_assert_num_queries):
    store.get("acme")
    store._lock.acquire()
    store._outage = True
    store.after_fork()
    with django_assert_num_queries(1):
        assert allows(store.get("acme"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is nothing to survive where there is no fork")
def test_a_real_fork_renews_the_lock(acme):
    store_module.store._lock.acquire()
    try:
        child = os.fork()
        if child == 0:
            os._exit(0 if store_module.store._lock.acquire(timeout=1) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        store_module.store._lock.release()


def test_a_changed_setting_forgets_what_was_compiled_by_the_old_one(acme, settings):
    own = store_module.store
    AllowedOrigin.objects.bulk_create([AllowedOrigin(policy=acme, pattern="http://plain.example")])
    assert not allows(own.get("acme"), "http://plain.example")
    settings.CORS_TENANT_LIMITS = {"insecure_origins": True}
    assert allows(own.get("acme"), "http://plain.example")
    settings.LANGUAGE_CODE = "de"
    assert own.peek("acme") is not MISS


def test_only_the_announced_tenants_are_forgotten(acme):
    own = store_module.store
    own.get("acme")
    policies_changed.send(sender=None, using="default", tenants=frozenset({"globex"}))
    assert own.peek("acme") is not MISS
    policies_changed.send(sender=None, using="default", tenants=frozenset({""}))
    assert own.peek("acme") is MISS
