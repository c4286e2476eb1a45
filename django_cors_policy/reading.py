"""What the store asks the database, and what a tenant's rows come to."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from datetime import datetime
from functools import cache, lru_cache, partial
from operator import itemgetter
from typing import Any, TypeVar

from django.db import InterfaceError, OperationalError, connections, router, transaction
from django.db.models import QuerySet
from django.utils import timezone

from django_cors_policy import conf
from django_cors_policy.cors import Limits, Policy, PolicySpec, compile_policy, quoted
from django_cors_policy.feed import EVERYTHING, PolicyChange
from django_cors_policy.memory import Entry
from django_cors_policy.models import TenantPolicy

logger = logging.getLogger("django_cors_policy.store")

WAIT = 2.0  # seconds that anyone waits for a query, its own or another's, before it counts as failed
MAX_CHANGES = 1000  # changes that one probe takes in; beyond it, everything is forgotten
MAX_ROWS = 10_000  # origins that one load reads
PAGE = 200  # tenants that are read ahead at once
TEMPLATES = 256  # combinations of all that a policy holds beside its origins: most tenants leave it at the default

# What tenants have in common, most of them.
_TEMPLATE_FIELDS = (
    "allow_credentials",
    "allow_methods",
    "allow_headers",
    "expose_headers",
    "max_age",
    "allow_private_network",
)
_FIELDS = (
    *("tenant", "pk", "enabled", "shadow", *_TEMPLATE_FIELDS),
    *("origins__pattern", "origins__enabled", "origins__expires_at"),
)
_KEY = itemgetter(1)
_SILENT = compile_policy(PolicySpec(tenant=""))  # allows nothing; its answers say that they depend on the origin

T = TypeVar("T")
Position = tuple[int, str]  # the revision and the token of the last change that is known
_EMPTY_FEED: Position = (0, "")


def database() -> str:
    """Give the alias of the database that the policies are served from."""
    return conf.current().database or router.db_for_write(TenantPolicy)


def in_transaction(alias: str) -> bool:
    connection = connections[alias]
    if connection.connection is None:
        return connection.in_atomic_block or not connection.settings_dict["AUTOCOMMIT"]
    return connection.in_atomic_block or not connection.autocommit


def ask(alias: str, query: Callable[[], T]) -> T:
    """Query, and raise TimeoutError if there is no answer within WAIT, whatever timeouts the driver was given.

    Drivers have none for some phases, and PostgreSQL's none at all for a server that goes silent. So a thread is lent
    this thread's connection. One that does not come back in time keeps it, and closes it when the driver gives up.
    """
    lent = connections[alias]
    lent.inc_thread_sharing()
    answer: Future[T] = Future()

    def run() -> None:
        connections[alias] = lent
        try:
            tell = partial(answer.set_result, ask_unbounded(alias, query))
        except BaseException as error:  # noqa: BLE001 -- the asker's to handle
            tell = partial(answer.set_exception, error)
        if answer.set_running_or_notify_cancel():
            tell()
        else:
            with suppress(Exception):
                lent.close()

    thread = threading.Thread(target=partial(copy_context().run, run), name="django-cors-policy-query", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no thread can be started
        run()
    try:
        return answer.result(timeout=WAIT)
    finally:
        if answer.cancel():  # there is none: whoever asks next in this thread gets another connection
            del connections[alias]
        else:
            lent.dec_thread_sharing()


def ask_unbounded(alias: str, query: Callable[[], T]) -> T:
    """Query, once more over another connection where one fails: that a server has closed it says nothing of it."""
    try:
        return query()
    except (InterfaceError, OperationalError):
        connections[alias].close()
        return query()


def can_read(alias: str) -> bool:
    """Tell whether the rows of nobody's key can be read."""
    try:
        if in_transaction(alias):
            with transaction.atomic(using=alias):  # a savepoint
                read_rows(EVERYTHING, alias)
        else:
            ask(alias, lambda: read_rows(EVERYTHING, alias))
    except Exception:  # noqa: BLE001 -- whatever a driver raises
        return False
    return True


def changes_since(last: Position | None, alias: str) -> tuple[set[str], Position]:
    """Read which tenants have changed since a position, and the new one; EVERYTHING where the feed does not tell."""
    changes = PolicyChange.rows.using(alias).values_list("revision", "token", "tenant")
    if last is not None:
        rows = list(changes.filter(revision__gte=last[0]).order_by("revision")[: MAX_CHANGES + 1])
        # The last known row has to be there still: else the feed was pruned past us, restored or replaced.
        if (rows[0][:2] if rows else _EMPTY_FEED) == last and len(rows) <= MAX_CHANGES:
            return {tenant for _, _, tenant in rows[1:]}, rows[-1][:2] if rows else _EMPTY_FEED
    newest = list(changes.order_by("-revision")[:1])
    return {EVERYTHING}, newest[0][:2] if newest else _EMPTY_FEED


