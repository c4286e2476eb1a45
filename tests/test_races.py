"""What must not happen when two act at once: each failure forced by barriers and waits for what is seen.

Every test runs under each isolation level of the database that the tests run on; on SQLite there is one. A thread has
a connection of its own, as another process has.
"""

import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core import serializers
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_cors_policy import feed, reading
from django_cors_policy import store as store_module
from django_cors_policy.feed import PolicyChange, PolicyRevision
from django_cors_policy.history import PolicyHistory
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.store import PolicyStore
from tests.admin.test_policies import page as edited_page

ORIGIN = "https://app.acme.example"
PATIENCE = 30  # seconds after which a test that waits has failed

# OPTIONS for each level. What a level calls a conflict is an error of the later write, never a loss.
ENGINE = settings.DATABASES["default"]["ENGINE"].rpartition(".")[2]
POSTGRESQL = {"options": f"-c lock_timeout={PATIENCE // 2}s"}
MARIADB = f"SET SESSION innodb_lock_wait_timeout={PATIENCE // 2}"
LEVELS = {
    "sqlite3": {"one writer": {}},
    "postgresql": {
        "read committed": POSTGRESQL | {"isolation_level": 2},
        "repeatable read": POSTGRESQL | {"isolation_level": 3},
    },
    "mysql": {
        "read committed": {"isolation_level": "read committed", "init_command": MARIADB},
        "repeatable read": {
            "isolation_level": "repeatable read",
            "init_command": f"{MARIADB}, SESSION innodb_snapshot_isolation=OFF",
        },
        "snapshot isolation": {
            "isolation_level": "repeatable read",
            "init_command": f"{MARIADB}, SESSION innodb_snapshot_isolation=ON",
        },
    },
}[ENGINE]
SERVERS = [level for level in LEVELS if ENGINE != "sqlite3"]
SNAPSHOTS = [level for level in LEVELS if level in ("repeatable read", "snapshot isolation")]
CONFLICTS = [level for level in SNAPSHOTS if ENGINE == "postgresql" or level == "snapshot isolation"]


@pytest.fixture(params=LEVELS, autouse=True)
def level(request, transactional_db, monkeypatch):
    """Let every connection that is opened in the test have this isolation level."""
    options = connection.settings_dict.setdefault("OPTIONS", {})
    for name, value in LEVELS[request.param].items():
        monkeypatch.setitem(options, name, value)
    connection.close()  # one with the level is opened by the next query
    yield request.param
    connection.close()


def on(levels):
    """Run a test under these levels alone; where the database has none of them it does not exist."""

    def restrict(test):
        return pytest.mark.parametrize("level", levels, indirect=True)(test) if levels else None

    return restrict


# How a server says that a connection waits for a lock, and how often it may be asked: InnoDB answers whoever asks more
# often from what it has remembered.
BLOCKED = {
    "postgresql": "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'",
    "mysql": "SELECT 1 FROM information_schema.innodb_trx WHERE trx_mysql_thread_id = %s AND trx_state = 'LOCK WAIT'",
}
NUMBER = {"sqlite": "SELECT 0", "postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()"}
POLL = {"sqlite": 0.001, "postgresql": 0.005, "mysql": 0.11}[connection.vendor]


def disconnect():
    connection.close()  # the calling thread's, also in the middle of a transaction


