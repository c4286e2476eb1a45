"""The database fails in every way it can while servers are under load, and requests go on."""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import NamedTuple

import pytest
from django.db import connection, connections

from django_cors_policy.feed import PolicyChange
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.reading import WAIT
from django_cors_policy.store import GRACE
from tests.live.database import Database, own_database
from tests.live.proxy import Proxy
from tests.live.servers import ROOT, Web, serving

REFRESH = 1.0
MAX_STALE = 4.0
SOON = 1.0  # seconds that a request may take on a busy machine when it waits for nothing
API = "acme.tenants.example"
APP = "https://app.acme.example"
WWW = "https://www.example.com"  # the settings'
PROCESSES = 2  # of each server

# What the README says to set.
TIMEOUTS = {
    "postgresql": {"connect_timeout": 2, "tcp_user_timeout": 2000, "options": "-c statement_timeout=2000"},
    "mysql": {"connect_timeout": 2, "read_timeout": 2, "write_timeout": 2},
}


class Scene(NamedTuple):
    database: Database
    proxy: Proxy
    webs: list[Web]


@pytest.fixture(scope="module")
def scene(tmp_path_factory, django_db_blocker) -> Iterator[Scene]:
    """A database server of our own, a proxy before it, and every kind of web server behind that."""
    folder = tmp_path_factory.mktemp("failures")
    with ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        database = stack.enter_context(own_database(connection.vendor))
        stack.enter_context(past_the_proxy(database))
        proxy = Proxy(database.port)
        entries = {
            "sync": {},  # who configures nothing
            "gthread": {"CONN_MAX_AGE": None, "OPTIONS": TIMEOUTS[connection.vendor]},
            "uvicorn": {},
        }
        migrate(database)
        TenantPolicy.objects.using("own").create(tenant=API).origins.create(pattern=APP)
        webs = []
        for kind, entry in entries.items():
            settings = {
                "CORS_ALLOWED_ORIGINS": [WWW],
                "CORS_POLICY_REFRESH_SECONDS": REFRESH,
                "CORS_POLICY_MAX_STALE_SECONDS": MAX_STALE,
                "DATABASES": {"default": database.settings(proxy.port, **entry)},
            }
            webs.append(stack.enter_context(serving(kind, folder, settings)))
        yield Scene(database, proxy, webs)


@contextmanager
def past_the_proxy(database: Database) -> Iterator[None]:
    """Let the alias "own" be the database itself."""
    entry = database.settings(PASSWORD="", OPTIONS={})
    connections.databases["own"] = connections["default"].settings_dict | entry
    try:
        yield
    finally:
        connections["own"].close()
        del connections["own"]
        del connections.databases["own"]


def migrate(database: Database) -> None:
    settings = json.dumps({"DATABASES": {"default": database.settings()}})
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.live.project", "LIVE_SETTINGS": settings}
    command = [sys.executable, "-m", "django", "migrate", "-v0", "django_cors_policy"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=60)


# --- how a database fails


@contextmanager
def refuses(scene: Scene) -> Iterator[None]:
    scene.proxy.refuses()
    yield
    scene.proxy.passes()


@contextmanager
def hangs(scene: Scene) -> Iterator[None]:
    """What is sent meanwhile is never answered, afterwards neither."""
    scene.proxy.hangs()
    yield
    scene.proxy.passes()


@contextmanager
def freezes(scene: Scene) -> Iterator[None]:
    """What is sent meanwhile is answered afterwards."""
    scene.database.freeze()
    yield
    scene.database.thaw()


@contextmanager
def restarts(scene: Scene) -> Iterator[None]:
    scene.database.stop()
    yield
    scene.database.start()


@contextmanager
def is_killed(scene: Scene) -> Iterator[None]:
    scene.database.kill()
    yield
    scene.database.start()


@contextmanager
def loses_the_feed(scene: Scene) -> Iterator[None]:
    with scene.database.lost(PolicyChange._meta.db_table):
        yield


@contextmanager
def loses_the_policies(scene: Scene) -> Iterator[None]:
    with scene.database.lost(TenantPolicy._meta.db_table):
        yield


@contextmanager
def is_locked(scene: Scene) -> Iterator[None]:
    with scene.database.locked(PolicyChange._meta.db_table):
        yield


@contextmanager
def is_read_only(scene: Scene) -> Iterator[None]:
    with scene.database.read_only():
        yield


