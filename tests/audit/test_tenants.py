import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import Error, connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_cors_policy.audit import UnknownTenant, audit, policy_findings, stored_findings, tenants
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from tests.audit import rows

pytestmark = pytest.mark.django_db

ORIGIN = "https://app.acme.example"


@pytest.fixture(autouse=True)
def any_host(settings):
    """Let every tenant's key be a host."""
    settings.ALLOWED_HOSTS = ["*"]


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


# --- CORS308


@pytest.mark.parametrize(
    ("max_age", "limit", "found"), [(600, 7200, []), (601, 7200, [("low", "max_age")]), (7200, 600, [])]
)
def test_a_preflight_that_outlives_a_revocation_for_long_is_low(acme, settings, max_age, limit, found):
    settings.CORS_TENANT_LIMITS = {"max_age": limit}  # which is served where a policy is beyond it
    TenantPolicy.objects.update(max_age=max_age)
    assert rows(stored_findings(), "CORS308") == found


# --- CORS409


@pytest.mark.parametrize(
    ("stored", "trusted", "found"),
    [
        (ORIGIN, ORIGIN, False),
        ("https://*.acme.example", ORIGIN, False),
        ("https://*.acme.example:*", "https://app.acme.example:8443", False),
        # A wildcard is for tenants that come and go.
        (ORIGIN, "https://*.acme.example", False),
        ("https://app.acme.example:8443", "https://*.acme.example:8443", False),
        (ORIGIN, "https://*.acme.example:8443", True),
        (ORIGIN, "http://*.acme.example", True),
        (ORIGIN, "https://*.example.net", True),
        ("https://app.notacme.example", "https://*.acme.example", True),
        (ORIGIN, "https://other.acme.example", True),
        (ORIGIN, "http://app.acme.example", True),
        ("https://*.acme.example", "https://acme.example", True),
    ],
)
def test_what_csrf_trusts_and_no_tenant_allows_is_low(acme, settings, stored, trusted, found):
    settings.ALLOWED_HOSTS = ["api.example.org"]
    settings.CSRF_TRUSTED_ORIGINS = [trusted]
    acme.origins.create(pattern=stored)
    assert rows(stored_findings(), "CORS409") == ([("low", trusted)] if found else [])


@pytest.mark.parametrize("fields", [{"enabled": False}, {"expires_at": timezone.now()}])
def test_an_origin_that_is_not_served_is_no_reason_for_csrfs_trust(acme, settings, fields):
    settings.ALLOWED_HOSTS = ["api.example.org"]
    settings.CSRF_TRUSTED_ORIGINS = [ORIGIN]
    acme.origins.create(pattern=ORIGIN, **fields)
    assert rows(stored_findings(), "CORS409") == [("low", ORIGIN)]


def test_some_tenants_alone_do_not_tell_what_no_tenant_allows(acme, settings):
    settings.ALLOWED_HOSTS = ["api.example.org"]
    settings.CSRF_TRUSTED_ORIGINS = [ORIGIN]
    assert rows(stored_findings(["acme"]), "CORS409") == []


# --- credentials that are not served


def test_credentials_beyond_the_limit_send_no_cookie(acme, settings):
    settings.ALLOWED_HOSTS = ["api.example.org"]
    TenantPolicy.objects.update(allow_credentials=True, allow_headers="")
    acme.origins.create(pattern=ORIGIN)
    cookies = {"CORS408", "CORS410", "CORS411", "CORS416"}
    assert cookies <= {finding.rule.code for finding in stored_findings()}
    settings.CORS_TENANT_LIMITS = {"credentials": False}
    assert cookies.isdisjoint(finding.rule.code for finding in stored_findings())


# --- CORS416


def test_the_one_admin_is_one_finding_whatever_the_number_of_tenants(acme):
    for name in ("globex", "initech", "umbrella"):
        policy = TenantPolicy.objects.create(tenant=name, allow_credentials=name != "globex")
        policy.origins.create(pattern=ORIGIN)
    [finding] = [finding for finding in stored_findings() if finding.rule.code == "CORS416"]
    assert (finding.subject, finding.tenant) == ("/admin/", "initech")


# --- CORS603


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"expires_at": timezone.now() - timedelta(days=1)}, [("info", ORIGIN)]),
        ({"expires_at": timezone.now() - timedelta(days=1), "enabled": False}, []),
        ({"expires_at": timezone.now() + timedelta(days=1)}, []),
        ({}, []),
    ],
)
def test_an_origin_that_expired_and_is_enabled_still_is_info(acme, fields, found):
    acme.origins.create(pattern=ORIGIN, **fields)
    assert rows(stored_findings(), "CORS603") == found


