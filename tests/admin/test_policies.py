import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from django_cors_policy.admin import TenantPolicyAdmin
from django_cors_policy.admin.forms import version_of
from django_cors_policy.cors import DEFAULT_HEADERS, DEFAULT_METHODS
from django_cors_policy.models import AllowedOrigin, PolicyChange, TenantPolicy

pytestmark = pytest.mark.django_db

LIST = reverse("admin:django_cors_policy_tenantpolicy_changelist")
ADD = reverse("admin:django_cors_policy_tenantpolicy_add")
HOST = "api.tenants.example"
ORIGIN = "https://app.acme.example"


def change_url(policy):
    return reverse("admin:django_cors_policy_tenantpolicy_change", args=[policy.pk])


def page(*rows, policy=None, **fields):
    """Give what a browser sends for the form: each row a pattern, or the fields of one."""
    stored = list(policy.origins.all()) if policy else []
    written = [
        *({"id": origin.pk, "policy": policy.pk, "pattern": origin.pattern, "enabled": "on"} for origin in stored),
        *(row if isinstance(row, dict) else {"pattern": row, "enabled": "on"} for row in rows),
    ]
    data = {
        "tenant": policy.tenant if policy else HOST,
        "enabled": "on",
        "allow_methods": ", ".join(DEFAULT_METHODS),
        "allow_headers": ", ".join(DEFAULT_HEADERS),
        "expose_headers": "",
        "max_age": "600",
        "note": "",
        "reason": "",
        "version": version_of(policy.tenant) if policy else "",
        "origins-TOTAL_FORMS": len(written),
        "origins-INITIAL_FORMS": len(stored),
        **fields,
    }
    for number, row in enumerate(written):
        data |= {f"origins-{number}-{name}": value for name, value in row.items()}
    return data


def errors(response):
    """Give the errors of a page that was refused: the form's by field, and each row's by field."""
    assert response.status_code == 200
    [inline] = response.context["inline_admin_formsets"]
    return dict(response.context["adminform"].form.errors), [dict(row) for row in inline.formset.errors]


def shown(response):
    return [(message.level_tag, message.message) for message in response.context["messages"]]


def stored_patterns():
    return list(AllowedOrigin.objects.values_list("pattern", flat=True))


@pytest.fixture
def client():
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def acme():
    policy = TenantPolicy.objects.create(tenant="acme.tenants.example")
    policy.origins.create(pattern=ORIGIN)
    return policy


# --- the form


def test_a_policy_is_added_with_its_origins(client):
    response = client.post(ADD, page("https://one.example.com", "https://two.example.com:8443"))
    assert response.status_code == 302
    policy = TenantPolicy.objects.get()
    assert (policy.tenant, policy.enabled, policy.allow_credentials, policy.max_age) == (HOST, True, False, 600)
    assert stored_patterns() == ["https://one.example.com", "https://two.example.com:8443"]
    assert LogEntry.objects.get().action_flag == ADDITION


def test_a_page_that_is_shown_can_be_sent_back_as_it_is(client, acme):
    assert client.get(ADD).status_code == 200
    assert client.get(change_url(acme)).status_code == 200
    assert client.post(change_url(acme), page(policy=acme)).status_code == 302
    assert stored_patterns() == [ORIGIN]


def test_an_empty_row_is_no_origin(client):
    assert client.post(ADD, page(ORIGIN, {"pattern": "", "enabled": "on"})).status_code == 302
    assert stored_patterns() == [ORIGIN]


def test_an_origin_is_deleted_on_its_row(client, acme):
    data = page("https://new.acme.example", policy=acme) | {"origins-0-DELETE": "on"}
    assert client.post(change_url(acme), data).status_code == 302
    assert stored_patterns() == ["https://new.acme.example"]


def test_a_deleted_row_need_not_be_right(client, acme):
    AllowedOrigin.objects.update(pattern="no origin")
    assert client.post(change_url(acme), page(policy=acme) | {"origins-0-DELETE": "on"}).status_code == 302
    assert stored_patterns() == []


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("HTTPS://App.Example.COM:443/", "https://app.example.com"),
        ("https://app.example.com/", "https://app.example.com"),
        (" https://app.example.com ", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://*.Example.com", "https://*.example.com"),
        ("http://LOCALHOST:*", "http://localhost:*"),
        ("capacitor://localhost", "capacitor://localhost"),
    ],
)
def test_an_origin_is_stored_in_its_canonical_form(client, written, stored):
    assert client.post(ADD, page(written)).status_code == 302
    assert stored_patterns() == [stored]


