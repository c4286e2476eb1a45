"""The store at size: reading ahead, and who stays in a memory that is full."""

import random
import threading
from datetime import UTC, datetime, timedelta
from itertools import accumulate, cycle

import pytest
from django.db import DatabaseError, connection, connections, router, transaction
from django.utils import timezone

from django_cors_policy import reading
from django_cors_policy.cors import Policy
from django_cors_policy.feed import PolicyChange, record_everything
from django_cors_policy.memory import Entry
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.store import MISS, PolicyStore

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

ORIGIN = "https://app.acme.example"


class Deaf(PolicyStore):
    """A store of another process: it hears nothing of this one's writes and learns all from the feed."""


@pytest.fixture
def wall_clock(clock):
    return type(clock)(timezone.now().timestamp())


@pytest.fixture
def make_store(clock, wall_clock):
    def make():
        started = []
        store = Deaf(clock, wall_clock, started.append, lambda seconds: None)
        store.started = started
        return store

    return make


@pytest.fixture
def store(make_store):
    return make_store()


def make_tenants(count, origins=1):
    policies = TenantPolicy.objects.bulk_create(TenantPolicy(tenant=f"t{number}") for number in range(count))
    AllowedOrigin.objects.bulk_create(
        AllowedOrigin(policy=policy, pattern=f"https://app{number}.{policy.tenant}.example")
        for policy in policies
        for number in range(origins)
    )


@pytest.fixture
def tenants():
    make_tenants(5)


def held(store):
    return {*store._memory.known, *store._memory.newcomers}


def allows(policy, origin=ORIGIN):
    return policy is not None and policy.origins.match(origin) is not None


def meanwhile(monkeypatch, *events):
    """Let something happen after each of the next pages has been read and before it is kept."""
    read = reading.read_page
    pending = list(events)

    def read_and_let_happen(*args):
        page = read(*args)
        if pending:
            pending.pop(0)()
        return page

    monkeypatch.setattr(reading, "read_page", read_and_let_happen)


# --- reading ahead


def test_what_was_read_ahead_takes_no_query(store, django_assert_num_queries):
    make_tenants(5, origins=2)
    with django_assert_num_queries(4):  # the feed, two for the page, and one that finds no more
        assert store.warm() == 5
    with django_assert_num_queries(0):
        for number in range(5):
            policy = store.get(f"t{number}")
            assert all(allows(policy, f"https://app{each}.t{number}.example") for each in (0, 1))
            assert not allows(policy, f"https://app0.t{number + 1}.example")


def test_what_is_read_ahead_is_what_would_have_been_loaded(make_store, wall_clock):
    moment = datetime.fromtimestamp(wall_clock.now, tz=UTC)
    plain = TenantPolicy.objects.create(tenant="plain", allow_credentials=True, expose_headers="X-Total")
    plain.origins.create(pattern="https://a.example")
    plain.origins.create(pattern="https://off.example", enabled=False)
    plain.origins.create(pattern="https://past.example", expires_at=moment - timedelta(days=1))
    plain.origins.create(pattern="https://soon.example", expires_at=moment + timedelta(days=1))
    TenantPolicy.objects.create(tenant="empty", allow_methods="", max_age=10**6)
    TenantPolicy.objects.create(tenant="disabled", enabled=False).origins.create(pattern="https://a.example")
    wild = TenantPolicy.objects.create(tenant="wild", allow_headers="x y", allow_private_network=True)
    for pattern in ("https://*.b.example", "http://c.example", "no origin", "*", "https://d.example:8443"):
        wild.origins.create(pattern=pattern)

    ahead, asked = make_store(), make_store()
    assert ahead.warm() == 4
    for tenant in ("plain", "empty", "disabled", "wild"):
        asked.get(tenant)
        one, other = ahead._memory.known[tenant], asked._memory.known[tenant]
        assert (one.exists, one.expires_at, one.rows) == (other.exists, other.expires_at, other.rows)
        assert (one.policy is None) == (other.policy is None) == (tenant == "disabled")
        for name in Policy.__slots__ if one.policy else ():
            if name == "origins":
                for slot in one.policy.origins.__slots__:
                    assert getattr(one.policy.origins, slot) == getattr(other.policy.origins, slot)
            elif name == "errors":
                assert list(map(str, one.policy.errors)) == list(map(str, other.policy.errors))
            else:
                assert getattr(one.policy, name) == getattr(other.policy, name)


