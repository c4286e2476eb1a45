import ada_url
import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cors_policy.cors.urls import parse_url

BASE = "http://h.example:81/p/q?r#s"


def read(text, base=None):
    url = parse_url(text, base and parse_url(base))
    return None if url is None else str(url)


def standard(text, base=None):
    """Read it by another implementation of the standard."""
    try:
        return ada_url.URL(text, base).href if base else ada_url.URL(text).href
    except ValueError:
        return None


@pytest.mark.parametrize(
    ("text", "href"),
    [
        ("http://a.example", "http://a.example/"),
        ("  HTTP://A.Example:80/x y\n", "http://a.example/x%20y"),
        ("https://a:443", "https://a/"),
        ("https://a:0443/", "https://a/"),
        ("http://a:443", "http://a:443/"),
        ("http://a:", "http://a/"),
        ("http://a:65535", "http://a:65535/"),
        ("http://a:000000000080/", "http://a/"),
        ("http:a", "http://a/"),
        ("http:\\\\a\\b", "http://a/b"),
        ("http:////a", "http://a/"),
        ("http://a?b", "http://a/?b"),
        ("http://a#b", "http://a/#b"),
        ("http://a/?#", "http://a/?#"),
        ("http://a/./b/../c/%2e/d/%2E./e/..", "http://a/c/"),
        ("http://a/../..", "http://a/"),
        ("http://a/b/.", "http://a/b/"),
        ("http://a//b//", "http://a//b//"),
        ("http://a/b\tc\r\nd", "http://a/bcd"),
        ("http://a/\x01\x7f\xe9\U0001f600", "http://a/%01%7F%C3%A9%F0%9F%98%80"),
        ("http://a/'\"<>`{}^", "http://a/'%22%3C%3E%60%7B%7D%5E"),
        ("http://a/?'\"<>`{}^|#'\"<>`{}^|", "http://a/?%27%22%3C%3E`{}^|#'%22%3C%3E%60{}^|"),
        ("http://u:p@a/", "http://u:p@a/"),
        ("http://u@a/", "http://u@a/"),
        ("http://u:@a/", "http://u@a/"),
        ("http://:p@a/", "http://:p@a/"),
        ("http://@a/", "http://a/"),
        ("http://:@a/", "http://a/"),
        ("http://u:p:q@r@a/", "http://u:p%3Aq%40r@a/"),
        # hosts
        ("http://127.1", "http://127.0.0.1/"),
        ("http://0x7F.1.", "http://127.0.0.1/"),
        ("http://[::1]:8080", "http://[::1]:8080/"),
        ("http://[0:0::ffff:127.0.0.1]", "http://[::ffff:7f00:1]/"),
        ("http://%61.example", "http://a.example/"),
        ("http://a.example.", "http://a.example./"),
        ("http://b\xfccher.example", "http://xn--bcher-kva.example/"),
        ("http://\u2603.example", "http://xn--n3h.example/"),  # which IDNA 2008 refuses, and browsers do not
        ("http://\U0001f600.example", "http://xn--e28h.example/"),
        ("http://\uff41\u3002example", "http://a.example/"),
        ("http://stra\xdfe.example", "http://xn--strae-oqa.example/"),
        ("http://xn--bcher-kva.\xfc", "http://xn--bcher-kva.xn--tda/"),
        ("http://\u05d0.example", "http://xn--4db.example/"),
        ("http://\u0915\u094d\u200d\u0937", "http://xn--11b2ezcw70k/"),  # a joiner where it joins
        ("http://xn--a", "http://xn--a/"),  # not looked into
        ("http://a..b", "http://a..b/"),
        ("http://" + "a" * 70, "http://" + "a" * 70 + "/"),
        # other schemes
        ("ftp://a:21/", "ftp://a/"),
        ("mailto:a b?c d#e f", "mailto:a b?c%20d#e%20f"),
        ("data:,\xe9", "data:,%C3%A9"),
        ("foo://A:80/../b c?'", "foo://A:80/b%20c?'"),
        ("foo://", "foo://"),
        ("foo://a", "foo://a"),
        ("foo:///a", "foo:///a"),
        ("foo:/a/./b", "foo:/a/b"),
        ("foo:/.//a", "foo:/.//a"),
        ("foo:", "foo:"),
        ("file:///a/../b", "file:///b"),
        ("file:a", "file:///a"),
        ("file://A/b?c", "file://a/b?c"),
        ("file:\\\\\\a", "file:///a"),
    ],
)
def test_a_url_is_read(text, href):
    assert read(text) == href == standard(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "/a", "//a", "?", "#", "1a:", ":", "http:", "http:/", "http://", "http:///", "http://?", "http://#"),
        *("http://a:65536", "http://a:" + "9" * 5000, "http://a:b", "http://a:-1", "http://a:8 0", "http://:80"),
        *("http://u@", "http://u:p@:80", "http://a<b", "http://a^b", "http://a|b", "http://a%b", "http://a%00b"),
        *("http://a\x7fb", "http://%ff", "http://[", "http://[::1", "http://[::1]x", "http://[1::2::3]"),
        *("http://[::1%25lo]", "http://1.2.3.4.5", "http://256.1.1.1", "http://1.2.3.09", "http://\xad"),
        *(
            "http://\u2100",
            "http://a\u200db",
            "http://\u0301a",
            "http://\u05d0a",
            "http://xn--a.\xfc",
            "http://xn--abc-.\xfc",
            "http://xn--wca.\xfc",
            "http://xn--a\xfc",
        ),
        *("foo://a b", "foo://[", "foo://:80", "foo://u@", "foo://a:x", "file://[", "file://a:80"),
    ],
)
def test_what_is_no_url_is_none(text):
    assert read(text) is standard(text) is None


