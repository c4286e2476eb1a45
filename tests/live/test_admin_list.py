"""The admin's list of 100,000 policies: how many queries it takes, and what they read."""

import json

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from django_cors_policy.admin.policies import BoundedPaginator
from django_cors_policy.models import AllowedOrigin, TenantPolicy

pytestmark = pytest.mark.django_db(transaction=True)

LIST = reverse("admin:django_cors_policy_tenantpolicy_changelist")
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


def plans(queries):
    """Give how the database answers each query of the page that reads policies."""
    for query in queries:
        if TenantPolicy._meta.db_table not in query["sql"] or not query["sql"].startswith("SELECT"):
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


def opened(client, query=None):
    with CaptureQueriesContext(connection) as queries:
        response = client.get(LIST, query)
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
