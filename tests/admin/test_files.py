"""The pages that export and import policies."""

import csv
import io
import json

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError
from django.test import Client
from django.urls import reverse

from django_cors_policy.admin import files
from django_cors_policy.history import PolicyHistory
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.transfer import configs

pytestmark = pytest.mark.django_db

LIST = reverse("admin:django_cors_policy_tenantpolicy_changelist")
EXPORT = reverse("admin:django_cors_policy_tenantpolicy_export")
IMPORT = reverse("admin:django_cors_policy_tenantpolicy_import")
A, B = "https://a.example.com", "https://b.example.com"
ACME = "acme.tenants.example"


def tenants_of(user):
    return {ACME} if user.username == "staff" else None


@pytest.fixture
def client():
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def staff(settings):
    settings.CORS_ADMIN_TENANTS_FOR_USER = f"{__name__}.tenants_of"
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="django_cors_policy"))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def acme():
    policy = TenantPolicy.objects.create(tenant=ACME)
    policy.origins.create(pattern=A)
    return policy


@pytest.fixture
def globex():
    policy = TenantPolicy.objects.create(tenant="globex.tenants.example", enabled=False)
    policy.origins.create(pattern=B)
    return policy


def body(response):
    assert response.status_code == 200
    return b"".join(response.streaming_content)


def policy_url(policy):
    return reverse("admin:django_cors_policy_tenantpolicy_export", args=[policy.pk])


def send(client, content, *, name="policies.csv", confirm=False, **fields):
    data = {"reason": "the move", **fields}
    if content is not None:
        data["file"] = SimpleUploadedFile(name, content.encode())
    response = client.post(IMPORT, data | {"_check": "1"})
    if not confirm:
        return response
    form = response.context["form"]
    data |= {"_import": "1", "checked": form.initial.get("checked", "")}
    if content is not None:  # what was read of it is sent again
        data["file"] = SimpleUploadedFile(name, content.encode())
    return client.post(IMPORT, data)


def rows(*pairs):
    return "tenant,pattern\n" + "".join(f"{tenant},{pattern}\n" for tenant, pattern in pairs)


# --- out


def test_all_policies_are_exported_as_csv_for_a_spreadsheet(client, acme, globex):
    response = client.get(EXPORT, {"format": "csv"})
    text = body(response).decode()
    assert text.startswith("\ufefftenant,")
    assert [row["pattern"] for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))] == [A, B]
    assert response["Content-Disposition"] == 'attachment; filename="cors-policies.csv"'
    assert response["Content-Type"] == "text/csv; charset=utf-8"


def test_all_policies_are_exported_as_json(client, acme, globex):
    found = json.loads(body(client.get(EXPORT, {"format": "json"})))
    assert [policy["tenant"] for policy in found] == [ACME, "globex.tenants.example"]


def test_staff_export_their_own_alone(staff, acme, globex):
    assert [policy["tenant"] for policy in json.loads(body(staff.get(EXPORT, {"format": "json"})))] == [ACME]


@pytest.mark.parametrize("url", [EXPORT, "policy"])
def test_another_format_is_not_found(client, acme, url):
    assert client.get(policy_url(acme) if url == "policy" else url, {"format": "xlsx"}).status_code == 404


def test_who_may_not_see_policies_exports_none(acme):
    client = Client()
    client.force_login(User.objects.create_user("staff", is_staff=True))
    assert client.get(EXPORT).status_code == 403
    assert client.get(policy_url(acme)).status_code == 403


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_one_policy_is_exported(client, acme, globex, kind):
    text = body(client.get(policy_url(acme), {"format": kind})).decode()
    assert A in text
    assert B not in text


@pytest.mark.parametrize(("kind", "ending"), [("nginx", "nginx.conf"), ("s3", "json")])
def test_what_answers_for_a_tenant_is_given_as_configuration(client, acme, kind, ending):
    response = client.get(policy_url(acme), {"format": kind})
    assert body(response).decode().splitlines() == list(configs.as_config(kind, configs.effective(ACME)).lines)
    assert response["Content-Disposition"] == f'attachment; filename="cors-{ACME}.{ending}"'


def test_the_page_offers_each_format(client, acme):
    offered = client.get(policy_url(acme)).content.decode()
    assert [f"?format={kind}" in offered for kind in (*files.FORMATS, *configs.KINDS)] == [True] * 6