class Process:
    """What another process does, one call after the other, over a connection of its own."""

    def __init__(self):
        self._thread = ThreadPoolExecutor(1)
        self._begun = threading.Event()
        self(self._open)

    def _open(self):
        connection.ensure_connection()
        connection.execute_wrappers.append(self._watch)
        with connection.cursor() as cursor:
            cursor.execute(NUMBER[connection.vendor])
            [self._number] = cursor.fetchone()

    def _watch(self, execute, sql, params, many, context):
        if sql.startswith("BEGIN"):
            self._begun.set()
        return execute(sql, params, many, context)

    def __call__(self, function, *args, **kwargs):
        return self.start(function, *args, **kwargs).result(PATIENCE)

    def start(self, function, *args, **kwargs):
        return self._thread.submit(function, *args, **kwargs)

    def begin(self):
        self._atomic = transaction.atomic()
        self(self._atomic.__enter__)

    def commit(self):
        self(self._atomic.__exit__, None, None, None)

    def roll_back(self):
        self(transaction.set_rollback, True)
        self.commit()

    def blocks(self, function, *args, **kwargs):
        """Start what has to wait for another's lock, and return when the database says that it does, or it is done."""
        self._begun.clear()
        started = self.start(function, *args, **kwargs)
        deadline = monotonic() + PATIENCE
        while not started.done() and not self._is_blocked():
            assert monotonic() < deadline, "neither blocked nor done"
            sleep(POLL)
        return started

    def _is_blocked(self):
        if connection.vendor == "sqlite":
            return self._begun.is_set()  # BEGIN IMMEDIATE is where it waits
        with connection.cursor() as cursor:
            cursor.execute(BLOCKED[connection.vendor], [self._number])
            return cursor.fetchone() is not None

    def stop(self):
        """Let go of what is locked, at once or when what is under way has its own lock."""
        stopped = self.start(disconnect)
        self._thread.shutdown(wait=False)
        return stopped


@pytest.fixture
def process(level):
    """Start processes; each writes and reads in a thread of its own until the end of the test."""
    processes = []

    def start():
        processes.append(Process())
        return processes[-1]

    yield start
    for stopped in [each.stop() for each in processes]:
        stopped.result(PATIENCE)


@pytest.fixture
def reader(clock):
    """A store of yet another process: it learns all from the feed."""
    reader = PolicyStore(clock, run_thread=lambda target: pytest.fail("an outage"))
    yield reader
    assert not reader._outage


class Held:
    """Holds the first query of a kind when it has read and not yet answered, until it is let go."""

    def __init__(self, monkeypatch, name):
        self.reached = threading.Event()
        self.open = threading.Event()
        query = getattr(reading, name)

        def answer_late(*args):
            answer = query(*args)
            if not self.reached.is_set():
                self.reached.set()
                assert self.open.wait(PATIENCE)
            return answer

        monkeypatch.setattr(reading, name, answer_late)


@pytest.fixture
def acme(level):
    policy = TenantPolicy.objects.create(tenant="acme")
    policy.origins.create(pattern=ORIGIN)
    return policy


@pytest.fixture
def globex(level):
    policy = TenantPolicy.objects.create(tenant="globex")
    policy.origins.create(pattern=ORIGIN)
    return policy


def allows(policy, origin=ORIGIN):
    return policy is not None and policy.origins.match(origin) is not None


def revoke(tenant="acme"):
    AllowedOrigin.objects.filter(policy__tenant=tenant).delete()


def count_policies():
    return TenantPolicy.objects.count()


def last_revision():
    return PolicyChange.rows.order_by("-revision").values_list("revision", flat=True).first() or 0


def recorded_since(revision):
    return list(PolicyChange.rows.filter(revision__gt=revision).order_by("revision").values_list("tenant", flat=True))


def conflict_of(started, level):
    """Give the error of what was started, if it is a conflict that its isolation level is there to find."""
    error = started.exception(PATIENCE)
    if error is not None and (level not in CONFLICTS or "deadlock" in str(error).lower()):
        raise error
    return error


# --- rules 1 and 2: the order of commits


def test_a_change_that_commits_late_is_never_passed_by(acme, globex, process, reader, clock):
    """Its revision was taken first. If another's became visible before it, a reader would look past it for good."""
    late, early = process(), process()
    assert allows(reader.get("acme"))
    late.begin()
    late(revoke)
    other = early.blocks(globex.save)
    clock.advance(1)
    assert allows(reader.get("acme"))  # readers wait for no writer
    late.commit()
    other.result(PATIENCE)
    clock.advance(1)
    assert not allows(reader.get("acme"))


