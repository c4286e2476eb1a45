"""The pages of the blocked origins: the list, Allow, and Ignore."""

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from django_cors_policy import inbox
from django_cors_policy.admin.inbox import REASONS
from django_cors_policy.blocked import recorder
from django_cors_policy.history import PolicyHistory
from django_cors_policy.inbox import BlockedOrigin
from django_cors_policy.models import AllowedOrigin, PolicyRevision, TenantPolicy

pytestmark = pytest.mark.django_db

LIST = reverse("admin:django_cors_policy_blockedorigin_changelist")
POLICIES = reverse("admin:django_cors_policy_tenantpolicy_changelist")
HOST = "acme.tenants.example"
OWN, OTHER, NEW = "https://app.acme.example", "https://other.acme.example", "https://new.acme.example"
JUDGED = (PolicyRevision, BlockedOrigin, TenantPolicy, AllowedOrigin)
ALL_PERMISSIONS = ("view_blockedorigin", "change_blockedorigin", "change_tenantpolicy", "add_allowedorigin")


@pytest.fixture
def client():
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def acme():
    policy = TenantPolicy.objects.create(tenant=HOST)
    policy.origins.create(pattern=OWN)
    return policy


@pytest.fixture
def row(acme):
    return blocked()


def blocked(origin=NEW, tenant=HOST, days=0, **fields):
    seen = timezone.now() - timedelta(days=days)
    defaults = {"reason": "not-allowed", "count": 3, "method": "GET", "path": "/api/", "first_seen": seen}
    return BlockedOrigin.objects.create(tenant=tenant, origin=origin, last_seen=seen, **defaults | fields)


def address(name, row):
    return reverse(f"admin:django_cors_policy_blockedorigin_{name}", args=[row.pk])


def staff(*permissions):
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def listed(client, **query):
    response = client.get(LIST, query)
    assert response.status_code == 200
    return [row.origin for row in response.context["cl"].result_list]


def text(response):
    return " ".join(response.content.decode().split())


def patterns():
    return list(AllowedOrigin.objects.values_list("pattern", flat=True))


def messages(response):
    return [str(message) for message in response.context["messages"]]


# --- the list


def test_a_denied_request_comes_to_the_list(client, transactional_db):
    TenantPolicy.objects.create(tenant=HOST)
    client.get("/ok/", headers={"host": HOST, "origin": NEW})
    recorder.write()
    assert listed(client) == [NEW]


def test_the_list_shows_what_was_last_seen_first_and_all_that_is_known_of_it(client, acme):
    blocked(OTHER, days=2)
    row = blocked(NEW, count=41, method="DELETE", path="/api/orders/", first_seen=timezone.now() - timedelta(days=9))
    response = client.get(LIST)
    assert [row.origin for row in response.context["cl"].result_list] == [NEW, OTHER]
    assert response.context["title"] == "Blocked origins"
    shown = text(response)
    for expected in ("41", "DELETE /api/orders/", "No policy allows the origin.", "Allow it in the policy.", HOST):
        assert expected in shown
    assert f'href="{address("allow", row)}' in shown
    assert f'formaction="{address("ignore", row)}' in shown


@pytest.mark.parametrize(
    ("fields", "policy", "expected"),
    [
        ({}, {}, "Allow it in the policy."),
        ({}, {"enabled": False}, "Allow it in the policy, if it is not there yet, and enable the policy."),
        ({"would": "allow"}, {"shadow": True}, "End the policy's shadow mode."),
        ({"would": "block"}, {"shadow": True}, "Allow it in the policy, and end the shadow mode."),
        (
            {"would": "change", "reason": "listed"},
            {"shadow": True},
            "Nothing: the settings let it in. The policy in shadow mode would answer otherwise.",
        ),
        ({"tenant": ""}, {}, "Add it to CORS_ALLOWED_ORIGINS, or make a policy for the tenant."),
        ({"tenant": "gone.tenants.example"}, {}, "Add it to CORS_ALLOWED_ORIGINS, or make a policy for the tenant."),
        (
            {"origin": "null", "reason": "null-origin"},
            {},
            "Serve the page from an http or https address: null is everybody&#x27;s, and never allowed.",
        ),
    ],
)
def test_the_list_says_what_would_let_it_in(client, acme, fields, policy, expected):
    TenantPolicy.objects.update(**policy)
    blocked(**fields)
    assert expected.replace("policy's", "policy&#x27;s") in text(client.get(LIST))