def test_an_origin_that_was_read_ahead_expires_at_its_moment(store, tenants, wall_clock):
    AllowedOrigin.objects.update(expires_at=datetime.fromtimestamp(wall_clock.now + 10, tz=UTC))
    store.warm()
    assert allows(store.get("t1"), "https://app0.t1.example")
    wall_clock.advance(11)
    assert not allows(store.get("t1"), "https://app0.t1.example")


def test_many_tenants_are_read_page_by_page(store, monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(reading, "PAGE", 2)
    make_tenants(5, origins=3)
    with django_assert_num_queries(1 + 3 * 2 + 1):
        assert store.warm() == 5


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 6, 7])
def test_a_page_of_many_rows_leaves_no_policy_half_read(store, monkeypatch, rows):
    """A policy has as many rows as one load reads: no page cuts it shorter than that."""
    make_tenants(4, origins=3)
    monkeypatch.setattr(reading, "MAX_ROWS", rows)
    assert store.warm() == 4
    for number in range(4):
        origins = [f"https://app{each}.t{number}.example" for each in range(3)]
        assert [allows(store.get(f"t{number}"), origin) for origin in origins] == [each < rows for each in range(3)]


def test_policies_that_are_deleted_between_a_pages_two_queries_end_nothing(store, monkeypatch):
    monkeypatch.setattr(reading, "PAGE", 2)
    make_tenants(4)
    read = reading.read_keys

    def delete_what_was_found(last, alias):
        keys = read(last, alias)
        if last is None:
            TenantPolicy.objects.filter(pk__in=keys).delete()
        return keys

    monkeypatch.setattr(reading, "read_keys", delete_what_was_found)
    assert store.warm() == 2
    assert held(store) == {"t2", "t3"}


def test_no_more_is_read_than_memory_holds_and_nobody_is_pushed_out(store, settings, monkeypatch):
    monkeypatch.setattr(reading, "PAGE", 3)
    settings.CORS_POLICY_CACHE_SIZE = 3
    make_tenants(9)
    store.get("t8")
    pages = []
    meanwhile(monkeypatch, *[lambda: pages.append(1)] * 9)
    assert store.warm() == 3
    assert "t8" in held(store)
    assert len(pages) == 1
    assert store.warm() == 3
    assert len(pages) == 1


# --- reading ahead, and changes


def test_a_tenant_that_changes_while_its_page_is_read_is_not_kept(store, tenants, clock, monkeypatch):
    """The page was read before the change, and the look at the feed that told of it is over."""

    def revoke():
        AllowedOrigin.objects.filter(policy__tenant="t1").delete()
        clock.advance(1)
        store.get("nobody")

    meanwhile(monkeypatch, revoke)
    assert store.warm() == 4
    assert store.peek("t1") is MISS
    assert not allows(store.get("t1"), "https://app0.t1.example")
    assert allows(store.get("t2"), "https://app0.t2.example")


def test_a_change_of_everything_forgets_the_page_that_is_being_read_and_no_later_one(store, clock, monkeypatch):
    monkeypatch.setattr(reading, "PAGE", 2)
    make_tenants(5)

    def revoke():
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_cors_policy_allowedorigin")
        record_everything("default")
        clock.advance(1)
        store.get("nobody")

    meanwhile(monkeypatch, lambda: None, revoke)
    assert store.warm() == 1
    assert held(store) == {"t4"}
    for number in range(5):
        assert not allows(store.get(f"t{number}"), f"https://app0.t{number}.example")


