import pytest
from django.http import HttpRequest
from django.test import RequestFactory

from django_cors_policy import tenants
from django_cors_policy.tenants import by_host, by_path_prefix, by_subdomain

HOSTS = ["example.com", ".example.com", ".eu.example.com", "API.example.org", "127.0.0.1", "[::1]"]


def request(host="example.com", path="/", **extra):
    return RequestFactory().get(path, HTTP_HOST=host, **extra)


@pytest.mark.parametrize(
    ("host", "tenant"),
    [
        ("acme.example.com", "acme.example.com"),
        ("ACME.Example.Com:8000", "acme.example.com"),
        ("acme.example.com.", "acme.example.com"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:8000", "[::1]"),
        ("[::1]", "[::1]"),
        ("evil.test", None),
        ("acme.example.com.evil.test", None),
        ("acme.example.com@evil.test", None),
        ("acme_example.com/", None),
        ("", None),
    ],
)
def test_by_host_gives_the_checked_host_without_port(settings, host, tenant):
    settings.ALLOWED_HOSTS = HOSTS
    assert by_host(request(host)) == tenant


def test_gradio_ghsa_3c67_5hwx_f6wx_a_forwarded_host_counts_only_where_django_trusts_it(settings):
    settings.ALLOWED_HOSTS = HOSTS
    forged = request("acme.example.com", HTTP_X_FORWARDED_HOST="globex.example.com")
    assert by_host(forged) == "acme.example.com"
    settings.USE_X_FORWARDED_HOST = True
    assert by_host(forged) == "globex.example.com"


@pytest.mark.parametrize(
    ("host", "tenant"),
    [
        ("acme.example.com", "acme"),
        ("ACME.example.com:8000", "acme"),
        ("acme.eu.example.com", "acme"),
        ("example.com", None),
        ("eu.example.com", None),
        ("deep.acme.example.com", None),
        ("api.example.org", None),
        ("127.0.0.1", None),
        ("evil.test", None),
    ],
)
def test_by_subdomain_gives_the_one_label_in_front_of_the_domain(settings, host, tenant):
    settings.ALLOWED_HOSTS = HOSTS
    assert by_subdomain(request(host)) == tenant


def test_by_subdomain_gives_nothing_where_every_host_is_allowed(settings):
    settings.ALLOWED_HOSTS = ["*"]
    assert by_subdomain(request("acme.example.com")) is None


def test_by_subdomain_knows_the_hosts_that_debug_allows(settings):
    settings.ALLOWED_HOSTS = []
    settings.DEBUG = True
    assert by_subdomain(request("acme.localhost:8000")) == "acme"
    settings.DEBUG = False
    assert by_subdomain(request("acme.localhost:8000")) is None


@pytest.mark.parametrize(
    ("path", "tenant"),
    [
        ("/acme/api/", "acme"),
        ("/Acme/api/", "Acme"),
        ("/acme", "acme"),
        ("/", None),
        ("//acme/", None),
        ("/../acme/", ".."),
        ("/%61cme/", "acme"),
        ("/a+b/", "a+b"),
        ("/a%2Fb/c", "a"),
    ],
)
def test_by_path_prefix_gives_the_segment_that_the_urlconf_sees(path, tenant):
    assert by_path_prefix(request(path=path)) == tenant


def test_accepted_hosts_are_remembered_and_refused_ones_asked_again(settings, monkeypatch):
    settings.ALLOWED_HOSTS = HOSTS
    asked = []
    get_host = HttpRequest.get_host
    monkeypatch.setattr(HttpRequest, "get_host", lambda self: asked.append(1) or get_host(self))
    for host in ("acme.example.com", "evil.test"):
        for _ in range(2):
            by_host(request(host))
    assert len(asked) == 3


def test_what_is_remembered_is_forgotten_when_the_allowed_hosts_change(settings):
    settings.ALLOWED_HOSTS = HOSTS
    assert by_host(request("acme.example.com"))
    settings.ALLOWED_HOSTS = ["example.com"]
    assert by_host(request("acme.example.com")) is None


def test_remembered_hosts_are_bounded_in_number_and_length(settings, monkeypatch):
    settings.ALLOWED_HOSTS = HOSTS
    tenants._checked.clear()
    monkeypatch.setattr(tenants, "REMEMBERED", 3)
    for number in range(10):
        assert by_host(request(f"tenant-{number}.example.com"))
        assert 0 < len(tenants._checked) <= 3
    tenants._checked.clear()
    assert by_host(request("a" * 700 + ".example.com"))
    assert by_host(request("acme.example.com", HTTP_X_FORWARDED_HOST="x" * 700)) == "acme.example.com"
    assert not tenants._checked


def test_a_get_host_of_the_projects_own_is_asked_each_time(settings):
    """It may read what is not remembered by: another tenant's host would be given."""

    class Forwarded(HttpRequest):
        def get_host(self):
            return self.META["HTTP_X_ORIGINAL_HOST"]

    def forwarded(host):
        wrapped = Forwarded()
        wrapped.META = {"HTTP_HOST": "gateway.example.com", "HTTP_X_ORIGINAL_HOST": host}
        return wrapped

    assert by_host(forwarded("a.example.com")) == "a.example.com"
    assert by_host(forwarded("b.example.com")) == "b.example.com"


def test_a_get_host_of_what_stands_in_for_a_request_is_asked_each_time(settings):
    """Its class is said to be Django's, and its host is its own."""

    class Forwarded:
        __class__ = HttpRequest

        def __init__(self, host):
            self.META = {"HTTP_HOST": "gateway.example.com", "HTTP_X_ORIGINAL_HOST": host}

        def get_host(self):
            return self.META["HTTP_X_ORIGINAL_HOST"]

    settings.ALLOWED_HOSTS = HOSTS
    assert by_host(request("gateway.example.com")) == "gateway.example.com"
    assert by_host(Forwarded("a.example.com")) == "a.example.com"


def test_a_request_without_host_is_asked_each_time(settings):
    settings.ALLOWED_HOSTS = HOSTS
    tenants._checked.clear()
    nameless = RequestFactory(SERVER_NAME="acme.example.com").get("/")
    assert by_host(nameless) == "acme.example.com"
    assert not tenants._checked