def test_the_null_origin_and_what_is_let_in_have_no_link(client, acme):
    for row in (blocked("null", reason="null-origin"), blocked(OTHER, reason="listed")):
        assert address("allow", row) not in text(client.get(LIST))


def test_where_there_is_no_policy_the_link_tells_what_to_do(client, acme):
    row = blocked(tenant="")
    for url in (LIST, address("change", row)):
        assert f'<a href="{address("allow", row)}">How to allow it</a>' in text(client.get(url))


def test_every_reason_that_is_recorded_has_words(client, acme):
    blocked(would="block")
    blocked("https://odd.example", reason="some-reason")  # of a later version
    shown = text(client.get(LIST))
    assert "No policy allows the origin. In shadow mode: blocked too." in shown
    assert "some-reason" in shown
    assert set(map(str, REASONS)) == {"not-allowed", "null-origin", "any-origin", "listed", "wildcard", "regex"}


def test_what_is_ignored_is_shown_where_it_is_asked_for(client, acme):
    blocked(OTHER, ignored=True, days=1)
    blocked(NEW)
    assert listed(client) == [NEW]
    assert listed(client, ignored="yes") == [OTHER]
    assert listed(client, ignored="all") == [NEW, OTHER]
    assert listed(client, ignored="nonsense") == [NEW]


def test_the_list_is_filtered_by_reason_and_by_what_shadow_mode_would_do(client, acme):
    blocked(OTHER, would="allow", days=1)
    blocked("null", reason="null-origin")
    assert listed(client, reason="null-origin") == ["null"]
    assert listed(client, would="allow") == [OTHER]
    assert listed(client, would="x", reason="x") == ["null", OTHER]


def test_the_list_is_filtered_by_one_tenant_and_says_so(client, acme):
    blocked(OTHER, tenant="other.tenants.example")
    blocked(NEW)
    response = client.get(LIST, {"tenant": HOST})
    assert [row.origin for row in response.context["cl"].result_list] == [NEW]
    assert "By tenant" in text(response)
    assert "By tenant" not in text(client.get(LIST))


@pytest.mark.parametrize("query", ["tenant=%00", "tenant=" + "x" * 300, "q=%00", "ignored=%00", "would=%00", "p=99999"])
def test_no_query_is_an_error_of_the_server(client, row, query):
    assert client.get(f"{LIST}?{query}").status_code < 400


def test_the_list_is_filtered_by_nothing_else(client, row):
    assert client.get(LIST, {"path__startswith": "/"}).status_code == 400
    assert client.get(LIST, {"origin": "\0"}).status_code == 400


def test_the_list_is_searched_by_tenant_and_origin(client, acme):
    blocked(OTHER, tenant="other.tenants.example", days=1)
    blocked(NEW)
    assert listed(client, q="new.acme") == [NEW]
    assert listed(client, q="other.tenants") == [OTHER]


def test_more_columns_sort_where_there_are_few_rows(client, row):
    assert client.get(LIST).context["cl"].sortable_by == ("last_seen",)
    assert "count" in client.get(LIST, {"tenant": HOST}).context["cl"].sortable_by


def test_the_queries_of_the_list_do_not_grow_with_its_rows(client, row):
    def count():
        with CaptureQueriesContext(connection) as queries:
            listed(client)
        return len(queries)

    few = count()
    for number in range(20):
        TenantPolicy.objects.create(tenant=f"t{number}.tenants.example")
        blocked(tenant=f"t{number}.tenants.example")
    assert count() == few


