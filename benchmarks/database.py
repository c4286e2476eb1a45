"""A PostgreSQL database of the benchmark's own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.needs import NeedError, need_package

DEFAULT_URL = "postgres://postgres@127.0.0.1:5432/test"


@contextmanager
def own_database() -> Iterator[None]:
    """Create a database on DATABASE_URL's server, for benchmarks.settings, and drop it; no other is touched.

    Raises NeedError where there is no such server.
    """
    need_package("psycopg")
    import psycopg  # noqa: PLC0415 -- some of the cases do without it
    from psycopg import conninfo, sql  # noqa: PLC0415

    url = os.environ.get("DATABASE_URL") or DEFAULT_URL
    name = f"cors_benchmark_{os.getpid()}"
    try:
        server = psycopg.connect(url, dbname="postgres", autocommit=True, connect_timeout=10)
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise NeedError(f"no PostgreSQL (DATABASE_URL, or {DEFAULT_URL} where it is not set): {reason}") from error
    with server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        os.environ["BENCHMARK_DATABASE"] = conninfo.make_conninfo(url, dbname=name)
        try:
            yield
        finally:
            del os.environ["BENCHMARK_DATABASE"]
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
