"""The pages of a policy's versions: what they tell, and what restoring one does."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from django_cors_policy import recorded
from django_cors_policy.admin import restoring, versions
from django_cors_policy.history import Action, PolicyHistory, change
from django_cors_policy.models import AllowedOrigin, TenantPolicy

pytestmark = pytest.mark.django_db

A, B, C = "https://a.acme.example", "https://b.acme.example", "https://c.acme.example"
ACME, GLOBEX = "acme.tenants.example", "globex.tenants.example"
NAME = "admin:django_cors_policy_tenantpolicy"
LIST, DELETED = reverse(f"{NAME}_changelist"), reverse(f"{NAME}_deleted")
PAST = datetime(2020, 1, 2, 3, 4, tzinfo=UTC)


def listing(policy):
    return reverse(f"{NAME}_versions", args=[policy.pk])


def version(policy, entry=None):
    return reverse(f"{NAME}_versions_item", args=[policy.pk, (entry or last()).pk])


def deleted(entry=None):
    return reverse(f"{NAME}_deleted_item", args=[(entry or last()).pk])


def last(tenant=ACME):
    return PolicyHistory.objects.filter(tenant=tenant).first()


def text(response):
    """Give what a page's content says, without its markup."""
    assert response.status_code == 200
    content = response.content.decode().partition('id="content-main"')[2]
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", content)).split())


def said(response):
    return [str(message) for message in response.context["messages"]]


def faults(response):
    """Give the errors of the form of a version that was not restored."""
    assert response.status_code == 200
    return {name: list(errors) for name, errors in response.context["form"].errors.items()}


def restore(client, url, reason="", **data):
    """Open a version's page and send its form."""
    shown = client.get(url)
    number = re.search('name="version" value="([0-9]*)"', shown.content.decode())
    return client.post(url, {"version": number[1] if number else "", "reason": reason, **data})


def stored():
    """Give all that is stored but when it was last touched."""
    return (
        list(TenantPolicy.objects.values("tenant", *TenantPolicy.told)),
        list(AllowedOrigin.objects.values()),
        PolicyHistory.objects.count(),
    )


def staff(*codenames, name="staff"):
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


VIEW = "view_tenantpolicy"
ALL = [f"{what}_{model}" for what in ("view", "add", "change", "delete") for model in ("tenantpolicy", "allowedorigin")]


@pytest.fixture
def client():
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def acme():
    with change(actor="billing", reason="a new customer"):
        policy = TenantPolicy.objects.create(tenant=ACME)
        policy.origins.create(pattern=A, expires_at=PAST, note="first")
    return policy


# --- what changed


def test_a_policys_page_leads_to_its_versions_beside_djangos_history(client, acme):
    content = client.get(reverse(f"{NAME}_change", args=[acme.pk])).content.decode()
    assert f'<a href="{listing(acme)}">Versions</a>' in content
    assert ">History</a>" in content


def test_the_changes_are_listed_the_newest_first_with_who_how_and_why(client, acme):
    acme.max_age = 60
    acme.save()
    with change(actor="ann", action=Action.ADMIN, reason="they moved"):
        acme.origins.filter(pattern=A).delete()
    shown = client.get(listing(acme)).context["changes"]
    assert [(row.who, row.how, row.why) for row in shown] == [
        ("ann", "the admin", "they moved"),
        ("code", "code", ""),
        ("billing", "code", "a new customer"),
    ]


def test_fields_are_told_by_their_labels_and_in_words(client, acme):
    with change():
        acme.allow_credentials, acme.max_age, acme.note = True, 1, "n"
        acme.save()
    told = text(client.get(listing(acme)))
    assert "Allow credentials no yes" in told
    assert "Preflight lifetime 600 seconds 1 second" in told
    assert "Note empty n" in told


def test_origins_that_came_changed_and_went_are_told(client, acme):
    with change():
        acme.origins.create(pattern=B, enabled=False)
        acme.origins.filter(pattern=A).update(expires_at=None)
        acme.origins.create(pattern=C)
    acme.origins.filter(pattern=C).delete()
    told = text(client.get(listing(acme)))
    assert f"removed {C}" in told
    assert f"changed {A} Expires at: Jan. 1, 2020, 9:04 p.m., then never added {B} Enabled: no added {C}" in told


