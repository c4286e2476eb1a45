"""Reading CSV and JSON: what people send, and what attackers do."""

import io
import json
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cors_policy.transfer import files
from django_cors_policy.transfer.files import BLOCK, READERS
from django_cors_policy.transfer.rows import Unreadable

HEADER = "tenant,max_age,pattern,expires_at\r\n"


def read(kind, content):
    return list(READERS[kind](io.BytesIO(content if isinstance(content, bytes) else content.encode())))


def of_csv(content):
    return read("csv", content)


def of_json(content):
    return read("json", content if isinstance(content, str | bytes) else json.dumps(content))


def unreadable(kind, content):
    """Give the line and the sentence that a file is refused with."""
    with pytest.raises(Unreadable) as error:
        read(kind, content)
    assert str(error.value) == error.value.reason
    assert len(error.value.reason) < 700
    return error.value.line, error.value.reason


class Trickle(io.BytesIO):
    """A file that gives a byte at a time."""

    def read(self, size=-1):
        return super().read(1)


# --- text


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_byte_order_mark_makes_no_difference(kind):
    content = HEADER + "acme,5,https://a.example,\r\n" if kind == "csv" else '[{"tenant": "acme", "origins": []}]'
    assert read(kind, b"\xef\xbb\xbf" + content.encode()) == read(kind, content)
    assert list(READERS[kind](Trickle(b"\xef\xbb\xbf" + content.encode()))) == read(kind, content)


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_spreadsheets_own_file_is_refused_with_what_to_do(kind):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as book:
        book.writestr("xl/workbook.xml", "<workbook/>")
    line, why = unreadable(kind, archive.getvalue())
    assert (line, why) == (1, "This is no text in UTF-8; save it as CSV (UTF-8) in the spreadsheet.")
    assert unreadable(kind, "tenant".encode("utf-16"))[1] == why
    assert unreadable(kind, b"\xd0\xcf\x11\xe0\xa1\xb1")[1] == why


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_what_is_no_utf_8_names_its_line(kind):
    content = (
        HEADER + "acme,5,,\r\n" * 20_000 if kind == "csv" else "[\n" + '{"tenant": "a", "origins": []},\n' * 20_000
    )
    line, why = unreadable(kind, content.encode() + "münchen".encode("latin-1"))
    assert line == 20_002
    assert "save the file in that encoding" in why
    assert unreadable(kind, b"\xef")[0] == 1


@pytest.mark.parametrize(("kind", "write"), [("csv", "tenant,pattern"), ("json", "an array of policies")])
@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\r\n \n"[:2]])
def test_an_empty_file_is_refused(kind, write, content):
    assert write in unreadable(kind, content)[1]


@pytest.mark.parametrize("kind", ["csv", "json"])
@given(st.binary(max_size=200) | st.text(st.sampled_from('[]{}",;:\n\r\\u0e-1 atenpr\0\ufeff')).map(str.encode))
def test_whatever_the_bytes_are_nothing_else_is_raised(kind, content):
    with suppress(Unreadable):
        assert all(row.line >= 1 for row in read(kind, content))


# --- CSV


def test_rows_are_read_with_their_lines_and_empty_ones_passed_over():
    rows = of_csv('tenant,note,pattern\r\n\r\nacme,"two\r\nlines",https://a.example\r\n,,\r\nb,,\r\n')
    assert [(row.line, row.tenant, row.policy, row.origin) for row in rows] == [
        (3, "acme", {"note": "two\r\nlines"}, {"pattern": "https://a.example"}),
        (6, "b", {"note": ""}, None),
    ]
    assert all(row.faults == () for row in rows)


@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_both_delimiters_and_both_ends_of_lines_are_read(delimiter, end):
    content = f'tenant{delimiter}max_age{delimiter} pattern{end}"a,b;c"{delimiter}5{delimiter} https://a.example {end}'
    [row] = of_csv(content)
    assert (row.tenant, row.policy, row.origin) == ("a,b;c", {"max_age": 5}, {"pattern": "https://a.example"})


def test_rows_are_the_same_in_pieces_of_any_size():
    content = HEADER + "".join(f"t{n},{n},https://a{n}.example,\r\n" for n in range(50))
    assert list(READERS["csv"](Trickle(content.encode()))) == of_csv(content)
    assert of_csv(content.removesuffix("\r\n")) == of_csv(content)


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("tenant,pattern,max_ages", "There is no column 'max_ages'; did you mean max_age?"),
        ("tenant,pattern,", "There is no column ''"),
        ("tenant,pattern,pattern", "The column pattern is there twice"),
        ("tenant,max_age", "The header has no column pattern"),
        ("pattern", "The header has no column tenant"),
        ("acme.example,https://a.example", "There is no column 'acme.example'"),
        ("tenant,pattern," + "x," * 10_000, "There is no column 'x'"),
        ("tenant," * 10_000, "The column tenant is there twice"),
    ],
)
def test_a_header_that_is_none_is_refused(header, why):
    line, said = unreadable("csv", header + "\r\n")
    assert line == 1
    assert said.startswith(why)