@pytest.mark.parametrize(
    "written",
    [
        "https://app.example.com/path",
        "https://app.example.com?query",
        "https://app.example.com.",
        "app.example.com",
        "null",
        "http://app.example.com",
        "*",
        "https://*",
        "https://app.*.example.com",
        "https://*.github.io",
        "https://*.co.uk",
        "https://*.com",
        "https://app.example.com:*",
        "https://a.example.com,https://b.example.com",
        "https://user@app.example.com",
        "file:///tmp/page.html",
        "https://app.example.com\x00",
        "https://" + "a" * 300,
    ],
)
def test_a_bad_origin_is_an_error_on_its_field_and_nothing_is_saved(client, written):
    of_form, of_rows = errors(client.post(ADD, page("https://good.example.com", written)))
    assert of_form == {}
    assert [list(row) for row in of_rows] == [[], ["pattern"]]
    assert not TenantPolicy.objects.exists()
    assert not PolicyChange.rows.filter(tenant=HOST).exists()


def test_the_error_says_the_form_to_write(client):
    _, [row] = errors(client.post(ADD, page("app.example.com")))
    assert "https://app.example.com" in str(row["pattern"])


def test_a_bad_change_leaves_the_policy_as_it_was(client, acme):
    data = page("null", policy=acme, max_age="60")
    errors(client.post(change_url(acme), data))
    acme.refresh_from_db()
    assert acme.max_age == 600
    assert stored_patterns() == [ORIGIN]


# --- the rows together


@pytest.mark.parametrize("second", ["https://APP.example.com", "https://app.example.com:443/"])
def test_one_origin_in_two_spellings_is_an_error_on_the_second(client, second):
    _, of_rows = errors(client.post(ADD, page("https://app.example.com", second)))
    assert of_rows == [{}, {"pattern": ["This policy lists the origin already."]}]
    assert not TenantPolicy.objects.exists()


def test_one_origin_twice_is_refused(client):
    _, of_rows = errors(client.post(ADD, page(ORIGIN, ORIGIN)))
    assert any(of_rows)
    assert not TenantPolicy.objects.exists()


def test_an_origin_that_is_stored_already_is_an_error(client, acme):
    _, of_rows = errors(client.post(change_url(acme), page("https://App.acme.example/", policy=acme)))
    assert of_rows[0] == {}
    assert "This policy lists the origin already." in str(of_rows[1])
    assert stored_patterns() == [ORIGIN]


def test_a_bad_row_does_not_count_as_a_double(client):
    _, of_rows = errors(client.post(ADD, page("null", "null", ORIGIN)))
    assert of_rows[2] == {}


def test_the_same_origin_in_two_policies_is_none_of_this(client, acme):
    assert client.post(ADD, page(ORIGIN)).status_code == 302
    assert stored_patterns() == [ORIGIN, ORIGIN]


def test_the_hundredth_origin_is_saved(client):
    assert client.post(ADD, page(*(f"https://a{number}.example.com" for number in range(100)))).status_code == 302
    assert len(stored_patterns()) == 100


def test_the_hundred_and_first_origin_is_an_error_on_its_row(client):
    rows = [f"https://a{number}.example.com" for number in range(101)]
    _, of_rows = errors(client.post(ADD, page(*rows)))
    assert of_rows[:100] == [{}] * 100
    assert "at most 100 origins" in str(of_rows[100]["pattern"])
    assert not TenantPolicy.objects.exists()


def test_two_new_origins_with_room_for_one_are_refused(client, acme, settings):
    settings.CORS_TENANT_LIMITS = {"max_origins": 2}
    data = page("https://two.acme.example", "https://three.acme.example", policy=acme)
    _, of_rows = errors(client.post(change_url(acme), data))
    assert [list(row) for row in of_rows] == [[], [], ["pattern"]]
    assert stored_patterns() == [ORIGIN]


def test_a_policy_beyond_a_limit_that_was_tightened_grows_no_further(client, acme, settings):
    acme.origins.create(pattern="https://two.acme.example")
    settings.CORS_TENANT_LIMITS = {"max_origins": 1}
    _, of_rows = errors(client.post(change_url(acme), page("https://three.acme.example", policy=acme)))
    assert [list(row) for row in of_rows] == [[], [], ["pattern"]]
    assert client.post(change_url(acme), page(policy=acme) | {"origins-0-DELETE": "on"}).status_code == 302
    assert stored_patterns() == ["https://two.acme.example"]