def test_a_setting_that_changes_while_a_page_is_read_forgets_it(store, tenants, monkeypatch):
    meanwhile(monkeypatch, store.reset)
    assert store.warm() == 0


def test_a_change_after_the_reading_is_obeyed_and_the_others_stay(store, tenants, clock, django_assert_num_queries):
    store.warm()
    AllowedOrigin.objects.filter(policy__tenant="t1").delete()
    clock.advance(1)
    with django_assert_num_queries(1):
        assert allows(store.get("t2"), "https://app0.t2.example")
    assert not allows(store.get("t1"), "https://app0.t1.example")


def test_reading_ahead_looks_at_the_feed_when_that_is_due(store, clock, monkeypatch):
    monkeypatch.setattr(reading, "PAGE", 2)
    make_tenants(6)

    def revoke():
        AllowedOrigin.objects.filter(policy__tenant="t0").delete()
        clock.advance(1)

    meanwhile(monkeypatch, lambda: None, revoke)
    assert store.warm() == 5
    assert held(store) == {"t1", "t2", "t3", "t4", "t5"}


def test_what_a_request_has_loaded_meanwhile_is_newer_and_stays(store, tenants, clock, monkeypatch):
    """The change is committed after the page was read, and nobody has looked at the feed since."""

    def revoke_and_load():
        AllowedOrigin.objects.filter(policy__tenant="t1").delete()
        assert not allows(store.get("t1"), "https://app0.t1.example")

    meanwhile(monkeypatch, revoke_and_load)
    assert store.warm() == 5
    assert not allows(store.peek("t1"), "https://app0.t1.example")


def test_a_tenant_that_was_unknown_is_not_kept_twice(store, tenants):
    store.get("late")
    TenantPolicy.objects.create(tenant="late")
    assert store.warm() == 5
    assert held(store).isdisjoint(store._memory.unknown)


def test_a_page_is_registered_no_longer_than_it_is_read(store, tenants, monkeypatch):
    seen = []
    meanwhile(monkeypatch, lambda: seen.append(len(store._pages)))
    store.warm()
    assert seen == [1]
    assert not store._pages


def test_a_fork_ends_the_reading_in_the_child(store, tenants, monkeypatch):
    def fork():
        store.after_fork()
        assert not store._pages

    meanwhile(monkeypatch, fork)
    assert store.warm() == 5


def test_the_lock_is_never_held_across_a_query_of_a_page(store, tenants, monkeypatch):
    asked = []

    def unlocked(query):
        def check(*args):
            assert store._lock.acquire(blocking=False)
            store._lock.release()
            asked.append(query)
            return query(*args)

        return check

    for name in ("read_keys", "read_page"):
        monkeypatch.setattr(reading, name, unlocked(getattr(reading, name)))
    assert store.warm() == 5
    assert len(asked) == 3


# --- reading ahead, and failures


def test_inside_a_transaction_nothing_is_read_ahead(store, tenants, django_assert_num_queries):
    with transaction.atomic():
        TenantPolicy.objects.create(tenant="uncommitted")
        with django_assert_num_queries(0):
            assert store.warm() == 0
        transaction.set_rollback(True)
    assert store.peek("uncommitted") is MISS


def failing(monkeypatch, name, times=10**9, error=DatabaseError):
    query = getattr(reading, name)
    left = [times]

    def fail(*args):
        left[0] -= 1
        if left[0] >= 0:
            raise error("gone")
        return query(*args)

    monkeypatch.setattr(reading, name, fail)


@pytest.mark.parametrize("query", ["changes_since", "read_keys"])
def test_a_database_that_fails_is_an_outage_and_no_exception(store, tenants, monkeypatch, query):
    failing(monkeypatch, query)
    assert store.warm() == 0
    assert len(store.started) == 1


