"""Tenants' own staff: by whatever address they come, they see and change nothing but their own tenants."""

import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from django_cors_policy.admin.forms import version_of
from django_cors_policy.history import PolicyHistory
from django_cors_policy.models import AllowedOrigin, BlockedOrigin, TenantPolicy
from tests.admin.test_policies import page

pytestmark = pytest.mark.django_db

MINE, THEIRS = "mine.tenants.example", "theirs.tenants.example"
MY_ORIGIN, THEIR_ORIGIN = "https://app.mine.example", "https://app.theirs-secret.example"
THEIR_BLOCKED = "https://new.theirs-secret.example"
# All of another tenant's that a page could show: its key, its origins, its note, its staff, their reasons.
SECRETS = re.compile(r"theirs|TheirNote|TheirReason|boss-of-th")
MANAGED = {"staff": {MINE}, "root": None}


def tenants_of(user):
    return MANAGED[user.username]


def tenants_by_a_fault(user):
    raise RuntimeError("no such customer")


def tenants_by_a_text(user):
    return THEIRS


def tenants_with_an_empty_key(user):
    return [MINE, ""]


@pytest.fixture
def mine():
    policy = TenantPolicy.objects.create(tenant=MINE)
    policy.origins.create(pattern=MY_ORIGIN)
    return policy


@pytest.fixture
def theirs():
    policy = TenantPolicy.objects.create(tenant=THEIRS, note="TheirNote", allow_credentials=True)
    policy.origins.create(pattern=THEIR_ORIGIN, expires_at=timezone.now() + timedelta(days=1))
    PolicyHistory.objects.filter(tenant=THEIRS).update(actor="boss-of-them", reason="TheirReason")
    boss = User.objects.create_superuser("boss-of-them")
    LogEntry.objects.create(
        user=boss,
        content_type=ContentType.objects.get_for_model(TenantPolicy),
        object_id=policy.pk,
        object_repr=THEIRS,
        action_flag=2,
        change_message="TheirReason",
    )
    now = timezone.now()
    seen = {"reason": "not-allowed", "count": 1, "first_seen": now, "last_seen": now, "method": "GET"}
    for number, tenant in ((9001, THEIRS), (9002, "")):  # what is no stored tenant's is for those who manage all
        BlockedOrigin.objects.create(pk=number, tenant=tenant, origin=THEIR_BLOCKED, path="/theirs/", **seen)
    return policy


@pytest.fixture
def client(settings):
    """A client logged in as the staff of one tenant, with all permissions that this app has."""
    settings.CORS_ADMIN_TENANTS_FOR_USER = f"{__name__}.tenants_of"
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="django_cors_policy"))
    client = Client()
    client.force_login(user)
    return client


def addresses(policy):
    """Give every address of the app's pages in the admin, with a policy's own numbers in it."""
    numbers = [
        policy.pk,
        *policy.origins.values_list("pk", flat=True),
        *PolicyHistory.objects.filter(tenant=policy.tenant).values_list("pk", flat=True),
    ]
    for model, model_admin in admin.site._registry.items():
        if model._meta.app_label != "django_cors_policy":
            continue
        if model is not TenantPolicy:
            numbers += model.objects.filter(tenant__in=[policy.tenant, ""]).values_list("pk", flat=True)
        for pattern in model_admin.get_urls():
            names = list(pattern.pattern.converters)
            if pattern.name is None:
                continue
            for number in numbers:
                arguments = dict.fromkeys(names, policy.pk)
                if names:
                    arguments[names[-1]] = number
                try:
                    yield reverse(f"admin:{pattern.name}", kwargs=arguments)
                except NoReverseMatch:
                    yield reverse(f"admin:{pattern.name}", args=list(arguments.values()))


def test_the_addresses_are_those_of_all_pages(theirs):
    found = set(addresses(theirs))
    assert {
        reverse("admin:django_cors_policy_tenantpolicy_changelist"),
        reverse("admin:django_cors_policy_tenantpolicy_change", args=[theirs.pk]),
        reverse("admin:django_cors_policy_tenantpolicy_delete", args=[theirs.pk]),
        reverse("admin:django_cors_policy_tenantpolicy_history", args=[theirs.pk]),
        *(
            reverse(f"admin:django_cors_policy_blockedorigin_{name}", args=[row.pk])
            for name in ("change", "delete", "allow", "ignore", "show")
            for row in BlockedOrigin.objects.all()
        ),
    } <= found


def state():
    """Give all that is stored."""
    return (
        list(TenantPolicy.objects.values()),
        list(AllowedOrigin.objects.values()),
        list(PolicyHistory.objects.values()),
        list(BlockedOrigin.objects.order_by("pk").values()),
    )