def test_what_was_stored_before_keeps_nobody_from_switching_a_policy_off(client, acme, settings):
    """Limits were tightened, or a row was written past the form: it is not served, and not judged anew."""
    acme.origins.create(pattern="http://plain.acme.example")
    acme.origins.create(pattern="no origin")
    TenantPolicy.objects.update(allow_credentials=True, max_age=7000, allow_methods="no method")
    settings.CORS_TENANT_LIMITS = {"max_origins": 1, "credentials": False, "max_age": 60}
    stored = TenantPolicy.objects.get()
    data = page(policy=stored, allow_credentials="on", max_age="7000", allow_methods="no method", note="An incident.")
    del data["enabled"]
    assert client.post(change_url(acme), data).status_code == 302
    stored.refresh_from_db()
    assert (stored.enabled, stored.note, stored.origins.count()) == (False, "An incident.", 3)


def test_who_may_not_see_origins_is_asked_for_a_reason_too(acme):
    acme.origins.create(pattern="no origin")
    TenantPolicy.objects.update(enabled=False)
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=("view_tenantpolicy", "change_tenantpolicy")))
    client = Client()
    client.force_login(user)
    data = page(policy=TenantPolicy.objects.get())
    response = client.post(change_url(acme), data)
    assert "Give a reason for this: CORS601" in str(response.context["adminform"].form.errors["reason"])
    assert client.post(change_url(acme), data | {"reason": "It is known."}).status_code == 302
    assert TenantPolicy.objects.get().enabled


def test_who_may_not_see_origins_adds_a_policy_without_any():
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=("view_tenantpolicy", "add_tenantpolicy")))
    client = Client()
    client.force_login(user)
    assert client.post(ADD, page()).status_code == 302
    assert TenantPolicy.objects.get().tenant == HOST


def test_a_policy_that_is_saved_in_shadow_mode_says_that_it_lets_nobody_in(client, acme):
    response = client.post(change_url(acme), page(policy=acme, shadow="on"), follow=True)
    assert shown(response)[1] == (
        "warning",
        "This policy lets nobody in while it is in shadow mode: the settings alone answer.",
    )


def test_what_is_changed_is_judged(client, acme, settings):
    settings.CORS_TENANT_LIMITS = {"max_age": 60}
    of_form, _ = errors(client.post(change_url(acme), page(policy=acme, max_age="7000")))
    assert list(of_form) == ["max_age"]
    data = page(policy=acme, max_age="60") | {"origins-0-pattern": "no origin"}
    _, of_rows = errors(client.post(change_url(acme), data))
    assert [list(row) for row in of_rows] == [["pattern"]]


# --- the policy's own fields


@pytest.mark.parametrize(
    ("field", "written", "said"),
    [
        ("max_age", "7201", "at most 7200 seconds"),
        ("max_age", "-1", "greater than or equal to 0"),
        ("max_age", "", "required"),
        ("allow_headers", "x-ok, x bad", "x bad"),
        ("allow_headers", "x-ok\nx\x0bevil: 1", "evil: 1"),
        ("allow_headers", "x\x1bevil", r"x\x1bevil"),
        ("allow_methods", "GET, PO ST", "PO ST"),
        ("expose_headers", "x-ok:\r\nx-two", "x-ok:"),
        ("tenant", "https://api.tenants.example", "host alone"),
        ("tenant", "api.tenants.example/path", "host alone"),
        ("tenant", "api.tenants.example:8000", "host alone"),
        ("tenant", "", "required"),
    ],
)
def test_a_bad_value_is_an_error_on_its_field_and_nothing_is_saved(client, field, written, said):
    of_form, of_rows = errors(client.post(ADD, page(ORIGIN, **{field: written})))
    assert list(of_form) == [field]
    assert said in " ".join(of_form[field])
    assert of_rows == [{}]
    assert not TenantPolicy.objects.exists()


def test_credentials_beyond_the_limits_are_an_error_on_their_field(client, settings):
    settings.CORS_TENANT_LIMITS = {"credentials": False}
    of_form, _ = errors(client.post(ADD, page(ORIGIN, allow_credentials="on")))
    assert list(of_form) == ["allow_credentials"]
    assert not TenantPolicy.objects.exists()