def test_a_change_is_never_passed_by_after_a_savepoint_was_rolled_back(acme, globex, process, reader, clock):
    """PostgreSQL gives up the locks of a savepoint with it."""

    def write_in_vain():
        with transaction.atomic():
            acme.save()
            transaction.set_rollback(True)

    late, early = process(), process()
    assert allows(reader.get("acme"))
    late.begin()
    late(write_in_vain)
    late(revoke)
    other = early.blocks(globex.save)
    clock.advance(1)
    reader.get("acme")
    late.commit()
    other.result(PATIENCE)
    clock.advance(1)
    assert not allows(reader.get("acme"))


def test_a_change_that_is_rolled_back_is_never_seen_and_lets_the_next_go_on(acme, globex, process, reader, clock):
    undecided, other = process(), process()
    undecided.begin()
    undecided(revoke)
    started = other.blocks(globex.delete)
    assert allows(reader.get("acme"))
    undecided.roll_back()
    started.result(PATIENCE)
    clock.advance(1)
    assert allows(reader.get("acme"))
    assert reader.get("globex") is None


# --- rule 1: nobody waits in a circle


def deserialized(policy):
    [item] = serializers.deserialize("json", serializers.serialize("json", [policy]))
    with transaction.atomic():  # as loaddata
        item.save()


def locked_and_saved(policy):
    with transaction.atomic():
        TenantPolicy.objects.select_for_update().get(pk=policy.pk).save()


def bulk_updated(policy):
    policy.note = "x"
    TenantPolicy.objects.bulk_update([policy], ["note"])


WRITES = {
    "save": lambda policy: policy.save(),
    "update": lambda policy: TenantPolicy.objects.filter(tenant="acme").update(note="x"),
    "update_or_create": lambda policy: TenantPolicy.objects.update_or_create(tenant="acme", defaults={"note": "x"}),
    "update_or_create-origin": lambda policy: policy.origins.update_or_create(pattern=ORIGIN, defaults={"note": "x"}),
    "select_for_update": locked_and_saved,
    "bulk_update": bulk_updated,
    "bulk_create": lambda policy: AllowedOrigin.objects.bulk_create([AllowedOrigin(policy=policy, pattern="a://b")]),
    "delete": lambda policy: policy.delete(),
    "queryset-delete": lambda policy: TenantPolicy.objects.filter(tenant="acme").delete(),
    "origin": lambda policy: policy.origins.create(pattern="a://b"),
    "deserialized": deserialized,
}


@on(SERVERS)
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_whoever_waits_to_be_recorded_holds_no_row(acme, globex, process, write):
    """Row first and lock later: one who has the lock and needs that row would wait for the other, who waits for him."""
    first, second = process(), process()
    first.begin()
    first(globex.save)
    waiting = second.blocks(write, acme)
    assert not waiting.done()
    for model in (TenantPolicy, AllowedOrigin):
        first(list, model.objects.select_for_update(nowait=True))
    first.commit()
    waiting.result(PATIENCE)


def test_two_who_write_the_same_tenants_in_opposite_orders_both_get_through(acme, globex, process, level):
    def write(first, second):
        with transaction.atomic():
            TenantPolicy.objects.filter(pk=first.pk).update(max_age=F("max_age") + 1)
            TenantPolicy.objects.filter(pk=second.pk).update(max_age=F("max_age") + 1)

    one, two = process(), process()
    one.begin()
    one(TenantPolicy.objects.filter(pk=acme.pk).update, max_age=10)
    other = two.blocks(write, globex, acme)
    one(TenantPolicy.objects.filter(pk=globex.pk).update, max_age=20)
    one.commit()
    if conflict_of(other, level):
        two(write, globex, acme)
    assert list(TenantPolicy.objects.values_list("max_age", flat=True)) == [11, 21]