def test_a_row_is_shown_and_edited_by_nobody(client, row):
    response = client.get(address("change", row))
    shown = text(response)
    assert response.status_code == 200
    assert "Allow it in the policy." in shown
    assert address("allow", row) in shown
    assert 'name="_save"' not in shown
    assert client.post(address("change", row), {"origin": "https://x.example"}).status_code == 403
    assert client.get(reverse("admin:django_cors_policy_blockedorigin_add")).status_code == 403


def test_rows_are_deleted_by_those_who_may(client, row):
    other = blocked(OTHER)
    assert staff("view_blockedorigin", "change_blockedorigin").post(address("delete", row)).status_code == 403
    assert client.post(address("delete", row), {"post": "yes"}).status_code == 302
    assert list(BlockedOrigin.objects.all()) == [other]
    data = {"action": "delete_selected", "_selected_action": [other.pk], "post": "yes"}
    assert client.post(LIST, data).status_code == 302
    assert not BlockedOrigin.objects.exists()


def test_who_may_not_view_blocked_origins_does_not(acme, row):
    client = staff("view_tenantpolicy", "delete_blockedorigin")
    assert client.get(LIST).status_code == 403
    assert client.get(address("change", row)).status_code == 403
    assert client.get(address("allow", row)).status_code == 403


def test_rows_never_travel_in_fixtures(row):
    for options in ({}, {"use_base_manager": True}):
        out = StringIO()
        call_command("dumpdata", "django_cors_policy.blockedorigin", stdout=out, **options)
        assert out.getvalue().strip() == "[]"


def test_there_are_no_actions_that_allow(client, row):
    response = client.get(LIST)
    actions = dict(response.context["action_form"].fields["action"].choices)
    assert set(actions) == {"", "delete_selected", "ignore_selected", "show_selected"}


# --- Allow


def test_the_page_says_what_would_be_allowed_and_changes_nothing(client, acme, row):
    response = client.get(address("allow", row))
    shown = text(response)
    assert f"Pages of <strong>{NEW}</strong> will be let in by the policy of <strong>{HOST}</strong>" in shown
    assert "without cookies" in shown
    assert "Anybody can send any Origin" in shown
    assert f'href="{POLICIES}{acme.pk}/change/"' in shown
    assert "It was blocked 3 times" in shown
    assert patterns() == [OWN]
    assert BlockedOrigin.objects.count() == 1


def test_the_page_says_that_cookies_travel(client, acme, row):
    TenantPolicy.objects.update(allow_credentials=True)
    assert "with the visitors&#x27; cookies" in text(client.get(address("allow", row))).replace("'", "&#x27;")


def test_an_origin_is_allowed(client, acme, row):
    response = client.post(address("allow", row), {"reason": "they asked for it"}, follow=True)
    assert patterns() == [OWN, NEW]
    assert acme.origins.get(pattern=NEW).note == "Allowed from the blocked origins by root."
    assert not BlockedOrigin.objects.exists()
    entry = PolicyHistory.objects.first()
    assert (entry.tenant, entry.actor, entry.action, entry.reason) == (HOST, "root", "allowed", "they asked for it")
    logged = LogEntry.objects.get()
    assert (logged.get_edited_object(), NEW in logged.get_change_message()) == (acme, True)
    [said] = messages(response)
    assert f"The origin {NEW} was added to the policy of {HOST}." in said
    assert f'href="{POLICIES}{acme.pk}/change/"' in said
    assert client.get("/ok/", headers={"host": HOST, "origin": NEW})["Access-Control-Allow-Origin"] == NEW