def assert_nothing_of_theirs(response, said=()):
    text = b"".join(response) if response.streaming else response.content
    shown = text.decode()
    for own in said:  # what the visitor has typed is no secret
        for spelled in (own, quote(own), quote(own, safe=""), quote(quote(own, safe=""))):
            shown = shown.replace(spelled, "")
    assert not SECRETS.search(shown), (response.request["PATH_INFO"], SECRETS.search(shown), response.status_code)
    assert response.status_code < 500


def test_by_no_address_is_anything_of_another_tenant_shown(client, mine, theirs):
    for url in {*addresses(theirs), "/admin/", "/admin/django_cors_policy/"}:
        assert_nothing_of_theirs(client.get(url, follow=True), said=[url])


def test_by_no_address_is_anything_of_another_tenant_changed(client, mine, theirs):
    before = state()
    blocked = BlockedOrigin.objects.values_list("pk", flat=True)
    numbers = [str(theirs.pk), *map(str, theirs.origins.values_list("pk", flat=True)), *map(str, blocked)]
    data = {
        **page(policy=theirs, note="taken over"),
        "post": "yes",
        "reason": "mine now",
        "confirm": "yes",
        "_selected_action": numbers,
        "index": "0",
    }
    for url in set(addresses(theirs)):
        for action in ("delete_selected", "enable", "disable", "ignore_selected", "show_selected"):
            response = client.post(url, {**data, "action": action}, follow=True)
            assert_nothing_of_theirs(response, said=[url, THEIRS, THEIR_ORIGIN])
    after = state()
    assert [row for row in before[0] if row not in after[0] and row["tenant"] == THEIRS] == []
    assert [row for row in before[1] if row not in after[1]] == []
    assert [row for row in after[2] if row["tenant"] == THEIRS] == [row for row in before[2] if row["tenant"] == THEIRS]
    assert after[3] == before[3]


@pytest.mark.parametrize(
    "query",
    [
        *({"q": "theirs"}, {"q": "secret"}, {"q": THEIR_ORIGIN}, {"all": ""}, {"p": "1"}),
        *({"tenant__startswith": "t"}, {"tenant": THEIRS}, {"origins__pattern": THEIR_ORIGIN}, {"risk": "3"}),
        *({"enabled__exact": "1"}, {"allow_credentials__exact": "1"}, {"shadow__exact": "0"}, {"_facets": "True"}),
        *({"ignored": "all"}, {"reason": "not-allowed"}, {"origin": THEIR_BLOCKED}, {"path__startswith": "/theirs"}),
    ],
)
@pytest.mark.parametrize("model", ["tenantpolicy", "blockedorigin"])
def test_lists_filters_searches_and_their_counts_are_of_ones_own(client, mine, theirs, query, model):
    response = client.get(reverse(f"admin:django_cors_policy_{model}_changelist"), query, follow=True)
    assert_nothing_of_theirs(response, said=query.values())
    changelist = (response.context or {}).get("cl")
    if changelist is not None:
        assert changelist.result_count <= 1
        assert {policy.tenant for policy in changelist.result_list} <= {MINE}


def test_ones_own_policy_is_shown_and_changed(client, mine):
    url = reverse("admin:django_cors_policy_tenantpolicy_change", args=[mine.pk])
    assert MY_ORIGIN in client.get(url).content.decode()
    assert client.post(url, page("https://new.mine.example", policy=mine)).status_code == 302
    assert mine.origins.count() == 2
    entry = PolicyHistory.objects.first()
    assert (entry.actor, entry.action) == ("staff", "admin")


ADD = reverse("admin:django_cors_policy_tenantpolicy_add")


def test_a_policy_is_added_for_a_tenant_of_ones_own_alone(client, theirs):
    refused = client.post(ADD, page(tenant=THEIRS))
    assert refused.status_code == 200
    elsewhere = client.post(ADD, page(tenant="nobodys.tenants.example"))
    said = "Select a valid choice. {} is not one of the available choices."
    assert refused.context["adminform"].form.errors["tenant"] == [said.format(THEIRS)]  # whether it has a policy or not
    assert elsewhere.context["adminform"].form.errors["tenant"] == [said.format("nobodys.tenants.example")]
    assert client.post(ADD, page(tenant=MINE)).status_code == 302
    assert TenantPolicy.objects.filter(tenant=MINE).exists()


def test_a_policy_is_not_moved_to_another_tenant(client, mine):
    url = reverse("admin:django_cors_policy_tenantpolicy_change", args=[mine.pk])
    assert client.post(url, page(policy=mine, tenant=THEIRS)).status_code == 200
    assert TenantPolicy.objects.get().tenant == MINE