@on(SERVERS)
def test_an_impatient_lock_of_rows_does_not_wait_for_other_writers_either(acme, globex, process):
    def lock():
        with transaction.atomic():
            TenantPolicy.objects.select_for_update(nowait=True).get(tenant="acme")

    first, second = process(), process()
    first.begin()
    first(globex.save)
    refused = second.blocks(lock)
    assert refused.done()
    with pytest.raises(OperationalError):
        refused.result()
    first.commit()
    second(lock)


# --- rule 1: other tenants' saves under snapshots


@pytest.fixture(params=["a young feed", "a feed that is pruned"])
def old_feed(request, acme, monkeypatch):
    if request.param == "a feed that is pruned":
        monkeypatch.setattr(feed, "NEWEST_KEPT", 0)
        old = timezone.now() - 2 * feed.KEEP_CHANGES
        PolicyChange.rows.bulk_create(PolicyChange(tenant="old", token="t", created_at=old) for _ in range(20))
        PolicyChange.rows.update(created_at=old)


@on(SERVERS)
def test_a_save_does_not_fail_since_another_tenant_was_saved_after_its_transaction_began(
    acme, globex, process, old_feed
):
    other = process()
    before = last_revision()
    other.begin()
    other(count_policies)
    acme.save()
    other(globex.save)
    other.commit()
    assert recorded_since(before) == ["acme", "globex"]
    assert not PolicyChange.rows.filter(tenant="old").exists()


@on(SERVERS)
def test_a_save_does_not_fail_since_another_tenant_was_saved_while_it_waited(acme, globex, process, old_feed):
    first, second = process(), process()
    before = last_revision()
    first.begin()
    first(acme.save)
    waiting = second.blocks(globex.save)
    assert not waiting.done()
    first.commit()
    waiting.result(PATIENCE)
    assert recorded_since(before) == ["acme", "globex"]
    assert not PolicyChange.rows.filter(tenant="old").exists()


# --- rule 3: whose change it is, where a tenant was renamed or an origin moved meanwhile

CHANGES = {
    "save-origin": lambda policy, origin: AllowedOrigin(
        pk=origin.pk, policy=policy, pattern=ORIGIN, enabled=False, created_at=origin.created_at
    ).save(),
    "update-origin": lambda policy, origin: AllowedOrigin.objects.filter(pk=origin.pk).update(enabled=False),
    "delete-origin": lambda policy, origin: origin.delete(),
    "delete-origins": lambda policy, origin: AllowedOrigin.objects.filter(pk=origin.pk).delete(),
    "save-policy": lambda policy, origin: policy.save(),
    "update-policy": lambda policy, origin: TenantPolicy.objects.filter(pk=policy.pk).update(enabled=False),
    "delete-policy": lambda policy, origin: policy.delete(),
    "delete-policies": lambda policy, origin: TenantPolicy.objects.filter(pk=policy.pk).delete(),
}


@on(SERVERS)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_recorded_under_the_key_that_is_stored_whatever_its_transaction_has_seen(
    acme, process, reader, clock, level, change
):
    other = process()
    origin = acme.origins.get()
    other.begin()
    other(list, TenantPolicy.objects.values_list("tenant", "origins__pattern"))
    TenantPolicy.objects.filter(pk=acme.pk).update(tenant="renamed")
    assert allows(reader.get("renamed"))
    changed = other.start(change, acme, origin)
    if conflict_of(changed, level):
        other.roll_back()
    else:
        other.commit()
    clock.advance(1)
    stored = AllowedOrigin.objects.filter(enabled=True, policy__enabled=True, policy__tenant="renamed").exists()
    assert allows(reader.get("renamed")) is stored


@on(SERVERS)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_that_waited_for_a_new_name_is_recorded_under_it(acme, process, level, change):
    renaming, other = process(), process()
    origin = acme.origins.get()
    renaming.begin()
    renaming(TenantPolicy.objects.filter(pk=acme.pk).update, tenant="renamed")
    before = renaming(last_revision)
    waiting = other.blocks(change, acme, origin)
    renaming.commit()
    assert conflict_of(waiting, level) or "renamed" in recorded_since(before)


