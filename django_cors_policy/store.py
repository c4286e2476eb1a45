"""Each tenant's compiled policy, from memory, as fresh as the feed of changes says.

A probe reads the feed past the last change that is known, and the tenants named there are forgotten; a tenant that is
not in memory is loaded with one query. Requests answered from memory do no I/O and take no lock.
"""

import asyncio
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Final, TypeVar

from asgiref.sync import sync_to_async
from django.core.signals import setting_changed
from django.db import InterfaceError, OperationalError, connections, router, transaction
from django.utils import timezone

from django_cors_policy import conf
from django_cors_policy.cors import Policy, compile_policy, quoted
from django_cors_policy.feed import EVERYTHING, PolicyChange, policies_changed
from django_cors_policy.models import TenantPolicy

logger = logging.getLogger("django_cors_policy.store")

GRACE = 0.5  # seconds that others may answer from memory while one reads the feed
WAIT = 2.0  # seconds that anyone waits for another's query before it counts as failed
MAX_CHANGES = 1000  # changes that one probe takes in; beyond it, everything is forgotten
MAX_ROWS = 10_000  # origins that one load reads
MAX_PAUSE = 5.0  # seconds between two probes in an outage
SECOND_CHANCES = 100  # recently used entries that one insertion passes over

_POLICY_FIELDS = (
    "tenant",
    "enabled",
    "allow_credentials",
    "allow_methods",
    "allow_headers",
    "expose_headers",
    "max_age",
    "allow_private_network",
)
_ORIGIN_FIELDS = ("origins__pattern", "origins__enabled", "origins__expires_at")

T = TypeVar("T")
Position = tuple[int, str]  # the revision and the token of the last change that is known
_EMPTY_FEED: Position = (0, "")
_NEVER = float("-inf")


class _Miss(Enum):
    MISS = "not in memory, or not fresh enough"


MISS: Final = _Miss.MISS


@dataclass(slots=True)
class _Entry:
    """What is known of a tenant. ``rows`` are kept only while an origin of theirs is yet to expire."""

    policy: Policy | None
    exists: bool
    expires_at: float | None  # seconds since the epoch
    rows: list[tuple[Any, ...]] | None
    used: bool = False


@dataclass(slots=True)
class _Load:
    raced: bool = False  # a change of the tenant came to light while its rows were being read
    done: Future[Policy | None] = field(default_factory=Future)


def _run_thread(target: Callable[[], None]) -> None:
    threading.Thread(target=target, name="django-cors-policy-probe", daemon=True).start()