def test_the_writers_lock_comes_before_what_is_judged(client, row):
    with CaptureQueriesContext(connection) as queries:
        assert client.post(address("allow", row)).status_code == 302
    read = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
    tables = {model: connection.ops.quote_name(model._meta.db_table) for model in JUDGED}
    first = {model: next(i for i, sql in enumerate(read) if table in sql) for model, table in tables.items()}
    assert list(first.values()) == sorted(first.values())


def test_the_list_is_opened_again_as_it_was_filtered(client, row):
    response = client.get(LIST, {"tenant": HOST})
    [shown] = response.context["cl"].result_list
    assert client.post(shown.allow_url).url == f"{LIST}?tenant={HOST}"


def test_new_findings_come_first_and_those_of_high_severity_ask_for_a_reason(client, acme, settings):
    settings.CORS_TENANT_LIMITS = {"insecure_origins": True}
    acme.allow_credentials = True
    acme.save()
    acme.origins.create(pattern="http://old.acme.example")
    row = blocked("http://plain.acme.example")
    shown = client.get(address("allow", row)).context
    assert {name for found in shown["new"]["findings"] for name in found["subjects"]} == {"http://plain.acme.example"}
    assert "http://old.acme.example" in {name for found in shown["known"]["findings"] for name in found["subjects"]}
    refused = client.post(address("allow", row), {"reason": " "})
    assert refused.status_code == 200
    assert "Give a reason for this" in text(refused)
    assert "http://plain.acme.example" not in patterns()
    assert client.post(address("allow", row), {"reason": "an intranet"}).status_code == 302
    assert "http://plain.acme.example" in patterns()


def test_a_reason_that_is_too_long_is_refused(client, row):
    assert "at most 1000 characters" in text(client.post(address("allow", row), {"reason": "x" * 1001}))
    assert patterns() == [OWN]


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    ("origin", "limits", "limit"),
    [
        ("http://plain.acme.example", {}, "insecure_origins"),
        (NEW, {"max_origins": 1}, "max_origins"),
    ],
)
def test_what_is_beyond_the_limits_is_refused_with_the_limit(client, acme, settings, origin, limits, limit, method):
    settings.CORS_TENANT_LIMITS = limits
    row = blocked(origin)
    response = getattr(client, method)(address("allow", row))
    assert "It cannot be allowed here." in text(response)
    assert limit in text(response)
    assert patterns() == [OWN]
    assert BlockedOrigin.objects.count() == 1
    assert PolicyHistory.objects.filter(action="allowed").count() == 0


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("pattern", [NEW, "https://*.acme.example"])
def test_what_is_allowed_by_now_is_said_and_may_be_removed(client, acme, row, pattern, method):
    acme.origins.create(pattern=pattern)
    response = getattr(client, method)(address("allow", row))
    assert f"There is nothing left to allow.</strong> The policy allows it, by the entry {pattern}." in text(response)
    assert address("delete", row) in text(response)
    assert patterns() == [OWN, pattern]


def test_who_may_not_delete_is_not_offered_to(acme, row):
    acme.origins.create(pattern=NEW)
    assert address("delete", row) not in text(staff(*ALL_PERMISSIONS).get(address("allow", row)))


def test_what_the_settings_allow_by_now_is_said(client, row, settings):
    settings.CORS_ALLOWED_ORIGINS = [NEW]
    assert f"The settings allow it, by the entry {NEW}." in text(client.get(address("allow", row)))


@pytest.mark.parametrize(
    "fields", [{"enabled": False}, {"expires_at": timezone.now() - timedelta(days=1)}], ids=["disabled", "expired"]
)
def test_what_is_listed_and_not_in_force_is_said(client, acme, row, fields):
    acme.origins.create(pattern=NEW, **fields)
    response = client.post(address("allow", row))
    assert "The policy lists it, but the entry is disabled, has expired or is beyond the limits." in text(response)
    assert patterns() == [OWN, NEW]


