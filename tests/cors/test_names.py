import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cors_policy.cors.names import (
    FORBIDDEN_METHODS,
    FORBIDDEN_REQUEST_HEADERS,
    FORBIDDEN_RESPONSE_HEADERS,
    NORMALIZED_METHODS,
    RESPONSE_ONLY_HEADERS,
    SAFELISTED_METHODS,
    is_forbidden_request_header,
    is_token,
)

TCHAR = frozenset(string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~")  # RFC 9110, section 5.6.2


@pytest.mark.parametrize("text", ["GET", "X-Requested-With", "*", "x", "0", "!#$%&'*+-.^_`|~", "patch"])
def test_a_token_is(text):
    assert is_token(text)


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            " ",
            "a b",
            " a",
            "a ",
            "a,b",
            "a:b",
            "a\n",
            "\na",
            "a\r\nb",
            "a\x00",
            "é",
            "ａ",
            "(",
            '"a"',
            "a/b",
            "\ud800",
        ),
        *(None, 3, b"GET", ["GET"], True),
    ],
    ids=repr,
)
def test_no_token_is(value):
    assert not is_token(value)


@given(st.text(st.characters(max_codepoint=0xFF) | st.sampled_from(sorted(TCHAR))))
def test_a_token_is_one_or_more_of_its_characters_and_nothing_else(text):
    assert is_token(text) == (text != "" and TCHAR.issuperset(text))


def test_every_single_character_is_told_apart():
    assert {chr(code) for code in range(0x3000) if is_token(chr(code))} == TCHAR


def test_the_methods_are_those_of_the_fetch_standard():
    assert {"GET", "HEAD", "POST"} == SAFELISTED_METHODS
    assert {"CONNECT", "TRACE", "TRACK"} == FORBIDDEN_METHODS
    assert {"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"} == NORMALIZED_METHODS


@pytest.mark.parametrize(
    "name", ["cookie", "Cookie", "HOST", "Origin", "proxy-authorization", "Proxy-", "sec-fetch-site", "Sec-GPC", "TE"]
)
def test_no_script_sets_a_forbidden_request_header(name):
    assert is_forbidden_request_header(name)


@pytest.mark.parametrize(
    "name", ["authorization", "content-type", "x-cookie", "cookies", "proxy", "sec", "x-sec-token", "user-agent", ""]
)
def test_a_script_may_set_any_other_header(name):
    assert not is_forbidden_request_header(name)


@pytest.mark.parametrize("names", [FORBIDDEN_REQUEST_HEADERS, FORBIDDEN_RESPONSE_HEADERS, RESPONSE_ONLY_HEADERS])
def test_names_are_listed_in_the_case_that_they_are_looked_up_in(names):
    assert all(is_token(name) and name == name.lower() for name in names)


def test_what_only_stands_in_responses_is_no_forbidden_request_header():
    assert not any(map(is_forbidden_request_header, RESPONSE_ONLY_HEADERS))