@cache
def _stored(alias: str) -> QuerySet[TenantPolicy, tuple[Any, ...]]:
    # Made once: anew for each load it would take as long as the database does.
    return TenantPolicy.objects.using(alias).order_by("origins__pk").values_list(*_FIELDS)


def read_rows(tenant: str, alias: str) -> list[tuple[Any, ...]]:
    """Read a policy and its origins in one query, for two could see two states of the database."""
    rows = list(_stored(alias).filter(tenant=tenant)[:MAX_ROWS])
    # A collation may take Acme for acme; a tenant is served its own policy alone.
    return [row for row in rows if row[0] == tenant]


def _after(last: int | None, alias: str) -> QuerySet[TenantPolicy]:
    stored = TenantPolicy.objects.using(alias).order_by("pk")
    return stored if last is None else stored.filter(pk__gt=last)


def read_keys(last: int | None, alias: str) -> list[int]:
    return list(_after(last, alias).values_list("pk", flat=True)[:PAGE])


def read_page(last: int | None, end: int, alias: str) -> tuple[list[tuple[Any, ...]], int]:
    """Read a range of policies as read_rows() reads one, or the first of them; give where it ends, too."""
    # A range, for by a LIMIT alone PostgreSQL would go through all origins from the first one, page after page.
    stored = _after(last, alias).filter(pk__lte=end).order_by("pk", "origins__pk")
    rows = list(stored.values_list(*_FIELDS)[:MAX_ROWS])
    if len(rows) < MAX_ROWS:
        return rows, end
    first, cut = _KEY(rows[0]), _KEY(rows[-1])  # of the last one there may be more
    whole = rows if first == cut else [row for row in rows if _KEY(row) != cut]
    return whole, _KEY(whole[-1])


@lru_cache(maxsize=TEMPLATES)
def _template(limits: Limits, *columns: Any) -> tuple[PolicySpec, Policy]:
    """Compile all that a policy holds but its origins; tenants that have it in common share it."""
    spec = TenantPolicy(**dict(zip(_TEMPLATE_FIELDS, columns, strict=True))).spec()
    return spec, compile_policy(spec, limits=limits, strict=False)


def _timestamp(moment: datetime) -> float:
    """Give seconds since the epoch of a stored moment, which is naive and in TIME_ZONE where USE_TZ is off."""
    if timezone.is_naive(moment):
        moment = timezone.make_aware(moment, timezone.get_default_timezone())
    return moment.timestamp()


def _origins(rows: list[tuple[Any, ...]], now: float) -> tuple[list[str], list[float]]:
    """Give the patterns that are in force at a moment, and when some of them expire."""
    patterns, expiries = [], []
    for row in rows:
        pattern, is_enabled, expires_at = row[-3:]
        moment = None if expires_at is None else _timestamp(expires_at)
        if is_enabled and (moment is None or moment > now):
            patterns.append(pattern)
            if moment is not None:
                expiries.append(moment)
    return patterns, expiries


def spec_in(tenant: str, rows: list[tuple[Any, ...]], now: float) -> tuple[PolicySpec, str]:
    """Give the policy that a tenant's rows come to, as it is written, and why it does not answer, if it does not."""
    _, _, enabled, shadow, *template = rows[0][:-3]
    spec, _ = _template(conf.current().limits, *template)
    spec = replace(spec, name=tenant, tenant=tenant, allowed_origins=_origins(rows, now)[0])
    return spec, ("in shadow mode" if shadow else "") if enabled else "disabled"


def compile_rows(tenant: str, rows: list[tuple[Any, ...]], now: float) -> Entry:
    """Give what a tenant's rows come to at a moment, in seconds since the epoch."""
    if not rows:
        return Entry(None, exists=False, expires_at=None, rows=None)
    origins, expiries = _origins(rows, now)
    policy = None
    _, _, enabled, shadow, *template = rows[0][:-3]
    if enabled:
        limits = conf.current().limits
        spec, like = _template(limits, *template)
        spec = replace(spec, name=tenant, tenant=tenant, allowed_origins=origins)
        policy = compile_policy(spec, limits=limits, strict=False, like=like)
        if policy.errors:
            message = "CORS tenant %s: %d entries are not served, among them %s"
            logger.error(message, quoted(tenant), len(policy.errors), policy.errors[0])
        if shadow:
            policy = replace(_SILENT, name=tenant, tenant=tenant, shadow=policy)
    return Entry(policy, exists=True, expires_at=min(expiries, default=None), rows=rows if expiries else None)
