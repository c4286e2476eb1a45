"""A policy in shadow mode: the settings alone answer, and what it would have done is counted."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client

from django_cors_policy.admin.risk import is_live
from django_cors_policy.audit.written import Written
from django_cors_policy.blocked import recorder
from django_cors_policy.cors import FetchRequest
from django_cors_policy.explain import explain
from django_cors_policy.live import LiveStack
from django_cors_policy.models import TenantPolicy

pytestmark = pytest.mark.django_db

HOST = "acme.tenants.example"
OWN, SHARED, FOREIGN = "https://app.acme.example", "https://shared.example", "https://foreign.example"


@pytest.fixture(autouse=True)
def acme(settings):
    settings.CORS_ALLOWED_ORIGINS = [SHARED]
    policy = TenantPolicy.objects.create(tenant=HOST, shadow=True)
    policy.origins.create(pattern=OWN)
    return policy


def ask(origin, method="get", **headers):
    return getattr(Client(), method)("/ok/", headers={"host": HOST, "origin": origin, **headers})


def counted():
    found = [seen for origins in recorder._counts.tenants.values() for seen in origins.values()]
    return [(seen.tenant, seen.origin, str(seen.reason), seen.would, seen.count) for seen in found]


def test_the_settings_alone_answer():
    assert "Access-Control-Allow-Origin" not in ask(OWN)
    response = ask(SHARED)
    assert response["Access-Control-Allow-Origin"] == SHARED
    assert response["Vary"] == "Origin"
    preflight = ask(OWN, "options", **{"access-control-request-method": "PUT"})
    assert (preflight.status_code, preflight.content) == (403, b"")


def test_switched_on_it_answers(acme):
    acme.shadow = False
    acme.save()
    assert ask(OWN)["Access-Control-Allow-Origin"] == OWN


def test_what_it_would_have_allowed_is_counted_so():
    ask(OWN)
    ask(OWN, "options", **{"access-control-request-method": "PUT"})
    assert counted() == [(HOST, OWN, "not-allowed", "allow", 2)]


def test_what_it_would_have_denied_too_is_counted_so():
    ask(FOREIGN)
    assert counted() == [(HOST, FOREIGN, "not-allowed", "block", 1)]


def test_what_the_settings_let_through_and_it_does_not_know_stays_as_it_is():
    ask(SHARED)
    assert counted() == []


def test_what_it_would_have_answered_in_the_settings_stead_is_counted_where_that_differs(acme, settings):
    acme.origins.create(pattern=SHARED)
    settings.CORS_PREFLIGHT_MAX_AGE = 600
    ask(SHARED)
    assert counted() == []
    settings.CORS_ALLOW_CREDENTIALS = True  # the policy's answers would be without
    ask(SHARED)
    assert counted() == [(HOST, SHARED, "listed", "change", 1)]


def test_where_nothing_is_recorded_what_is_allowed_is_not_either(acme, settings):
    acme.origins.create(pattern=SHARED)
    settings.CORS_ALLOW_CREDENTIALS = True
    settings.CORS_RECORD_BLOCKED = False
    ask(SHARED)
    ask(OWN)
    assert counted() == []


def test_a_policy_that_answers_has_nothing_that_it_would_have_done(acme):
    acme.shadow = False
    acme.save()
    ask(FOREIGN)
    assert counted() == [(HOST, FOREIGN, "not-allowed", "", 1)]


@pytest.mark.django_db(transaction=True)  # else nothing is remembered of it
def test_a_disabled_policy_has_no_shadow(acme):
    acme.enabled = False
    acme.save()
    ask(OWN)
    assert [would for _, _, _, would, _ in counted()] == [""]


@pytest.mark.parametrize("stack", [None, LiveStack])
def test_what_is_explained_is_not_counted(stack):
    assert not explain(FetchRequest(OWN, f"http://{HOST}/ok/"), HOST, stack and stack()).verdict.allowed
    assert counted() == []


def test_a_client_cannot_keep_itself_from_being_counted():
    ask(FOREIGN, **{"django_cors_policy.unrecorded": "1", "django-cors-policy.unrecorded": "1"})
    assert len(counted()) == 1


def test_the_audit_expects_the_settings_answers(acme):
    assert [granted.spec.name for granted in Written().policies(HOST, "/ok/")] == ["settings"]
    acme.shadow = False
    acme.save()
    assert [granted.spec.name for granted in Written().policies(HOST, "/ok/")] == [HOST, "settings"]


def test_the_status_counts_it():
    out = StringIO()
    call_command("cors_status", "--json", stdout=out)
    assert json.loads(out.getvalue())["shadow"] == 1
    out = StringIO()
    call_command("cors_status", stdout=out)
    assert "tenants         1 enabled, 0 disabled, 1 of the enabled in shadow mode\n" in out.getvalue()


def test_it_is_not_live(acme):
    assert not is_live(acme)