class PolicyStore:
    """Gives each tenant's policy as of at most CORS_POLICY_REFRESH_SECONDS + 0.5 s ago.

    When the database fails, what is in memory serves until CORS_POLICY_MAX_STALE_SECONDS after the last good probe;
    one thread probes meanwhile and no request touches the database. Nothing here raises on a failed query.

    ``clock`` is monotonic, ``wall_clock`` gives seconds since the epoch; ``run_thread`` and ``sleep`` serve the probing
    during an outage.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        run_thread: Callable[[Callable[[], None]], None] = _run_thread,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._run_thread = run_thread
        self._sleep = sleep
        self._lock = threading.Lock()  # guards what follows; never held across a query
        self._loads: dict[str, _Load] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything, also that the database failed."""
        with self._lock:
            # Tenants that have no row are bounded apart: a scan of host names pushes no customer out.
            self._known: OrderedDict[str, _Entry] = OrderedDict()
            self._unknown: OrderedDict[str, _Entry] = OrderedDict()
            for load in self._loads.values():
                load.raced = True
            self._loads = {}
            self._probe: Future[None] | None = None
            self._position: Position | None = None
            self._good_at = _NEVER  # when the last good probe began
            self._fresh_until = _NEVER
            self._grace_until = _NEVER
            self._outage = False
            self._recovering = False  # whether a thread probes
            self._complained_at = _NEVER

    def after_fork(self) -> None:
        """Go on in a forked child: memory survives, what other threads had under way does not."""
        self._lock = threading.Lock()
        self._loads = {}
        self._probe = None
        self._outage = self._recovering = False  # its thread stayed behind; the next request probes
        self._fresh_until = _NEVER

    # --- reading ---------------------------------------------------------------------------------------------------

    def peek(self, tenant: str) -> Policy | _Miss | None:
        """Give a tenant's policy, None if it has none, or MISS if only get() or aget() can tell. No I/O, no lock."""
        now = self._clock()
        if now < self._fresh_until or self._is_fresh(now):  # the first half of _is_fresh(), said twice for speed
            entry = self._known.get(tenant) or self._unknown.get(tenant)
            if entry is not None and (entry.expires_at is None or self._wall_clock() < entry.expires_at):
                entry.used = True
                return entry.policy
        elif self._outage:
            return self._stale(tenant)
        return MISS

    def _is_fresh(self, now: float) -> bool:
        return now < self._fresh_until or (self._probe is not None and now < self._grace_until)

    def get(self, tenant: str) -> Policy | None:
        """Give a tenant's policy, or None if it has none or cannot be known; may query the database."""
        found = self.peek(tenant)
        return self._query(tenant) if found is MISS else found

    async def aget(self, tenant: str) -> Policy | None:
        """Do what get() does, waiting without a thread where another is reading already."""
        found = self.peek(tenant)
        if found is not MISS:
            return found
        load = self._loads.get(tenant)
        if load is None or not self._is_fresh(self._clock()):
            # The thread registers what it does, so that nothing is left behind if this task is cancelled before.
            return await sync_to_async(self._query)(tenant)
        # Shielded: a cancelled task must not cancel the future that others wait for.
        waiting = asyncio.shield(asyncio.wrap_future(load.done))
        try:
            return await asyncio.wait_for(waiting, WAIT)
        except TimeoutError as error:
            self._fail(error)
            return self._stale(tenant)

    def _query(self, tenant: str) -> Policy | None:
        try:
            alias = self._alias()
            in_transaction = _in_transaction(alias)
        except Exception as error:  # noqa: BLE001 -- a project's own router, before the middleware that it may need
            self._fail(error)
            return self._stale(tenant)
        if in_transaction:
            return self._read_through(tenant, alias)
        self._refresh(alias)
        if self._outage:
            return self._stale(tenant)
        found = self._recall(tenant)
        return self._load(tenant, alias) if found is MISS else found

    def _recall(self, tenant: str) -> Policy | _Miss | None:
        """Look a tenant up whatever its age, compiling it anew from its rows where an origin has expired."""
        entry = self._known.get(tenant) or self._unknown.get(tenant)
        if entry is None:
            return MISS
        if entry.rows is not None and entry.expires_at is not None and self._wall_clock() >= entry.expires_at:
            renewed = self._compile(tenant, entry.rows)
            with self._lock:
                if self._known.get(tenant) is entry:
                    self._known[tenant] = renewed
            entry = renewed
        entry.used = True
        return entry.policy

    def _stale(self, tenant: str) -> Policy | None:
        if not self._recovering:
            self._start_recovery()
        if self._clock() - self._good_at > conf.current().max_stale_seconds:
            return None
        found = self._recall(tenant)
        return None if found is MISS else found

    # --- the probe -------------------------------------------------------------------------------------------------

    def _refresh(self, alias: str) -> None:
        """Read the feed if that is due, or see to it that somebody does."""
        for _ in range(2):
            with self._lock:
                now = self._clock()
                if now < self._fresh_until or self._outage:
                    return
                probe = self._probe
                mine = probe is None
                if probe is None:
                    probe = self._probe = Future()
            if mine:
                self._run_probe(alias, probe)
                return
            if now < self._grace_until:
                return
            # Nobody is served what may be an hour old while another finds out. What that one read may be older than
            # this request; the next probe begins after it.
            try:
                probe.result(timeout=WAIT)
            except TimeoutError as error:
                self._fail(error)

    def _run_probe(self, alias: str, probe: Future[None]) -> None:
        try:
            self._read_feed(alias)
        except Exception as error:  # noqa: BLE001 -- whatever a driver raises, requests go on
            self._fail(error)
        finally:
            with self._lock:
                if self._probe is probe:
                    self._probe = None
            probe.set_result(None)

    def _read_feed(self, alias: str) -> None:
        begun = self._clock()
        last = self._position
        tenants, position = _ask(alias, lambda: _changes_since(last, alias))
        with self._lock:
            self._evict(tenants)
            # A probe that was overtaken by another is no news: neither the position nor the age goes back.
            if self._position == last and begun >= self._good_at:
                self._position = position
                self._good_at = begun
                self._fresh_until = begun + conf.current().refresh_seconds
                self._grace_until = self._fresh_until + GRACE

    def evict(self, tenants: Collection[str]) -> None:
        """Forget these tenants, or all where EVERYTHING is among them, and whatever is being read of them."""
        with self._lock:
            self._evict(tenants)

    def _evict(self, tenants: Collection[str]) -> None:
        if EVERYTHING in tenants:
            tenants = {*self._known, *self._unknown, *self._loads}
        for tenant in tenants:
            self._known.pop(tenant, None)
            self._unknown.pop(tenant, None)
            # Detached: who asks from now on starts a load of its own.
            load = self._loads.pop(tenant, None)
            if load is not None:
                load.raced = True

    # --- the load --------------------------------------------------------------------------------------------------

    def _load(self, tenant: str, alias: str) -> Policy | None:
        with self._lock:
            load = self._loads.get(tenant)
            mine = load is None
            if load is None:
                load = self._loads[tenant] = _Load()
        if mine:
            return self._run_load(tenant, alias, load)
        try:
            return load.done.result(timeout=WAIT)
        except TimeoutError as error:
            self._fail(error)
            return self._stale(tenant)

    def _run_load(self, tenant: str, alias: str, load: _Load) -> Policy | None:
        policy = None
        try:
            registered, again = True, False
            while True:
                policy = None
                entry = self._compile(tenant, _ask(alias, lambda: _read_rows(tenant, alias)))
                policy = entry.policy
                with self._lock:
                    if not load.raced and registered:
                        self._keep(tenant, entry)
                    if not load.raced or again:
                        break
                    # Once more. Where another load has taken the place, changes are told to that one, which keeps.
                    load.raced, again = False, True
                    registered = self._loads.setdefault(tenant, load) is load
        except Exception as error:  # noqa: BLE001 -- whatever a driver raises, requests go on
            self._fail_to_load(tenant, alias, error)
        finally:
            with self._lock:
                if self._loads.get(tenant) is load:
                    del self._loads[tenant]
            load.done.set_result(policy)
        return policy

    def _read_through(self, tenant: str, alias: str) -> Policy | None:
        """Answer from inside a transaction: it may see rows that nobody else does, so nothing is kept."""
        if connections[alias].in_atomic_block and transaction.get_rollback(using=alias):
            return None  # the transaction is broken already, and the database is not to blame
        try:
            with transaction.atomic(using=alias):  # a failed query must not break the request's own transaction
                return self._compile(tenant, _read_rows(tenant, alias)).policy
        except Exception as error:  # noqa: BLE001 -- whatever a driver raises, requests go on
            return self._stale(tenant) if self._fail_to_load(tenant, alias, error) else None

    def _fail_to_load(self, tenant: str, alias: str, error: Exception) -> bool:
        """Tell whether it is the database that failed, and not this one tenant's key or rows."""
        try:
            with transaction.atomic(using=alias):  # a savepoint, where a transaction is under way
                _read_rows(EVERYTHING, alias)  # nobody's key
        except Exception:  # noqa: BLE001 -- then it is the database
            self._fail(error)
            return True
        now = self._clock()
        if now - self._complained_at >= 1.0:  # the key may be a visitor's invention
            self._complained_at = now
            what = quoted(f"{type(error).__name__}: {error}")
            logger.error("CORS tenant %s cannot be read (%s)", quoted(tenant), what)
        return False

    def _compile(self, tenant: str, rows: list[tuple[Any, ...]]) -> _Entry:
        if not rows:
            return _Entry(None, exists=False, expires_at=None, rows=None)
        now = self._wall_clock()
        stored = TenantPolicy(**dict(zip(_POLICY_FIELDS, rows[0], strict=False)))
        enabled = [(pattern, _timestamp(at)) for pattern, is_enabled, at in (row[-3:] for row in rows) if is_enabled]
        valid = [(pattern, expires_at) for pattern, expires_at in enabled if expires_at is None or expires_at > now]
        expiries = [expires_at for _, expires_at in valid if expires_at is not None]
        policy = None
        if stored.enabled:
            spec = stored.spec(pattern for pattern, _ in valid)
            policy = compile_policy(spec, limits=conf.current().limits, strict=False)
            if policy.errors:
                message = "CORS tenant %s: %d entries are not served, among them %s"
                logger.error(message, quoted(tenant), len(policy.errors), policy.errors[0])
        return _Entry(policy, exists=True, expires_at=min(expiries, default=None), rows=rows if expiries else None)

    def _keep(self, tenant: str, entry: _Entry) -> None:
        entries = self._known if entry.exists else self._unknown
        entries[tenant] = entry
        chances = SECOND_CHANCES
        while len(entries) > conf.current().cache_size:
            oldest, candidate = entries.popitem(last=False)
            if candidate.used and chances:
                chances -= 1
                candidate.used = False
                entries[oldest] = candidate

    # --- outage ----------------------------------------------------------------------------------------------------

    def end_outage(self) -> None:
        """End an outage, if there is one: a probe or a write of this process has just gone through."""
        with self._lock:
            if not self._outage:
                return
            self._outage = False
        logger.warning("CORS policies can be read again")

    def _fail(self, error: Exception) -> None:
        if isinstance(error, AssertionError):
            return  # so does Django's test runner forbid a query; no driver raises it
        with self._lock:
            if self._outage:
                return
            self._outage = True
            self._fresh_until = self._grace_until = _NEVER
            # A query that hangs may hang on after the end of the outage: nobody is to wait for it then.
            self._probe = None
            self._evict(tuple(self._loads))
        logger.error(
            "CORS policies cannot be read (%s); what is known is served for up to %g s",
            quoted(f"{type(error).__name__}: {error}"),
            conf.current().max_stale_seconds,
        )
        self._start_recovery()

    def _start_recovery(self) -> None:
        with self._lock:
            if self._recovering or not self._outage:
                return
            self._recovering = True
        try:
            self._run_thread(self._recover)
        except RuntimeError:  # no thread can be started: whoever asks next tries again
            self._recovering = False

    def _recover(self) -> None:
        try:
            self._probe_until_it_answers()
        finally:
            self._recovering = False  # however it ended, an outage gets a thread again

    def _probe_until_it_answers(self) -> None:
        while self._outage:
            self._sleep(min(max(conf.current().refresh_seconds, 0.1), MAX_PAUSE))
            try:
                alias = self._alias()
                try:
                    self._read_feed(alias)
                finally:
                    connections[alias].close()  # no request's end will
            except Exception:  # noqa: BLE001, S112 -- said once, when it began
                continue
            self.end_outage()

    def _alias(self) -> str:
        return conf.current().database or router.db_for_write(TenantPolicy)


