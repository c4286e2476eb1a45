import pytest

from django_cors_policy.cors.safelists import is_dropped, normalize_value, unsafe_names


@pytest.mark.parametrize(
    ("written", "kept"),
    [("a", "a"), (" \ta\r\n ", "a"), ("\x0ba\x0c", "\x0ba\x0c"), ("\xa0a", "\xa0a"), (" \t", ""), ("a b", "a b")],
)
def test_only_http_whitespace_is_taken_off(written, kept):
    assert normalize_value(written) == kept


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, "1") for name in ("Cookie", "HOST", "Origin", "Sec-Anything", "sec-", "Proxy-X", "Set-Cookie", "Via")],
        ("User-Agent", "mine"),  # Chromium's own
        ("X-HTTP-Method-Override", "TRACE"),
        ("x-http-method", "GET, track"),
        ("X-Method-Override", "connect\t"),
    ],
)
def test_a_header_is_dropped(name, value):
    assert is_dropped(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, "1") for name in ("Authorization", "X-Sec-A", "Sec", "Proxy", "Set-Cookie2", "User-Agents")],
        ("Access-Control-Request-Private-Network", "true"),
        ("X-HTTP-Method-Override", "PUT"),
        ("X-HTTP-Method-Override", "TRACES"),
        ("X-HTTP-Method-Override", '"TRACE"'),
        ("X-Method", "TRACE"),
    ],
)
def test_a_header_is_sent(name, value):
    assert not is_dropped(name, value)


SAFE = {
    "accept": ["", "*/*", "text/html;q=0.9, x", "a\tb", "\xe9", "'/=;,%", "x" * 128],
    "accept-language": ["", "en, *;q=0.5", "de-CH"],
    "content-language": ["en", "a.b=c"],
    "content-type": [
        *(
            "text/plain",
            "TEXT/Plain; charset=utf-8",
            "text/plain ;x",
            "text/plain\t;",
            "text/plain;;",
            "text/plain;\xe9",
        ),
        *("multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "text/plain;" + "x" * 117),
    ],
    "range": ["bytes=0-", "bytes=0-0", "bytes=5-10", "bytes=00-01", f"bytes=0-{2**63 - 2}", f"bytes={2**63 - 2}-"],
    "dpr": ["1", "1.5"],
    "device-memory": ["0.5"],
    "downlink": ["10"],
    "rtt": ["100"],
    "width": ["320"],
    "viewport-width": ["320"],
    "ect": ["slow-2g", "2g", "3g", "4g"],
    "save-data": ["on", "ON"],
    "intervention": ["", "(anything)\t"],
}
UNSAFE = {
    "accept": ["x" * 129, *'"()<>?@[]{}\\:\x7f\x01\x1f\n'],
    "accept-language": ["en_US", "a\tb", "\xe9", "a/b", "x" * 129],
    "content-language": ["x:y"],
    "content-type": [
        *("", "application/json", "text/plain, a/b", "text/plain,", "text/plain x", "text /plain", "text/", "/"),
        *("text/plain/x", ";text/plain", "text/plain;(", "text/plain\xe9", "text/plain;" + "x" * 118),
    ],
    "range": [
        *("", "bytes=-5", "bytes=5-4", "bytes=0-1,2-3", "Bytes=0-", "bytes =0-", "bytes= 0-", "bytes=0 -", "bytes=-"),
        *("items=0-", "bytes=a-", "bytes=+1-2", f"bytes=0-{2**63 - 1}", f"bytes={2**63 - 1}-", "bytes=\u0661-"),
    ],
    "dpr": ["", "1.", ".5", "-1", "x", "1" * 129],
    "rtt": ["1.5", ""],
    "width": ["1.5"],
    "ect": ["5g", "4G", "4g "],
    "save-data": ["off", ""],
    "intervention": ["x" * 129],
    "authorization": ["", "x"],
    "lang": ["en"],
    "cache-control": ["no-cache"],
    "x-custom": ["1"],
    "*": ["1"],
}


def pairs(table):
    return [(name, value) for name, values in table.items() for value in values]


@pytest.mark.parametrize(("name", "value"), pairs(SAFE))
def test_a_value_is_safe(name, value):
    assert unsafe_names({name: value}) == []


@pytest.mark.parametrize(("name", "value"), pairs(UNSAFE))
def test_a_value_is_not_safe(name, value):
    assert unsafe_names({name: value}) == [name]


EIGHT = {"accept": "a" * 128, "accept-language": "a" * 128, "content-language": "a" * 128, "intervention": "a" * 128}
EIGHT |= {"content-type": "text/plain;" + "a" * 117, "range": "bytes=" + "0" * 121 + "-", "dpr": "1" * 128}
EIGHT |= {"width": "1" * 128}


def test_safe_values_of_1024_bytes_together_are_safe():
    assert sum(map(len, EIGHT.values())) == 1024
    assert unsafe_names(EIGHT) == []


def test_safe_values_of_more_are_unsafe_all_of_them():
    assert unsafe_names(EIGHT | {"rtt": "1"}) == sorted([*EIGHT, "rtt"])


def test_unsafe_values_do_not_count_towards_the_1024_bytes():
    assert unsafe_names(EIGHT | {"x-custom": "1" * 2000}) == ["x-custom"]


def test_names_are_in_the_order_of_their_bytes():
    names = ["x_", "x-1", "x.b", "x-z", "authorization", "x-a", "*", "content-type"]
    assert unsafe_names(dict.fromkeys(names, "1")) == [
        "*",
        "authorization",
        "content-type",
        "x-1",
        "x-a",
        "x-z",
        "x.b",
        "x_",
    ]