def test_the_time_is_said(acme):
    acme.origins.create(pattern=ORIGIN, expires_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    [finding] = stored_findings()
    assert "at 2026-01-02 03:04 UTC and" in finding.message
    assert finding.tenant == "acme"


# --- CORS604


@pytest.mark.parametrize(
    ("resolver", "hosts", "tenant", "is_reachable"),
    [
        ("by_host", ["api.acme.example"], "api.acme.example", True),
        ("by_host", [".acme.example"], "api.acme.example", True),
        ("by_host", [".Acme.example"], "acme.example", True),
        ("by_host", ["*"], "api.acme.example", True),
        ("by_host", ["[::1]"], "[::1]", True),
        ("by_host", ["xn--bcher-kva.example"], "xn--bcher-kva.example", True),
        ("by_host", ["other.example"], "api.acme.example", False),
        ("by_host", ["*"], "api.acme.example:8000", False),
        ("by_host", ["*"], "Api.acme.example", False),
        ("by_host", ["*"], "https://api.acme.example", False),
        ("by_host", ["*"], "a b", False),
        ("by_subdomain", [".example.com", "example.net"], "acme", True),
        ("by_subdomain", [".Example.com"], "acme", True),
        ("by_subdomain", [".example.com", ".app.example.com"], "app", True),
        ("by_subdomain", ["example.com"], "acme", False),
        ("by_subdomain", ["*"], "acme", False),
        ("by_subdomain", [".example.com"], "acme.eu", False),
        ("by_path_prefix", ["other.example"], "acme", True),
        # Nothing is served, or development's hosts alone: what will be allowed is not known.
        ("by_host", [], "api.acme.example", True),
        ("by_subdomain", [], "acme", True),
    ],
)
def test_a_tenant_that_no_request_is_for_is_low(settings, resolver, hosts, tenant, is_reachable):
    policy = TenantPolicy.objects.create(tenant="x")
    past_validation(policy, tenant=tenant)
    settings.ALLOWED_HOSTS = hosts
    settings.CORS_TENANT_RESOLVER = f"django_cors_policy.tenants.{resolver}"
    assert rows(stored_findings(), "CORS604") == ([] if is_reachable else [("low", tenant)])


def test_a_projects_own_resolver_may_give_any_key(acme, settings):
    settings.ALLOWED_HOSTS = ["other.example"]
    settings.CORS_TENANT_RESOLVER = f"{__name__}.own"
    assert list(stored_findings()) == []


def own(request):
    return "acme"


# --- CORS605


@pytest.fixture
def sharing(acme):
    """Give three policies of which two hold the same origin."""
    acme.origins.create(pattern=ORIGIN)
    TenantPolicy.objects.create(tenant="globex").origins.create(pattern=ORIGIN)
    TenantPolicy.objects.create(tenant="initech").origins.create(pattern="https://initech.example")


def test_an_origin_of_several_tenants_is_info_and_one_finding(sharing):
    [finding] = stored_findings()
    assert rows([finding], "CORS605") == [("info", ORIGIN)]
    assert finding.tenant is None
    assert "The policies of 2 tenants hold it, among them 'acme' and 'globex'" in finding.message


@pytest.mark.parametrize(("only", "number"), [(["acme"], 1), (["globex", "initech"], 1), (["initech"], 0), ([], 0)])
def test_a_named_tenants_origin_is_compared_with_all(sharing, only, number):
    assert len(rows(stored_findings(only), "CORS605")) == number


@pytest.mark.parametrize(
    "change",
    [
        lambda: TenantPolicy.objects.filter(tenant="acme").update(enabled=False),
        lambda: AllowedOrigin.objects.filter(policy__tenant="acme").update(enabled=False),
        lambda: AllowedOrigin.objects.filter(policy__tenant="acme").update(expires_at=timezone.now()),
        lambda: AllowedOrigin.objects.filter(pattern=ORIGIN).update(pattern="no origin"),
    ],
)
def test_what_is_not_served_is_not_shared(sharing, change):
    change()
    assert rows(stored_findings(), "CORS605") == []


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
    # Policies and origins of each 500; the end; and the origins that several share.
    assert count_queries(lambda: list(stored_findings())) == 2 * 2 + 1 + 1


def test_named_tenants_take_one_query_more_and_not_one_each(many):
    only = [f"t{number:04}" for number in range(400)]
    assert count_queries(lambda: list(stored_findings(only))) == 1 + 1 + 1 + 1


def test_each_origin_that_csrf_trusts_takes_one_query_at_most(many, settings):
    settings.ALLOWED_HOSTS = ["own.example"]
    settings.CORS_ALLOWED_ORIGINS = ["https://listed.example"]
    trusted = [
        "https://own.example",
        "https://listed.example",
        ORIGIN,
        "https://*.acme.example",
        "https://else.example",
    ]
    settings.CSRF_TRUSTED_ORIGINS = trusted
    assert count_queries(lambda: list(stored_findings())) == 2 * 2 + 1 + 1 + 3


def test_no_more_policies_are_held_than_a_page_and_each_is_looked_at_once(many, monkeypatch):
    monkeypatch.setattr(tenants, "BATCH", 300)
    pages = []
    with_origins = tenants.with_origins
    monkeypatch.setattr(
        tenants, "with_origins", lambda page, *args, **kwargs: pages.append(page) or with_origins(page, *args, **kwargs)
    )
    assert [policy.tenant for policy, _ in tenants.in_pages("default")] == [f"t{number:04}" for number in range(1000)]
    assert [len(page) for page in pages] == [300, 300, 300, 100]


def test_no_more_origins_are_held_than_the_store_reads_of_one_policy(acme, three, monkeypatch):
    monkeypatch.setattr(tenants, "MAX_ROWS", 4)
    patterns = [f"https://{number}.example" for number in range(7)]
    acme.origins.bulk_create(AllowedOrigin(policy=acme, pattern=pattern) for pattern in patterns)
    globex = TenantPolicy.objects.get(tenant="globex.example")
    globex.origins.bulk_create(AllowedOrigin(policy=globex, pattern=pattern) for pattern in patterns[:3])
    with CaptureQueriesContext(connection) as queries:
        held = {policy.tenant: [str(origin) for origin in origins] for policy, origins in tenants.in_pages("default")}
    assert (
        held
        == {
            "acme": patterns[:4],  # the ones that the store reads
            "acme.example": ["no origin"],
            "globex.example": ["no origin", *patterns[:3]],
            "initech.example": ["no origin"],
        }
    )
    limits = [re.search(r"LIMIT (\d+)$", query["sql"]) for query in queries if "allowedorigin" in query["sql"]]
    assert [int(limit[1]) for limit in limits] == [5, 5, 4, 4, 5, 4, 4]


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