def test_moments_are_told_in_the_visitors_language_and_zone(client, acme, settings):
    settings.TIME_ZONE, settings.LANGUAGE_CODE = "Europe/Berlin", "de"
    assert "2. Januar 2020 04:04" in text(client.get(listing(acme)))


def test_moments_are_told_without_time_zones_too(client, acme, settings):
    settings.USE_TZ = False
    PolicyHistory.objects.update(after={"origins": {A: {"expires_at": "2020-01-02T03:04:00"}}})
    assert "Jan. 2, 2020, 3:04 a.m." in text(client.get(listing(acme)))


def test_a_new_policy_is_told_by_what_is_not_usual(client, acme):
    told = text(client.get(listing(acme)))
    assert f"The policy was created. added {A} Expires at: Jan. 1, 2020, 9:04 p.m. Note: first" in told
    assert "Allowed methods" not in told


def test_a_policy_that_was_deleted_and_created_again_is_told_so(client, acme):
    acme.delete()
    again = TenantPolicy.objects.create(tenant=ACME)
    told = text(client.get(listing(again)))
    assert re.search("The policy was created. .*The policy was deleted. .*The policy was created.", told)


def test_what_is_not_kept_is_said(client, acme, monkeypatch):
    monkeypatch.setattr(recorded, "TOLD", 1)
    AllowedOrigin.objects.bulk_create([AllowedOrigin(policy=acme, pattern=pattern) for pattern in (B, C)])
    assert "Too much was changed at once; what it was is not kept." in text(client.get(listing(acme)))


def test_of_many_origins_the_rest_is_counted(client, acme):
    number = 23
    AllowedOrigin.objects.bulk_create(
        AllowedOrigin(policy=acme, pattern=f"https://{place:02}.acme.example") for place in range(number)
    )
    told = text(client.get(listing(acme)))
    assert told.count("added https://") == 20 + 1
    assert "and 3 more origins" in told


def test_a_policy_without_history_says_so(client, acme):
    PolicyHistory.objects.all().delete()
    assert "No change of this policy is known" in text(client.get(listing(acme)))


def test_a_page_lists_25_changes_and_its_queries_do_not_grow(client, acme):
    def queries(page):
        with CaptureQueriesContext(connection) as captured:
            shown = client.get(listing(acme), {"p": page}).context["changes"]
        return len(captured), [row.number for row in shown]

    few, _ = queries(1)
    for age in range(29):
        TenantPolicy.objects.update(max_age=age)
    numbers = list(PolicyHistory.objects.values_list("pk", flat=True))
    assert queries(1) == (few, numbers[:25])
    assert queries(2) == (few, numbers[25:])
    assert queries("nonsense") == (few, numbers[:25])
    assert queries("9" * 5000) == (few, numbers[:25])
    content = client.get(listing(acme)).content.decode()
    assert '<a href="?p=2">2</a>' in content
    assert "30 entries" in content


def test_many_pages_are_not_all_named(client, acme, monkeypatch):
    monkeypatch.setattr(versions, "PER_PAGE", 1)
    for age in range(29):
        TenantPolicy.objects.update(max_age=age)
    assert "1 2 3 4 … 29 30" in text(client.get(listing(acme)))


def many_at_once():
    """Write an entry as of a change of more tenants than are named."""
    return PolicyHistory.objects.create(tenant="", actor="boss", action=Action.IMPORT, reason="their secret")


def test_a_change_of_many_policies_is_on_the_page_of_each(client, acme):
    many_at_once()
    [row, _] = client.get(listing(acme)).context["changes"]
    assert (row.who, row.how, row.why) == ("boss", "an import", "their secret")
    assert row.said == "Many policies were changed at once; what they were is not kept."


def mine_alone(user):
    return {ACME}