@pytest.mark.parametrize("cells", ["acme", "acme,5,https://a.example,,", "," * 10_000 + "x"])
def test_a_row_with_another_number_of_cells_is_refused_alone(cells):
    wrong, right = of_csv(f"{HEADER}{cells}\r\nacme,5,,\r\n")
    assert (wrong.line, right.line) == (2, 3)
    assert wrong.faults[0].endswith("cells, and the header 4; write one for each column.")
    assert right.faults == ()


def test_every_cell_that_is_wrong_is_told():
    [row] = of_csv(f"{HEADER}a\0,many,https://a.example,soon\r\n")
    assert len(row.faults) == 3
    assert row.origin == {"pattern": "https://a.example"}


def test_what_belongs_to_an_origin_needs_one():
    [row] = of_csv(f"{HEADER}acme,5,,2030-01-01T00:00:00Z\r\n")
    assert row.faults == ("expires_at is '2030-01-01T00:00:00Z', of no origin; write the origin into pattern.",)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (f'{HEADER}acme,5,,\r\nacme,5,"open', 3),
        (f'{HEADER}acme,5,"a"b,\r\n', 2),
        (f"{HEADER}acme,5,a\rb,\r\n", 2),
    ],
)
def test_what_is_no_csv_names_the_line(content, line):
    assert unreadable("csv", content)[0] == line


def test_a_cell_that_never_ends_is_not_read_to_the_end(monkeypatch):
    monkeypatch.setattr(files, "MAX_RECORD", 3 * BLOCK)
    monkeypatch.setattr(files.csv, "reader", lambda lines, **_: NoReader(lines))
    file = io.BytesIO(f'{HEADER}acme,5,"'.encode() + b"x\n" * 10_000_000)
    with pytest.raises(Unreadable, match="every quotation mark is closed"):
        list(READERS["csv"](file))
    assert file.tell() <= 5 * BLOCK


class NoReader:
    """A csv.reader whose process has lifted csv.field_size_limit()."""

    line_num = 1

    def __init__(self, lines):
        self.lines = lines

    def __next__(self):
        for _ in self.lines:
            pass


@pytest.mark.parametrize("ended", [b"", b"\n"])
def test_a_line_that_never_ends_is_not_read_to_the_end(ended):
    file = io.BytesIO(HEADER.encode() + b"acme," * 2_000_000 + ended)
    with pytest.raises(Unreadable, match="every quotation mark is closed") as error:
        list(READERS["csv"](file))
    assert error.value.line == 2
    assert file.tell() < 3_000_000


def test_a_long_file_of_short_rows_is_read_to_its_end(monkeypatch):
    monkeypatch.setattr(files, "MAX_RECORD", 1000)
    monkeypatch.setattr(files, "BLOCK", 100)
    assert len(of_csv(HEADER + "acme,5,https://a.example,\r\n" * 500)) == 500


# --- JSON

POLICY = {"tenant": "acme", "max_age": 5, "origins": [{"pattern": "https://a.example", "note": "x"}]}


@pytest.mark.parametrize(
    "content",
    [
        [POLICY, POLICY],
        f"{json.dumps(POLICY)}\n\n{json.dumps(POLICY)}",
        json.dumps(POLICY) * 2,
        json.dumps([POLICY, POLICY], indent=2),
    ],
)
def test_an_array_and_json_lines_are_read(content):
    rows = of_json(content)
    assert [(row.tenant, row.policy, row.origin) for row in rows] == 2 * [
        ("acme", {"max_age": 5}, None),
        ("acme", None, {"pattern": "https://a.example", "note": "x"}),
    ]
    assert not any(row.faults for row in rows)


def test_no_policies_are_an_empty_array():
    assert of_json(" [\n ] \n") == []


def test_policies_are_read_in_pieces_of_any_size(monkeypatch):
    content = json.dumps([POLICY] * 5, indent=1)
    whole = of_json(content)
    assert [row.line for row in whole if row.policy] == [2, 12, 22, 32, 42]
    assert list(READERS["json"](Trickle(content.encode()))) == whole