def test_the_settings_policy_is_no_business_of_a_tenants_staff(staff, acme):
    offered = staff.get(policy_url(acme)).content.decode()
    assert "?format=csv" in offered
    assert "?format=nginx" not in offered
    assert staff.get(policy_url(acme), {"format": "nginx"}).status_code == 404


# --- in


def test_the_list_leads_there(client, acme):
    shown = client.get(LIST).content.decode()
    assert IMPORT in shown
    assert f'href="{EXPORT}"' in shown
    offered = client.get(EXPORT).content.decode()
    assert "?format=csv" in offered
    assert "?format=json" in offered
    assert "?format=nginx" not in offered


def test_a_check_shows_what_would_change_and_writes_nothing(client, acme):
    response = send(client, rows((ACME, B), ("new.tenants.example", A)))
    assert {str(label): count for label, count in response.context["counts"]} == {
        "added": 3,
        "changed": 0,
        "removed": 1,
        "unchanged": 1,
        "refused": 0,
    }
    shown = response.content.decode()
    assert A in shown
    assert B in shown
    assert list(AllowedOrigin.objects.values_list("pattern", flat=True)) == [A]


def test_what_was_checked_is_imported_without_choosing_the_file_again(client, acme):
    form = send(client, "\ufeff" + rows((ACME, B))).context["form"]
    response = client.post(IMPORT, {**form.initial, "remove_missing": "", "_import": "1"})
    assert response.status_code == 302
    assert list(AllowedOrigin.objects.values_list("pattern", flat=True)) == [B]
    entry = PolicyHistory.objects.first()
    assert (entry.actor, entry.action, entry.reason) == ("root", "import", "the move")
    assert [message.message for message in client.get(response.url).context["messages"]] == [
        "Imported: 1 added, 0 changed, 1 removed."
    ]


def test_another_file_than_was_checked_is_checked_first(client, acme, globex):
    checked = send(client, rows((ACME, B))).context["form"].initial["checked"]
    file = SimpleUploadedFile("other.csv", rows((ACME, "https://evil.example")).encode())
    response = client.post(IMPORT, {"file": file, "reason": "x", "checked": checked, "_import": "1"})
    assert "this is not what was checked before" in response.content.decode()
    assert list(acme.origins.values_list("pattern", flat=True)) == [A]


def test_what_a_new_policy_allows_is_shown(client):
    text = f"tenant,pattern,allow_credentials,origin_enabled\n{ACME},{A},true,false\n"
    rows_shown = [row for _, row in send(client, text).context["rows"]]
    assert [
        (row.pattern, change.column, change.before, change.after) for row in rows_shown for change in row.changes
    ] == [
        (None, "allow_credentials", "false", "true"),
        (A, "origin_enabled", "true", "false"),
    ]


def test_what_a_row_does_not_show_is_checked_too(client):
    header = "tenant,pattern,allow_credentials,note\n"
    text = f"{header}{ACME},{A},%s,{'x' * 250}%s\n"
    checked = send(client, text % ("false", "a")).context["form"].initial["checked"]
    for other in (text % ("true", "a"), text % ("false", "b")):
        file = SimpleUploadedFile("other.csv", other.encode())
        response = client.post(IMPORT, {"file": file, "reason": "x", "checked": checked, "_import": "1"})
        assert response.status_code == 200
        assert not TenantPolicy.objects.exists()


def test_another_tick_than_was_checked_is_checked_first(client, acme, globex):
    form = send(client, rows((ACME, B))).context["form"]
    response = client.post(IMPORT, {**form.initial, "remove_missing": "on", "_import": "1"})
    assert "this is not what was checked before" in response.content.decode()
    assert TenantPolicy.objects.count() == 2
    again = response.context["form"].initial
    assert client.post(IMPORT, {**again, "remove_missing": "on", "_import": "1"}).status_code == 302
    assert TenantPolicy.objects.count() == 1


def test_where_something_else_is_stored_than_was_checked_that_is_shown_first(client, acme):
    form = send(client, rows((ACME, A))).context["form"]
    acme.origins.all().delete()  # an incident
    response = client.post(IMPORT, {**form.initial, "remove_missing": "", "_import": "1"})
    assert "this is not what was checked before" in response.content.decode()
    assert acme.origins.count() == 0
    again = response.context["form"].initial
    assert client.post(IMPORT, {**again, "remove_missing": "", "_import": "1"}).status_code == 302
    assert acme.origins.count() == 1