@pytest.fixture
def own(settings):
    """A client logged in as the staff of one tenant, with all permissions."""
    settings.CORS_ADMIN_TENANTS_FOR_USER = f"{__name__}.mine_alone"
    return staff(*ALL, name="own")


def test_of_a_change_of_many_policies_a_tenants_staff_sees_when_and_how(own, acme):
    entry = many_at_once()
    for url in (listing(acme), version(acme, entry)):
        response = own.get(url)
        assert b"boss" not in response.content
        assert b"their secret" not in response.content
        row = response.context["changes"][0]
        assert (row.when, row.who, row.how, row.why) == (entry.created_at, "an import", "an import", "")


# --- one version


def test_a_version_is_the_policy_right_after_its_change(client, acme):
    acme.origins.create(pattern=B)
    entry = last()
    acme.max_age = 60
    acme.save()
    acme.origins.filter(pattern=A).delete()
    told = text(client.get(version(acme, entry)))
    whole = told[told.index("The policy after this change") : told.index("Restore this version")]
    assert "Preflight lifetime 600 seconds" in whole
    assert f"Origin Enabled Expires at Note {A} yes Jan. 1, 2020, 9:04 p.m. first {B} yes never empty" in whole
    assert f"Preflight lifetime 60 seconds 600 seconds added {A}" in told


def test_what_the_audit_finds_of_a_version_is_shown(client, acme):
    acme.origins.create(pattern="http://localhost:3000")
    entry = last()
    acme.origins.all().delete()
    assert "CORS109" in text(client.get(version(acme, entry)))
    assert "CORS109" not in text(client.get(version(acme)))


def test_a_version_like_the_present_is_not_restored(client, acme):
    told = text(client.get(version(acme)))
    assert "The policy is like this now: there is nothing to restore." in told
    assert "It had no origins." not in told
    assert 'type="submit" class="default"' not in client.get(version(acme)).content.decode()


def test_a_version_without_origins_says_so(client, acme):
    acme.origins.all().delete()
    assert "It had no origins." in text(client.get(version(acme)))


@pytest.mark.parametrize("number", ["0", "9" * 30])
def test_a_version_that_is_none_is_not_found(client, acme, number):
    for url in (f"{listing(acme)}{number}/", f"{DELETED}{number}/"):
        assert client.get(url).status_code == 404
        assert client.post(url).status_code == 404


def test_a_version_that_the_history_does_not_lead_to_says_so(client, acme, monkeypatch):
    entry = last()
    monkeypatch.setattr(recorded, "TOLD", 0)
    AllowedOrigin.objects.bulk_create([AllowedOrigin(policy=acme, pattern=B)])
    before = stored()
    for response in (client.get(version(acme, entry)), restore(client, version(acme, entry))):
        assert "What the policy was after this change is not known" in text(response)
        assert b"submit-row" not in response.content
    assert stored() == before
    assert "Restore this version" in text(client.get(version(acme)))  # the newest is the present


def test_a_version_too_many_changes_ago_says_so(client, acme, monkeypatch):
    monkeypatch.setattr(restoring, "MOST_UNDONE", 2)
    entry = last()
    for age in range(2):
        TenantPolicy.objects.update(max_age=age)
    assert "is not known" not in text(client.get(version(acme, entry)))
    TenantPolicy.objects.update(max_age=2)
    assert "is not known" in text(client.get(version(acme, entry)))


def test_a_version_before_a_deletion_that_nobody_saw_says_so(client, acme):
    TenantPolicy.objects.update(max_age=1)
    entry = last()
    acme.delete()
    last().delete()  # as raw SQL would have left it
    again = TenantPolicy.objects.create(tenant=ACME)
    assert "is not known" in text(client.get(version(again, entry)))


def test_the_version_of_a_deletion_is_what_was_deleted(client, acme):
    acme.delete()
    entry = last()
    again = TenantPolicy.objects.create(tenant=ACME)
    told = text(client.get(version(again, entry)))
    assert "The policy that was deleted" in told
    assert f"added {A}" in told
    assert restore(client, version(again, entry)).status_code == 302
    assert [origin.pattern for origin in again.origins.all()] == [A]


