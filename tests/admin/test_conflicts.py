"""Two who edit one policy: who comes second is told what the first has changed, and loses nothing."""

import html
import re

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.urls import reverse

from django_cors_policy.admin import forms, policies
from django_cors_policy.admin.forms import version_of
from django_cors_policy.history import Action, PolicyHistory, change
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from tests.admin.test_policies import page

pytestmark = pytest.mark.django_db

ACME = "acme.tenants.example"
A, B = "https://a.acme.example", "https://b.acme.example"
SAID = "This policy has been changed since you opened it, so nothing was saved."
LIST = reverse("admin:django_cors_policy_tenantpolicy_changelist")


def url(policy, name="change"):
    return reverse(f"admin:django_cors_policy_tenantpolicy_{name}", args=[policy.pk])


def login(name):
    client = Client()
    client.force_login(User.objects.create_superuser(name))
    return client


@pytest.fixture
def client():
    return login("root")


@pytest.fixture
def ann():
    return login("ann")


@pytest.fixture
def acme():
    policy = TenantPolicy.objects.create(tenant=ACME)
    policy.origins.create(pattern=A)
    return policy


def opened(client, policy):
    """Open a policy's page; give what a browser sends where nothing is edited."""
    shown = client.get(url(policy)).content.decode()
    [version] = re.findall('name="version" value="([0-9]*)"', shown)
    return page(policy=policy, version=version)


def conflict(response):
    """Give the changes of others that a page shows, which has saved nothing."""
    assert response.status_code == 200
    form = response.context["adminform"].form
    assert form.errors["__all__"] == [SAID]
    return form.conflict


def stored():
    return (
        list(TenantPolicy.objects.values("note", "max_age", "allow_credentials")),
        list(AllowedOrigin.objects.values_list("pattern", flat=True)),
        PolicyHistory.objects.count(),
        LogEntry.objects.count(),
    )


def test_who_saves_second_is_told_what_the_first_has_changed_and_keeps_what_was_typed(client, ann, acme):
    mine, theirs = opened(client, acme), opened(ann, acme)
    assert ann.post(url(acme), {**theirs, "max_age": "60", "reason": "a test"}).status_code == 302
    before = stored()
    response = client.post(url(acme), {**mine, "note": "typed <by> me", "origins-0-note": "typed too"})
    [change] = conflict(response)
    assert (change.who, change.how, change.why) == ("ann", "the admin", "a test")
    assert change.when == PolicyHistory.objects.first().created_at
    [field] = change.differences.fields
    assert (field.label, field.before, field.after) == ("Preflight lifetime", "600 seconds", "60 seconds")
    content = response.content.decode()
    assert "What others have changed since you opened this page" in content
    assert f'<a href="{url(acme)}" target="_blank"' in content
    assert html.escape("typed <by> me") in content
    assert "typed too" in content
    assert stored() == before


def test_sending_the_same_page_again_is_a_conflict_again(client, ann, acme):
    mine = opened(client, acme)
    ann.post(url(acme), {**opened(ann, acme), "max_age": "60"})
    shown = client.post(url(acme), mine).content.decode()
    [version] = re.findall('name="version" value="([0-9]*)"', shown)
    assert version == mine["version"]
    assert conflict(client.post(url(acme), mine))


def test_opened_anew_the_policy_is_saved(client, ann, acme):
    ann.post(url(acme), {**opened(ann, acme), "max_age": "60"})
    assert client.post(url(acme), {**opened(client, acme), "note": "mine", "max_age": "60"}).status_code == 302
    assert TenantPolicy.objects.values_list("note", "max_age").get() == ("mine", 60)


@pytest.mark.parametrize(
    "write",
    [
        lambda: TenantPolicy.objects.get().save() or TenantPolicy.objects.update(note="by code"),
        lambda: TenantPolicy.objects.get().origins.create(pattern=B),
        lambda: AllowedOrigin.objects.all().delete(),
        lambda: AllowedOrigin.objects.update(note="by code"),
        lambda: PolicyHistory.objects.create(tenant="", action=Action.IMPORT),  # many at once: it may be among them
    ],
    ids=["policy", "new origin", "no origin", "origin", "many"],
)
def test_code_that_changes_the_policy_conflicts_too(client, acme, write):
    mine = opened(client, acme)
    write()
    before = stored()
    assert len(conflict(client.post(url(acme), {**mine, "max_age": "60"}))) == 1
    assert stored() == before


def test_another_policys_change_is_no_conflict(client, acme):
    mine = opened(client, acme)
    TenantPolicy.objects.create(tenant="globex.tenants.example")
    assert client.post(url(acme), {**mine, "note": "mine"}).status_code == 302


def test_of_many_changes_the_last_are_shown(client, acme, monkeypatch):
    monkeypatch.setattr(forms, "MOST_SHOWN", 3)
    mine = opened(client, acme)
    for age in range(5):
        TenantPolicy.objects.update(max_age=age)
    numbers = list(PolicyHistory.objects.values_list("pk", flat=True))
    assert [change.number for change in conflict(client.post(url(acme), mine))] == numbers[:3]