@pytest.mark.parametrize(
    ("text", "href"),
    [
        ("", "http://h.example:81/p/q?r"),
        ("#t", "http://h.example:81/p/q?r#t"),
        ("?t", "http://h.example:81/p/q?t"),
        ("?", "http://h.example:81/p/q?"),
        ("a", "http://h.example:81/p/a"),
        ("a?b", "http://h.example:81/p/a?b"),
        ("./a", "http://h.example:81/p/a"),
        ("../a", "http://h.example:81/a"),
        ("..", "http://h.example:81/"),
        ("/a", "http://h.example:81/a"),
        ("\\a", "http://h.example:81/a"),
        ("//a", "http://a/"),
        ("/\\a", "http://a/"),
        ("////a", "http://a/"),
        ("http:a", "http://h.example:81/p/a"),
        ("http:/a", "http://h.example:81/a"),
        ("http://a", "http://a/"),
        ("https:a", "https://a/"),
        ("foo:a", "foo:a"),
    ],
)
def test_a_relative_url_is_resolved(text, href):
    assert read(text, BASE) == href == standard(text, BASE)


@pytest.mark.parametrize(
    ("text", "base", "href"),
    [
        ("#a", "mailto:x", "mailto:x#a"),
        ("a", "mailto:x", None),
        ("", "mailto:x", None),
        ("a", "foo://h/p/q", "foo://h/p/a"),
        ("//a/b", "foo://h/p", "foo://a/b"),
        ("/a", "foo://h/p", "foo://h/a"),
        ("//", "http://h", None),
        ("http://:80", "http://h", None),
    ],
)
def test_a_base_may_be_of_another_kind(text, base, href):
    assert read(text, base) == href == standard(text, base)


def test_a_long_name_takes_no_long_time():
    assert read("http://" + "\xfc" * 1000) is not None
    assert read("http://" + "\xfc" * 100_000) is None
    assert read("http://" + "u" * 100_000) is not None


def test_bytes_that_are_not_utf_8_are_kept():
    assert read("http://a/\udce9?\udce9#\udce9") == "http://a/%E9?%E9#%E9"
    assert read("http://\udce9/") is None


@pytest.mark.parametrize(
    ("text", "href"),
    [
        ("http://a b", "http://a%20b/"),
        ("http://*.a", "http://%2A.a/"),
        ("http://a/|", "http://a/%7C"),
        ("http://'@a/", "http://%27@a/"),
    ],
)
def test_chromium_departs_from_the_standard(text, href):
    assert read(text) == href


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("http://A:80/b?c#d", "http://a"),
        ("https://a:8443", "https://a:8443"),
        ("http://u:p@[::1]:80/", "http://[::1]"),
        ("ws://a", "null"),
        ("blob:http://a/b", "null"),
    ],
)
def test_only_http_has_an_origin(text, origin):
    assert parse_url(text).origin == origin


def test_a_fragment_stays_at_home():
    assert str(parse_url("http://a/b#c").without_fragment()) == "http://a/b"


PIECES = """http: https: foo: // / \\ ? # @ : a b.c 127.1 [::1] [ ] . .. %2e \xe9 % 80 443 65536 ^ { " < xn--tda
    \u2603 u:p \x01 ="""


@given(
    st.lists(st.sampled_from([*PIECES.split(), "\t"]), max_size=8).map("".join),
    st.sampled_from([None, BASE, "https://h/"]),
)
def test_any_url_is_read_as_the_standard_has_it(text, base):
    assert read(text, base) == standard(text, base)


@given(st.text())
def test_nothing_makes_it_raise(text):
    url = parse_url(text, parse_url(BASE))
    assert url is None or parse_url(str(url)) is not None
