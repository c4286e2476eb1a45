"""Each tenant's compiled policy, from memory, as fresh as the feed of changes says.

A probe reads the feed past the last change that is known, and the tenants named there are forgotten; a tenant that is
not in memory is loaded with one query. Requests answered from memory do no I/O and take no lock.
"""

import asyncio
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.core.signals import setting_changed
from django.db import connections, transaction

from django_cors_policy import conf, reading
from django_cors_policy.cors import Policy, quoted
from django_cors_policy.feed import EVERYTHING, policies_changed
from django_cors_policy.memory import Entry, Memory

logger = logging.getLogger("django_cors_policy.store")

GRACE = 0.5  # seconds that others may answer from memory while one reads the feed
MAX_PAUSE = 5.0  # seconds between two probes in an outage
MAX_HANGING = 10  # probes of an outage that may hang before the next ones are begun ever more rarely

_NEVER = float("-inf")


class _Miss(Enum):
    MISS = "not in memory, or not fresh enough"


MISS: Final = _Miss.MISS


@dataclass(slots=True, eq=False)
class _Page:
    """Tenants that are being read ahead; nobody knows yet which."""

    changed: set[str] = field(default_factory=set)  # whose changes came to light meanwhile


@dataclass(slots=True)
class _Load:
    raced: bool = False  # a change of the tenant came to light while its rows were being read
    done: Future[Policy | None] = field(default_factory=Future)


