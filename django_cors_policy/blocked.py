"""Who was denied: counted in memory as requests come, and written to the inbox by a thread of its own.

A request's part is memory alone, a microsecond of it; whatever fails, requests go on.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from heapq import nlargest
from operator import attrgetter
from urllib.parse import quote

from django.db import connections, router
from django.http import HttpRequest

from django_cors_policy import conf, inbox
from django_cors_policy.cors import Decision, Kind, Policy, Reason, decide_actual, quoted
from django_cors_policy.inbox import BlockedOrigin, Seen
from django_cors_policy.selection import stored_tenant

logger = logging.getLogger("django_cors_policy.blocked")

QUOTA = 32  # origins of a tenant
SIZE = 2_000  # origins of all tenants, each of which is a row to write

SOON = 1.0  # seconds from the first denial after a quiet time to its writing
WINDOW = 30.0  # seconds from one writing to the next
PRUNE_EVERY = 3600.0  # seconds
COMPLAIN_EVERY = 60.0  # seconds

UNRECORDED = "django_cors_policy.unrecorded"  # in META, where no client can write it: nobody was denied anything

# A member of an Enum takes longer to look up than a name.
_PREFLIGHT = Kind.PREFLIGHT
_NOT_ALLOWED = Reason.NOT_ALLOWED
_NULL_ORIGIN = Reason.NULL_ORIGIN

_NEVER = float("-inf")
_NOTHING: dict[str, Seen] = {}
_PATH = "/:@!$&'()*+,;=~%"  # RFC 3986 section 3.3, and what is escaped already
_count = attrgetter("count")


class Counts:
    """Counts the origins of each tenant: at most QUOTA of one, at most SIZE of all.

    An origin that finds its tenant's quota used up takes the place, and the count, of the one that has the fewest; so
    much of its count is ``error``. So an origin with more than one in QUOTA of its tenant's hits stays, whatever else
    comes, and nobody's ``count - error`` is more than it had. Where all tenants together have SIZE origins, the quota
    is halved until the counts are taken; tenants whose quota is one origin leave no room for further ones.

    Source: Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k elements in data streams".
    """

    def __init__(self) -> None:
        self.tenants: dict[str, dict[str, Seen]] = {}
        self._size = 0
        self._quota = QUOTA

    def find(self, tenant: str, origin: str) -> Seen | None:
        return self.tenants.get(tenant, _NOTHING).get(origin)

    def add(self, seen: Seen) -> None:
        """Count an origin that find() does not find."""
        while True:
            origins = self.tenants.get(seen.tenant, _NOTHING)
            if len(origins) >= self._quota:
                least = min(origins.values(), key=_count)
                del origins[least.origin]
                seen.count += least.count
                seen.error += least.count
                origins[seen.origin] = seen
                return
            if self._size < SIZE:
                self.tenants.setdefault(seen.tenant, {})[seen.origin] = seen
                self._size += 1
                return
            if self._quota == 1:
                return
            self._halve()

    def _halve(self) -> None:
        self._quota //= 2
        self._trim()

    def _trim(self) -> None:
        for tenant, origins in self.tenants.items():
            if len(origins) > self._quota:
                heaviest = nlargest(self._quota, origins.values(), key=_count)
                self.tenants[tenant] = {seen.origin: seen for seen in heaviest}
        self._size = sum(map(len, self.tenants.values()))

    def take(self) -> list[Seen]:
        """Give what was counted, by tenant and origin, and begin anew."""
        taken = [seen for origins in self.tenants.values() for seen in origins.values()]
        self.tenants, self._size, self._quota = {}, 0, QUOTA
        return sorted(taken, key=attrgetter("tenant", "origin"))

    def put_back(self, taken: Iterable[Seen]) -> None:
        """Count again what was taken, as far as there is room for it."""
        for seen in taken:
            newer = self.find(seen.tenant, seen.origin)
            if newer is None:
                self.tenants.setdefault(seen.tenant, {})[seen.origin] = seen
            else:
                newer.count += seen.count
                newer.error += seen.error
                newer.first_seen = seen.first_seen
        self._trim()
        while self._size > SIZE:
            if self._quota > 1:
                self._halve()
            else:
                self.tenants.popitem()
                self._size -= 1


def _run_thread(target: Callable[[], None]) -> None:
    threading.Thread(target=target, name="django-cors-policy-blocked", daemon=True).start()


class Recorder:
    """Counts denials and has them written, at most once in WINDOW seconds; there is a thread only while there are any.

    ``clock`` is monotonic, ``wall_clock`` gives seconds since the epoch; ``run_thread`` and ``sleep`` serve its thread.
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
        self.reset()

    def reset(self) -> None:
        """Forget everything, as in a forked child: what was counted is its parent's, and so is the thread."""
        self._lock = threading.Lock()  # guards what follows; never held across a query
        self._counts = Counts()
        self._is_writing = False  # whether there is a thread
        self._written_at = _NEVER
        self._pruned_at = _NEVER
        self._complained_at = _NEVER

    def count(self, tenant: str, origin: str, reason: str, request: HttpRequest, method: str, would: str = "") -> None:
        """Count a denial; ``method`` is that of the fetch, not of its preflight."""
        now = self._wall_clock()
        with self._lock:
            seen = self._counts.find(tenant, origin)
            if seen is not None:
                seen.count += 1
                seen.last_seen = now
                seen.would = would
            else:
                path = _plain(request.path_info, inbox.PATH_LENGTH)
                method = _plain(method, inbox.METHOD_LENGTH)
                self._counts.add(Seen(tenant, origin, reason, method, path, now, now, would))
        if not self._is_writing:
            self._start()

    # --- writing ---------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        # A request inside a transaction is most often a test's, which a thread would disturb.
        if connections[_alias()].in_atomic_block:
            return
        with self._lock:
            if self._is_writing:
                return
            self._is_writing = True
        try:
            self._run_thread(self._run)
        except RuntimeError:  # no thread can be started: whoever is denied next tries again
            self._is_writing = False

    def _run(self) -> None:
        try:
            while self._is_writing:
                self._sleep(max(SOON, self._written_at + WINDOW - self._clock()))
                self._written_at = self._clock()
                self.write()
                with self._lock:
                    self._is_writing = bool(self._counts.tenants)
        except BaseException:  # whoever is denied next starts another
            self._is_writing = False
            raise

    def write(self) -> None:
        """Write what was counted; what cannot be written is counted again. Never raises."""
        with self._lock:
            taken = self._counts.take()
        gone: list[Seen] = []
        try:
            using = _alias()
            connection = connections[using]
            mine = connection.connection is None
            try:
                while taken:
                    batch = taken[: inbox.BATCH]
                    gone += inbox.add(batch, using)
                    del taken[: inbox.BATCH]
                    inbox.trim(sorted({seen.tenant for seen in batch}), using)
                self._prune(using)
            finally:
                if mine:
                    connection.close()
        except Exception as error:  # noqa: BLE001 -- whatever a driver raises, or a project's own router
            self.complain(error)
        with self._lock:
            self._counts.put_back(taken + gone)

    def _prune(self, using: str) -> None:
        if self._clock() - self._pruned_at >= PRUNE_EVERY:
            self._pruned_at = self._clock()
            inbox.prune(self._wall_clock(), using)

    def complain(self, error: Exception) -> None:
        """Log a failure, at most once in COMPLAIN_EVERY seconds."""
        now = self._clock()
        if now - self._complained_at >= COMPLAIN_EVERY:
            self._complained_at = now
            try:
                said = f"{type(error).__name__}: {error}"
            except Exception:  # noqa: BLE001 -- of a project's own router
                said = type(error).__name__
            logger.warning("CORS blocked origins cannot be recorded (%s)", quoted(said))