@contextmanager
def drops_connections(scene: Scene) -> Iterator[None]:
    """As a failover does, or a server that ends idle connections."""
    scene.proxy.resets()
    yield
    scene.proxy.resets()


# --- what is asked of the servers meanwhile


class Times(NamedTuple):
    """Moments: the failure begins, has begun, ends, the database has returned, a change was committed after that."""

    begins: float
    failed: float
    ends: float
    returned: float
    changed: float


def fail_under_load(scene: Scene, failure: AbstractContextManager[None], number: int) -> Times:
    cold = itertools.count()
    new = f"https://new-{number}.acme.example"
    questions = {
        "settings": lambda: (API, WWW),
        "tenant": lambda: (API, APP),
        "cold": lambda: (f"cold-{number}-{next(cold)}.tenants.example", APP),
        "stranger": lambda: (API, "https://evil.test"),
        "new": lambda: (API, new),
        "plain": lambda: (API, None),
    }
    with ExitStack() as load:
        for web in scene.webs:
            web.forget()
            load.enter_context(web.load(questions))
        time.sleep(1.5)
        begins = time.monotonic()
        with failure:
            failed = time.monotonic()
            time.sleep(MAX_STALE + SOON)
            ends = time.monotonic()
        returned = time.monotonic()
        connections["own"].close()  # it may have failed too
        AllowedOrigin.objects.using("own").exclude(pattern=APP).delete()
        TenantPolicy.objects.using("own").get().origins.create(pattern=new)
        times = Times(begins, failed, ends, returned, time.monotonic())
        time.sleep(REFRESH + GRACE + SOON)
    return times


def assert_requests_go_on(web: Web, *, slowest: float, waits_until: float) -> None:
    assert len(web.answers) > 200
    assert {answer.status for answer in web.answers} == {200}
    assert {answer.allowed for answer in web.of("settings")} == {WWW}
    assert {answer.allowed for kind in ("stranger", "cold", "plain") for answer in web.of(kind)} == {None}
    assert max(answer.took for answer in web.answers) < slowest
    assert not [answer for answer in web.answers if answer.asked > waits_until and answer.took > SOON]
    assert "Traceback" not in web.output()


def assert_the_change_is_obeyed(web: Web, times: Times) -> None:
    obeyed = [answer.allowed is not None for answer in web.of("new") if answer.asked > times.changed + REFRESH + GRACE]
    assert len(obeyed) > 5
    assert all(obeyed)


OUTAGES = [refuses, hangs, freezes, restarts, is_killed, loses_the_feed, loses_the_policies, is_locked]
HANG = [hangs, freezes, is_locked]


@pytest.mark.parametrize("failure", OUTAGES)
def test_an_outage_is_served_from_memory_until_that_is_too_stale(scene, failure):
    times = fail_under_load(scene, failure(scene), OUTAGES.index(failure))
    slowest = WAIT + SOON if failure in HANG else SOON
    for web in scene.webs:
        assert_requests_go_on(web, slowest=slowest, waits_until=times.failed + REFRESH + WAIT + SOON)
        tenant = web.of("tenant")
        # That the policies are lost is seen by the next cold load; till then the feed is read, and well.
        seen = times.failed + (SOON / 2 if failure is loses_the_policies else 0)
        young = [answer for answer in tenant if answer.asked + answer.took < times.begins - REFRESH - GRACE + MAX_STALE]
        stale = [answer for answer in tenant if seen + MAX_STALE < answer.asked < times.ends - answer.took]
        again = [answer for answer in tenant if answer.asked > times.returned + REFRESH + GRACE]
        assert {answer.allowed for answer in young} == {APP}
        assert {answer.allowed for answer in stale} == {None}
        assert {answer.allowed for answer in again} == {APP}
        assert_the_change_is_obeyed(web, times)
        assert list(web.logged().values()) == [["ERROR", "WARNING"]] * PROCESSES


@pytest.mark.parametrize("failure", [is_read_only, drops_connections])
def test_what_does_not_stop_reading_is_no_outage(scene, failure):
    times = fail_under_load(scene, failure(scene), len(OUTAGES))
    for web in scene.webs:
        assert_requests_go_on(web, slowest=SOON, waits_until=times.failed)
        assert {answer.allowed for answer in web.of("tenant")} == {APP}
        assert_the_change_is_obeyed(web, times)
        assert web.logged() == {}
