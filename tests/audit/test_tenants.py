from datetime import timedelta

import pytest
from django.db import Error, connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_cors_policy.audit import UnknownTenant, audit, policy_findings, stored_findings
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from tests.audit import rows

pytestmark = pytest.mark.django_db

ORIGIN = "https://app.acme.example"


@pytest.fixture
def acme():
    return TenantPolicy.objects.create(tenant="acme")


def past_validation(policy, **fields):
    """Write to a policy's row as a script would, with no word from the models."""
    columns = ", ".join(f"{name} = %s" for name in fields)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE django_cors_policy_tenantpolicy SET {columns}", [*fields.values()])
    policy.refresh_from_db()


def test_no_stored_policy_is_no_finding():
    assert list(stored_findings()) == []


def test_a_policy_as_the_admin_makes_it_has_no_finding(acme):
    acme.origins.create(pattern=ORIGIN)
    assert list(stored_findings()) == []


def test_a_finding_names_its_tenant(acme):
    acme.origins.create(pattern="https://*.acme.example")
    [finding] = stored_findings()
    assert (finding.rule.code, finding.tenant) == ("CORS106", "acme")


def test_credentials_without_csrf_trust_are_found_for_each_tenant(acme):
    TenantPolicy.objects.update(allow_credentials=True)
    acme.origins.create(pattern=ORIGIN)
    assert rows(stored_findings(), "CORS408") == [("medium", ORIGIN)]


def test_debug_is_found_for_each_tenant(acme, settings):
    settings.DEBUG = True
    settings.CORS_TENANT_LIMITS = {"any_origin": True}
    acme.origins.create(pattern="*")
    [finding] = [found for found in stored_findings() if found.rule.code == "CORS415"]
    assert (finding.severity, finding.tenant) == ("high", "acme")


# --- which rows are looked at


def test_a_disabled_policy_is_not_looked_at(acme):
    acme.origins.create(pattern="no origin")
    TenantPolicy.objects.update(enabled=False)
    assert list(stored_findings()) == []


def test_a_disabled_origin_is_not_looked_at(acme):
    acme.origins.create(pattern="no origin", enabled=False)
    assert list(stored_findings()) == []


@pytest.mark.parametrize(("seconds", "found"), [(-1, []), (3600, [("high", "no origin")])])
def test_an_origin_is_looked_at_until_it_expires(acme, seconds, found):
    acme.origins.create(pattern="no origin", expires_at=timezone.now() + timedelta(seconds=seconds))
    assert rows(stored_findings(), "CORS601") == found


# --- CORS601


@pytest.mark.parametrize(
    "pattern",
    ["", "null", "app.acme.example", "https://App.acme.example", "https://app.acme.example/", "https://*", "file://x"],
)
def test_a_stored_origin_that_does_not_compile_is_high(acme, pattern):
    acme.origins.create(pattern=ORIGIN)
    AllowedOrigin.objects.update(pattern=pattern)
    assert rows(stored_findings(), "CORS601") == [("high", pattern)]


@pytest.mark.parametrize(
    ("field", "written", "subject"),
    [
        ("allow_methods", "GET, P OST", "P OST"),
        ("allow_headers", "x-good\nx bad", "x bad"),
        ("expose_headers", "x:y", "x:y"),
    ],
)
def test_a_stored_name_that_is_no_token_is_high(acme, field, written, subject):
    TenantPolicy.objects.update(**{field: written})
    assert rows(stored_findings(), "CORS601") == [("high", subject)]


def test_what_raw_sql_wrote_is_found_too(acme):
    past_validation(acme, allow_headers="x\x1b[31mred", max_age=99_999)
    assert rows(stored_findings(), "CORS601") == [("high", r"x\x1b[31mred")]
    assert rows(stored_findings(), "CORS602") == [("high", "max_age")]


@pytest.mark.parametrize("written", ["x" * 5000 + " ", "\x00\x1b\u202e" * 2000])
def test_a_subject_is_printable_and_of_bounded_length(acme, written):
    acme.allow_headers = written + " x"
    subjects = [finding.subject for finding in policy_findings(acme)]
    assert subjects
    assert all(len(subject) <= 300 and subject.isprintable() for subject in subjects)


def test_any_origin_with_credentials_is_one_rules_alone(acme, settings):
    settings.CORS_TENANT_LIMITS = {"any_origin": True}
    TenantPolicy.objects.update(allow_credentials=True)
    acme.origins.create(pattern="*")
    assert rows(stored_findings(), "CORS101") == [("critical", "*")]
    assert rows(stored_findings(), "CORS601") == []


# --- CORS602


@pytest.mark.parametrize(
    ("pattern", "limit"),
    [
        ("*", "any_origin"),
        ("http://app.acme.example", "insecure_origins"),
        ("https://app.acme.example:*", "any_port"),
        ("https://*.github.io", "public_suffix_wildcards"),
    ],
)
def test_a_stored_origin_beyond_a_limit_is_high_until_the_limit_is_lifted(acme, settings, pattern, limit):
    acme.origins.create(pattern=pattern)
    assert rows(stored_findings(), "CORS602") == [("high", pattern)]
    settings.CORS_TENANT_LIMITS = {limit: True}
    assert rows(stored_findings(), "CORS602") == []


@pytest.mark.parametrize("pattern", ["http://localhost:*", "http://app.localhost:8000", "http://127.0.0.1"])
def test_loopback_is_within_the_limits(acme, pattern):
    acme.origins.create(pattern=pattern)
    assert rows(stored_findings(), "CORS602") == []