def test_a_database_that_fails_on_the_way_leaves_what_was_read(store, monkeypatch, caplog):
    monkeypatch.setattr(reading, "PAGE", 2)
    make_tenants(6)

    def fall():
        failing(monkeypatch, "read_keys")

    meanwhile(monkeypatch, lambda: None, fall)
    assert store.warm() == 4
    assert len(store.started) == 1
    assert allows(store.get("t3"), "https://app0.t3.example")
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_in_an_outage_nothing_is_read_ahead(store, tenants, monkeypatch, django_assert_num_queries):
    with monkeypatch.context() as outage:
        failing(outage, "changes_since")
        store.get("t0")
    with django_assert_num_queries(0):
        assert store.warm() == 0


def test_a_page_that_fails_together_with_the_database_ends_the_reading(store, tenants, monkeypatch):
    failing(monkeypatch, "read_page")
    failing(monkeypatch, "read_rows")
    assert store.warm() == 0
    assert len(store.started) == 1


def test_rows_that_cannot_be_read_leave_the_other_pages(store, monkeypatch, caplog):
    monkeypatch.setattr(reading, "PAGE", 2)
    make_tenants(6)
    failing(monkeypatch, "read_page", times=1)
    assert store.warm() == 4
    assert not store.started
    first, second = TenantPolicy.objects.order_by("pk").values_list("pk", flat=True)[:2]
    [record] = caplog.records
    assert record.getMessage() == f"CORS policies {first} to {second} cannot be read ('DatabaseError: gone')"
    assert allows(store.get("t0"), "https://app0.t0.example")


def test_a_query_that_a_test_runner_forbids_ends_the_reading(store, tenants, monkeypatch):
    for name in ("changes_since", "read_keys"):
        failing(monkeypatch, name, error=AssertionError)
    assert store.warm() == 0
    assert not store.started


def test_a_router_that_raises_is_no_exception(store, monkeypatch):
    class Raises:
        def db_for_write(self, model, **hints):
            raise LookupError("no tenant was set for this request")

    monkeypatch.setattr(router, "routers", [Raises()])
    assert store.warm() == 0
    assert len(store.started) == 1


def test_the_connection_is_left_as_it_was_found(store, tenants):
    assert connection.connection is not None
    store.warm()
    assert connection.connection is not None

    left = []

    def in_thread():
        store.reset()
        store.warm()
        left.append(connections["default"].connection)

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join(10)
    assert left == [None]
    assert len(held(store)) == 5


# --- who stays in a full memory


@pytest.fixture
def full(store, settings):
    """Twenty tenants where there is room for twenty, of sixty."""
    settings.CORS_POLICY_CACHE_SIZE = 20
    make_tenants(60)
    for number in range(20):
        store.get(f"t{number}")
    return store


def test_a_scan_of_customers_pushes_those_in_use_out_no_more_than_a_scan_of_strangers(full):
    in_use = [f"t{number}" for number in range(15)]
    for tenant in in_use:
        full.get(tenant)  # once, and not again during the scan
    for _ in range(3):
        for number in range(20, 60):
            full.get(f"t{number}")
    assert not [tenant for tenant in in_use if full.peek(tenant) is MISS]


def test_a_newcomer_that_is_asked_for_again_stays(full):
    full.get("t40")
    full.get("t40")
    for number in range(41, 60):
        full.get(f"t{number}")
    assert full.peek("t40") is not MISS
    assert full.peek("t41") is MISS


@pytest.mark.parametrize("size", [1, 2, 3, 10, 11, 25])
def test_no_more_are_held_than_the_setting_says(store, settings, size):
    settings.CORS_POLICY_CACHE_SIZE = size
    make_tenants(40)
    drawn = random.Random(1)
    for _ in range(200):
        tenant = f"t{int(drawn.paretovariate(0.5)) % 60}"  # some of which have no policy
        store.get(tenant)
        assert store.peek(tenant) is not MISS
        assert len(held(store)) == len(store._memory.known) + len(store._memory.newcomers) <= size
        assert len(store._memory.unknown) <= size


