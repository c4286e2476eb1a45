"""Denied origins: counted in bounded memory, written in batches, kept in bounds."""

import logging
import os
import threading
import tracemalloc
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, router
from django.http import HttpResponse
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from django_cors_policy import blocked, conf, inbox
from django_cors_policy.blocked import Counts, Recorder, recorder
from django_cors_policy.inbox import BlockedOrigin, Seen
from django_cors_policy.middleware import CorsMiddleware
from django_cors_policy.models import TenantPolicy
from django_cors_policy.store import store

HOST = "api.tenants.example"
EVIL = "https://evil.example"
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)

middleware = CorsMiddleware(lambda request: HttpResponse())


def seen(tenant="acme", origin=EVIL, count=1, at=NOW, **changes):
    return Seen(
        tenant, origin, "not-allowed", "GET", "/", at.timestamp(), at.timestamp(), **{"count": count, **changes}
    )


def ask(origin=EVIL, path="/api/", method="GET", host=HOST, **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    request = RequestFactory().generic(method, path, headers={"Host": host, "Origin": origin, **fields})
    return middleware(request)


def counted():
    return {(each.tenant, each.origin): each.count - each.error for each in recorder._counts.take()}


def stored():
    return {(row.tenant, row.origin): row.count for row in BlockedOrigin.objects.all()}


@pytest.fixture
def tenant(transactional_db):
    return TenantPolicy.objects.create(tenant=HOST)


# --- counting in memory ----------------------------------------------------------------------------------------------


def count(counts, tenant, origin, number=1):
    for _ in range(number):
        known = counts.find(tenant, origin)
        if known is None:
            counts.add(seen(tenant, origin))
        else:
            known.count += 1


def size(counts):
    return sum(map(len, counts.tenants.values()))


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 9)), max_size=300), st.booleans())
def test_the_summary_is_bounded_never_counts_too_much_and_keeps_what_is_frequent(hits, has_failed):
    with pytest.MonkeyPatch.context() as small:
        small.setattr(blocked, "QUOTA", 4)
        small.setattr(blocked, "SIZE", 12)
        counts, truth, least_quota = Counts(), Counter(), 4
        for place, (tenant, origin) in enumerate(hits):
            count(counts, tenant, str(origin))
            truth[tenant, str(origin)] += 1
            least_quota = min(least_quota, counts._quota)
            if has_failed and place % 50 == 49:
                counts.put_back(counts.take())
            assert size(counts) == counts._size <= 12
            assert all(len(origins) <= counts._quota for origins in counts.tenants.values())
        for tenant, origins in counts.tenants.items():
            of_tenant = {key: number for key, number in truth.items() if key[0] == tenant}
            for origin, each in origins.items():
                assert 0 < each.count - each.error <= truth[tenant, origin]
            if not has_failed:
                frequent = [o for (_, o), number in of_tenant.items() if number > sum(of_tenant.values()) / least_quota]
                assert set(frequent) <= set(origins)


def test_a_flood_displaces_neither_a_frequent_origin_nor_another_tenants_counts():
    counts = Counts()
    for number in range(20_000):
        count(counts, "flooded", f"https://{number}.example")
        if number % 10 == 0:
            count(counts, "flooded", "https://frequent.example")
            count(counts, "quiet", f"https://{number % 30}.example")
    taken = {(each.tenant, each.origin): each.count - each.error for each in counts.take()}
    assert taken["flooded", "https://frequent.example"] == 2000
    assert [taken["quiet", f"https://{number}.example"] for number in (0, 10, 20)] == [667, 667, 666]
    assert len(taken) == 32 + 3


def test_the_quota_of_all_is_halved_where_the_process_is_full_and_the_heaviest_stay(monkeypatch):
    monkeypatch.setattr(blocked, "SIZE", 100)
    counts = Counts()
    for tenant in "abc":
        count(counts, tenant, "https://heavy.example", 5)
        for number in range(31):
            count(counts, tenant, f"https://{number}.example")
    assert size(counts) == 96
    for number in range(5):
        count(counts, "d", f"https://{number}.example")
    assert {tenant: len(origins) for tenant, origins in counts.tenants.items()} == {"a": 16, "b": 16, "c": 16, "d": 5}
    assert all("https://heavy.example" in counts.tenants[tenant] for tenant in "abc")
    counts.take()
    for number in range(40):
        count(counts, "a", f"https://{number}.example")
    assert size(counts) == 32