def test_a_host_is_stored_in_lower_case(client):
    assert client.post(ADD, page(ORIGIN, tenant="API.Tenants.Example.")).status_code == 302
    assert TenantPolicy.objects.get().tenant == HOST


def test_another_spelling_of_a_tenant_that_has_a_policy_is_an_error(client, acme):
    of_form, _ = errors(client.post(ADD, page(ORIGIN, tenant="ACME.tenants.example")))
    assert list(of_form) == ["tenant"]
    assert TenantPolicy.objects.count() == 1


def test_a_host_of_nothing_but_a_dot_is_refused(client):
    errors(client.post(ADD, page(ORIGIN, tenant=".")))
    assert not TenantPolicy.objects.exists()


# --- what is unwise is saved and said


def test_a_good_policy_is_saved_without_a_warning(client):
    response = client.post(ADD, page(ORIGIN), follow=True)
    assert [level for level, _ in shown(response)] == ["success"]


def test_what_is_unwise_is_saved_and_said_after_the_success(client, settings):
    data = page("http://localhost:3000", expose_headers="Set-Cookie", allow_headers="Cookie", max_age="7200")
    success, *warnings = shown(client.post(ADD, data, follow=True))
    assert success[0] == "success"
    assert [(level, text.partition(":")[0]) for level, text in warnings] == [
        ("warning", "CORS109 (medium)"),
        ("warning", "CORS309 (medium)"),
        ("warning", "CORS303 (low)"),
        ("warning", "CORS308 (low)"),
    ]
    assert stored_patterns() == ["http://localhost:3000"]


def test_a_finding_of_no_weight_is_not_said(client):
    assert len(shown(client.post(ADD, page("https://*.acme.example"), follow=True))) == 1


def test_the_gravest_findings_are_shown_first(client, settings):
    settings.CORS_TENANT_LIMITS = {"public_suffix_wildcards": True}
    response = client.post(
        ADD, page(ORIGIN, "https://*.github.io", allow_credentials="on", reason="A demo."), follow=True
    )
    assert shown(response)[1][1].startswith("CORS105 (critical): ")


def test_what_the_stack_says_of_the_policy_is_shown_too(client, settings):
    response = client.post(ADD, page(ORIGIN, allow_credentials="on"), follow=True)
    assert [text.partition(":")[0] for _, text in shown(response)[1:]] == ["CORS408 (medium)", "CORS411 (medium)"]
    settings.CSRF_TRUSTED_ORIGINS = [ORIGIN]
    settings.ALLOWED_HOSTS = [HOST, "testserver", "api.acme.example"]
    response = client.post(change_url(TenantPolicy.objects.get()), page(policy=TenantPolicy.objects.get()), follow=True)
    assert len(shown(response)) == 1


@pytest.mark.parametrize(
    ("number", "end"),
    [
        (1, "wherever others reach the server.</span>"),
        (2, "The same: http://localhost:3001."),
        (4, "The same: http://localhost:3001, http://localhost:3002, http://localhost:3003."),
        (6, "http://localhost:3003 and 2 more."),
    ],
)
def test_each_rule_is_one_message_whatever_the_number_of_origins(client, number, end):
    rows = [f"http://localhost:{3000 + place}" for place in range(number)]
    _, *warnings = shown(client.post(ADD, page(*rows), follow=True))
    [(level, text)] = warnings
    assert level == "warning"
    assert text.endswith(end)


@pytest.mark.parametrize(
    "fields", [{"enabled": ""}, {"enabled": "on", "expires_at_0": "2020-01-01", "expires_at_1": "00:00"}]
)
def test_an_origin_that_is_not_served_is_no_warning(client, fields):
    response = client.post(ADD, page({"pattern": "http://localhost:3000", **fields}), follow=True)
    assert len(shown(response)) == 1
    assert stored_patterns() == ["http://localhost:3000"]


def test_a_finding_is_shown_as_text(client):
    response = client.post(ADD, page("http://localhost:3000"), follow=True)
    assert b'CORS109 (medium): <span lang="en">&#x27;http://localhost:3000&#x27;' in response.content


# --- the list