def test_versions_before_a_deletion_do_not_depend_on_what_came_after_it(client, acme, monkeypatch):
    acme.origins.create(pattern=B)
    entry = last()
    acme.origins.all().delete()
    acme.delete()
    again = TenantPolicy.objects.create(tenant=ACME)
    many_at_once()
    assert restore(client, version(again, entry)).status_code == 302
    assert [origin.pattern for origin in again.origins.all()] == [A, B]


# --- restoring


def test_restoring_brings_back_all_that_the_version_tells(client, acme):
    acme.note, acme.allow_credentials = "as it was", True
    acme.save()
    kept = acme.origins.create(pattern=B)
    entry = last()
    acme.note, acme.allow_credentials, acme.max_age = "", False, 1
    acme.save()
    acme.origins.filter(pattern=A).delete()
    acme.origins.create(pattern=C)
    acme.origins.filter(pattern=B).update(note="changed")
    response = client.post(version(acme, entry), {"version": last().pk, "reason": " it was right "})
    assert response.url == reverse(f"{NAME}_change", args=[acme.pk])
    acme.refresh_from_db()
    assert (acme.note, acme.allow_credentials, acme.max_age) == ("as it was", True, 600)
    rows = {origin.pattern: origin for origin in acme.origins.all()}
    assert rows.keys() == {A, B}
    assert (rows[A].expires_at, rows[A].note) == (PAST, "first")  # expired, as it was
    assert (rows[B].pk, rows[B].created_at, rows[B].note) == (kept.pk, kept.created_at, "")
    told = last()
    assert (told.actor, told.action, told.reason) == ("root", Action.RESTORED, "it was right")
    log = LogEntry.objects.get()
    assert (log.object_id, log.action_flag, log.change_message) == (
        str(acme.pk),
        CHANGE,
        f"Restored version {entry.pk}.",
    )
    assert said(client.get(response.url)) == ["The version was restored."]


def test_an_origin_that_is_the_same_is_not_written(client, acme):
    entry = last()
    acme.origins.create(pattern=B)
    row = AllowedOrigin.objects.filter(pattern=A).values().get()
    assert restore(client, version(acme, entry)).status_code == 302
    assert AllowedOrigin.objects.values().get() == row
    assert (last().before, last().after) == ({"origins": {B: {"enabled": True, "expires_at": None, "note": ""}}}, {})


def test_restoring_leaves_the_tenants_key(client, acme):
    acme.tenant = GLOBEX
    acme.save()
    entry = last(GLOBEX)
    acme.max_age = 1
    acme.save()
    assert restore(client, version(acme, entry)).status_code == 302
    acme.refresh_from_db()
    assert (acme.tenant, acme.max_age) == (GLOBEX, 600)


def test_a_key_that_would_be_written_otherwise_today_stays(client):
    policy = TenantPolicy.objects.create(tenant="ACME.tenants.example")
    entry = last(policy.tenant)
    TenantPolicy.objects.update(max_age=1)
    assert restore(client, version(policy, entry)).status_code == 302
    assert TenantPolicy.objects.values_list("tenant", "max_age").get() == ("ACME.tenants.example", 600)


def test_a_field_that_the_version_does_not_know_stays(client, acme):
    TenantPolicy.objects.update(shadow=True)
    acme.delete()
    entry = last()
    del entry.before["shadow"]
    PolicyHistory.objects.filter(pk=entry.pk).update(before=entry.before)
    again = TenantPolicy.objects.create(tenant=ACME, shadow=True, max_age=1)
    assert restore(client, version(again, entry)).status_code == 302
    again.refresh_from_db()
    assert (again.shadow, again.max_age) == (True, 600)


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({"max_age": 500}, "Preflight lifetime: "),
        ({"max_origins": 1}, "at most 1 origin"),
        ({"insecure_origins": False}, "http://b.acme.example: "),
    ],
)
def test_what_is_beyond_the_limits_is_not_restored(client, acme, settings, limits, why):
    acme.origins.create(pattern="http://b.acme.example")
    entry = last()
    acme.max_age = 1
    acme.save()
    acme.origins.all().delete()
    settings.CORS_TENANT_LIMITS = {"insecure_origins": True, **limits}
    before = stored()
    for response in (client.get(version(acme, entry)), restore(client, version(acme, entry))):
        assert "This version cannot be restored" in text(response)
        assert why in text(response)
        assert b"submit-row" not in response.content
    assert client.post(version(acme, entry), {"version": last().pk}).status_code == 200
    assert stored() == before