@on(SERVERS)
def test_an_update_reaches_no_row_that_it_has_not_recorded(acme, process, reader, clock):
    """MariaDB's UPDATE reaches rows that its transaction's snapshot does not show."""
    other = process()
    other.begin()
    other(count_policies)
    TenantPolicy.objects.create(tenant="late").origins.create(pattern=ORIGIN)
    assert allows(reader.get("late"))
    other(AllowedOrigin.objects.update, enabled=False)
    other.commit()
    clock.advance(1)
    assert allows(reader.get("late")) is AllowedOrigin.objects.get(policy__tenant="late").enabled
    assert not allows(reader.get("acme"))


def test_a_policy_that_is_deleted_takes_no_origin_with_it_that_was_given_to_another(acme, globex, process, level):
    giving, other = process(), process()
    origin = acme.origins.create(pattern="https://given.example")
    giving.begin()
    giving(AllowedOrigin.objects.filter(pk=origin.pk).update, policy=globex)
    deleting = other.blocks(acme.delete)
    giving.commit()
    assert conflict_of(deleting, level) or not TenantPolicy.objects.filter(tenant="acme").exists()
    assert AllowedOrigin.objects.get(pattern="https://given.example").policy == globex


# --- rule 1: the lock's row is gone


def test_a_lock_that_was_flushed_away_is_recreated_by_one_of_two_writers(acme, globex, process, level):
    PolicyRevision.rows.all().delete()
    before = last_revision()
    first, second = process(), process()
    first.begin()
    first(acme.save)
    waiting = second.blocks(globex.save)
    first.commit()
    if conflict_of(waiting, level):
        second(globex.save)
    assert recorded_since(before) == ["acme", "globex"]
    assert PolicyRevision.rows.count() == 1


@on(SERVERS)
def test_whoever_finds_that_another_has_recreated_the_lock_takes_it(acme, globex, process, level):
    PolicyRevision.rows.all().delete()
    first, second, third = process(), process(), process()
    first.begin()
    second.begin()
    first(acme.save)
    waiting = second.blocks(globex.save)
    first.commit()
    if conflict_of(waiting, level):
        second.roll_back()
        second.begin()
        second(globex.save)
    last = third.blocks(acme.save)
    assert not last.done()
    second.commit()
    last.result(PATIENCE)


@on(SERVERS)
def test_two_who_both_find_the_lock_gone_lose_nothing(acme, globex, process, level):
    """Both have looked before either has made it again."""
    PolicyRevision.rows.all().delete()
    before = last_revision()
    looked = threading.Barrier(2)

    def write(policy):
        def meet(execute, sql, params, many, context):
            result = execute(sql, params, many, context)
            if "policyrevision" in sql and not met:
                met.append(sql)
                looked.wait(PATIENCE)
            return result

        met = []
        with connection.execute_wrapper(meet):
            policy.save()

    writes = [process().start(write, policy) for policy in (acme, globex)]
    failed = [each.exception(PATIENCE) for each in writes]
    # Where there are snapshots, or gaps are locked, the second may have to give up; it says so.
    if level not in SNAPSHOTS:
        assert failed == [None, None]
    assert all(isinstance(error, (OperationalError, IntegrityError)) for error in failed if error)
    kept = [policy.tenant for policy, error in zip((acme, globex), failed, strict=True) if not error]
    assert kept
    assert sorted(recorded_since(before)) == kept
    for policy in (acme, globex):
        policy.save()
    assert PolicyRevision.rows.count() == 1


# --- rules 6 and 7: readers and writers


def test_a_probe_that_began_before_a_commit_leaves_it_to_the_next(acme, process, reader, clock, monkeypatch):
    probing, writing = process(), process()
    assert allows(reader.get("acme"))
    clock.advance(1)
    held = Held(monkeypatch, "changes_since")
    early = probing.start(reader.get, "acme")
    assert held.reached.wait(PATIENCE)
    writing(revoke)
    held.open.set()
    assert allows(early.result(PATIENCE))
    clock.advance(1)
    assert not allows(reader.get("acme"))