def test_an_import_asks_why_and_a_check_does_not(client, acme):
    form = send(client, rows((ACME, B)), reason="").context["form"]
    assert not form.errors
    response = client.post(IMPORT, {**form.initial, "remove_missing": "", "reason": " ", "_import": "1"})
    assert response.context["form"].errors["reason"] == ["Say why, for the history of each policy."]
    assert list(acme.origins.values_list("pattern", flat=True)) == [A]


def test_a_long_file_is_chosen_again(client, acme, monkeypatch):
    monkeypatch.setattr(files, "MAX_KEPT", 10)
    response = send(client, rows((ACME, B)))
    assert "text" not in response.context["form"].initial
    again = send(client, None, confirm=True, kind="csv")
    assert again.context["form"].errors["file"] == ["Choose a file."]
    assert send(client, rows((ACME, B)), confirm=True).status_code == 302


def test_where_a_row_is_refused_nothing_is_imported(client, acme):
    response = send(client, rows((ACME, B), (ACME, "http://plain.example.com")), confirm=True)
    assert response.status_code == 200
    assert response.context["refused"]
    assert "insecure_origins" in response.content.decode()
    assert 'name="_import"' not in response.content.decode()
    assert list(AllowedOrigin.objects.values_list("pattern", flat=True)) == [A]


def test_json_is_imported_too(client, acme):
    text = json.dumps([{"tenant": ACME, "origins": [{"pattern": B}]}])
    assert send(client, text, name="p.JSON", confirm=True).status_code == 302
    assert list(AllowedOrigin.objects.values_list("pattern", flat=True)) == [B]


def test_policies_that_the_file_does_not_name_are_removed_if_asked_for(client, acme, globex):
    assert send(client, rows((ACME, A)), confirm=True, remove_missing="on").status_code == 302
    assert list(TenantPolicy.objects.values_list("tenant", flat=True)) == [ACME]


def test_staff_import_into_their_own_tenants_alone(staff, acme, globex):
    refused = send(staff, rows((ACME, B), ("globex.tenants.example", A)), confirm=True)
    elsewhere = send(staff, rows((ACME, B), ("nobody.tenants.example", A)), confirm=True)
    [said] = {row.reason for response in (refused, elsewhere) for _, row in response.context["rows"] if row.reason}
    assert "not a tenant of yours" in said  # whether it has a policy or not
    assert send(staff, rows((ACME, B)), confirm=True, remove_missing="on").status_code == 302
    assert set(AllowedOrigin.objects.values_list("policy__tenant", "pattern")) == {
        (ACME, B),
        ("globex.tenants.example", B),
    }


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"text": None}, "file", "Choose a file."),
        ({"text": rows(), "name": "p.xlsx"}, "file", "'p.xlsx' is neither .csv nor .json: save the table as CSV."),
    ],
)
def test_what_cannot_be_imported_is_said_on_its_field(client, fields, field, said):
    text = fields.pop("text")
    assert send(client, text, **fields).context["form"].errors[field] == [said]


def test_a_text_of_no_kind_is_not_guessed_at(client):
    for text, kind in (("", "exe"), ("eA==", "exe"), ("no base64", "csv")):
        response = client.post(IMPORT, {"reason": "x", "text": text or "eA==", "kind": kind, "_import": "1"})
        assert response.context["form"].errors["file"] == ["Choose the file anew."]


def test_a_file_that_is_too_large_for_a_page_is_for_the_command(client, monkeypatch):
    monkeypatch.setattr(files, "MAX_FILE", 10)
    response = send(client, rows((ACME, A)))
    assert response.context["form"].errors["file"] == ["It is too large for a page: use manage.py cors_import."]


def test_a_database_that_fails_is_said(client, acme, monkeypatch):
    def fail(*args, **kwargs):
        raise DatabaseError("disk full")

    monkeypatch.setattr(files, "import_policies", fail)
    response = send(client, rows((ACME, B)), confirm=True)
    assert response.context["form"].non_field_errors() == ["Nothing was imported: 'disk full'"]


def test_an_import_needs_all_permissions(acme):
    user = User.objects.create_user("staff", is_staff=True)
    mine = Permission.objects.filter(content_type__app_label="django_cors_policy")
    user.user_permissions.set(mine.exclude(codename="delete_allowedorigin"))
    client = Client()
    client.force_login(user)
    assert client.get(IMPORT).status_code == 403
    assert IMPORT not in client.get(LIST).content.decode()
    user.user_permissions.set(mine)
    assert client.get(IMPORT).status_code == 200