@pytest.fixture
def three(acme):
    globex = TenantPolicy.objects.create(tenant="globex.tenants.example", enabled=False, allow_credentials=True)
    globex.origins.create(pattern="https://app.globex.example")
    globex.origins.create(pattern="https://admin.globex.example")
    globex.origins.create(pattern="https://old.globex.example", enabled=False)
    TenantPolicy.objects.create(tenant="initech.tenants.example", max_age=60)
    TenantPolicy.objects.filter(tenant__startswith="initech").update(updated_at=timezone.now() - timedelta(days=400))


def listed(response):
    assert response.status_code == 200
    return [policy.tenant.partition(".")[0] for policy in response.context["cl"].result_list]


def test_the_list_shows_what_a_policy_is(client, three):
    response = client.get(LIST)
    assert listed(response) == ["acme", "globex", "initech"]
    columns = ["tenant", "state", "origin_count", "credentials", "risk_shown", "updated_at"]
    assert response.context["cl"].list_display == ["action_checkbox", *columns]
    counts = re.findall('<td class="field-origin_count">([0-9]+)</td>', response.content.decode())
    assert counts == ["1", "2", "0"]  # the enabled ones


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("acme", ["acme"]),
        ("tenants.example", ["acme", "globex", "initech"]),
        ("globex.example", ["globex"]),
        ("https://app.acme.example", ["acme"]),
        ("https://app.", ["acme", "globex"]),
        ("old.globex", ["globex"]),
        ("nobody", []),
    ],
)
def test_policies_are_searched_by_tenant_and_by_origin(client, three, search, found):
    assert listed(client.get(LIST, {"q": search})) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("4", ["acme"]),
        ("0", ["initech"]),
        ("unknown", ["globex"]),
        ("5", []),
        ("no rating", ["acme", "globex", "initech"]),
    ],
)
def test_policies_are_filtered_by_their_risk(client, three, value, found):
    for name, rating in (("acme", 4), ("globex", None), ("initech", 0)):
        QuerySet(TenantPolicy).filter(tenant__startswith=name).update(risk=rating)
    assert listed(client.get(LIST, {"risk": value}, follow=True)) == found


@pytest.mark.parametrize(
    "query", [{"tenant__regex": "("}, {"note__iregex": "["}, {"created_at__year": "9" * 23}, {"tenant": "\0"}]
)
def test_a_lookup_that_the_database_may_choke_on_is_refused(client, acme, query):
    assert client.get(LIST, query).status_code == 400


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"enabled__exact": "1"}, ["acme", "initech"]),
        ({"enabled__exact": "0"}, ["globex"]),
        ({"allow_credentials__exact": "1"}, ["globex"]),
        ({"allow_credentials__exact": "1", "enabled__exact": "1"}, []),
        ({"shadow__exact": "0"}, ["acme", "globex", "initech"]),
    ],
)
def test_policies_are_filtered(client, three, query, found):
    assert listed(client.get(LIST, query)) == found


def test_policies_are_sorted_by_the_number_of_their_origins(client, three):
    assert listed(client.get(LIST, {"o": "-3"}))[:2] == ["globex", "acme"]


def test_queries_of_the_list_do_not_grow_with_its_rows(client, three):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            client.get(LIST)
        return len(captured)

    few = queries()
    for number in range(30):
        policy = TenantPolicy.objects.create(tenant=f"t{number}.tenants.example")
        AllowedOrigin.objects.bulk_create(
            AllowedOrigin(policy=policy, pattern=f"https://{name}.example") for name in "abc"
        )
    assert queries() == few


# --- the actions


def act(client, action, policies=None):
    keys = [policy.pk for policy in (TenantPolicy.objects.all() if policies is None else policies)]
    return client.post(LIST, {"action": action, "_selected_action": keys}, follow=True)


def changes_of(work):
    last = PolicyChange.rows.order_by("-revision").values_list("revision", flat=True).first() or 0
    work()
    return sorted(PolicyChange.rows.filter(revision__gt=last).values_list("tenant", flat=True))


@pytest.mark.parametrize(
    ("action", "switched", "enabled", "message"),
    [
        ("enable", ["globex.tenants.example"], 3, "1 policy was enabled."),
        ("disable", ["acme.tenants.example", "initech.tenants.example"], 0, "2 policies were disabled."),
    ],
)
def test_the_actions_switch_what_is_not_so_yet(client, three, action, switched, enabled, message):
    responses = []
    assert changes_of(lambda: responses.append(act(client, action))) == switched
    assert shown(responses[0]) == [("success", message)]
    assert TenantPolicy.objects.filter(enabled=True).count() == enabled
    logged = LogEntry.objects.order_by("object_repr").values_list("object_repr", "action_flag", "change_message")
    assert list(logged) == [(tenant, CHANGE, f"{action.title()}d.") for tenant in switched]


