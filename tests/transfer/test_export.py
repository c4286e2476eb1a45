"""Writing the stored policies."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_cors_policy.audit import tenants
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.transfer import FORMATS, export

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme():
    policy = TenantPolicy.objects.create(tenant="acme.example", max_age=300, note="=1+1")
    policy.origins.create(pattern="https://a.example", note="ü", expires_at=datetime(2030, 1, 1, tzinfo=UTC))
    policy.origins.create(pattern="https://b.example", enabled=False)
    return policy


def cells(*args):
    return list(csv.DictReader(io.StringIO("".join(export("csv", *args)), newline="")))


def test_csv_has_a_row_for_each_origin_and_repeats_the_policys_columns(acme):
    first, second = cells()
    assert (first["tenant"], first["max_age"], first["note"]) == ("acme.example", "300", "'=1+1")
    assert (first["pattern"], first["origin_enabled"]) == ("https://a.example", "true")
    assert (first["expires_at"], first["origin_note"]) == ("2030-01-01T00:00:00+00:00", "ü")
    assert (second["pattern"], second["origin_enabled"], second["expires_at"]) == ("https://b.example", "false", "")
    assert second["max_age"] == "300"


def test_a_policy_without_origins_is_one_row():
    TenantPolicy.objects.create(tenant="empty", enabled=False, shadow=True)
    [row] = cells()
    assert (row["enabled"], row["shadow"], row["pattern"], row["origin_enabled"]) == ("false", "true", "", "")


def test_rows_end_as_a_spreadsheet_wants_them(acme):
    assert "".join(export("csv")).count("\r\n") == 3


def test_json_has_a_policy_a_line(acme):
    TenantPolicy.objects.create(tenant="empty")
    lines = "".join(export("json")).splitlines()
    assert (lines[0], lines[-1], len(lines)) == ("[", "]", 4)
    policy = json.loads(lines[1].removesuffix(","))
    assert policy["max_age"] == 300
    assert policy["origins"][0] == {
        "pattern": "https://a.example",
        "enabled": True,
        "expires_at": "2030-01-01T00:00:00+00:00",
        "note": "ü",
    }
    assert json.loads(lines[2])["origins"] == []


@pytest.mark.parametrize(("kind", "nothing"), [("csv", []), ("json", [])])
def test_an_empty_database_is_a_file_of_nothing(kind, nothing):
    text = "".join(export(kind))
    assert (cells() if kind == "csv" else json.loads(text)) == nothing
    assert text


@pytest.mark.parametrize("kind", FORMATS)
def test_some_tenants_alone_are_written(acme, kind):
    for tenant in ("b", "c"):
        TenantPolicy.objects.create(tenant=tenant)
    text = "".join(export(kind, ["acme.example", "c", "nobody"]))
    assert "acme.example" in text
    assert "nobody" not in text
    assert len(json.loads(text) if kind == "json" else cells(["acme.example", "c"])) == (2 if kind == "json" else 3)
    assert "https://" not in "".join(export(kind, []))


def test_all_are_written_however_they_fall_into_pages(monkeypatch):
    monkeypatch.setattr(tenants, "BATCH", 2)
    monkeypatch.setattr(tenants, "MAX_ROWS", 3)
    for number in range(5):
        policy = TenantPolicy.objects.create(tenant=f"t{number}")
        AllowedOrigin.objects.bulk_create(
            AllowedOrigin(policy=policy, pattern=f"https://o{one}.example") for one in range(2 + 3 * (number == 2))
        )
    assert len(cells()) == 4 * 2 + 5
    assert len(cells([f"t{number}" for number in range(5)])) == 4 * 2 + 5


def test_a_page_is_read_when_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(tenants, "BATCH", 1)
    for number in range(20):
        TenantPolicy.objects.create(tenant=f"t{number}")
    with CaptureQueriesContext(
        connection,
    ) as queries:
        pieces = export("json")
        next(pieces)
    assert len(queries) == 2
    pieces.close()
