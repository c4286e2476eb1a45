import re
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cors_policy.cors import (
    CredentialsError,
    CredentialsReason,
    ExposedHeaderNameError,
    HeaderNameError,
    HeaderNameReason,
    InvalidPolicy,
    LimitError,
    LimitReason,
    MaxAgeError,
    MaxAgeReason,
    MethodError,
    MethodReason,
    PatternError,
    PatternReason,
    PolicyError,
    PolicySpec,
    RegexError,
    RegexReason,
    quoted,
)

MEGABYTE = 1 << 20


class Unshowable:
    def __repr__(self):
        raise RuntimeError("no")


# --- the tree --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "parent"),
    [
        (PolicyError, ValueError),
        (InvalidPolicy, ValueError),
        (PatternError, PolicyError),
        (RegexError, PolicyError),
        (MethodError, PolicyError),
        (HeaderNameError, PolicyError),
        (ExposedHeaderNameError, HeaderNameError),
        (MaxAgeError, PolicyError),
        (CredentialsError, PolicyError),
        (LimitError, PolicyError),
    ],
)
def test_the_tree_is_the_one_that_is_drawn(error, parent):
    assert error.__bases__ == (parent,)


def test_an_invalid_policy_is_no_policy_error():
    assert not issubclass(InvalidPolicy, PolicyError)


@pytest.mark.parametrize(
    ("error", "field"),
    [
        (PatternError("x", PatternReason.HOST, "why"), "allowed_origins"),
        (RegexError("x", RegexReason.SYNTAX, "why"), "allowed_origin_regexes"),
        (MethodError("x", MethodReason.NOT_A_TOKEN, "why"), "allow_methods"),
        (HeaderNameError("x", HeaderNameReason.NOT_A_TOKEN, "why"), "allow_headers"),
        (ExposedHeaderNameError("x", HeaderNameReason.NOT_A_TOKEN, "why"), "expose_headers"),
        (MaxAgeError("x", MaxAgeReason.NOT_SECONDS, "why"), "preflight_max_age"),
        (CredentialsError("x", CredentialsReason.ANY_ORIGIN, "why"), "allow_credentials"),
        (LimitError("x", LimitReason.MAX_AGE, "why", "preflight_max_age"), "preflight_max_age"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, PolicyError) else value,
)
def test_an_error_names_the_field_that_it_stands_in(error, field):
    assert error.field == field
    assert field in {each.name for each in fields(PolicySpec)}


# --- one error -------------------------------------------------------------------------------------------------------


def test_an_error_holds_the_value_the_reason_and_the_canonical_form():
    error = PatternError("https://A", PatternReason.CASE, "why", "https://a")
    assert (error.value, error.reason, error.canonical) == ("https://A", PatternReason.CASE, "https://a")


def test_a_message_names_the_value_the_fault_and_what_to_write():
    error = PatternError("https://A", PatternReason.CASE, "lower case is sent", "https://a")
    assert str(error) == error.message == "'https://A': lower case is sent; write 'https://a'."


def test_a_message_is_its_text_with_the_parameters():
    error = LimitError("x", LimitReason.MAX_AGE, "at most %(most)d", "preflight_max_age", params={"most": 7})
    assert (error.text, error.params, error.message) == ("at most %(most)d", {"most": 7}, "'x': at most 7.")


def test_an_error_is_said_in_any_language():
    error = PatternError("A", PatternReason.CASE, "why %(number)d", "a", {"number": 1})
    assert error.said(lambda text: f"<{text}>") == "<'A': <why 1>; write 'a'.>"


def test_a_message_suggests_nothing_where_nothing_is_meant():
    assert str(PatternError("", PatternReason.EMPTY, "it is empty")) == "'': it is empty."


@pytest.mark.parametrize("reason", PatternReason)
def test_only_what_means_the_same_for_certain_may_be_corrected_unasked(reason):
    safe = {PatternReason.CASE, PatternReason.DEFAULT_PORT, PatternReason.UNICODE, PatternReason.TRAILING_SLASH}
    assert PatternError("x", reason, "why", "https://a").correctable is (reason in safe)


@pytest.mark.parametrize("reason", PatternReason)
def test_nothing_is_corrected_without_a_canonical_form(reason):
    assert PatternError("x", reason, "why").correctable is False


# --- all errors of a policy ------------------------------------------------------------------------------------------


def test_an_invalid_policy_holds_its_errors_in_order():
    first = MethodError("a b", MethodReason.NOT_A_TOKEN, "why")
    second = MaxAgeError("x", MaxAgeReason.NOT_SECONDS, "why")
    assert InvalidPolicy([first, second]).errors == (first, second)


def test_an_invalid_policy_shows_one_error_on_each_line():
    errors = [
        MethodError("a\r\nb", MethodReason.NOT_A_TOKEN, "why"),
        MaxAgeError("x", MaxAgeReason.NOT_SECONDS, "why"),
    ]
    assert str(InvalidPolicy(errors)) == "'a\\r\\nb': why.\n'x': why."


# --- quoted() --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://a.example", "'https://a.example'"),
        ("it's", '"it\'s"'),
        ("", "''"),
        (443, "443"),
        (None, "None"),
        (["https://a.example"], "['https://a.example']"),
        ("bücher", "'bücher'"),
        pytest.param("\ud800", "'\\ud800'", id="lone surrogate"),
        pytest.param("\u202egpj", "'\\u202egpj'", id="right-to-left override"),
        pytest.param("x" * 200, "'" + "x" * 200 + "'", id="200 characters"),
        pytest.param("x" * 201, "'" + "x" * 200 + "'... (201 characters)", id="201 characters"),
    ],
)
def test_quoted_shows_a_value(value, shown):
    assert quoted(value) == shown


def test_cve_2024_1681_no_line_break_of_a_request_reaches_a_log():
    shown = quoted("https://a.example\r\nINFO 127.0.0.1 logged in\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
    assert shown.splitlines() == [shown]
    assert shown.isprintable()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("x" * MEGABYTE, id="text"),
        pytest.param("\U0010ffff" * MEGABYTE, id="text that is escaped"),
        pytest.param(b"\x00" * MEGABYTE, id="bytes"),
        pytest.param(["\n"] * MEGABYTE, id="list"),
        pytest.param(10 ** (4 * 1024), id="number"),
    ],
)
def test_quoted_is_bounded(value):
    assert len(quoted(value)) < 2100


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(Unshowable(), "<Unshowable>", id="a repr that raises"),
        pytest.param(10**5000, "<int>", id="an int of more digits than Python writes"),
    ],
)
def test_quoted_shows_the_type_of_what_cannot_be_shown(value, shown):
    assert quoted(value) == shown


@given(st.text(st.characters(exclude_categories=())) | st.binary() | st.lists(st.text()) | st.floats() | st.integers())
def test_quoted_is_one_line_of_printable_characters(value):
    assert quoted(value).isprintable()


@given(st.text(st.characters(exclude_categories=()), max_size=200))
def test_quoted_can_be_told_from_the_text_around_it(text):
    assert re.fullmatch(r"'[^']*'|\"[^\"]*\"|'([^'\\]|\\.)*'", quoted(text))