def test_the_key_is_judged_too(client, acme, settings):
    entry = last()
    TenantPolicy.objects.update(tenant="a b", max_age=1)
    PolicyHistory.objects.filter(pk=entry.pk).update(tenant="a b")
    PolicyHistory.objects.filter(pk__gt=entry.pk).delete()
    with change():
        TenantPolicy.objects.update(max_age=2)
    assert "Tenant: Write the host alone" in text(client.get(version(acme, entry)))


def test_an_origin_comes_back_in_its_canonical_form(client, acme):
    acme.origins.create(pattern="https://B.acme.example:443")
    entry = last()
    acme.max_age = 1
    acme.save()
    assert restore(client, version(acme, entry)).status_code == 302
    assert [origin.pattern for origin in acme.origins.all()] == [A, B]


def test_an_origin_takes_its_canonical_form_from_one_that_goes(client, acme):
    acme.origins.create(pattern=f"{B}:443")
    entry = last()
    acme.origins.create(pattern=B)
    assert restore(client, version(acme, entry)).status_code == 302
    assert [origin.pattern for origin in acme.origins.order_by("pattern")] == [A, B]


def test_one_origin_in_two_spellings_is_not_restored(client, acme):
    acme.origins.create(pattern=B)
    acme.origins.create(pattern=f"{B}:443")
    entry = last()
    acme.max_age = 1
    acme.save()
    assert f"{B}:443: This policy lists the origin already." in text(client.get(version(acme, entry)))


def test_something_grave_needs_a_reason(client, acme, settings):
    settings.CORS_TENANT_LIMITS = {"public_suffix_wildcards": True}
    acme.origins.create(pattern="https://*.github.io")
    acme.allow_credentials = True
    acme.save()
    entry = last()
    acme.origins.filter(pattern="https://*.github.io").delete()
    before = stored()
    response = restore(client, version(acme, entry), reason=" ")
    assert "Give a reason for this: CORS105 (critical)" in str(faults(response)["reason"])
    assert stored() == before
    assert restore(client, version(acme, entry), reason="a demo").status_code == 302
    assert acme.origins.count() == 2


def test_a_reason_that_is_too_long_restores_nothing(client, acme):
    entry = last()
    TenantPolicy.objects.update(max_age=1)
    response = restore(client, version(acme, entry), reason="x" * 1001)
    assert list(faults(response)) == ["reason"]
    assert TenantPolicy.objects.get().max_age == 1


@pytest.mark.parametrize("sent", ["", "nonsense", "0", "9" * 30, "9" * 5000], ids=len)
def test_a_form_without_the_version_restores_nothing(client, acme, sent):
    entry = last()
    TenantPolicy.objects.update(max_age=1)
    assert client.post(version(acme, entry), {"version": sent}).status_code == 200
    assert TenantPolicy.objects.get().max_age == 1


def test_a_policy_changed_since_the_page_was_opened_is_not_restored_until_it_was_seen(client, acme):
    entry = last()
    TenantPolicy.objects.update(max_age=1)
    opened = last().pk
    with change(actor="ann", reason="an emergency"):
        acme.origins.create(pattern=B)
    before = stored()
    response = client.post(version(acme, entry), {"version": opened, "reason": "typed"})
    assert faults(response) == {
        "__all__": ["This policy has been changed since you opened this page, so nothing was restored."]
    }
    [other] = response.context["conflict"]
    assert (other.who, other.why) == ("ann", "an emergency")
    assert f"removed {B}" in text(response)  # what restoring would do to the policy as it is now
    assert ">\ntyped</textarea>" in response.content.decode()
    assert stored() == before
    [number] = re.findall('name="version" value="([0-9]*)"', response.content.decode())
    assert client.post(version(acme, entry), {"version": number}).status_code == 302
    assert acme.origins.count() == 1


