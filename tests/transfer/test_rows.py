"""Values as cells, in JSON and in the models."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.transfer.rows import (
    MAX_TEXT,
    ORIGIN,
    POLICY,
    Type,
    apply,
    as_cell,
    checked,
    from_cell,
    unknown_name,
    values_of,
)

FORMULAS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(9998, 12, 30))


@pytest.mark.parametrize("start", FORMULAS)
@pytest.mark.parametrize("apostrophes", ["", "'", "''"])
def test_no_cell_begins_as_a_formula_does(start, apostrophes):
    cell = as_cell(f"{apostrophes}{start}HYPERLINK()")
    assert cell == f"'{apostrophes}{start}HYPERLINK()"


@given(st.text(st.sampled_from([*FORMULAS, "'", "a", '"', ",", ";"]) | st.characters(exclude_categories=["Cs"])))
def test_every_text_comes_back_from_its_cell(text):
    assert from_cell(Type.TEXT, as_cell(text)) == text
    assert not as_cell(text).startswith(tuple(FORMULAS))


@pytest.mark.parametrize("text", ["'", "'quoted'", "it's", ""])
def test_a_text_that_is_no_formula_is_left_as_it_is(text):
    assert as_cell(text) == text


@pytest.mark.parametrize("value", [True, False, None, 0, 2**31])
def test_other_values_come_back_from_their_cells(value):
    kind = {bool: Type.BOOLEAN, int: Type.NUMBER}.get(type(value), Type.MOMENT)
    assert from_cell(kind, as_cell(value)) is value or from_cell(kind, as_cell(value)) == value


@pytest.mark.parametrize(
    ("cell", "value"), [("TRUE", True), (" yes ", True), ("1", True), ("False", False), ("no", False), ("0", False)]
)
def test_a_spreadsheets_words_are_true_and_false(cell, value):
    assert from_cell(Type.BOOLEAN, cell) is value


@pytest.mark.parametrize("cell", ["", "maybe", "2"])
def test_another_word_is_left_for_the_check(cell):
    assert from_cell(Type.BOOLEAN, cell) == cell


@pytest.mark.parametrize("cell", ["", "-1", "6e2", "600.0", "٣", "9" * 5000])
def test_what_is_no_whole_number_is_left_for_the_check(cell):
    assert from_cell(Type.NUMBER, cell) == cell


@pytest.mark.parametrize(
    ("kind", "value", "what"),
    [
        (Type.BOOLEAN, "maybe", "'maybe'; write true or false"),
        (Type.BOOLEAN, 1, "1; write true or false"),
        (Type.BOOLEAN, None, "None; write true or false"),
        (Type.NUMBER, "many", "'many'; write a whole number"),
        (Type.NUMBER, True, "True; write a whole number"),
        (Type.NUMBER, float("nan"), "nan; write a whole number"),
        (Type.TEXT, 5, "5; write text"),
        (Type.TEXT, None, "None; write text"),
        (Type.TEXT, ["a"], "write text"),
        (Type.TEXT, "a\0b", "which holds what no database stores"),
        (Type.TEXT, "\ud800", "which holds what no database stores"),
        (Type.TEXT, "a" * (MAX_TEXT + 1), "has 100001 characters; write at most 100000"),
        (Type.MOMENT, "tomorrow", "'tomorrow'; write a moment"),
        (Type.MOMENT, "2030-01-01T00:00:00", "with its zone"),
        (Type.MOMENT, "2030-01-01", "with its zone"),
        (Type.MOMENT, "0001-01-01T00:00:00+14:00", "a year from 1970 to 9998"),
        (Type.MOMENT, "9999-12-31T23:59:00-14:00", "a year from 1970 to 9998"),
        (Type.MOMENT, 5, "5; write a moment"),
    ],
)
def test_a_value_of_another_type_is_refused_with_what_to_write(kind, value, what):
    with pytest.raises(ValueError, match=r"^column ") as error:
        checked("column", kind, value)
    assert what in str(error.value)
    assert len(str(error.value)) < 600


def test_a_text_of_the_longest_is_taken():
    assert checked("note", Type.TEXT, "a" * MAX_TEXT)


@pytest.mark.parametrize("written", ["2030-06-01T12:00:00Z", "2030-06-01T14:00:00+02:00", "2030-06-01 12:00+00:00"])
def test_a_moment_is_read_in_any_zone(written):
    assert checked("expires_at", Type.MOMENT, written) == "2030-06-01T12:00:00+00:00"


@given(MOMENTS)
def test_a_moment_comes_back(moment):
    origin = AllowedOrigin(expires_at=moment.replace(tzinfo=UTC))
    values = values_of(origin, ORIGIN)
    assert checked("expires_at", Type.MOMENT, values["expires_at"]) == values["expires_at"]
    copy = AllowedOrigin()
    apply(copy, ORIGIN, values)
    assert copy.expires_at == origin.expires_at


def test_without_use_tz_a_moment_is_in_the_projects_zone(settings):
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Berlin"
    origin = AllowedOrigin(expires_at=datetime(2030, 6, 1, 14))
    values = values_of(origin, ORIGIN)
    assert values["expires_at"] == "2030-06-01T12:00:00+00:00"
    copy = AllowedOrigin()
    apply(copy, ORIGIN, values)
    assert copy.expires_at == datetime(2030, 6, 1, 14)


def test_a_moment_of_another_zone_is_written_in_utc():
    origin = AllowedOrigin(expires_at=datetime(2030, 6, 1, 14, tzinfo=ZoneInfo("Europe/Berlin")))
    assert values_of(origin, ORIGIN)["expires_at"] == "2030-06-01T12:00:00+00:00"


def test_a_column_that_is_not_there_keeps_what_is():
    policy = TenantPolicy(max_age=5, note="kept")
    apply(policy, POLICY, {"max_age": 7})
    assert (policy.max_age, policy.note) == (7, "kept")


def test_every_column_that_people_edit_is_there():
    left_out = {"id", "created_at", "updated_at", "origins", "tenant", "policy", "pattern", "risk"}
    for model, columns in ((TenantPolicy, POLICY), (AllowedOrigin, ORIGIN)):
        assert {field.name for field in model._meta.get_fields()} - left_out == {column.field for column in columns}


def test_an_unknown_name_tells_the_nearest_or_all():
    assert unknown_name("max_ages", ["max_age", "note"]) == "There is no column 'max_ages'; did you mean max_age?"
    assert unknown_name("x" * 10_000, ["max_age", "note"]).endswith("there are max_age, note.")