def test_only_the_selected_are_switched(client, three):
    act(client, "disable", TenantPolicy.objects.filter(tenant__startswith="acme"))
    assert [*TenantPolicy.objects.filter(enabled=True).values_list("tenant", flat=True)] == ["initech.tenants.example"]


def test_a_switched_policy_is_an_updated_one(client, three):
    begun = timezone.now()
    act(client, "disable", TenantPolicy.objects.filter(tenant__startswith="initech"))
    assert TenantPolicy.objects.get(tenant__startswith="initech").updated_at >= begun


def test_a_switch_that_changes_nothing_records_nothing(client, acme):
    assert changes_of(lambda: act(client, "enable")) == []
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("action", ["enable", "disable"])
def test_staff_who_may_only_look_cannot_switch(three, action):
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_tenantpolicy"))
    client = Client()
    client.force_login(viewer)
    before = list(TenantPolicy.objects.values_list("tenant", "enabled"))
    assert f'value="{action}"' not in client.get(LIST).content.decode()
    assert changes_of(lambda: act(client, action)) == []
    assert list(TenantPolicy.objects.values_list("tenant", "enabled")) == before


# --- what the next request is answered


def allowed(origin=ORIGIN, host=HOST):
    response = Client().get("/ok/", headers={"Host": host, "Origin": origin})
    return response.headers.get("Access-Control-Allow-Origin") == origin


@pytest.mark.django_db(transaction=True)
def test_the_next_request_obeys_a_policy_that_was_added(client):
    assert not allowed()
    client.post(ADD, page("HTTPS://App.Acme.Example:443/"))
    assert allowed()


@pytest.mark.django_db(transaction=True)
def test_the_next_request_obeys_a_row_that_was_deleted(client):
    client.post(ADD, page(ORIGIN, "https://other.example"))
    assert allowed()
    policy = TenantPolicy.objects.get()
    client.post(change_url(policy), page(policy=policy) | {"origins-0-DELETE": "on"})
    assert not allowed()
    assert allowed("https://other.example")


@pytest.mark.django_db(transaction=True)
def test_the_next_request_obeys_an_action(client):
    client.post(ADD, page(ORIGIN))
    assert allowed()
    act(client, "disable")
    assert not allowed()
    act(client, "enable")
    assert allowed()


@pytest.mark.django_db(transaction=True)
def test_the_next_request_obeys_a_deleted_and_a_renamed_policy(client):
    client.post(ADD, page(ORIGIN))
    assert allowed()
    policy = TenantPolicy.objects.get()
    client.post(change_url(policy), page(policy=policy, tenant="renamed.tenants.example"))
    assert not allowed()
    assert allowed(host="renamed.tenants.example")
    client.post(LIST, {"action": "delete_selected", "_selected_action": [policy.pk], "post": "yes"})
    assert not TenantPolicy.objects.exists()
    assert not allowed(host="renamed.tenants.example")


def test_an_origin_may_take_anothers_place_at_the_limit(client, acme, settings):
    settings.CORS_TENANT_LIMITS = {"max_origins": 1}
    data = page("https://new.acme.example", policy=acme) | {"origins-0-DELETE": "on"}
    assert client.post(change_url(acme), data).status_code == 302
    assert [origin.pattern for origin in acme.origins.all()] == ["https://new.acme.example"]


def test_a_field_that_a_project_made_read_only_is_no_error_500(client, acme, monkeypatch):
    TenantPolicy.objects.update(max_age=9999)
    monkeypatch.setattr(TenantPolicyAdmin, "readonly_fields", ("max_age", "created_at", "updated_at"))
    response = client.post(change_url(acme), page(policy=acme))
    assert response.status_code == 200
    assert "9999" in str(response.context["errors"])


def test_findings_that_cannot_be_told_do_not_undo_the_save(client, acme, monkeypatch, caplog):
    def fail(policy, origins):
        raise RuntimeError("a rule's own fault")

    monkeypatch.setattr("django_cors_policy.admin.risk.policy_findings", fail)
    assert client.post(change_url(acme), page(policy=acme, note="saved")).status_code == 302
    acme.refresh_from_db()
    assert acme.note == "saved"
    assert "cannot be told" in caplog.text