def test_a_load_that_began_before_a_commit_is_dropped_by_the_probe_after_it(acme, process, reader, clock, monkeypatch):
    """The load has read its rows; another writes, commits, and is heard of; then the load wants to be kept."""
    loading, writing, probing = process(), process(), process()
    reader.get("nobody")
    held = Held(monkeypatch, "read_rows")
    slow = loading.start(reader.get, "acme")
    assert held.reached.wait(PATIENCE)
    writing(revoke)
    clock.advance(1)
    probing(reader.get, "nobody")
    held.open.set()
    assert not allows(slow.result(PATIENCE))
    assert not allows(reader.get("acme"))


def test_a_load_never_has_the_policy_of_one_commit_and_the_origins_of_another(acme, process, reader):
    """Credentials are allowed in the transaction that removes the origin: both together were never stored."""
    writing = process()

    def write():
        with transaction.atomic():
            TenantPolicy.objects.update(allow_credentials=True)
            AllowedOrigin.objects.update(pattern="https://new.example")

    def write_between(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if "tenantpolicy" in sql and not wrote:
            wrote.append(sql)
            writing(write)
        return result

    wrote = []
    reader.get("nobody")
    with connection.execute_wrapper(write_between):
        policy = reader.get("acme")
    assert wrote
    assert (policy.allow_credentials, allows(policy)) in ((False, True), (True, False))
    assert policy.allow_credentials is allows(policy, "https://new.example")


def test_a_process_that_slept_through_what_was_pruned_forgets_all(acme, globex, process, reader, clock, monkeypatch):
    other = process()
    assert allows(reader.get("acme"))
    monkeypatch.setattr(feed, "MAX_CHANGES", 3)
    monkeypatch.setattr(feed, "NEWEST_KEPT", 0)
    other(revoke)
    for _ in range(4):
        other(globex.save)
    assert "acme" not in PolicyChange.rows.values_list("tenant", flat=True)
    clock.advance(1)
    assert not allows(reader.get("acme"))


@pytest.mark.parametrize("lost", [1, 2])
def test_after_a_restore_the_same_revisions_are_others(acme, globex, process, reader, clock, lost):
    """A backup is restored, and what is written then takes the revisions that were there before."""
    other = process()
    globex.save()
    assert allows(reader.get("acme"))
    rows = list(PolicyChange.rows.order_by("-revision")[:lost])
    for row in rows:
        row.delete()

    def write_without_a_sequence():
        AllowedOrigin.objects.filter(policy__tenant="acme")._raw_delete("default")
        for row in reversed(rows):
            PolicyChange.rows.create(revision=row.revision, token="restored", tenant="globex")

    other(write_without_a_sequence)
    clock.advance(1)
    assert not allows(reader.get("acme"))


# --- two who edit in the admin at once


@pytest.fixture
def clients(level):
    """Give clients of two who may do all."""
    pair = [Client(), Client()]
    for name, client in zip(("one", "two"), pair, strict=True):
        client.force_login(User.objects.create_superuser(name))
    return pair


class Pause:
    """Stops a connection before its first statement of a kind until it is let go."""

    def __init__(self, kind):
        self.kind = re.compile(kind)
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, execute, sql, params, many, context):
        if self.kind.match(sql) and not self.reached.is_set():
            self.reached.set()
            assert self.open.wait(PATIENCE)
        return execute(sql, params, many, context)


def pause(process, kind):
    paused = Pause(kind)
    process(lambda: connection.execute_wrappers.append(paused))
    return paused


SAVE = """UPDATE .django_cors_policy_tenantpolicy."""