@pytest.mark.parametrize(
    ("fields", "said"),
    [({"enabled": False}, "the policy is disabled"), ({"shadow": True}, "the policy is in shadow mode")],
)
def test_a_policy_that_does_not_answer_is_said_to_and_takes_the_origin(client, acme, row, fields, said):
    TenantPolicy.objects.update(**fields)
    assert said in text(client.get(address("allow", row)))
    response = client.post(address("allow", row), follow=True)
    assert said in messages(response)[0]
    assert patterns() == [OWN, NEW]


def test_what_a_policy_would_let_in_that_does_not_answer_yet_is_said(client, acme, row):
    TenantPolicy.objects.update(shadow=True)
    acme.origins.create(pattern=NEW)
    shown = text(client.get(address("allow", row)))
    assert f"The policy allows it, by the entry {NEW}. But the policy is in shadow mode" in shown


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"origin": "null", "reason": "null-origin"}, "null is everybody&#x27;s, and never allowed"),
        ({"tenant": ""}, f"add &quot;{NEW}&quot; to CORS_ALLOWED_ORIGINS"),
        ({"tenant": "gone.tenants.example"}, "for gone.tenants.example alone, make a policy for this tenant"),
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_what_no_policy_can_allow_is_said(client, acme, fields, said, method):
    row = blocked(**fields)
    assert said in text(getattr(client, method)(address("allow", row)))
    assert patterns() == [OWN]


def test_the_null_origin_is_never_allowed_even_where_the_settings_let_in_all(client, acme, settings):
    settings.CORS_ALLOW_ALL_ORIGINS = True
    row = blocked("null", reason="null-origin")
    assert "never allowed" in text(client.post(address("allow", row)))


@pytest.mark.parametrize("missing", ALL_PERMISSIONS[2:])
def test_without_the_permissions_there_is_no_link_and_no_page(acme, row, missing):
    client = staff(*(name for name in ALL_PERMISSIONS if name != missing))
    assert address("allow", row) not in text(client.get(LIST))
    assert client.get(address("allow", row)).status_code == 403
    assert client.post(address("allow", row)).status_code == 403
    assert patterns() == [OWN]


def test_who_may_not_see_blocked_origins_allows_none(acme, row):
    client = staff("change_tenantpolicy", "add_allowedorigin")
    assert client.get(address("allow", row)).status_code == 403
    assert client.post(address("allow", row)).status_code == 403
    assert patterns() == [OWN]


def test_with_the_permissions_the_link_works(acme, row):
    client = staff(*ALL_PERMISSIONS)
    assert address("allow", row) in text(client.get(LIST))
    response = client.post(address("allow", row), follow=True)
    assert patterns() == [OWN, NEW]
    assert "Open the policy" not in messages(response)[0]  # which they may change, but not view


def test_a_policy_that_the_user_may_see_is_linked(acme, row):
    client = staff(*ALL_PERMISSIONS, "view_tenantpolicy")
    assert f'href="{POLICIES}{acme.pk}/change/"' in text(client.get(LIST))


@pytest.mark.parametrize("name", ["allow", "ignore", "show"])
def test_a_row_that_is_gone_is_said_to_be(client, row, name):
    BlockedOrigin.objects.all().delete()
    response = client.post(address(name, row), follow=True)
    assert messages(response) == [
        "The origin is not among the blocked ones any more: somebody has allowed or removed it."
    ]


# --- Ignore


def test_a_row_is_ignored_and_shown_again(client, row):
    response = client.post(address("ignore", row), follow=True)
    assert messages(response) == ["1 origin is ignored."]
    assert BlockedOrigin.objects.get().ignored
    assert f'formaction="{address("show", row)}' in text(client.get(LIST, {"ignored": "yes"}))
    assert address("show", row) in text(client.get(address("change", row)))
    response = client.post(address("show", row), follow=True)
    assert messages(response) == ["1 origin is shown again."]
    assert not BlockedOrigin.objects.get().ignored