def _run_thread(target: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=target, name="django-cors-policy-probe", daemon=True)
    thread.start()
    return thread


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
        run_thread: Callable[[Callable[[], None]], object] = _run_thread,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._run_thread = run_thread
        self._sleep = sleep
        self._lock = threading.Lock()  # guards what follows; never held across a query
        self._loads: dict[str, _Load] = {}
        self._pages: set[_Page] = set()
        self._unkept: Counter[str] = Counter()
        self._outages = 0  # that have ended
        self._thread = threading.local()
        self.reset()

    def reset(self) -> None:
        """Forget everything, also that the database failed."""
        with self._lock:
            self._memory = Memory()
            self._entries = self._memory.entries  # looked up by every request
            for load in self._loads.values():
                load.raced = True
            self._loads = {}
            self._probe: Future[None] | None = None
            self._position: reading.Position | None = None
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
        self._pages = set()
        self._unkept = Counter()
        self._probe = None
        self._outage = self._recovering = False  # its thread stayed behind; the next request probes
        self._fresh_until = _NEVER

    # --- reading ---------------------------------------------------------------------------------------------------

    def peek(self, tenant: str) -> Policy | _Miss | None:
        """Give a tenant's policy, None if it has none, or MISS if only get() or aget() can tell. No I/O, no lock."""
        now = self._clock()
        if now < self._fresh_until or self._is_fresh(now):  # the first half of _is_fresh(), said twice for speed
            try:
                entry = self._entries[tenant]
            except KeyError:
                return MISS
            if entry.expires_at is None or self._wall_clock() < entry.expires_at:
                entry.used = True
                return entry.policy
        elif self._outage:
            return self._stale(tenant)
        return MISS

    def is_stored(self, tenant: str) -> bool | None:
        """Tell whether a tenant has a policy, enabled or not, or None if memory does not say. No I/O, no lock."""
        entry = self._entries.get(tenant)
        return None if entry is None else entry.exists

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
            return await asyncio.wait_for(waiting, reading.WAIT)
        except TimeoutError as error:
            self._fail(error)
            return self._stale(tenant)

    def _query(self, tenant: str) -> Policy | None:
        try:
            alias = reading.database()
            reads_through = reading.in_transaction(alias)
        except Exception as error:  # noqa: BLE001 -- a project's own router, before the middleware that it may need
            self._fail(error)
            return self._stale(tenant)
        if reads_through:
            return self._read_through(tenant, alias)
        self._drop_connection_of_before(alias)
        self._refresh(alias)
        if self._outage:
            return self._stale(tenant)
        found = self._recall(tenant)
        return self._load(tenant, alias) if found is MISS else found

    def _recall(self, tenant: str) -> Policy | _Miss | None:
        """Look a tenant up whatever its age, compiling it anew from its rows where an origin has expired."""
        entry = self._memory.entries.get(tenant)
        if entry is None:
            return MISS
        if entry.rows is not None and entry.expires_at is not None and self._wall_clock() >= entry.expires_at:
            renewed = self._compile(tenant, entry.rows)
            with self._lock:
                self._memory.replace(tenant, entry, renewed)
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
                probe.result(timeout=reading.WAIT)
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

    def _read_feed(self, alias: str, *, bounded: bool = True) -> None:
        begun = self._clock()
        last = self._position
        query = reading.ask if bounded else reading.ask_unbounded
        tenants, position = query(alias, lambda: reading.changes_since(last, alias))
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
        for page in self._pages:
            page.changed.update(tenants)
        if EVERYTHING in tenants:
            self._memory.clear()
            tenants = tuple(self._loads)
        for tenant in tenants:
            self._memory.forget(tenant)
            # Detached: who asks from now on starts a load of its own.
            load = self._loads.pop(tenant, None)
            if load is not None:
                load.raced = True

    @contextmanager
    def unkept(self, tenant: str) -> Iterator[None]:
        """Keep nothing of a tenant while the block lasts: each who asks reads what its own transaction sees.

        Memory knows what is committed, and is looked at before it is known whether there is a transaction.
        """
        with self._lock:
            self._unkept[tenant] += 1
            self._evict((tenant,))
        try:
            yield
        finally:
            with self._lock:
                self._unkept[tenant] -= 1
                self._unkept = +self._unkept  # without those that nobody asks for any more

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
            return load.done.result(timeout=reading.WAIT)
        except TimeoutError as error:
            self._fail(error)
            return self._stale(tenant)

    def _run_load(self, tenant: str, alias: str, load: _Load) -> Policy | None:
        policy = None
        try:
            registered, again = True, False
            while True:
                policy = None
                entry = self._compile(tenant, reading.ask(alias, lambda: reading.read_rows(tenant, alias)))
                policy = entry.policy
                with self._lock:
                    if not load.raced and registered and tenant not in self._unkept:
                        self._memory.keep(tenant, entry, conf.current().cache_size)
                    if not load.raced or again:
                        break
                    # Once more. Where another load has taken the place, changes are told to that one, which keeps.
                    load.raced, again = False, True
                    registered = self._loads.setdefault(tenant, load) is load
        except Exception as error:  # noqa: BLE001 -- whatever a driver raises, requests go on
            self._fail_to_load(_of(tenant), alias, error)
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
                return self._compile(tenant, reading.read_rows(tenant, alias)).policy
        except Exception as error:  # noqa: BLE001 -- whatever a driver raises, requests go on
            return self._stale(tenant) if self._fail_to_load(_of(tenant), alias, error) else None

    def _fail_to_load(self, what: str, alias: str, error: Exception) -> bool:
        """Tell whether it is the database that failed, and not a key or the rows of what was to be read."""
        # A database that hangs is not asked again: the request has waited already.
        if isinstance(error, TimeoutError) or not reading.can_read(alias):
            self._fail(error)
            return True
        now = self._clock()
        if now - self._complained_at >= 1.0:  # the key may be a visitor's invention
            self._complained_at = now
            logger.error("%s cannot be read (%s)", what, quoted(f"{type(error).__name__}: {error}"))
        return False

    def _compile(self, tenant: str, rows: list[tuple[Any, ...]]) -> Entry:
        return reading.compile_rows(tenant, rows, self._wall_clock())

    # --- reading ahead ---------------------------------------------------------------------------------------------

    def warm(self) -> int:
        """Read as many tenants as memory holds, before anybody asks for them; give how many are held then.

        For a process that has just started, in the thread that starts it or in one of its own: requests are served
        meanwhile. Queries are small, each by itself within a statement timeout; the connection is closed where this
        call opened it. Never raises: what was not read is read when it is asked for. Inside a transaction nothing is.
        """
        try:
            alias = reading.database()
            connection = connections[alias]
            mine = connection.connection is None
            if not reading.in_transaction(alias):
                try:
                    self._warm(alias)
                finally:
                    if mine:
                        connection.close()
        except Exception as error:  # noqa: BLE001 -- as in a request: a router's, a driver's
            self._fail(error)
        return len(self._memory)

    def _warm(self, alias: str) -> None:
        last = None
        while len(self._memory) < conf.current().cache_size:
            self._refresh(alias)  # the first look at the feed forgets all that was read before it
            if self._outage:
                return
            page = _Page()
            with self._lock:
                self._pages.add(page)
            try:
                last = self._warm_page(last, page, alias)
            finally:
                with self._lock:
                    self._pages.discard(page)
            if last is None:
                return

    def _warm_page(self, last: int | None, page: _Page, alias: str) -> int | None:
        """Read and keep the policies that follow a primary key; give the last one's, None where there is none."""
        keys = reading.ask(alias, lambda: reading.read_keys(last, alias))
        if not keys:
            return None
        try:
            rows, last = reading.ask(alias, lambda: reading.read_page(last, keys[-1], alias))
            read = [(tenant, self._compile(tenant, list(group))) for tenant, group in groupby(rows, itemgetter(0))]
        except Exception as error:  # noqa: BLE001 -- one row that cannot be read leaves the other pages
            self._fail_to_load(f"CORS policies {keys[0]} to {keys[-1]}", alias, error)
            return keys[-1]
        with self._lock:
            size = conf.current().cache_size
            for tenant, entry in read:
                # What is held already is as new as this, or newer.
                held = tenant in self._memory.entries or tenant in self._unkept
                if not (held or len(self._memory) >= size or page.changed & {tenant, EVERYTHING}):
                    self._memory.keep(tenant, entry, size)
        return last

    # --- outage ----------------------------------------------------------------------------------------------------

    def end_outage(self, using: str) -> None:
        """End an outage, if there is one: a probe or a write of this process has just gone through on a database."""
        with suppress(Exception):  # a project's own router
            if using != reading.database():
                return  # what a primary does says nothing of its replica
        with self._lock:
            if not self._outage:
                return
            self._outage = False
            self._outages += 1
        logger.warning("CORS policies can be read again")

    def _drop_connection_of_before(self, alias: str) -> None:
        """Close the connection that this thread has kept since before an outage: it may be one that never answers."""
        if getattr(self._thread, "outages", 0) != self._outages:
            self._thread.outages = self._outages
            with suppress(Exception):
                connections[alias].close()

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
            quoted(f"{type(error).__name__}: {str(error) or f'no answer within {reading.WAIT:g} s'}"),
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
        tries: list[threading.Thread] = []
        tick, spent = 0, 0.0
        while self._outage:
            pause = min(max(conf.current().refresh_seconds, 0.1), MAX_PAUSE)
            self._sleep(max(pause - spent, 0.0))
            begun = self._clock()
            tries = [each for each in tries if each.is_alive()]
            # Each in a thread of its own, so that none has to wait for one that hangs; the late answer of that one
            # counts too. They stay until the driver gives up, which may be never: so that they do not pile up, the
            # eleventh to hang is followed after two pauses, the next after four, and so on.
            if tick % 2 ** max(len(tries) - MAX_HANGING, 0) == 0:
                with suppress(RuntimeError):  # no thread can be started
                    tries.append(_run_thread(self._try_again))
                    tries[-1].join(pause)
            tick += 1
            spent = self._clock() - begun

    def _try_again(self) -> None:
        try:
            alias = reading.database()
            try:
                # The policies first: a feed that can be read alone ends no outage, and is no good probe in it.
                reading.read_rows(EVERYTHING, alias)
                self._read_feed(alias, bounded=False)
            finally:
                connections[alias].close()  # no request's end will
        except Exception:  # noqa: BLE001 -- said once, when it began
            return
        self.end_outage(alias)


def _of(tenant: str) -> str:
    return f"CORS tenant {quoted(tenant)}"


store = PolicyStore()


def _forget_changed(*, using: str, tenants: Iterable[str], **_: object) -> None:
    store.evict(frozenset(tenants))
    store.end_outage(using)


def _forget_setting(*, setting: str, **_: object) -> None:
    if setting.startswith("CORS_") or setting == "DATABASES":
        store.reset()


policies_changed.connect(_forget_changed, dispatch_uid="django_cors_policy.store")
setting_changed.connect(_forget_setting, dispatch_uid="django_cors_policy.store")
os.register_at_fork(after_in_child=store.after_fork)