def test_another_tenants_origin_is_not_taken_over_by_its_number(client, mine, theirs):
    origin = theirs.origins.get()
    data = page(policy=mine) | {"origins-0-id": origin.pk, "origins-0-pattern": "https://evil.example"}
    response = client.post(reverse("admin:django_cors_policy_tenantpolicy_change", args=[mine.pk]), data)
    assert_nothing_of_theirs(response)
    assert theirs.origins.get().pattern == THEIR_ORIGIN
    assert mine.origins.get().pattern == MY_ORIGIN
    assert PolicyHistory.objects.filter(tenant=THEIRS).count() == 2


def test_a_key_is_offered_once(client, mine):
    form = client.get(ADD).context["adminform"].form
    assert form.fields["tenant"].choices == []
    form = client.get(reverse("admin:django_cors_policy_tenantpolicy_change", args=[mine.pk])).context["adminform"].form
    assert form.fields["tenant"].choices == [(MINE, MINE)]


def test_who_manages_all_tenants_sees_all(client, mine, theirs):
    root = Client()
    root.force_login(User.objects.create_superuser("root"))
    response = root.get(reverse("admin:django_cors_policy_tenantpolicy_changelist"))
    assert response.context["cl"].result_count == 2
    assert (
        "TheirNote"
        in root.get(reverse("admin:django_cors_policy_tenantpolicy_change", args=[theirs.pk])).content.decode()
    )


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("tenants_by_a_fault", "CORS_ADMIN_TENANTS_FOR_USER failed: the user manages no tenant"),
        ("tenants_by_a_text", "gave 'theirs.tenants.example', not a set of tenant keys or None"),
        ("tenants_with_an_empty_key", "not a set of tenant keys or None: the user manages no tenant"),
        ("no_such_function", "no tenant for anybody"),
    ],
)
def test_where_the_function_fails_nobody_manages_anything(client, mine, theirs, settings, caplog, path, said):
    settings.CORS_ADMIN_TENANTS_FOR_USER = f"{__name__}.{path}"
    response = client.get(reverse("admin:django_cors_policy_tenantpolicy_changelist"))
    assert response.context["cl"].result_count == 0
    url = reverse("admin:django_cors_policy_tenantpolicy_change", args=[mine.pk])
    assert client.get(url).status_code == 302  # as for a number that is nobody's
    if path == "no_such_function":
        from django_cors_policy import conf

        assert said in [problem.used for problem in conf.current().problems]
    else:
        assert said in caplog.text


def test_the_function_is_asked_once_for_each_request(client, mine, monkeypatch):
    asked = []
    monkeypatch.setattr("tests.admin.test_staff.tenants_of", lambda user: asked.append(user) or {MINE})
    from django_cors_policy import conf

    monkeypatch.setattr(conf, "compiled", None)
    client.get(reverse("admin:django_cors_policy_tenantpolicy_changelist"))
    assert len(asked) == 1
    assert version_of(MINE)


# --- keys that MariaDB takes for one another


@pytest.fixture
def alike(client, settings, monkeypatch):
    """Give a policy whose key is not the staff's, but for a database that is blind to case."""
    settings.CORS_TENANT_RESOLVER = "django_cors_policy.tenants.by_path_prefix"
    monkeypatch.setitem(MANAGED, "staff", {"acme"})
    policy = TenantPolicy.objects.create(tenant="Acme", note="TheirNote")
    policy.origins.create(pattern=THEIR_ORIGIN)
    moment = timezone.now()
    BlockedOrigin.objects.create(
        tenant="Acme",
        origin="https://evil.theirs.example",
        reason="not-allowed",
        count=1,
        first_seen=moment,
        last_seen=moment,
        method="GET",
        path="/",
    )
    return policy


def test_a_key_that_differs_in_case_is_another_tenants(client, alike):
    before = state()
    for url in set(addresses(alike)):
        assert_nothing_of_theirs(client.get(url, follow=True), said=[url])
        for action in ("delete_selected", "enable", "disable", "ignore"):
            data = {"action": action, "_selected_action": [alike.pk], "post": "yes", "reason": "x", "index": "0"}
            assert_nothing_of_theirs(client.post(url, data, follow=True), said=[url])
    assert state() == before


def test_what_was_deleted_of_a_key_that_differs_in_case_is_another_tenants(client, alike):
    alike.delete()
    mine = TenantPolicy.objects.create(tenant="acme")
    deleted = reverse("admin:django_cors_policy_tenantpolicy_deleted")
    versions = reverse("admin:django_cors_policy_tenantpolicy_versions", args=[mine.pk])
    for url in (deleted, f"{deleted}?tenant=acme", f"{deleted}?tenant=Acme", versions):
        assert_nothing_of_theirs(client.get(url))