@pytest.mark.parametrize("name", ["ignore", "show"])
def test_a_link_changes_nothing(client, row, name):
    BlockedOrigin.objects.update(ignored=name == "show")
    assert client.get(address(name, row)).status_code == 405
    assert BlockedOrigin.objects.get().ignored == (name == "show")


def test_who_may_not_change_rows_ignores_none(row):
    client = staff("view_blockedorigin")
    assert client.post(address("ignore", row)).status_code == 403
    shown = client.get(LIST)
    assert address("ignore", row) not in text(shown)
    assert shown.context["cl"].model_admin.get_actions(shown.wsgi_request) == {}


def test_many_are_ignored_and_shown_again_together(client, acme, monkeypatch):
    monkeypatch.setattr("django_cors_policy.admin.inbox.BATCH", 2)
    rows = [blocked(f"https://{number}.example") for number in range(5)]
    data = {"_selected_action": [row.pk for row in rows[:4]], "action": "ignore_selected"}
    assert messages(client.post(LIST, data, follow=True)) == ["4 origins are ignored."]
    assert listed(client) == ["https://4.example"]
    response = client.post(f"{LIST}?ignored=yes", data | {"action": "show_selected"}, follow=True)
    assert messages(response) == ["4 origins are shown again."]
    assert len(listed(client)) == 5


def test_the_button_needs_the_token_of_its_form(row):
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    assert client.post(address("ignore", row)).status_code == 403
    token = client.get(LIST).context["csrf_token"]
    assert client.post(address("ignore", row), {"csrfmiddlewaretoken": str(token)}).status_code == 302


# --- whose


def only_mine(user):
    return {"mine.tenants.example"}


def test_what_is_no_stored_tenants_is_for_those_who_manage_all(settings, acme):
    row = blocked(tenant="")
    client = staff(*ALL_PERMISSIONS)
    assert listed(client) == [NEW]
    settings.CORS_ADMIN_TENANTS_FOR_USER = f"{__name__}.only_mine"
    assert listed(client) == []
    assert listed(client, tenant="") == []
    client.post(address("ignore", row))
    assert not BlockedOrigin.objects.get().ignored


def test_staff_allows_for_its_own_tenant_alone(settings, row):
    settings.CORS_ADMIN_TENANTS_FOR_USER = f"{__name__}.only_mine"
    mine = TenantPolicy.objects.create(tenant="mine.tenants.example")
    own = blocked(tenant=mine.tenant)
    client = staff(*ALL_PERMISSIONS)
    client.post(address("allow", row))
    assert patterns() == [OWN]
    client.post(address("allow", own))
    assert list(mine.origins.values_list("pattern", flat=True)) == [NEW]
    assert list(BlockedOrigin.objects.all()) == [row]


def test_one_object_is_asked_about_by_its_tenant(settings, row, rf):
    settings.CORS_ADMIN_TENANTS_FOR_USER = f"{__name__}.only_mine"
    own = blocked(tenant="mine.tenants.example")
    pages = admin.site.get_model_admin(BlockedOrigin)
    request = rf.get("/")
    request.user = User.objects.create_superuser("root")
    for asked in (pages.has_view_permission, pages.has_delete_permission):
        assert (asked(request), asked(request, own), asked(request, row)) == (True, True, False)


def test_a_policy_of_another_case_is_another_tenants(row, rf):
    """As a collation that is blind to case would give it."""
    request = rf.get("/")
    request.user = User.objects.create_superuser("root")
    admin.site.get_model_admin(BlockedOrigin).prepare(request, row, TenantPolicy(tenant=HOST.upper()), "")
    assert (row.policy, row.policy_url) == (None, "")


def test_rows_that_have_changed_meanwhile_stay_as_they_are(row):
    rows = BlockedOrigin.objects.filter(ignored=True)
    assert inbox.remove(rows, [row.pk], "default") == 0
    assert inbox.ignore(rows, [row.pk], "default", ignored=False) == 0
    assert list(BlockedOrigin.objects.all()) == [row]