@pytest.mark.parametrize(
    ("page", "edits"),
    [
        ("change", ({"note": "first"}, {"max_age": "60"})),
        ("versions_item", ({}, {})),
    ],
)
def test_of_two_requests_that_write_a_policy_at_once_the_second_is_told_of_the_first(
    acme, process, clients, level, page, edits
):
    first, second = process(), process()
    acme.note = "later"
    acme.save()
    entry = PolicyHistory.objects.last()
    arguments = [acme.pk] if page == "change" else [acme.pk, entry.pk]
    url = reverse(f"admin:django_cors_policy_tenantpolicy_{page}", args=arguments)
    data = [edited_page(policy=acme, note="later") | edit for edit in edits]
    paused = pause(first, SAVE)
    saving = first.start(clients[0].post, url, data[0])
    assert paused.reached.wait(PATIENCE)  # it has been judged, and is not written
    waiting = second.blocks(clients[1].post, url, data[1])
    paused.open.set()
    assert saving.result(PATIENCE).status_code == 302
    after = list(TenantPolicy.objects.values("note", "max_age"))
    written = PolicyHistory.objects.count()
    try:
        told = waiting.result(PATIENCE)
    except OperationalError:
        assert level in CONFLICTS  # as everywhere under this level
    else:
        assert told.status_code == 200
        assert b"has been changed since you opened" in told.content
    assert after == [{"note": "first" if page == "change" else "", "max_age": 600}]
    assert list(TenantPolicy.objects.values("note", "max_age")) == after
    assert PolicyHistory.objects.count() == written


def test_a_policy_deleted_in_the_admin_takes_the_origin_with_it_that_another_adds(acme, process, clients, level):
    first, second = process(), process()
    url = reverse("admin:django_cors_policy_tenantpolicy_delete", args=[acme.pk])
    paused = pause(first, "SELECT .*django_cors_policy_allowedorigin")
    deleting = first.start(clients[0].post, url, {"post": "yes"})
    assert paused.reached.wait(PATIENCE)
    adding = second.blocks(acme.origins.create, pattern="https://new.acme.example")
    paused.open.set()
    assert deleting.result(PATIENCE).status_code == 302
    with pytest.raises((IntegrityError, OperationalError)):
        adding.result(PATIENCE)
    assert not AllowedOrigin.objects.exists()


# --- rule 8: transactions of the reader


def test_what_is_not_committed_is_seen_by_its_transaction_alone(process, reader):
    writing, other = process(), process()
    reader.get("nobody")
    writing.begin()
    writing(lambda: TenantPolicy.objects.create(tenant="acme").origins.create(pattern=ORIGIN))
    assert allows(writing(reader.get, "acme"))
    assert other(reader.get, "acme") is None
    writing.roll_back()
    assert writing(reader.get, "acme") is None


@on(SERVERS)
def test_what_an_old_snapshot_shows_is_kept_by_nobody(acme, process, reader, clock, level):
    old = process()
    assert allows(reader.get("acme"))
    old.begin()
    old(count_policies)
    revoke()
    clock.advance(1)
    # Its own transaction goes on in the past, as it asked to; it neither keeps what it sees nor calls the feed read.
    assert allows(old(reader.get, "acme")) is (level in SNAPSHOTS)
    assert not allows(reader.get("acme"))
    reader.evict({"acme"})
    clock.advance(1)
    old(reader.get, "acme")
    assert reader.peek("acme") is store_module.MISS
    old.commit()
    assert not allows(old(reader.get, "acme"))


# --- rule 14: a fork


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is nothing to survive where there is no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")  # since Python 3.12
@pytest.mark.parametrize("query", ["changes_since", "read_rows"])
def test_a_fork_while_another_thread_reads_leaves_the_child_nothing_to_wait_for(acme, process, monkeypatch, query):
    own = store_module.store  # the one that hears of forks
    reading, held = process(), Held(monkeypatch, query)
    parents = reading.start(own.get, "acme")
    assert held.reached.wait(PATIENCE)
    connection.close()  # as whoever forks has to
    child = os.fork()
    if child == 0:
        status = 1
        try:
            held.open.set()
            status = 0 if allows(own.get("acme")) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    held.open.set()
    assert allows(parents.result(PATIENCE))
    assert own.peek("acme") is not store_module.MISS