def _in_transaction(alias: str) -> bool:
    connection = connections[alias]
    if connection.connection is None:
        return connection.in_atomic_block or not connection.settings_dict["AUTOCOMMIT"]
    return connection.in_atomic_block or not connection.autocommit


def _ask(alias: str, query: Callable[[], T]) -> T:
    """Query, once more where the connection was kept: that the server has closed it says nothing of the database."""
    kept = connections[alias].connection is not None
    try:
        return query()
    except (InterfaceError, OperationalError):
        if not kept:
            raise
        connections[alias].close()
        return query()


def _changes_since(last: Position | None, alias: str) -> tuple[set[str], Position]:
    """Read which tenants have changed since a position, and the new one; EVERYTHING where the feed does not tell."""
    changes = PolicyChange.rows.using(alias).values_list("revision", "token", "tenant")
    if last is not None:
        rows = list(changes.filter(revision__gte=last[0]).order_by("revision")[: MAX_CHANGES + 1])
        # The last known row has to be there still: else the feed was pruned past us, restored or replaced.
        if (rows[0][:2] if rows else _EMPTY_FEED) == last and len(rows) <= MAX_CHANGES:
            return {tenant for _, _, tenant in rows[1:]}, rows[-1][:2] if rows else _EMPTY_FEED
    newest = list(changes.order_by("-revision")[:1])
    return {EVERYTHING}, newest[0][:2] if newest else _EMPTY_FEED


