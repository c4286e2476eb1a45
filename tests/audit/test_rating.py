"""The gravest severity of each policy, kept beside it."""

import pytest

from django_cors_policy.audit import rating
from django_cors_policy.cors.lint import Severity
from django_cors_policy.feed import EVERYTHING
from django_cors_policy.models import AllowedOrigin, PolicyChange, PolicyHistory, TenantPolicy

pytestmark = pytest.mark.django_db

HIGH = Severity.HIGH.rank + 1


@pytest.fixture
def acme():
    return TenantPolicy.objects.create(tenant="acme.tenants.example")


def kept():
    return list(TenantPolicy.objects.order_by("pk").values_list("risk", flat=True))


def test_a_policy_is_rated_when_it_or_its_origins_change(acme):
    assert kept() == [0]
    acme.origins.create(pattern="no origin")
    assert kept() == [HIGH]
    acme.origins.all().delete()
    assert kept() == [0]


def test_a_save_of_what_was_read_before_does_not_bring_a_rating_back(acme):
    acme.origins.create(pattern="no origin")
    acme.note = "read before"
    acme.save()
    assert kept() == [HIGH]


def test_a_rating_is_no_change_of_the_policy(acme):
    changes, entries = PolicyChange.rows.count(), PolicyHistory.objects.count()
    rating.rate_all("default")
    assert (PolicyChange.rows.count(), PolicyHistory.objects.count()) == (changes, entries)


def test_where_it_cannot_be_told_what_has_changed_nobody_has_looked(acme):
    rating.rate("default", {EVERYTHING})
    assert kept() == [None]


def test_a_policy_that_cannot_be_rated_is_saved_all_the_same(acme, monkeypatch, caplog):
    def fail(policy, origins):
        raise RuntimeError("a rule's own fault")

    monkeypatch.setattr(rating, "findings_of", fail)
    acme.note = "saved"
    acme.save()
    assert TenantPolicy.objects.get().note == "saved"
    assert kept() == [None]
    assert "CORS: policies cannot be rated" in caplog.text


def test_all_are_rated_a_page_at_a_time(acme, monkeypatch):
    for number in range(4):
        TenantPolicy.objects.create(tenant=f"t{number}.tenants.example", enabled=number > 1)
    origins = [AllowedOrigin(policy=policy, pattern="no origin") for policy in TenantPolicy.objects.all()[:2]]
    AllowedOrigin.objects.bulk_create(origins)
    rating.rate("default", {EVERYTHING})
    monkeypatch.setattr(rating, "BATCH", 2)
    assert rating.rate_all("default") == 5
    assert sorted(kept()) == [0, 0, 0, HIGH, HIGH]


def test_of_many_policies_that_change_at_once_nobody_has_looked(acme, monkeypatch):
    monkeypatch.setattr(rating, "RATED_AT_ONCE", 1)
    other = TenantPolicy.objects.create(tenant="other.tenants.example")
    TenantPolicy.objects.update(note="all")
    assert kept() == [None, None]
    other.save()
    other.note = "one"
    other.save()
    assert kept() == [None, 0]