def test_each_origin_over_the_number_allowed_is_high(acme, settings):
    settings.CORS_TENANT_LIMITS = {"max_origins": 1}
    AllowedOrigin.objects.bulk_create(
        AllowedOrigin(policy=acme, pattern=f"https://{name}.acme.example") for name in "abc"
    )
    assert rows(stored_findings(), "CORS602") == [
        ("high", "https://b.acme.example"),
        ("high", "https://c.acme.example"),
    ]


@pytest.mark.parametrize(
    ("fields", "limits", "subject", "served"),
    [
        ({"max_age": 7201}, {}, "max_age", "The limit is served instead."),
        ({"allow_credentials": True}, {"credentials": False}, "allow_credentials", "It is not served."),
    ],
)
def test_a_field_beyond_a_limit_is_named_and_says_what_is_served(acme, settings, fields, limits, subject, served):
    TenantPolicy.objects.update(**fields)
    settings.CORS_TENANT_LIMITS = limits
    [finding] = [found for found in stored_findings() if found.rule.code == "CORS602"]
    assert (finding.severity, finding.subject) == ("high", subject)
    assert finding.message.endswith(served)


def test_limits_that_were_tightened_later_are_obeyed(acme, settings):
    TenantPolicy.objects.update(max_age=600)
    assert list(stored_findings()) == []
    settings.CORS_TENANT_LIMITS = {"max_age": 60}
    assert rows(stored_findings(), "CORS602") == [("high", "max_age")]


# --- some tenants alone


@pytest.fixture
def three():
    for tenant in ("acme.example", "globex.example", "initech.example"):
        TenantPolicy.objects.create(tenant=tenant).origins.create(pattern="no origin")


@pytest.mark.parametrize(
    ("only", "found"),
    [
        (None, ["acme.example", "globex.example", "initech.example"]),
        (["globex.example"], ["globex.example"]),
        (["globex.example", "acme.example", "globex.example"], ["acme.example", "globex.example"]),
        ([], []),
    ],
)
def test_only_the_named_tenants_are_looked_at(three, only, found):
    assert [finding.tenant for finding in stored_findings(only) if finding.rule.code == "CORS601"] == found


def test_the_settings_are_looked_at_beside_a_named_tenant(three, settings):
    settings.CORS_ALLOW_CREDENTIALS = "yes"
    codes = {finding.rule.code for finding in audit(["acme.example"]).findings}
    assert {"CORS116", "CORS601"} <= codes


@pytest.mark.parametrize(
    ("tenant", "message"),
    [
        ("acme.exampel", "no policy is stored for tenant 'acme.exampel'; did you mean 'acme.example'?"),
        ("acme.Example", "no policy is stored for tenant 'acme.Example'; did you mean 'acme.example'?"),
        ("xyzzy", "no policy is stored for tenant 'xyzzy'"),
        ("", "no policy is stored for tenant ''"),
        ("a%", "no policy is stored for tenant 'a%'"),
        ("a\x00b", r"no policy is stored for tenant 'a\x00b'"),
        ("a\n\x1b[31m", r"no policy is stored for tenant 'a\n\x1b[31m'"),
        # A byte of the command line that is no UTF-8.
        ("acme\udcff", r"no policy is stored for tenant 'acme\udcff'"),
    ],
)
def test_a_tenant_without_a_policy_is_refused_and_the_nearest_is_named(three, tenant, message):
    with pytest.raises(UnknownTenant) as refused:
        list(stored_findings(["globex.example", tenant]))
    assert str(refused.value) == message


def test_the_nearest_tenant_is_shown_on_one_line(acme):
    past_validation(acme, tenant="acme\n\x1b[31m")
    with pytest.raises(UnknownTenant) as refused:
        list(stored_findings(["acme"]))
    assert str(refused.value).isprintable()


# --- queries


def count_queries(work):
    with CaptureQueriesContext(connection) as queries:
        work()
    return len(queries)


@pytest.fixture
def many():
    policies = TenantPolicy.objects.bulk_create(TenantPolicy(tenant=f"t{number:04}") for number in range(1000))
    AllowedOrigin.objects.bulk_create(AllowedOrigin(policy=policy, pattern=ORIGIN) for policy in policies)


def test_queries_grow_with_batches_and_not_with_tenants(many):
    assert count_queries(lambda: list(stored_findings())) == 1 + 2  # the policies, and their origins for each 500


def test_named_tenants_take_one_query_more_and_not_one_each(many):
    only = [f"t{number:04}" for number in range(400)]
    assert count_queries(lambda: list(stored_findings(only))) == 1 + 1 + 1


class ReadsGoToAReplica:
    def db_for_read(self, model, **hints):
        return "replica"

    def db_for_write(self, model, **hints):
        return "default"


@pytest.fixture
def replica(monkeypatch):
    """Declare a database that has no table."""
    monkeypatch.setitem(connections.settings, "replica", {**connections.settings["default"], "NAME": ":memory:"})
    yield
    connections["replica"].close()
    del connections["replica"]


def test_all_is_read_from_the_database_that_policies_are_served_from(acme, replica, settings):
    acme.origins.create(pattern="no origin")
    settings.DATABASE_ROUTERS = [ReadsGoToAReplica()]
    assert rows(stored_findings(), "CORS601") == [("high", "no origin")]
    with pytest.raises(UnknownTenant):
        list(stored_findings(["acmee"]))


@pytest.mark.django_db(transaction=True)
def test_a_missing_table_is_the_databases_own_error():
    with connection.schema_editor() as editor:
        editor.delete_model(AllowedOrigin)
    try:
        TenantPolicy.objects.create(tenant="acme")
        with pytest.raises(Error):
            list(stored_findings())
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(AllowedOrigin)