def test_a_policy_deleted_since_the_page_was_opened_is_not_found(client, acme):
    url = version(acme)
    acme.delete()
    assert client.post(url, {"version": "1"}).status_code == 404


def test_a_policy_deleted_while_its_version_waits_for_the_lock_is_not_found(client, acme):
    url = version(acme)

    def delete_first(execute, sql, params, many, context):
        if "policyrevision" in sql and not came_first:
            came_first.append("another")
            TenantPolicy.objects.get(pk=acme.pk).delete()
        return execute(sql, params, many, context)

    came_first = []
    with connection.execute_wrapper(delete_first):
        assert client.post(url, {"version": last().pk}).status_code == 404


# --- who may


def test_who_may_only_look_sees_the_pages_and_restores_nothing(acme):
    viewer = staff(VIEW)
    entry = last()
    TenantPolicy.objects.update(max_age=1)
    assert viewer.get(listing(acme)).status_code == 200
    response = viewer.get(version(acme, entry))
    assert "You do not have the permissions that restoring it needs." in text(response)
    assert b"<form method" not in response.content.partition(b'id="content-main"')[2]
    before = stored()
    assert viewer.post(version(acme, entry), {"version": last().pk}).status_code == 403
    assert stored() == before
    many_at_once()
    assert viewer.post(version(acme, entry), {"version": last().pk}).status_code == 403  # nor what cannot be


@pytest.mark.parametrize(
    ("missing", "work"),
    [
        ("add_allowedorigin", lambda acme: acme.origins.all().delete()),
        ("delete_allowedorigin", lambda acme: acme.origins.create(pattern=B)),
        ("change_allowedorigin", lambda acme: acme.origins.update(note="changed")),
        ("change_tenantpolicy", lambda acme: TenantPolicy.objects.update(note="changed")),
    ],
)
def test_restoring_needs_the_permissions_for_what_it_does(acme, missing, work):
    entry = last()
    work(acme)
    lacking = staff(*(set(ALL) - {missing}))
    before = stored()
    assert "You do not have the permissions" in text(lacking.get(version(acme, entry)))
    assert lacking.post(version(acme, entry), {"version": last().pk}).status_code == 403
    assert stored() == before
    assert restore(staff(*ALL, name="other"), version(acme, entry)).status_code == 302


def test_origins_that_stay_need_no_permission(acme):
    entry = last()
    TenantPolicy.objects.update(max_age=1)
    assert restore(staff(VIEW, "change_tenantpolicy"), version(acme, entry)).status_code == 302


def test_who_may_see_no_policy_sees_no_version(acme):
    nobody = staff("add_tenantpolicy")
    for url in (listing(acme), version(acme), DELETED, deleted()):
        assert nobody.get(url).status_code == 403
        assert nobody.post(url).status_code == 403


def test_a_tenants_staff_restores_its_own(own, acme):
    entry = last()
    acme.origins.all().delete()
    assert own.get(listing(acme)).status_code == 200
    assert restore(own, version(acme, entry)).status_code == 302
    assert acme.origins.count() == 1


def test_another_tenants_versions_are_not_found(own, acme):
    theirs = TenantPolicy.objects.create(tenant=GLOBEX)
    entry = last(GLOBEX)
    before = stored()
    urls = [listing(theirs), version(theirs, entry), version(theirs, last()), version(acme, entry), deleted(entry)]
    for url in urls:
        assert own.get(url).status_code == 404
        assert own.post(url, {"version": entry.pk}).status_code == 404
    assert stored() == before


# --- policies that are no more


def test_the_list_leads_to_the_deleted_policies_for_who_may_add_them(client, acme):
    assert f'<a href="{DELETED}">Deleted policies</a>' in client.get(LIST).content.decode()
    viewer = staff(VIEW)
    assert DELETED not in viewer.get(LIST).content.decode()
    assert viewer.get(DELETED).status_code == 403


