"""Reading CSV and JSON as they come from people: a piece at a time, and every size bounded."""

import codecs
import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Protocol

from django.utils.translation import gettext

from django_cors_policy.cors import quoted
from django_cors_policy.transfer.rows import (
    ORIGIN,
    ORIGINS,
    PATTERN,
    POLICY,
    TENANT,
    Column,
    Record,
    Type,
    Unreadable,
    checked,
    checked_all,
    from_cell,
    text_of,
    unknown_name,
)

BLOCK = 65_536  # bytes that are read at once
MAX_RECORD = 2_000_000  # characters of one row of CSV
MAX_OBJECT = 10_000_000  # characters of one policy in JSON

# What other files begin with: spreadsheets' own (zip, OLE), and text in UTF-16.
_FOREIGN = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\xff\xfe", b"\xfe\xff")


class BinaryFile(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _texts(file: BinaryFile) -> Iterator[str]:
    """Decode a file, with a byte order mark or without. Raises Unreadable, OSError."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    line, is_first = 1, True
    while True:
        block = file.read(BLOCK)
        if is_first and block.startswith(_FOREIGN):
            raise Unreadable(1, gettext("This is no text in UTF-8; save it as CSV (UTF-8) in the spreadsheet."))
        is_first = False
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            line += error.object.count(b"\n", 0, error.start)
            raise Unreadable(
                line, gettext("This is no text in UTF-8; save the file in that encoding, as CSV (UTF-8) or JSON.")
            ) from error
        yield text
        line += text.count("\n")
        if not block:
            return


# --- CSV


class _Lines:
    """The lines of a text, with their ends; no more than MAX_RECORD characters for one row of CSV."""

    def __init__(self, texts: Iterator[str]) -> None:
        self._texts = texts
        self.record_line = 1  # where the row that is being read begins
        self.characters = 0  # of it so far

    def __iter__(self) -> Iterator[str]:
        rest = ""
        for text in self._texts:
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                yield self._counted(f"{line}\n")
            self._bound(self.characters + len(rest))
        if rest:
            yield self._counted(rest)

    def _counted(self, line: str) -> str:
        self.characters += len(line)
        self._bound(self.characters)
        return line

    def _bound(self, characters: int) -> None:
        if characters > MAX_RECORD:
            text = gettext("A row has more than %(most)d characters; see that every quotation mark is closed.")
            raise Unreadable(self.record_line, text % {"most": MAX_RECORD})


def _csv_rows(file: BinaryFile) -> Iterator[tuple[int, list[str]]]:
    """Give each row that is not blank with the line it begins in. Raises Unreadable, OSError."""
    lines = _Lines(_texts(file))
    source = iter(lines)
    first = next(source, "")
    # No name of a column holds either.
    delimiter = ";" if first.count(";") > first.count(",") else ","

    def all_lines() -> Iterator[str]:
        yield first
        yield from source

    rows = csv.reader(all_lines(), delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            text = gettext("This is no CSV: %(why)s.")
            raise Unreadable(lines.record_line, text % {"why": error}) from error
        if row is None:
            return
        if any(row):
            yield lines.record_line, row
        lines.record_line, lines.characters = rows.line_num + 1, 0


def read_csv(file: BinaryFile) -> Iterator[Record]:
    """Read the rows of CSV, the delimiter a comma or a semicolon. Raises Unreadable, OSError."""
    rows = _csv_rows(file)
    line, header = next(rows, (1, None))
    if header is None:
        raise Unreadable(1, gettext("The file is empty; write at least a header: tenant,pattern."))
    names = _header(line, header)
    for line, row in rows:
        if len(row) != len(names):
            text = gettext("The row has %(cells)d cells, and the header %(names)d; write one for each column.")
            yield Record(line, "", None, None, (text % {"cells": len(row), "names": len(names)},))
        else:
            yield _of_cells(line, dict(zip(names, row, strict=True)))


def _header(line: int, cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    known = [TENANT, *(column.name for column in POLICY), PATTERN, *(column.name for column in ORIGIN)]
    for name in names:
        if name not in known:
            raise Unreadable(line, unknown_name(name, known))
        if names.count(name) > 1:
            raise Unreadable(line, gettext("The column %(name)s is there twice; leave one.") % {"name": name})
    for name in (TENANT, PATTERN):
        if name not in names:
            text = gettext("The header has no column %(name)s; write one: tenant,pattern are needed.")
            raise Unreadable(line, text % {"name": name})
    return names


def _of_cells(line: int, cells: Mapping[str, str]) -> Record:
    def given(columns: tuple[Column, ...]) -> dict[str, object]:
        return {column.field: from_cell(column.type, cells[column.name]) for column in columns if column.name in cells}

    faults: list[str] = []
    tenant = _text(TENANT, text_of(cells[TENANT]), faults)
    policy, wrong = checked_all(POLICY, given(POLICY))
    faults += wrong
    pattern = _text(PATTERN, text_of(cells[PATTERN]).strip(), faults)
    if not pattern:
        for column in ORIGIN:
            if cells.get(column.name):
                text = gettext("%(column)s is %(value)s, of no origin; write the origin into pattern.")
                faults.append(text % {"column": column.name, "value": quoted(cells[column.name])})
        return Record(line, tenant, policy, None, tuple(faults))
    origin, wrong = checked_all(ORIGIN, given(ORIGIN))
    faults += wrong
    return Record(line, tenant, policy, {PATTERN: pattern, **origin}, tuple(faults))


def _text(name: str, value: object, faults: list[str]) -> str:
    try:
        return str(checked(name, Type.TEXT, value))
    except ValueError as error:
        faults.append(str(error))
        return ""


# --- JSON


class _Twice:
    """An object in which one name stands twice: which of the two is meant, nobody knows."""

    def __init__(self, name: str) -> None:
        self.name = name


def _object(pairs: list[tuple[str, object]]) -> object:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            return _Twice(name)
        found[name] = value
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_object)
_NO_SPACE = re.compile(r"[^ \t\n\r]")


class _Json:
    """A text of JSON that is read an object at a time; ``line`` is where the next one begins."""

    def __init__(self, texts: Iterator[str]) -> None:
        self._texts = texts
        self._buffer = ""
        self._at = 0
        self.line = 1

    def peek(self) -> str:
        """Give the next character that is no space, or nothing at the end."""
        while True:
            found = _NO_SPACE.search(self._buffer, self._at)
            self._pass(found.start() if found else len(self._buffer))
            if found:
                return found[0]
            if not self._read_on():
                return ""

    def skip(self) -> None:
        self._at += 1

    def value(self) -> object:
        """Read the object that begins here. Raises Unreadable."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                if len(self._buffer) - self._at > MAX_OBJECT or not self._read_on():
                    line = self.line + self._buffer.count("\n", self._at, error.pos)
                    raise _no_policy(line, error.msg) from error
            except RecursionError as error:
                raise Unreadable(self.line, gettext("A policy is nested too deeply to be one.")) from error
            except ValueError as error:  # a number of more digits than Python reads
                raise Unreadable(self.line, gettext("A number has too many digits.")) from error
            else:
                if end - self._at > MAX_OBJECT:
                    raise _no_policy(self.line, gettext("it ends beyond that"))
                self._pass(end)
                return value

    def _pass(self, end: int) -> None:
        self.line += self._buffer.count("\n", self._at, end)
        self._at = end

    def _read_on(self) -> bool:
        """Read as much again as is there: what is long is then parsed anew a few times, and not for each block."""
        pieces, wanted = [self._buffer[self._at :]], len(self._buffer) - self._at
        read = 0
        for text in self._texts:
            pieces.append(text)
            read += len(text)
            if read > wanted:
                break
        self._buffer, self._at = "".join(pieces), 0
        return read > 0


def _no_policy(line: int, why: str) -> Unreadable:
    text = gettext("This is no policy in JSON of at most %(most)d characters: %(why)s.")
    return Unreadable(line, text % {"most": MAX_OBJECT, "why": why})


def read_json(file: BinaryFile) -> Iterator[Record]:
    """Read the policies of one JSON array, or of JSON lines. Raises Unreadable, OSError."""
    for line, value in _policies(_Json(_texts(file))):
        if isinstance(value, dict):
            yield from _of_object(line, value)
        else:
            yield Record(line, "", None, None, (_no_object(value),))


def _policies(text: _Json) -> Iterator[tuple[int, object]]:
    is_array, is_first = text.peek() == "[", True
    if is_array:
        text.skip()
    elif not text.peek():
        raise Unreadable(1, gettext("The file is empty; write an array of policies, or [] for none."))
    while text.peek() != ("]" if is_array else ""):
        if is_array and not is_first:
            _expect(",", text)
            text.skip()
        is_first = False
        _expect("{", text)
        line = text.line
        yield line, text.value()
    if is_array:
        text.skip()
        _expect("", text)


def _expect(wanted: str, text: _Json) -> None:
    found = text.peek()
    if found != wanted:
        wrong = gettext("Here stands %(found)s; write an array of policies, [{...}, {...}].")
        raise Unreadable(text.line, wrong % {"found": quoted(found) if found else gettext("the end of the file")})


def _no_object(value: object) -> str:
    if isinstance(value, _Twice):
        text = gettext("The name %(name)s stands twice in one object; leave one.")
        return text % {"name": quoted(value.name)}
    return gettext("%(value)s is no object; write {...}.") % {"value": quoted(value)}


def _of_object(line: int, found: Mapping[str, object]) -> Iterator[Record]:
    known = [TENANT, *(column.field for column in POLICY), ORIGINS]
    faults = [unknown_name(name, known) for name in found if name not in known][:1]
    tenant = _text(TENANT, found.get(TENANT), faults)
    origins = found.get(ORIGINS)
    if not isinstance(origins, list):
        faults.append(gettext('The policy has no list of origins; write "origins": [] for none.'))
        origins = []
    policy, wrong = checked_all(POLICY, found)
    # The policy once, and not with each origin: one of ten megabytes may have as many as it has brackets.
    yield Record(line, tenant, policy, None, (*faults, *wrong))
    for origin in origins:
        yield _of_origin(line, tenant, origin)


_JSON_ORIGIN = tuple(replace(column, name=column.field) for column in ORIGIN)


def _of_origin(line: int, tenant: str, origin: object) -> Record:
    if not isinstance(origin, dict):
        return Record(line, tenant, None, None, (_no_object(origin),))
    known = [PATTERN, *(column.name for column in _JSON_ORIGIN)]
    faults = [unknown_name(name, known) for name in origin if name not in known][:1]
    pattern = _text(PATTERN, origin.get(PATTERN), faults).strip()
    if not pattern and not faults:
        faults.append(gettext("An origin has no pattern; write one."))
    values, wrong = checked_all(_JSON_ORIGIN, origin)
    return Record(line, tenant, None, {PATTERN: pattern, **values}, (*faults, *wrong))


READERS: Mapping[str, Callable[[BinaryFile], Iterator[Record]]] = {"csv": read_csv, "json": read_json}