def test_with_an_origin_each_further_tenants_are_not_counted(monkeypatch):
    monkeypatch.setattr(blocked, "SIZE", 10)
    counts = Counts()
    for number in range(12):
        count(counts, f"t{number}", EVIL)
    assert list(counts.tenants) == [f"t{number}" for number in range(10)]
    count(counts, "t0", "https://other.example")
    assert list(counts.tenants["t0"]) == ["https://other.example"]
    assert size(counts) == 10


def test_what_is_put_back_is_added_to_what_came_meanwhile():
    counts = Counts()
    counts.add(seen(count=3, at=NOW - timedelta(minutes=1)))
    taken = counts.take()
    count(counts, "acme", EVIL, 2)
    counts.put_back(taken)
    [both] = counts.take()
    assert (both.count, both.first_seen, both.last_seen) == (
        5,
        (NOW - timedelta(minutes=1)).timestamp(),
        NOW.timestamp(),
    )


def test_what_is_put_back_keeps_the_bounds_and_the_heaviest(monkeypatch):
    monkeypatch.setattr(blocked, "SIZE", 10)
    counts = Counts()
    counts.put_back([seen(f"t{tenant}", f"https://{n}.example", count=n + 1) for tenant in range(4) for n in range(40)])
    assert {tenant: len(origins) for tenant, origins in counts.tenants.items()} == {f"t{n}": 2 for n in range(4)}
    assert set(counts.tenants["t0"]) == {"https://39.example", "https://38.example"}
    counts.put_back([seen(f"more{tenant}") for tenant in range(20)])
    assert size(counts) == counts._size == 10


@pytest.mark.slow
def test_200_000_invented_origins_take_no_memory(tenant):
    ask()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        request = RequestFactory().get("/api/")
        for number in range(200_000):
            recorder.count("flooded", f"https://{number}.example", "not-allowed", request, "GET")
            if number % 100 == 0:
                recorder.count("flooded", "https://frequent.example", "not-allowed", request, "GET")
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 100_000
    recorder.count("quiet", EVIL, "not-allowed", request, "GET")
    recorder.write()
    assert stored()["quiet", EVIL] == stored()[HOST, EVIL] == 1
    assert BlockedOrigin.objects.filter(tenant="flooded").count() == 32


# --- what is recorded ------------------------------------------------------------------------------------------------


def test_a_denied_origin_is_counted_for_its_tenant(tenant):
    for _ in range(3):
        assert ask(path="/api/items/?token=secret").status_code == 200
    assert ask(method="OPTIONS", Access_Control_Request_Method="PUT").status_code == 403
    ask("null")
    [evil, null] = recorder._counts.take()
    assert (evil.tenant, evil.origin, evil.reason, evil.count, evil.method) == (HOST, EVIL, "not-allowed", 4, "GET")
    assert evil.path == "/api/items/"
    assert (null.origin, null.reason) == ("null", "null-origin")


def test_of_a_preflight_the_method_is_kept_that_it_asks_for(tenant):
    ask(method="OPTIONS", Access_Control_Request_Method="PUT")
    [evil] = recorder._counts.take()
    assert evil.method == "PUT"


def test_a_disabled_policy_is_a_tenant_and_an_invented_host_is_none(tenant):
    TenantPolicy.objects.update(enabled=False)
    ask()
    ask(host="invented.tenants.example")
    ask(host="elsewhere.example")  # ALLOWED_HOSTS refuses it
    assert counted() == {(HOST, EVIL): 1, ("", EVIL): 2}


def test_a_key_that_no_tenant_can_have_is_nobodys(tenant, settings):
    settings.CORS_TENANT_RESOLVER = "django_cors_policy.tenants.by_path_prefix"
    ask(path="/a%00b/")
    assert counted() == {("", EVIL): 1}


def test_where_memory_does_not_tell_whose_it_is_nothing_is_counted(tenant, monkeypatch):
    def fail(*args):
        raise DatabaseError("gone")

    monkeypatch.setattr("django_cors_policy.reading.changes_since", fail)
    ask()
    assert counted() == {}


@pytest.mark.parametrize(
    "origin", [f"http://{HOST}", f"https://{HOST}", "https://evil.example/", "HTTPS://EVIL.EXAMPLE", "x" * 5000]
)
def test_neither_its_own_origin_nor_what_no_browser_sends_is_counted(tenant, origin):
    ask(origin)
    assert counted() == {}