@pytest.mark.parametrize(
    ("content", "line", "why"),
    [
        ("[", 1, "Here stands the end of the file; write an array"),
        ("\n[{}", 2, "Here stands the end of the file"),
        ("[{},]", 1, "Here stands ']'"),
        ("[,{}]", 1, "Here stands ','"),
        ("[{}{}]", 1, "Here stands '{'"),
        ("[{}]\n[]", 2, "Here stands '['"),
        ("{},{}", 1, "Here stands ','"),
        ("[[]]", 1, "Here stands '['"),
        ('"acme"', 1, "Here stands '\"'"),
        ("[NaN]", 1, "Here stands 'N'"),
        ("acme,https://a.example", 1, "Here stands 'a'"),
        ('[\n{"a":\n}]', 3, "This is no policy in JSON of at most 10000000 characters: Expecting value"),
        ('{"tenant": "acme', 1, "This is no policy in JSON"),
        ('{"a": ' + "9" * 5000 + "}", 1, "A number has too many digits"),
        ('{"a": ' + "[" * 1_000_000, 1, "A policy is nested too deeply"),
        ('{"a": ' * 1_000_000, 1, "A policy is nested too deeply"),
    ],
)
def test_what_is_no_array_of_policies_is_refused(content, line, why):
    assert unreadable("json", content)[0] == line
    assert unreadable("json", content)[1].startswith(why)


@pytest.mark.parametrize("content", ['{"note": "' + "x" * 400_000, '{"note": "' + "x" * 400_000 + '"}', "{" * 400_000])
def test_a_policy_that_never_ends_is_not_read_to_the_end(content, monkeypatch):
    monkeypatch.setattr(files, "MAX_OBJECT", 100_000)
    file = io.BytesIO(content.encode() + b" " * 4_000_000)
    with pytest.raises(Unreadable, match="at most 100000 characters"):
        list(READERS["json"](file))
    assert file.tell() < 1_000_000


def test_a_policy_that_ends_beyond_the_most_is_refused(monkeypatch):
    monkeypatch.setattr(files, "MAX_OBJECT", 100)
    assert "it ends beyond that" in unreadable("json", json.dumps([{"note": "x" * 100}]))[1]


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        ('{"tenant": "acme", "origins": [], "max_ages": 5}', "There is no column 'max_ages'; did you mean max_age?"),
        ('{"tenant": "acme"}', 'The policy has no list of origins; write "origins": [] for none.'),
        ('{"tenant": "acme", "origins": null}', "The policy has no list of origins"),
        ('{"tenant": "acme", "origins": {}}', "The policy has no list of origins"),
        ('{"tenant": 5, "origins": []}', "tenant is 5; write text."),
        ('{"origins": []}', "tenant is None; write text."),
        ('{"tenant": "acme", "origins": [], "max_age": NaN}', "max_age is nan; write a whole number."),
        ('{"tenant": "acme", "origins": [], "max_age": "5"}', "max_age is '5'; write a whole number."),
        ('{"tenant": "acme", "origins": [], "enabled": "true"}', "enabled is 'true'; write true or false."),
        ('{"tenant": "acme", "origins": [], "note": "\\ud800"}', "note is '\\ud800', which holds"),
        ('{"tenant": "a", "tenant": "b", "origins": []}', "The name 'tenant' stands twice in one object; leave one."),
    ],
)
def test_a_policy_that_is_none_is_refused_alone(policy, why):
    wrong, right = of_json(f'[{policy}, {{"tenant": "b", "origins": []}}]')
    assert wrong.faults[0].startswith(why)
    assert right.faults == ()


@pytest.mark.parametrize(
    ("origin", "why"),
    [
        ("5", "5 is no object; write {...}."),
        ('"https://a.example"', "'https://a.example' is no object"),
        ("{}", "pattern is None; write text."),
        ('{"pattern": " "}', "An origin has no pattern; write one."),
        ('{"pattern": 5}', "pattern is 5; write text."),
        ('{"pattern": "https://a.example", "expires": null}', "There is no column 'expires'; did you mean expires_at?"),
        ('{"pattern": "https://a.example", "enabled": null}', "enabled is None; write true or false."),
        ('{"pattern": "https://a.example", "pattern": "*"}', "The name 'pattern' stands twice"),
    ],
)
def test_an_origin_that_is_none_is_refused_alone(origin, why):
    policy, wrong, right = of_json(f'{{"tenant": "acme", "origins": [{origin}, {{"pattern": "https://b.example"}}]}}')
    assert wrong.faults[0].startswith(why)
    assert (policy.faults, right.faults) == ((), ())
