"""The admin's lists of 100,000 policies and as many blocked origins: how many queries they take, what they read."""

import json

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from django_cors_policy.admin.policies import BoundedPaginator
from django_cors_policy.models import AllowedOrigin, BlockedOrigin, TenantPolicy

pytestmark = pytest.mark.django_db(transaction=True)

LIST = reverse("admin:django_cors_policy_tenantpolicy_changelist")
BLOCKED = reverse("admin:django_cors_policy_blockedorigin_changelist")
MANY = 100_000
COLUMNS = (
    "enabled, shadow, allow_credentials, allow_methods, allow_headers, expose_headers, max_age, allow_private_network, "
    "note, risk, created_at, updated_at"
)


@pytest.fixture
def client():
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def fill():
    """Store policies by SQL, for it is the list that is looked at: each with an origin, one in a thousand grave."""
    postgres = connection.vendor == "postgresql"
    numbers = f"generate_series(1, {MANY}) seq" if postgres else f"seq_1_to_{MANY}"
    name = "'t' || lpad(seq::text, 6, '0')" if postgres else "concat('t', lpad(seq, 6, '0'))"
    policies, origins = TenantPolicy._meta.db_table, AllowedOrigin._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {policies} (tenant, {COLUMNS}) SELECT {name}, true, false, false, 'GET', '', '', 600, false, "
            f"'', CASE WHEN seq % 1000 = 0 THEN 4 ELSE 0 END, now(), now() FROM {numbers}"
        )
        cursor.execute(
            f"INSERT INTO {origins} (policy_id, pattern, enabled, note, created_at) "
            f"SELECT id, 'https://app.example.com', true, '', now() FROM {policies}"
        )
        cursor.execute(f"ANALYZE {policies}" if postgres else f"ANALYZE TABLE {policies}, {origins}")
        if postgres:
            cursor.execute(f"ANALYZE {origins}")


def fill_blocked():
    """Store blocked origins by SQL, a hundred of each tenant: half of them ignored, one in a thousand null."""
    postgres = connection.vendor == "postgresql"
    numbers = f"generate_series(1, {MANY}) seq" if postgres else f"seq_1_to_{MANY}"
    tenant = "'t' || lpad((seq / 100)::text, 6, '0')" if postgres else "concat('t', lpad(seq div 100, 6, '0'))"
    origin = "'https://' || seq || '.example'" if postgres else "concat('https://', seq, '.example')"
    moment = "now() - seq * interval '1 second'" if postgres else "now() - interval seq second"
    table = BlockedOrigin._meta.db_table
    reason = "CASE WHEN seq % 1000 = 0 THEN 'null-origin' ELSE 'not-allowed' END"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (tenant, origin, reason, would, count, first_seen, last_seen, method, path, ignored) "
            f"SELECT {tenant}, {origin}, {reason}, '', 1, {moment}, {moment}, 'GET', '/', seq % 2 = 0 FROM {numbers}"
        )
        cursor.execute(f"ANALYZE {table}" if postgres else f"ANALYZE TABLE {table}")


def plans(queries, table=TenantPolicy._meta.db_table):
    """Give how the database answers each query of the page that reads a table, policies by default."""
    for query in queries:
        if table not in query["sql"] or not query["sql"].startswith("SELECT"):
            continue
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(f"EXPLAIN (FORMAT JSON) {query['sql']}")
                yield [cursor.fetchone()[0][0]["Plan"]]
            else:
                cursor.execute(f"EXPLAIN {query['sql']}")
                names = [column[0] for column in cursor.description]
                yield [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def scanned(nodes):
    """Give the tables that a plan reads row by row, whole."""
    for node in nodes:
        if node.get("Node Type") == "Seq Scan":
            yield node["Relation Name"]
        elif node.get("type") == "ALL" and not (node["table"] or "<").startswith("<"):
            yield node["table"]
        yield from scanned(node.get("Plans", ()))


def opened(client, query=None, url=LIST):
    with CaptureQueriesContext(connection) as queries:
        response = client.get(url, query)
        assert response.status_code == 200
        assert response.context["cl"].result_list is not None
    return response, list(queries)


@pytest.mark.parametrize(
    "query",
    [
        *({}, {"p": "3"}, {"o": "1"}, {"o": "-1"}, {"risk": "4"}),
        *({"enabled__exact": "1"}, {"shadow__exact": "0"}, {"allow_credentials__exact": "0"}),
    ],
)
def test_the_list_reads_no_table_whole_and_its_queries_do_not_grow(client, query):
    TenantPolicy.objects.create(tenant="acme")
    few = len(opened(client, {**query, "p": "1"})[1])
    fill()
    response, queries = opened(client, query)
    assert len(queries) == few
    assert len(response.context["cl"].result_list) == 50
    found = list(plans(queries))
    assert len(found) >= 2  # the page's rows, and their number
    assert [list(scanned(plan)) for plan in found if list(scanned(plan))] == [], json.dumps(found, default=str)


def test_the_list_counts_no_further_than_people_turn_pages(client):
    fill()
    assert opened(client)[0].context["cl"].result_count == BoundedPaginator.MOST
    assert opened(client, {"risk": "4"})[0].context["cl"].result_count == 100


def test_a_table_that_is_read_whole_is_found_to_be(client):
    """The test above sees what it looks for: a search in the midst of texts has no index."""
    fill()
    assert any(list(scanned(plan)) for plan in plans(opened(client, {"q": "00042"})[1]))


@pytest.mark.parametrize(
    "query",
    [
        *({}, {"p": "3"}, {"ignored": "yes"}, {"ignored": "all"}, {"reason": "null-origin"}, {"tenant": "t000042"}),
        *({"ignored": "all", "reason": "not-allowed"}, {"would": "allow"}),
    ],
)
def test_the_list_of_blocked_origins_reads_no_table_whole_and_its_queries_do_not_grow(client, query):
    fill_blocked()
    response, queries = opened(client, query, BLOCKED)
    assert len(queries) <= 6  # the session, the user, the rows, their number, their tenants' policies
    assert response.context["cl"].result_count <= BoundedPaginator.MOST
    found = list(plans(queries, BlockedOrigin._meta.db_table))
    assert len(found) >= 2
    assert [list(scanned(plan)) for plan in found if list(scanned(plan))] == [], json.dumps(found, default=str)


def test_on_a_policys_page_nothing_is_of_a_tenant_whose_key_differs_by_case(client):
    """MariaDB takes one for the other."""
    policy = TenantPolicy.objects.create(tenant="acme")
    seen = {"reason": "not-allowed", "count": 1, "first_seen": timezone.now(), "last_seen": timezone.now()}
    BlockedOrigin.objects.create(tenant="Acme", origin="https://app.example.com", method="GET", path="/", **seen)
    response = client.get(reverse("admin:django_cors_policy_tenantpolicy_change", args=[policy.pk]))
    assert response.context["blocked_count"] == 0


def test_what_no_key_can_be_is_asked_of_no_database(client):
    """PostgreSQL takes no NUL byte."""
    assert opened(client, {"tenant": "\0"}, BLOCKED)[0].context["cl"].result_count == 0