def test_an_entry_of_a_newcomer_is_evicted_and_expires_as_any_other(full, clock, wall_clock):
    soon = datetime.fromtimestamp(wall_clock.now + 10, tz=UTC)
    AllowedOrigin.objects.filter(policy__tenant="t40").update(expires_at=soon)
    assert allows(full.get("t40"), "https://app0.t40.example")
    assert "t40" in full._memory.newcomers
    wall_clock.advance(11)
    assert not allows(full.get("t40"), "https://app0.t40.example")
    assert full._memory.newcomers["t40"].rows is None
    AllowedOrigin.objects.filter(policy__tenant="t40").update(expires_at=None)
    clock.advance(1)
    assert allows(full.get("t40"), "https://app0.t40.example")
    full.get("t41")
    assert "t41" in full._memory.newcomers
    PolicyChange.rows.all().delete()
    clock.advance(1)
    full.get("t0")
    assert held(full) == {"t0"}


def test_a_newcomer_is_served_in_an_outage_too(full, clock, monkeypatch):
    full.get("t40")
    failing(monkeypatch, "changes_since")
    clock.advance(1)
    assert allows(full.get("t40"), "https://app0.t40.example")


def test_a_newcomer_that_is_loaded_again_is_held_once(full):
    full.get("t40")
    full._load("t40", "default")
    assert "t40" in full._memory.newcomers
    full._load("t19", "default")
    assert "t19" in full._memory.known
    assert len(held(full)) == len(full._memory.known) + len(full._memory.newcomers) == 20
    full.evict({"t19"})
    full._load("t40", "default")  # there is room, and it has its place
    assert len(held(full)) == len(full._memory.known) + len(full._memory.newcomers) == 19


def test_the_share_of_hits_hardly_falls_during_a_scan(settings, clock):
    """Most requests are for few tenants; for each of them ten go through all tenants, one after another."""
    settings.CORS_POLICY_CACHE_SIZE = 100
    names = [f"t{number}" for number in range(1000)]
    weights = list(accumulate(1 / rank for rank in range(1, 1001)))

    def share_of_hits(scanned_each_time):
        store = PolicyStore(clock)
        store._fresh_until = float("inf")
        drawn, scanned = random.Random(1), cycle(names)

        def ask(tenant):
            found = store.peek(tenant)
            if found is MISS:
                store._memory.keep(tenant, Entry(None, exists=True, expires_at=None, rows=None), 100)
            return found is not MISS

        for tenant in drawn.choices(names, cum_weights=weights, k=2000):
            ask(tenant)
        hits = 0
        for tenant in drawn.choices(names, cum_weights=weights, k=2000):
            hits += ask(tenant)
            for _ in range(scanned_each_time):
                ask(next(scanned))
        return hits / 2000

    assert share_of_hits(10) > 0.9 * share_of_hits(0) > 0.5


# --- what is shared


def test_tenants_that_differ_in_their_origins_alone_share_the_rest(store, tenants):
    store.warm()
    one, other = store.peek("t1"), store.peek("t2")
    assert one.preflight_headers is other.preflight_headers
    assert one.actual_headers is other.actual_headers
    assert one.tenant == one.name == "t1"


def test_what_is_shared_is_not_shared_across_limits(store, settings):
    TenantPolicy.objects.create(tenant="acme", allow_credentials=True).origins.create(pattern=ORIGIN)
    assert store.get("acme").allow_credentials
    settings.CORS_TENANT_LIMITS = {"credentials": False}
    store.reset()
    assert not store.get("acme").allow_credentials
    assert store.get("acme").actual_headers == ()


def test_any_origin_with_credentials_takes_nothing_from_those_that_may(store, settings):
    settings.CORS_TENANT_LIMITS = {"any_origin": True}
    for tenant, pattern in (("acme", ORIGIN), ("open", "*")):
        TenantPolicy.objects.create(tenant=tenant, allow_credentials=True).origins.create(pattern=pattern)
    store.warm()
    assert store.peek("acme").actual_headers == (("Access-Control-Allow-Credentials", "true"),)
    assert store.peek("open").allow_credentials is False
    assert store.peek("open").actual_headers == ()
    assert "true" not in dict(store.peek("open").preflight_headers).values()