def _read_rows(tenant: str, alias: str) -> list[tuple[Any, ...]]:
    """Read a policy and its origins in one query, for two could see two states of the database."""
    stored = TenantPolicy.objects.using(alias).filter(tenant=tenant).order_by("origins__pk")
    rows = list(stored.values_list(*_POLICY_FIELDS, *_ORIGIN_FIELDS)[:MAX_ROWS])
    # A collation may take Acme for acme; a tenant is served its own policy alone.
    return [row for row in rows if row[0] == tenant]


def _timestamp(moment: datetime | None) -> float | None:
    """Give seconds since the epoch of a stored moment, which is naive and in TIME_ZONE where USE_TZ is off."""
    if moment is not None and timezone.is_naive(moment):
        moment = timezone.make_aware(moment, timezone.get_default_timezone())
    return None if moment is None else moment.timestamp()


store = PolicyStore()


def _forget_changed(*, tenants: Iterable[str], **_: object) -> None:
    store.evict(frozenset(tenants))
    store.end_outage()


def _forget_setting(*, setting: str, **_: object) -> None:
    if setting.startswith("CORS_") or setting == "DATABASES":
        store.reset()


policies_changed.connect(_forget_changed, dispatch_uid="django_cors_policy.store")
setting_changed.connect(_forget_setting, dispatch_uid="django_cors_policy.store")
os.register_at_fork(after_in_child=store.after_fork)