def test_deleted_policies_are_listed_the_last_first(client, acme):
    globex = TenantPolicy.objects.create(tenant=GLOBEX)
    acme.delete()
    with change(actor="ann", reason="they left"):
        globex.delete()
    rows = client.get(DELETED).context["rows"]
    assert [(key, row.who, row.why) for key, row in rows] == [(GLOBEX, "ann", "they left"), (ACME, "code", "")]


def test_a_policy_that_is_there_again_is_not_listed_as_deleted(client, acme):
    acme.delete()
    TenantPolicy.objects.create(tenant=ACME)
    assert client.get(DELETED).context["rows"] == []
    assert "No policy was." in text(client.get(DELETED))


def test_a_policy_deleted_twice_is_listed_once(client, acme):
    acme.delete()
    TenantPolicy.objects.create(tenant=ACME).delete()
    assert [row.number for _, row in client.get(DELETED).context["rows"]] == [last().pk]


def test_a_key_that_was_left_by_renaming_is_listed_as_deleted(client, acme):
    acme.tenant = GLOBEX
    acme.save()
    assert [key for key, _ in client.get(DELETED).context["rows"]] == [ACME]


def test_only_the_last_changes_are_looked_at_and_older_ones_by_their_key(client, acme, monkeypatch):
    monkeypatch.setattr(versions, "LOOKED_AT", 2)
    acme.delete()
    globex = TenantPolicy.objects.create(tenant=GLOBEX)
    assert [key for key, _ in client.get(DELETED).context["rows"]] == [ACME]
    globex.delete()
    assert [key for key, _ in client.get(DELETED).context["rows"]] == [GLOBEX]
    response = client.get(DELETED, {"tenant": f" {ACME} "})
    assert [row.said for row in response.context["changes"]] == ["The policy was deleted.", "The policy was created."]


@pytest.mark.parametrize("asked", ["nobody", GLOBEX, "\x00", "x" * 5000], ids=len)
def test_a_key_that_no_deleted_policy_has_says_so(client, acme, asked):
    acme.delete()
    TenantPolicy.objects.create(tenant=GLOBEX)
    assert client.get(DELETED, {"tenant": asked}).status_code == 200
    if asked.isprintable():
        assert "No deleted policy has exactly this key." in text(client.get(DELETED, {"tenant": asked}))


def test_without_any_history_nothing_was_deleted(client):
    assert "No policy was." in text(client.get(DELETED))


def test_a_deleted_policy_is_added_again_as_it_was(client, acme):
    acme.note = "as it was"
    acme.save()
    acme.origins.create(pattern=B)
    acme.delete()
    entry = last()
    response = client.get(deleted())
    assert "The policy that was deleted" in text(response)
    assert f"Origin Enabled Expires at Note {A} yes" in text(response)
    response = restore(client, deleted(), reason="they came back")
    again = TenantPolicy.objects.get()
    assert response.url == reverse(f"{NAME}_change", args=[again.pk])
    assert (again.tenant, again.note) == (ACME, "as it was")
    assert list(again.origins.values_list("pattern", "expires_at")) == [(A, PAST), (B, None)]
    assert (last().action, last().before, last().reason) == (Action.RESTORED, None, "they came back")
    log = LogEntry.objects.get()
    assert (log.action_flag, log.change_message) == (ADDITION, f"Restored version {entry.pk}.")


def test_an_older_version_of_a_deleted_policy_is_added_again(client, acme):
    entry = last()
    acme.origins.create(pattern=B)
    acme.delete()
    assert "The policy after this change" in text(client.get(deleted(entry)))
    assert restore(client, deleted(entry)).status_code == 302
    assert [origin.pattern for origin in TenantPolicy.objects.get().origins.all()] == [A]


def test_a_policy_that_was_restored_already_is_not_restored_twice(client, acme):
    acme.delete()
    entry = last()
    number = entry.pk
    restore(client, deleted(entry))
    before = stored()
    response = client.post(deleted(entry), {"version": number})
    assert response.url == version(TenantPolicy.objects.get(), entry)
    assert said(client.get(response.url))[-1].startswith("This tenant has a policy again")
    assert stored() == before


