import pytest

from django_cors_policy.cors.blocking import is_bad_port, is_mixed_content
from django_cors_policy.cors.urls import parse_url


@pytest.mark.parametrize("port", [0, 1, 22, 25, 6000, 6667, 10080])
def test_no_browser_asks_a_bad_port(port):
    assert is_bad_port(parse_url(f"http://a:{port}"))


@pytest.mark.parametrize("url", ["http://a", "https://a", "http://a:8000", "http://a:443", "http://a:4190"])
def test_any_other_port_is_asked(url):
    assert not is_bad_port(parse_url(url))


@pytest.mark.parametrize(
    "host",
    [
        *("a.example", "printer", "8.8.8.8", "172.32.0.1", "192.0.2.1", "224.0.0.1", "[2001:db9::1]", "[ff02::1]"),
        *("[64:ff9b::1]", "[::ffff:8.8.8.8]", "notlocal", "local.example"),
    ],
)
def test_an_https_page_asks_nobody_over_http(host):
    assert is_mixed_content("https://app.example", parse_url(f"http://{host}/"))


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "a.localhost", "localhost.", "127.9.9.9", "[::1]", "10.0.0.1", "172.31.0.1", "192.168.0.1"),
        *("169.254.0.1", "100.64.0.1", "0.0.0.0", "[fc00::1]", "[fe80::1]", "[fec0::1]", "[2001:db8::1]", "[::]"),
        *("[::ffff:10.0.0.1]", "local", "printer.local", "printer.local."),
    ],
)
def test_an_https_page_may_ask_what_is_near_over_http(host):
    assert not is_mixed_content("https://app.example", parse_url(f"http://{host}/"))


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        ("http://a.example", "http://b.example"),
        ("https://a.example", "https://b.example"),
        ("null", "http://b.example"),
    ],
)
def test_nothing_else_is_mixed(origin, url):
    assert not is_mixed_content(origin, parse_url(url))