@pytest.mark.parametrize("sent", ["", "nonsense", "9" * 30, "9" * 5000], ids=len)
def test_a_form_without_the_version_saves_nothing(client, acme, sent):
    mine = opened(client, acme)
    conflict(client.post(url(acme), {**mine, "version": sent, "note": "mine"}))
    assert TenantPolicy.objects.get().note == ""


def test_what_a_page_shows_is_no_older_than_its_version(client, acme):
    came = []

    def write_before_version(execute, sql, params, many, context):
        if "policyhistory" in sql and not came:
            came.append(True)
            TenantPolicy.objects.update(note="theirs")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(write_before_version):
        response = client.get(url(acme))
    assert came
    shown = response.context["adminform"].form
    assert (shown.initial["note"], shown.initial["version"]) == ("theirs", version_of(ACME))


def test_a_policy_that_is_deleted_while_its_page_is_read_is_none(client, acme):
    came = []

    def delete_before_version(execute, sql, params, many, context):
        if "policyhistory" in sql and not came:
            came.append(True)
            acme.delete()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(delete_before_version):
        assert client.get(url(acme)).status_code == 302


def test_what_was_typed_beside_an_origin_that_another_has_deleted_is_kept(client, acme):
    acme.origins.create(pattern=B)
    mine = opened(client, acme)
    AllowedOrigin.objects.filter(pattern=A).delete()
    response = client.post(url(acme), {**mine, "origins-0-note": "typed first", "origins-1-note": "typed second"})
    [change] = conflict(response)
    assert [(origin.how, origin.pattern) for origin in change.differences.origins] == [("removed", A)]
    assert "typed first" in response.content.decode()
    assert "typed second" in response.content.decode()
    assert [*AllowedOrigin.objects.values_list("pattern", "note")] == [(B, "")]


def test_a_policy_that_another_has_deleted_is_said_to_be_gone(client, acme):
    mine = opened(client, acme)
    acme.delete()
    response = client.post(url(acme), {**mine, "note": "mine"}, follow=True)
    assert "doesn’t exist. Perhaps it was deleted?" in str(*response.context["messages"])
    assert not TenantPolicy.objects.exists()


def mine_alone(user):
    return {ACME}


def test_a_tenants_staff_is_not_told_who_changed_many(acme, settings):
    settings.CORS_ADMIN_TENANTS_FOR_USER = f"{__name__}.mine_alone"
    user = User.objects.create_user("own", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="django_cors_policy"))
    own = Client()
    own.force_login(user)
    mine = opened(own, acme)
    PolicyHistory.objects.create(tenant="", actor="boss", action=Action.IMPORT, reason="their secret")
    response = own.post(url(acme), mine)
    assert [(row.who, row.why) for row in conflict(response)] == [("an import", "")]
    assert b"boss" not in response.content
    assert b"their secret" not in response.content


# --- who deletes or switches means the policy as it is


def test_a_policy_is_deleted_with_what_another_has_added_and_all_of_it_is_told(client, acme):
    client.get(url(acme, "delete"))
    acme.origins.create(pattern=B)
    assert client.post(url(acme, "delete"), {"post": "yes"}).status_code == 302
    assert not AllowedOrigin.objects.exists()
    entry = PolicyHistory.objects.first()
    assert (entry.actor, entry.after, sorted(entry.before["origins"])) == ("root", None, [A, B])


def before_the_lock(write):
    """Let another write right before a request has the writers' lock."""
    came = []

    def first(execute, sql, params, many, context):
        if "policyrevision" in sql and not came:
            came.append(True)
            write()
        return execute(sql, params, many, context)

    return connection.execute_wrapper(first)


def test_a_policy_is_enabled_as_it_is_and_not_as_it_was(client, acme, settings):
    settings.CORS_TENANT_LIMITS = {"public_suffix_wildcards": True}
    TenantPolicy.objects.update(enabled=False, allow_credentials=True)
    with before_the_lock(lambda: acme.origins.create(pattern="https://*.github.io")):
        response = client.post(LIST, {"action": "enable", "_selected_action": [acme.pk]}, follow=True)
    assert "Nothing was enabled, because of" in str(*response.context["messages"])
    assert not TenantPolicy.objects.get().enabled


def test_switching_a_policy_leaves_what_another_has_changed(client, acme):
    with before_the_lock(lambda: TenantPolicy.objects.update(note="theirs")):
        client.post(LIST, {"action": "disable", "_selected_action": [acme.pk]})
    assert TenantPolicy.objects.values_list("note", "enabled").get() == ("theirs", False)


def test_a_change_made_by_many_writes_is_one_in_the_conflict(client, acme):
    mine = opened(client, acme)
    with change(actor="billing"):
        acme.origins.create(pattern=B)
        acme.note = "n"
        acme.save()
    [shown] = conflict(client.post(url(acme), mine))
    assert (shown.who, len(shown.differences.fields), len(shown.differences.origins)) == ("billing", 1, 1)


def test_a_page_may_have_no_pages_below_it(monkeypatch):
    monkeypatch.setattr(policies, "PAGES", (policies.Page("plain", "Plain", lambda *_: None),))
    names = [pattern.name for pattern in admin.site._registry[TenantPolicy].get_urls()]
    assert "django_cors_policy_tenantpolicy_plain" in names
    assert "django_cors_policy_tenantpolicy_plain_item" not in names
