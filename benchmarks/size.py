"""What many tenants take: memory, the time to read them all, and what a scan of hosts does to it.

Each step is a process of its own, for what one leaves behind the next would find free: ``python -m benchmarks.size
--database sqlite:////tmp/tenants.sqlite3 hold`` prints what it has measured as JSON. The database's policies are
removed.
"""

import argparse
import gc
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, cycle, islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.timing import Row

TENANTS = 100_000
ORIGINS = 10
SCANNED = 1_000_000  # hosts that nobody has a policy for
ROUNDS = 3
BATCH = 1000  # rows of one INSERT
CACHE = 10_000  # the default of CORS_POLICY_CACHE_SIZE
IN_USE = 1000  # tenants that are warm before a scan of unknown hosts
REQUESTS = 20_000  # of customers during a scan of customers, and as many before it
SCANNED_EACH = 3  # tenants that a scan of customers asks for with each request


def tenant(number: int) -> str:
    return f"customer{number}.tenants.example"


def origin(number: int, place: int) -> str:
    return f"https://app{place}.customer{number}.example"


def measure(*, short: bool = False, database: str | None = None) -> list[Row]:
    """Measure all of it, with a tenth of everything where it has to be short.

    database: an URL as DATABASE_URL has it, of a database whose policies may be removed; None for an SQLite file.
    """
    share = 10 if short else 1
    tenants, scanned, cache = TENANTS // share, SCANNED // share, CACHE // share
    with tempfile.TemporaryDirectory() as folder:
        url = database or f"sqlite:///{Path(folder) / 'tenants.sqlite3'}"
        run(url, "load", tenants=tenants)
        hold = run(url, "hold", tenants=tenants)
        strangers = run(url, "scan", cache=cache, scanned=scanned)
        customers = run(url, "share", tenants=tenants, cache=cache, requests=REQUESTS // share)
    assert hold["held"] == tenants
    many, few = f"{tenants:,} tenants x {ORIGINS} origins", f"{scanned:,} unknown hosts"
    per_share = 2 if short else 1  # what does not grow with the tenants weighs more where they are few
    return [
        Row(f"{many}, all held", hold["megabytes"], per_share * 200 / share, per_share * 150 / share, unit=" MB"),
        Row("the same, read ahead, against the plain SELECT", hold["warm"] / hold["select"], 5),
        Row(f"a scan of {few}, memory grown by", strangers["megabytes"], 4, 1, unit=" MB"),
        Row("the same, warm tenants that stay warm", strangers["warm"], 100, at_least=True, unit=" %"),
        Row(f"the same, most held of {cache:,} tenants and as many hosts", strangers["held"], 2 * cache, unit=""),
        Row("a scan of customers, hits that are left", customers["left"], 90, 97, at_least=True, unit=" %"),
    ]


def run(database: str, step: str, **options: int) -> dict[str, float]:
    """Run one step in a process of its own, and give what it has measured."""
    arguments = [text for name, number in options.items() for text in (f"--{name}", str(number))]
    command = [sys.executable, "-m", "benchmarks.size", "--database", database, step, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


# --- the steps --------------------------------------------------------------------------------------------------------


def load_tenants(tenants: int, origins: int, using: str = "default") -> None:
    """Replace all policies by so many of so many origins each, in one recorded change of everything."""
    from django.db import connections  # noqa: PLC0415 -- Django is set up by now

    from django_cors_policy.feed import EVERYTHING, recording  # noqa: PLC0415
    from django_cors_policy.models import AllowedOrigin, TenantPolicy  # noqa: PLC0415

    with recording(using) as touched, connections[using].cursor() as cursor:
        touched.add(EVERYTHING)
        for model in (AllowedOrigin, TenantPolicy):
            cursor.execute(f"DELETE FROM {model._meta.db_table}")
        _insert(cursor, TenantPolicy(), ({"tenant": tenant(number)} for number in range(tenants)))
        keys = dict(TenantPolicy.objects.using(using).values_list("tenant", "pk"))
        rows = (
            {"policy": keys[tenant(number)], "pattern": origin(number, place)}
            for number in range(tenants)
            for place in range(origins)
        )
        _insert(cursor, AllowedOrigin(), rows)


def _insert(cursor: Any, instance: Any, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows that differ from an instance in a few fields; bulk_create() takes three times as long."""
    fields = [field for field in instance._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(cursor.db.ops.quote_name(field.column) for field in fields)
    usual = {field.name: field.get_db_prep_save(field.pre_save(instance, True), cursor.db) for field in fields}
    insert = f"INSERT INTO {instance._meta.db_table} ({columns}) VALUES "
    row = f"({', '.join(['%s'] * len(fields))})"
    rows = iter(rows)
    while part := list(islice(rows, BATCH)):
        values = [value for changed in part for value in {**usual, **changed}.values()]
        cursor.execute(insert + ", ".join([row] * len(part)), values)


def load(options: argparse.Namespace) -> dict[str, float]:
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    call_command("migrate", "django_cors_policy", verbosity=0)
    begun = perf_counter()
    load_tenants(options.tenants, ORIGINS)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    return {"seconds": perf_counter() - begun}


def hold(options: argparse.Namespace) -> dict[str, float]:
    """Read all tenants ahead, and the same rows by one plain SELECT."""
    from django_cors_policy.models import TenantPolicy  # noqa: PLC0415
    from django_cors_policy.reading import _FIELDS  # noqa: PLC0415
    from django_cors_policy.store import store  # noqa: PLC0415

    store.get("nobody")  # all is imported and the connection open
    gc.collect()
    before = memory()
    warm, select, megabytes, held = [], [], 0.0, 0
    for number in range(ROUNDS):
        begun = perf_counter()
        held = store.warm()
        warm.append(perf_counter() - begun)
        if not number:
            assert store.peek(tenant(options.tenants - 1)).origins.match(origin(options.tenants - 1, 0))  # type: ignore[union-attr]
            gc.collect()
            megabytes = memory() - before
        store.reset()
        begun = perf_counter()
        rows = TenantPolicy.objects.order_by("pk", "origins__pk").values_list(*_FIELDS)
        assert sum(1 for _ in rows.iterator()) == options.tenants * ORIGINS
        select.append(perf_counter() - begun)
    return {"megabytes": megabytes, "held": held, "warm": median(warm), "select": median(select)}


def scan(options: argparse.Namespace) -> dict[str, float]:
    """Ask for hosts that nobody has a policy for, with a memory of so many tenants and some of them warm."""
    from django_cors_policy.store import MISS, store  # noqa: PLC0415

    customers = [tenant(number) for number in range(min(IN_USE, options.cache))]
    for name in customers:
        store.get(name)
    most, before = 0, 0.0
    for number in range(options.scanned):
        assert store.get(f"host{number}.tenants.example") is None
        if number == 2 * options.cache:  # as many as are remembered have come and gone
            gc.collect()
            before = memory()
        most = max(most, held(store))
    gc.collect()
    warm = sum(store.peek(name) is not MISS for name in customers)
    return {"megabytes": memory() - before, "warm": 100 * warm / len(customers), "held": most}


def share(options: argparse.Namespace) -> dict[str, float]:
    """Compare the hits of requests for customers, a few of whom get most, before and during a scan of all of them."""
    from django_cors_policy.store import MISS, store  # noqa: PLC0415

    names = [tenant(number) for number in range(options.tenants)]
    random.Random(1).shuffle(names)  # the order of the primary keys is not that of the requests
    weights = list(accumulate(1 / rank for rank in range(1, len(names) + 1)))

    def hits(scanned: Iterator[str], each: int) -> int:
        found = 0
        for name in drawn.choices(names, cum_weights=weights, k=options.requests):
            found += store.peek(name) is not MISS
            store.get(name)
            for other in islice(scanned, each):
                store.get(other)
        return found

    store.warm()
    drawn, scanned = random.Random(2), cycle(map(tenant, range(options.tenants)))
    hits(scanned, 0)  # those who are asked for take the places of those who were read ahead
    without = hits(scanned, 0)
    return {"left": 100 * hits(scanned, SCANNED_EACH) / without}


def held(store: Any) -> int:
    return len(store._memory.known) + len(store._memory.newcomers) + len(store._memory.unknown)


def memory() -> float:
    """Give the megabytes that this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


# --- their process ----------------------------------------------------------------------------------------------------


def set_up(database: str, cache: int) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    import django  # noqa: PLC0415
    import environ  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415

    settings.DATABASES = {"default": environ.Env.db_url_config(database)}
    settings.CORS_POLICY_CACHE_SIZE = cache
    settings.CORS_POLICY_REFRESH_SECONDS = 3600
    django.setup()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.size", description=__doc__)
    steps = {step.__name__: step for step in (load, hold, scan, share)}
    parser.add_argument("step", choices=steps)
    parser.add_argument("--database", required=True, help="its URL; its policies are removed")
    parser.add_argument("--tenants", type=int, default=TENANTS)
    parser.add_argument("--cache", type=int, help="CORS_POLICY_CACHE_SIZE; as many as there are tenants by default")
    parser.add_argument("--scanned", type=int, default=SCANNED)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    options = parser.parse_args(arguments)
    set_up(options.database, options.cache or options.tenants)
    print(json.dumps(steps[options.step](options)))


if __name__ == "__main__":
    main()
