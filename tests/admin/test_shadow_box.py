"""On a policy's page: what was blocked lately, and what would change if a policy in shadow mode were switched on."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_cors_policy.admin.shadow import MAX_NAMED, differences
from django_cors_policy.blocked import recorder
from django_cors_policy.cors import PolicySpec, compile_policy
from django_cors_policy.inbox import BlockedOrigin
from django_cors_policy.models import TenantPolicy

pytestmark = pytest.mark.django_db

HOST = "acme.tenants.example"
OWN, SHARED, FOREIGN = "https://app.acme.example", "https://shared.example", "https://foreign.example"
HEADING = "If this policy were switched on"


@pytest.fixture
def client():
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def acme(settings):
    settings.CORS_ALLOWED_ORIGINS = [SHARED]
    settings.CORS_PREFLIGHT_MAX_AGE = 600  # as a policy's
    policy = TenantPolicy.objects.create(tenant=HOST, shadow=True)
    policy.origins.create(pattern=OWN)
    return policy


def seen(origin, days=0, tenant=HOST, reason="not-allowed", **fields):
    at = timezone.now() - timedelta(days=days)
    return BlockedOrigin.objects.create(
        tenant=tenant,
        origin=origin,
        reason=reason,
        first_seen=at,
        last_seen=at,
        count=1,
        method="GET",
        path="/",
        **fields,
    )


def opened(client, policy):
    response = client.get(reverse("admin:django_cors_policy_tenantpolicy_change", args=[policy.pk]))
    assert response.status_code == 200
    return response


def shown(client, policy):
    return " ".join(opened(client, policy).content.decode().split())


def outlook(client, policy):
    found = opened(client, policy).context["in_shadow"]
    return {name: found[name]["named"] for name in ("let_in", "blocked", "changed")}


# --- how many were blocked


def test_the_number_of_blocked_origins_links_to_them(client, acme):
    for origin, days in ((OWN, 0), (FOREIGN, 6), ("https://old.example", 8)):
        seen(origin, days)
    seen("https://ignored.example", ignored=True)
    seen(SHARED, reason="listed", would="change")
    seen("https://others.example", tenant="other.tenants.example")
    assert "Blocked origins: 2 in the last 7 days" in shown(client, acme)
    url = opened(client, acme).context["blocked_url"]
    assert {row.origin for row in client.get(url).context["cl"].result_list} >= {OWN, FOREIGN}
    assert "https://others.example" not in client.get(url).content.decode()


def test_where_nothing_was_blocked_nothing_is_said(client, acme):
    seen("https://old.example", 8)
    assert "Blocked origins:" not in shown(client, acme)


def test_who_may_not_see_blocked_origins_sees_none(acme):
    seen(FOREIGN)
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="change_tenantpolicy"))
    client = Client()
    client.force_login(user)
    text = shown(client, acme)
    assert "Blocked origins:" not in text
    assert HEADING not in text
    assert FOREIGN not in text


# --- if it were switched on


def test_the_box_is_there_in_shadow_mode_alone(client, acme):
    assert HEADING in shown(client, acme)
    TenantPolicy.objects.update(shadow=False)
    assert HEADING not in shown(client, acme)
    TenantPolicy.objects.update(shadow=True, enabled=False)
    assert HEADING not in shown(client, acme)


def test_it_says_what_was_really_asked(client, transactional_db, acme):
    acme.origins.create(pattern=SHARED)
    acme.allow_credentials = True
    acme.save()
    for origin in (OWN, SHARED, FOREIGN):
        client.get("/ok/", headers={"host": HOST, "origin": origin})
    recorder.write()
    assert outlook(client, acme) == {"let_in": [OWN], "blocked": [FOREIGN], "changed": [SHARED]}
    text = shown(client, acme)
    assert "1 origin that is blocked now would be let in:" in text
    assert "1 origin would still be blocked:" in text
    assert "1 origin that the settings let in now would be answered by this policy:" in text
    assert "With credentials: a page could send cookies" in text


def test_the_policy_is_asked_as_it_is_now(client, acme):
    seen(FOREIGN, would="block")
    seen(OWN, would="allow")
    acme.origins.create(pattern=FOREIGN)
    acme.origins.filter(pattern=OWN).update(enabled=False)
    acme.origins.create(pattern="https://expired.example", expires_at=timezone.now() - timedelta(days=1))
    seen("https://expired.example", would="allow")
    found = outlook(client, acme)
    assert found == {"let_in": [FOREIGN], "blocked": [OWN, "https://expired.example"], "changed": []}


def test_the_settings_are_asked_as_they_are_now(client, acme, settings):
    seen(FOREIGN)
    seen(SHARED, reason="listed", would="change")
    settings.CORS_ALLOWED_ORIGINS = [FOREIGN]
    acme.origins.create(pattern=SHARED)
    assert outlook(client, acme) == {"let_in": [SHARED], "blocked": [], "changed": []}


def test_what_the_settings_let_in_and_the_policy_does_not_list_stays_as_it_is(client, acme):
    seen(SHARED, reason="listed", would="change")
    acme.allow_credentials = True
    acme.save()
    assert outlook(client, acme) == {"let_in": [], "blocked": [], "changed": []}
    assert "none would be answered otherwise" in shown(client, acme)


def test_what_would_be_answered_as_it_is_now_is_no_change(client, acme):
    seen(SHARED, reason="listed", would="change")
    acme.origins.create(pattern=SHARED)
    assert outlook(client, acme) == {"let_in": [], "blocked": [], "changed": []}


def test_a_fetch_with_cookies_that_would_be_blocked_is_said(client, acme, settings):
    settings.CORS_ALLOW_CREDENTIALS = True
    acme.origins.create(pattern=SHARED)
    seen(SHARED, reason="listed", would="change")
    assert outlook(client, acme)["changed"] == [SHARED]
    assert "what a page fetches with cookies works now, and would be blocked" in shown(client, acme)


def test_what_is_ignored_counts_where_it_would_be_let_in(client, acme):
    seen(OWN, ignored=True)
    seen(FOREIGN, ignored=True)
    assert outlook(client, acme) == {"let_in": [OWN], "blocked": [], "changed": []}


def test_what_was_seen_long_ago_and_at_others_does_not_count(client, acme):
    seen(OWN, days=8)
    seen(FOREIGN, tenant="other.tenants.example")
    assert outlook(client, acme) == {"let_in": [], "blocked": [], "changed": []}


def test_twenty_are_named_and_the_others_counted(client, acme):
    for number in range(MAX_NAMED + 3):
        seen(f"https://{number:02}.example")
    text = shown(client, acme)
    assert "23 origins would still be blocked:" in text
    assert "and 3 more" in text
    assert "https://19.example" in text
    assert "https://20.example" not in text


def test_no_more_rows_are_read_than_are_kept(client, acme, monkeypatch):
    monkeypatch.setattr("django_cors_policy.admin.shadow.MAX_READ", 3)
    for number in range(5):
        seen(f"https://{number}.example", days=number)
    assert outlook(client, acme)["blocked"] == ["https://0.example", "https://1.example", "https://2.example"]


def test_where_nothing_is_recorded_it_is_said(client, acme, settings):
    assert "Nothing is recorded" not in shown(client, acme)
    settings.CORS_RECORD_BLOCKED = False
    assert "Nothing is recorded at present: CORS_RECORD_BLOCKED is False" in shown(client, acme)


# --- what a page loses and gains


def compiled(**fields):
    return compile_policy(PolicySpec(**{"allow_methods": (), "allow_headers": (), **fields}))


METHODS_LOST = "Without these methods, which work now and would be blocked: %s."
METHODS_GAINED = "With these methods, which are blocked now: %s."
HEADERS_LOST = "Without these request headers: what sends them works now, and would be blocked: %s."
HEADERS_GAINED = "With these request headers: what sends them is blocked now: %s."


@pytest.mark.parametrize(
    ("now", "then", "said"),
    [
        ({}, {}, []),
        ({"allow_methods": ["PUT", "DELETE"]}, {"allow_methods": ["PUT"]}, [METHODS_LOST % "DELETE"]),
        ({"allow_methods": ["PUT"]}, {"allow_methods": ["PUT", "DELETE"]}, [METHODS_GAINED % "DELETE"]),
        ({"allow_methods": ["GET", "HEAD", "POST"]}, {}, []),  # what needs no listing
        ({"allow_methods": ["PUT"]}, {"allow_methods": ["*"]}, [METHODS_GAINED % "*"]),
        (
            {"allow_methods": ["PUT"], "allow_credentials": True},
            {"allow_methods": ["*"], "allow_credentials": True},  # where * is a method of this name
            [METHODS_LOST % "PUT", METHODS_GAINED % "*"],
        ),
        (
            {"allow_headers": ["X-One", "accept"]},
            {"allow_headers": ["x-two"]},
            [HEADERS_LOST % "x-one", HEADERS_GAINED % "x-two"],
        ),
        ({"allow_headers": ["X-One"]}, {"allow_headers": ["x-one"]}, []),
        (
            {"allow_headers": ["authorization", "x-one"]},
            {"allow_headers": ["*"]},
            [HEADERS_LOST % "authorization", HEADERS_GAINED % "*"],
        ),
        (
            {"expose_headers": ["X-Total"]},
            {"expose_headers": ["X-Page"]},
            [
                "Without these response headers, which a page can read now: x-total.",
                "With these response headers, which a page cannot read now: x-page.",
            ],
        ),
        (
            {"preflight_max_age": 7200},
            {"preflight_max_age": 600},
            ["Preflights would be kept for 600 seconds, not for 7200."],
        ),
    ],
)
def test_what_a_page_loses_and_gains(now, then, said):
    assert differences(compiled(**now), compiled(**then)) == said