def test_a_deleted_policy_that_came_and_went_since_the_page_was_opened_is_a_conflict(client, acme):
    acme.delete()
    entry = last()
    TenantPolicy.objects.create(tenant=ACME).delete()
    response = client.post(deleted(entry), {"version": entry.pk})
    assert list(faults(response)) == ["__all__"]
    assert not TenantPolicy.objects.exists()


def test_a_deleted_policy_whose_key_would_be_another_today_is_not_restored(client):
    TenantPolicy.objects.create(tenant="ACME.tenants.example").delete()
    entry = last("ACME.tenants.example")
    assert "Today the tenant's key would be acme.tenants.example" in text(client.get(deleted(entry)))
    assert client.post(deleted(entry), {"version": entry.pk}).status_code == 200
    assert not TenantPolicy.objects.exists()


def test_something_grave_in_a_deleted_policy_needs_a_reason(client, acme, settings):
    settings.CORS_TENANT_LIMITS = {"public_suffix_wildcards": True}
    acme.origins.create(pattern="https://*.github.io")
    TenantPolicy.objects.update(allow_credentials=True)
    acme.delete()
    assert "CORS105" in str(faults(restore(client, deleted()))["reason"])
    assert not TenantPolicy.objects.exists()


def test_adding_origins_again_needs_the_permission_to(acme):
    acme.delete()
    lacking = staff(VIEW, "add_tenantpolicy")
    assert "You do not have the permissions" in text(lacking.get(deleted()))
    assert lacking.post(deleted(), {"version": last().pk}).status_code == 403
    assert not TenantPolicy.objects.exists()


def test_a_change_of_many_policies_is_no_deleted_policys_version(client, acme):
    entry = many_at_once()
    assert client.get(deleted(entry)).status_code == 404


def test_a_tenants_staff_sees_its_own_deleted_policies_alone(own, acme):
    globex = TenantPolicy.objects.create(tenant=GLOBEX)
    acme.delete()
    globex.delete()
    assert [key for key, _ in own.get(DELETED).context["rows"]] == [ACME]
    assert "No deleted policy has exactly this key." in text(own.get(DELETED, {"tenant": GLOBEX}))
    assert own.get(deleted(last(GLOBEX))).status_code == 404
    assert own.post(deleted(last(GLOBEX)), {"version": last(GLOBEX).pk}).status_code == 404
    assert restore(own, deleted()).status_code == 302
    assert TenantPolicy.objects.get().tenant == ACME


def test_what_people_wrote_is_shown_as_text(client, acme):
    with change(actor="<b>ann</b>", reason="<script>alert(1)</script>"):
        acme.note = "<img src=x>"
        acme.save()
    entry = last()
    acme.delete()
    TenantPolicy.objects.create(tenant="<i>.tenants.example").delete()
    for url in (DELETED, f"{DELETED}?tenant={ACME}", f"{DELETED}?tenant=<i>.tenants.example", deleted(entry)):
        content = client.get(url).content
        assert not re.search(rb"<b>ann|<script>alert|<img src=x|<i>\.", content)


def test_long_texts_are_cut_in_the_list(client, acme):
    acme.note = "x" * 20_000 + "end"
    acme.save()
    assert len(client.get(listing(acme)).content) < 30_000
    assert len(client.get(version(acme)).content) < 50_000


def test_nothing_on_the_pages_needs_an_inline_style_or_script(client, acme):
    acme.origins.create(pattern=B)
    entry = last(ACME)
    acme.origins.all().delete()
    pages = [listing(acme), version(acme, entry), DELETED]
    for url in pages:
        content = client.get(url).content.decode().partition('id="content-main"')[2]
        assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=", content)


def test_an_hour_is_told_as_the_seconds_it_is_of(client, acme):
    TenantPolicy.objects.update(max_age=timedelta(hours=1).seconds)
    assert "3600 seconds" in text(client.get(listing(acme)))
