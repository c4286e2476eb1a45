"""The steps that measure size, with few tenants; what they find is not for a test to say."""

from argparse import Namespace

import pytest
from django.core.management import call_command

from benchmarks import size
from benchmarks.management.commands.load_tenants import Command
from django_cors_policy.feed import PolicyChange
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.store import store

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def options(settings):
    settings.CORS_POLICY_CACHE_SIZE = 20
    settings.CORS_POLICY_REFRESH_SECONDS = 3600
    return Namespace(tenants=20, cache=20, scanned=60, requests=50)


def test_the_command_replaces_all_policies_and_every_process_is_told(monkeypatch):
    monkeypatch.setattr(size, "BATCH", 4)
    TenantPolicy.objects.create(tenant="old")
    assert store.get("old") is not None
    call_command(Command(), tenants=3, origins=2)
    assert list(TenantPolicy.objects.values_list("tenant", flat=True)) == [size.tenant(number) for number in range(3)]
    assert AllowedOrigin.objects.count() == 6
    assert PolicyChange.rows.order_by("-revision").first().tenant == ""
    assert store.get("old") is None
    assert store.get(size.tenant(2)).origins.match(size.origin(2, 1))
    TenantPolicy.objects.create(tenant="new")  # the database goes on counting its keys


def test_what_is_held_is_measured(options):
    size.load(options)
    measured = size.hold(options)
    assert measured["held"] == 20
    assert measured["warm"] > 0
    assert measured["select"] > 0


def test_a_scan_is_measured(options):
    size.load(options)
    measured = size.scan(options)
    assert (measured["warm"], measured["held"]) == (100, 40)


def test_the_hits_that_a_scan_leaves_are_measured(options, settings):
    settings.CORS_POLICY_CACHE_SIZE = 10
    size.load(options)
    assert 0 < size.share(options)["left"] < 200


def test_a_step_is_a_process_of_its_own(tmp_path):
    database = f"sqlite:///{tmp_path / 'tenants.sqlite3'}"
    assert size.run(database, "load", tenants=3).keys() == {"seconds"}


def test_every_row_has_its_measure_and_its_gate(monkeypatch):
    found = {
        "load": {},
        "hold": {"held": size.TENANTS // 10, "megabytes": 16.0, "warm": 0.9, "select": 0.3},
        "scan": {"megabytes": 0.5, "warm": 100.0, "held": 2000},
        "share": {"left": 99.0},
    }
    monkeypatch.setattr(size, "run", lambda database, step, **options: found[step])
    rows = size.measure(short=True)
    assert [(row.value, row.gate) for row in rows] == [(16, 40), (3, 5), (0.5, 4), (100, 100), (2000, 2000), (99, 90)]
    assert not any(row.is_missed() for row in rows)