def test_what_is_allowed_is_not_counted(tenant):
    tenant.origins.create(pattern="https://app.example")
    ask("https://app.example")
    assert counted() == {}


@pytest.mark.parametrize(("mode", "number"), [("cors", 1), ("navigate", 0), ("no-cors", 0), ("websocket", 0), ("", 0)])
def test_only_what_a_browser_may_have_blocked_is_counted(tenant, mode, number):
    ask(Sec_Fetch_Mode=mode)
    assert sum(counted().values()) == number


@pytest.mark.parametrize("changes", [{"CORS_RECORD_BLOCKED": False}, {"CORS_TENANT_RESOLVER": None}])
def test_it_is_turned_off_by_the_setting_and_with_the_tenants(tenant, settings, changes, django_assert_num_queries):
    for name, value in changes.items():
        setattr(settings, name, value)
    ask()
    assert counted() == {}
    assert not recorder._is_writing


def test_a_setting_of_another_type_records_nothing(settings):
    settings.CORS_RECORD_BLOCKED = "False"
    assert conf.current().record_blocked is False
    assert [problem.name for problem in conf.current().problems] == ["CORS_RECORD_BLOCKED"]


def test_it_is_on_by_default():
    assert conf.current().record_blocked is True


def test_no_query_cookie_or_address_is_kept(tenant):
    ask(path="/api/?secret=query", Cookie="secret=cookie", Authorization="secret", X_Forwarded_For="192.0.2.77")
    recorder.write()
    [row] = BlockedOrigin.objects.values()
    assert "secret" not in str(row)
    assert "192.0.2" not in str(row)
    assert "127.0.0.1" not in str(row)


def test_what_a_client_sends_is_cut_and_made_printable(tenant):
    request = RequestFactory().get("/")
    request.path_info = "/\n\x00\ud800é%41" + "x" * 5000
    recorder.count("acme", EVIL, "not-allowed", request, "GET\r\n\u00e9" + "M" * 5000)
    recorder.write()
    [row] = BlockedOrigin.objects.all()
    assert row.path == "/%0A%00%3F%C3%A9%41" + "x" * 181
    assert row.method == "GET%0D%0A%C3%A9" + "M" * 17


def test_a_fault_is_logged_once_a_minute_and_never_reaches_the_request(tenant, monkeypatch, caplog, clock):
    def fail(*args):
        raise LookupError("broken\n")

    monkeypatch.setattr(recorder, "_clock", clock)
    monkeypatch.setattr(recorder, "count", fail)
    for _ in range(3):
        assert ask().status_code == 200
    clock.advance(60)
    ask()
    message = "CORS blocked origins cannot be recorded ('LookupError: broken\\n')"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("WARNING", message)] * 2


# --- when it is written ----------------------------------------------------------------------------------------------


@pytest.fixture
def started(monkeypatch):
    threads = []
    monkeypatch.setattr(recorder, "_run_thread", threads.append)
    return threads


def test_the_first_denial_starts_a_thread_and_the_others_none(tenant, started):
    for number in range(3):
        ask(f"https://{number}.example")
    assert len(started) == 1


def test_a_block_is_written_a_second_later_and_then_every_half_minute(tenant, clock, monkeypatch):
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        clock.advance(seconds)
        if len(slept) == 2:
            ask()  # while the first waits; the second is written by the same thread

    def write():
        Recorder.write(recorder)
        if len(slept) == 1:
            clock.advance(2)
            ask()

    threads = []
    monkeypatch.setattr(recorder, "_clock", clock)
    monkeypatch.setattr(recorder, "_sleep", sleep)
    monkeypatch.setattr(recorder, "_run_thread", threads.append)
    monkeypatch.setattr(recorder, "write", write)
    ask()
    threads.pop()()
    assert slept == [1, 28]
    assert stored() == {(HOST, EVIL): 3}
    assert not recorder._is_writing
    clock.advance(10)
    ask()
    threads.pop()()
    assert slept == [1, 28, 20]
    clock.advance(1000)
    ask()
    threads.pop()()
    assert slept == [1, 28, 20, 1]


def test_its_thread_closes_its_connection_and_ends(tenant):
    own = Recorder(sleep=lambda seconds: None)
    before = set(threading.enumerate())
    own.count(HOST, EVIL, "not-allowed", RequestFactory().get("/"), "GET")
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
    assert stored() == {(HOST, EVIL): 1}
    assert not own._is_writing