def _alias() -> str:
    return router.db_for_write(BlockedOrigin)


def _plain(text: str, length: int) -> str:
    """Give what a client sent in printable ASCII, which any database takes, escaped as in a URL."""
    return quote(text[:length], safe=_PATH, errors="replace")[:length]


recorder = Recorder()
os.register_at_fork(after_in_child=recorder.reset)


def record(
    configuration: conf.Configuration, request: HttpRequest, policies: tuple[Policy, ...], decision: Decision
) -> None:
    """Count a denial, if a browser has blocked something by it and it is known whose it is. Never raises.

    Where a policy is in shadow mode, also what the settings' let through and it would have let through otherwise.
    """
    reason, shadow = decision.reason, policies[0].shadow
    # What is malformed was sent by no browser; the request's own host is nobody's blocked origin.
    if not decision.allowed and reason is not _NOT_ALLOWED and reason is not _NULL_ORIGIN:
        return
    meta = request.META
    # A link that is followed, or a form that is sent, carries an Origin too, and is let through.
    if meta.get("HTTP_SEC_FETCH_MODE", "cors") != "cors" or UNRECORDED in meta:
        return
    try:
        tenant = policies[0].tenant
        if tenant is None:
            tenant = stored_tenant(configuration, request)
            if tenant is None:
                return
        origin = meta["HTTP_ORIGIN"]
        would = "" if shadow is None else _would(shadow, origin, decision)
        if decision.allowed and would != "change":
            return
        preflight = decision.kind is _PREFLIGHT
        method = meta["HTTP_ACCESS_CONTROL_REQUEST_METHOD"] if preflight else request.method or ""
        recorder.count(tenant, origin, reason, request, method, would)
    except Exception as error:  # noqa: BLE001 -- a fault of this, or of a project's router, is no request's
        recorder.complain(error)


def _would(shadow: Policy, origin: str, decision: Decision) -> str:
    """Give what a policy would have made of it: asked first, it is the one that answers where it allows the origin."""
    if not decide_actual((shadow,), origin).allowed:
        return "block"
    served = decision.policy
    if served is None:
        return "allow"
    same = shadow.actual_headers == served.actual_headers and shadow.preflight_headers == served.preflight_headers
    return "allow" if same else "change"
