"""A real ASGI server in a thread of its own, asked over loopback."""

import http.client
import threading
import time

import pytest
import uvicorn
from django.core.asgi import get_asgi_application
from django.db.backends.signals import connection_created

from django_cors_policy.models import TenantPolicy

APP = "https://app.acme.example"
API = "acme.tenants.example"


@pytest.fixture
def queries():
    """Every statement that any thread sends to the database from now on."""
    statements = []
    watching = []

    def count(execute, sql, *args):
        statements.append(sql)
        return execute(sql, *args)

    def watch(connection, **_):
        watching.append(connection.execute_wrapper(count))
        watching[-1].__enter__()

    connection_created.connect(watch)
    yield statements
    connection_created.disconnect(watch)


@pytest.fixture
def port(queries):
    config = uvicorn.Config(get_asgi_application(), port=0, http="h11", ws="none", lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    for _ in range(1000):
        if server.started:
            break
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(10)


def ask(port, origin=APP, host=API, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Host": host, **({"Origin": origin} if origin else {}), **headers}
    try:
        connection.request(method, "/async/", headers=headers)
        response = connection.getresponse()
        response.read()
        return response.status, response.getheader("Access-Control-Allow-Origin")
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_the_steady_state_of_an_asgi_server_makes_no_query(settings, queries, port):
    settings.CORS_ALLOWED_ORIGINS = ["https://www.example.com"]
    settings.CORS_POLICY_REFRESH_SECONDS = 3600
    TenantPolicy.objects.create(tenant=API).origins.create(pattern=APP)
    preflight = {"method": "OPTIONS", "Access-Control-Request-Method": "PUT"}
    expected = [
        ({"origin": APP}, (200, APP)),
        ({"origin": "https://www.example.com"}, (200, "https://www.example.com")),
        ({"origin": "https://evil.test"}, (200, None)),
        ({"origin": APP, "host": "nobody.tenants.example"}, (200, None)),
        ({"origin": None}, (200, None)),
        ({"origin": APP, **preflight}, (204, APP)),
        ({"origin": "https://evil.test", **preflight}, (403, None)),
    ]
    queries.clear()
    assert [ask(port, **request) for request, _ in expected] == [answer for _, answer in expected]
    assert any("tenantpolicy" in sql for sql in queries)
    queries.clear()
    for _ in range(3):
        assert [ask(port, **request) for request, _ in expected] == [answer for _, answer in expected]
    assert queries == []


@pytest.mark.django_db(transaction=True)
def test_a_change_is_obeyed_by_the_next_request_of_an_asgi_server(port):
    policy = TenantPolicy.objects.create(tenant=API)
    policy.origins.create(pattern=APP)
    assert ask(port) == (200, APP)
    policy.origins.all().delete()
    assert ask(port) == (200, None)