def test_a_connection_that_a_write_has_opened_is_closed(tenant):
    connection.close()
    recorder.write()
    assert connection.connection is None
    connection.ensure_connection()
    recorder.write()
    assert connection.connection is not None


def test_inside_a_transaction_no_thread_is_started(db, started):
    recorder.count(HOST, EVIL, "not-allowed", RequestFactory().get("/"), "GET")
    assert not started
    assert counted() == {(HOST, EVIL): 1}


def test_where_no_thread_can_be_started_the_next_denial_tries_again(tenant, monkeypatch):
    def fail(target):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(recorder, "_run_thread", fail)
    assert ask().status_code == 200
    assert not recorder._is_writing
    assert counted() == {(HOST, EVIL): 1}


def test_two_that_come_at_once_start_one_thread(tenant, started, monkeypatch):
    """The other has started it while this one has asked for the connection."""

    def alias():
        recorder._is_writing = True
        return "default"

    monkeypatch.setattr(blocked, "_alias", alias)
    ask()
    assert not started


def test_what_cannot_be_written_is_counted_on_and_written_later(tenant, monkeypatch, caplog, clock):
    monkeypatch.setattr(recorder, "_clock", clock)
    ask()
    with monkeypatch.context() as outage:

        def fail(*args):
            raise DatabaseError("gone\n")

        outage.setattr(inbox, "add", fail)
        for _ in range(3):
            recorder.write()
        ask()
        clock.advance(60)
        recorder.write()
    message = "CORS blocked origins cannot be recorded ('DatabaseError: gone\\n')"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("WARNING", message)] * 2
    assert recorder._counts.tenants
    recorder.write()
    assert stored() == {(HOST, EVIL): 2}


def test_a_failure_after_a_batch_was_written_writes_it_no_second_time(tenant, monkeypatch, caplog):
    ask()

    def fail(*args):
        raise DatabaseError("gone")

    with monkeypatch.context() as outage:
        outage.setattr(inbox, "trim", fail)
        recorder.write()
    recorder.write()
    assert stored() == {(HOST, EVIL): 1}
    assert len(caplog.records) == 1


def test_more_than_a_batch_is_written_in_batches(tenant, monkeypatch):
    monkeypatch.setattr(inbox, "BATCH", 5)
    for number in range(12):
        ask(f"https://{number}.example")
    recorder.write()
    assert sorted(stored().values()) == [1] * 12


def test_a_router_that_raises_costs_no_count(tenant, monkeypatch, caplog):
    class Raises:
        def db_for_write(self, model, **hints):
            if model is BlockedOrigin:
                raise LookupError("no tenant was set for this request")
            return

    with monkeypatch.context() as broken:
        broken.setattr(router, "routers", [Raises()])
        assert ask().status_code == 200
        recorder.write()
    recorder.write()
    assert stored() == {(HOST, EVIL): 1}


def test_a_write_is_not_told_to_the_store(tenant, clock):
    ask()
    before = store._position
    recorder.write()
    store.reset()
    store.get(HOST)
    assert before is not None
    assert store._position == before


# --- rows ------------------------------------------------------------------------------------------------------------


def test_a_row_holds_what_was_seen_and_grows(db):
    inbox.add([seen(count=7, error=2)], "default")
    later = NOW + timedelta(hours=1)
    newer = Seen("acme", EVIL, "null-origin", "PUT", "/b", later.timestamp(), later.timestamp(), would="allow", count=3)
    inbox.add([newer], "default")
    inbox.add([seen(at=NOW + timedelta(minutes=1), would="allow")], "default")
    [row] = BlockedOrigin.objects.all()
    assert (row.count, row.first_seen, row.last_seen) == (9, NOW, later)
    assert (row.would, row.ignored, str(row)) == ("allow", False, EVIL)


def test_a_naive_moment_is_in_the_time_zone(db, settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Berlin"
    inbox.add([seen()], "default")
    [row] = BlockedOrigin.objects.all()
    assert row.last_seen == datetime(2027, 3, 1, 13)


def test_spellings_that_a_collation_takes_for_one_are_counted_together(db):
    spellings = [seen(origin="app://Shell"), seen(origin="app://shell", count=2)]
    for _ in range(2):
        assert inbox.add(spellings, "default") == []
    if connection.vendor == "mysql":
        assert list(stored().values()) == [6]
    else:
        assert stored() == {("acme", "app://Shell"): 2, ("acme", "app://shell"): 4}


@pytest.mark.parametrize("query", ["_find", "_update"])
def test_what_has_lost_its_row_meanwhile_is_given_back(db, monkeypatch, query):
    """Another process has trimmed it after it was made, or after it was found."""
    original = getattr(inbox, query)

    def lose(*args):
        BlockedOrigin.objects.all().delete()
        return original(*args)

    monkeypatch.setattr(inbox, query, lose)
    one = seen()
    assert inbox.add([one], "default") == [one]


def test_a_count_whose_row_was_lost_is_written_the_next_time(tenant, monkeypatch):
    ask()
    with monkeypatch.context() as lost:
        lost.setattr(inbox, "_update", lambda *args: 0)
        recorder.write()
    recorder.write()
    assert stored() == {(HOST, EVIL): 1}


def test_writers_of_the_same_rows_lose_no_count_and_never_block_each_other(transactional_db):
    """Each has a connection of its own, as another process has. In each round half of the origins are new."""
    together = threading.Barrier(4)
    errors = []

    def write(mine):
        try:
            for place in range(10):
                together.wait(30)
                origins = [f"https://{number + 10 * place}.example" for number in range(20)]
                left = sorted([seen(origin=origin) for origin in (*origins, mine)], key=lambda each: each.origin)
                while left:
                    left = inbox.add(left, "default")
        except Exception as error:  # noqa: BLE001 -- told below
            errors.append(error)
            together.abort()
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(f"https://only{number}.example",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    expected = {("acme", f"https://{n}.example"): 4 if n < 10 or n >= 100 else 8 for n in range(110)}
    assert stored() == expected | {("acme", f"https://only{n}.example"): 10 for n in range(4)}


def rows(number, *, ignored=False, tenant="acme", count=1, name="o", at=NOW):
    BlockedOrigin.objects.bulk_create(
        BlockedOrigin(
            tenant=tenant,
            origin=f"https://{name}{place}.example",
            reason="not-allowed",
            count=count,
            ignored=ignored,
            first_seen=at,
            last_seen=at + timedelta(seconds=place),
        )
        for place in range(number)
    )


def test_of_a_tenant_the_heaviest_and_the_newest_stay(db):
    rows(100, count=2)
    rows(30, name="new", at=NOW + timedelta(days=1))
    rows(100, tenant="other")
    inbox.trim(["acme", "other"], "default")
    assert BlockedOrigin.objects.filter(tenant="acme", count=2).count() == 80
    stay = set(BlockedOrigin.objects.filter(tenant="acme", count=1).values_list("origin", flat=True))
    assert stay == {f"https://new{number}.example" for number in range(10, 30)}
    assert BlockedOrigin.objects.filter(tenant="other").count() == 100


def test_of_origins_that_come_at_once_the_heaviest_stay_beside_the_newest(db):
    rows(60, name="light")
    rows(90, name="heavy", count=5)
    inbox.trim(["acme"], "default")
    assert BlockedOrigin.objects.filter(count=5).count() == 90
    assert BlockedOrigin.objects.count() == 100


def test_of_those_that_are_ignored_the_last_seen_hundred_stay_besides(db):
    rows(100)
    rows(70, ignored=True, name="old", count=1000)
    rows(50, ignored=True, name="new", at=NOW + timedelta(days=1))
    inbox.trim(["acme"], "default")
    assert BlockedOrigin.objects.filter(ignored=False).count() == 100
    stay = BlockedOrigin.objects.filter(ignored=True)
    assert stay.filter(origin__contains="new").count() == stay.filter(origin__contains="old").count() == 50


def test_a_row_that_is_ignored_while_it_is_trimmed_stays(db, monkeypatch):
    rows(101)
    delete = inbox.remove

    def late(*args):
        BlockedOrigin.objects.update(ignored=True)
        delete(*args)

    monkeypatch.setattr(inbox, "remove", late)
    inbox.trim(["acme"], "default")
    assert BlockedOrigin.objects.count() == 101


def test_a_flood_of_many_windows_leaves_a_hundred_rows_and_the_heaviest(tenant):
    rows(100, tenant=HOST, count=50)
    for window in range(5):
        for number in range(40):
            ask(f"https://{window}-{number}.example")
        ask(path="/x/", host="elsewhere.tenants.example")
        recorder.write()
    assert BlockedOrigin.objects.filter(tenant=HOST).count() == 100
    assert BlockedOrigin.objects.filter(tenant=HOST, count=50).count() == 100
    assert stored()["", EVIL] == 5


def test_what_has_not_been_seen_for_30_days_is_removed_ignored_or_not(db, monkeypatch):
    monkeypatch.setattr(inbox, "BATCH", 4)
    rows(10, at=NOW - timedelta(days=31))
    rows(5, at=NOW - timedelta(days=31), name="i", ignored=True)
    rows(3, at=NOW - timedelta(days=29), name="new")
    inbox.prune(NOW.timestamp(), "default")
    assert {row.origin for row in BlockedOrigin.objects.all()} == {f"https://new{n}.example" for n in range(3)}


def test_it_is_removed_at_most_once_an_hour(tenant, clock, monkeypatch):
    monkeypatch.setattr(recorder, "_clock", clock)
    monkeypatch.setattr(recorder, "_wall_clock", NOW.timestamp)
    left = []
    for seconds in (0, 3599, 1):
        clock.advance(seconds)
        rows(1, at=NOW - timedelta(days=31))
        recorder.write()
        left.append(BlockedOrigin.objects.count())
        BlockedOrigin.objects.all().delete()
    assert left == [0, 1, 0]


def test_the_bounds_are_looked_up_by_an_index(db):
    if connection.vendor != "sqlite":
        pytest.skip("a small table is read whole; SQLite tells what it would do with any")
    recent = BlockedOrigin.objects.filter(tenant="acme").order_by("-last_seen")
    newest = BlockedOrigin.objects.order_by("-last_seen")
    old = BlockedOrigin.objects.filter(last_seen__lt=NOW).order_by("last_seen")
    for queryset, index in ((recent, "tenant"), (newest, "seen"), (old, "seen")):
        assert f"INDEX cors_policy_blocked_{index}" in queryset.explain()
        assert "TEMP B-TREE" not in queryset.explain()


# --- forks -----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is nothing to survive where there is no fork")
def test_a_forked_child_counts_anew_with_a_lock_of_its_own():
    recorder._is_writing = True
    recorder._counts.add(seen())
    with recorder._lock:
        child = os.fork()
        if not child:
            is_new = not recorder._lock.locked() and not recorder._counts.tenants and not recorder._is_writing
            os._exit(0 if is_new else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert recorder._counts.tenants


def test_the_logger_is_the_packages_own():
    assert blocked.logger.name.startswith("django_cors_policy.")
    assert blocked.logger is logging.getLogger("django_cors_policy.blocked")


# --- whatever fails, and whoever is alike


def test_a_tenant_is_taken_for_no_other(db):
    """MariaDB's collation takes Acme for acme, and café for cafe: where one has its row, the other has none."""
    inbox.add([seen("Acme"), seen("cafe")], "default")
    for _ in range(2):
        assert inbox.add([seen("acme", origin=EVIL.upper()), seen("café")], "default") == []
    for tenant in ("Acme", "cafe"):
        [row] = [row for row in BlockedOrigin.objects.all() if row.tenant == tenant]
        assert (row.count, row.origin) == (1, EVIL)


def test_what_finds_its_place_taken_is_not_tried_for_ever(db, monkeypatch):
    """As where a collation takes two tenants' keys for one."""
    inbox.add([seen()], "default")
    monkeypatch.setattr(inbox, "_find", lambda seen, using: {})
    assert inbox.add([seen()], "default") == []


class UnspeakableError(Exception):
    def __str__(self):
        raise RuntimeError("not even its text")


def test_an_error_without_a_text_reaches_no_request_and_ends_no_recording(tenant, monkeypatch, caplog):
    def fail(*args):
        raise UnspeakableError

    with monkeypatch.context() as broken:
        broken.setattr(blocked, "_alias", fail)
        assert ask().status_code == 200
        recorder.write()
    assert "CORS blocked origins cannot be recorded ('UnspeakableError')" in caplog.text
    recorder.write()
    assert stored() == {(HOST, EVIL): 1}


def test_a_thread_that_is_ended_by_whatever_is_followed_by_another(tenant, monkeypatch):
    started = []

    def stop(seconds):
        raise SystemExit

    recording = Recorder(run_thread=started.append, sleep=stop)
    recording.count(HOST, EVIL, "not-allowed", RequestFactory().get("/"), "GET")
    with pytest.raises(SystemExit):
        started.pop()()
    recording.count(HOST, EVIL, "not-allowed", RequestFactory().get("/"), "GET")
    assert len(started) == 1
