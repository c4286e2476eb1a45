"""What a file holds of a policy and of an origin: the columns, and their values as cells, in JSON and in the models."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import Enum, auto
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext

from django_cors_policy.cors import quoted
from django_cors_policy.models import YEARS

MAX_TEXT = 100_000  # characters of one value
_NAME = 100  # characters of an unknown name that are compared
_DIGITS = 10  # of a whole number in a cell; a field holds no longer one

Value = bool | int | str | None  # a moment is ISO 8601, in UTC


class Type(Enum):
    BOOLEAN = auto()
    NUMBER = auto()
    TEXT = auto()
    MOMENT = auto()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of CSV; ``field`` is the model's name for it, and JSON's."""

    name: str
    field: str
    type: Type


TENANT = "tenant"
PATTERN = "pattern"
ORIGINS = "origins"  # JSON's alone
POLICY = (
    Column("enabled", "enabled", Type.BOOLEAN),
    Column("shadow", "shadow", Type.BOOLEAN),
    Column("allow_credentials", "allow_credentials", Type.BOOLEAN),
    Column("allow_methods", "allow_methods", Type.TEXT),
    Column("allow_headers", "allow_headers", Type.TEXT),
    Column("expose_headers", "expose_headers", Type.TEXT),
    Column("max_age", "max_age", Type.NUMBER),
    Column("allow_private_network", "allow_private_network", Type.BOOLEAN),
    Column("note", "note", Type.TEXT),
)
ORIGIN = (
    Column("origin_enabled", "enabled", Type.BOOLEAN),
    Column("expires_at", "expires_at", Type.MOMENT),
    Column("origin_note", "note", Type.TEXT),
)


@dataclass(frozen=True, slots=True)
class Record:
    """What one row of a file says, by the models' fields.

    ``policy`` is None where the row says nothing of the policy's own columns, ``origin`` where it names none; it holds
    the pattern too. A column that the file does not have is not there. ``faults`` say what cannot be read.
    """

    line: int
    tenant: str
    policy: Mapping[str, Value] | None
    origin: Mapping[str, Value] | None
    faults: tuple[str, ...] = ()


class Unreadable(Exception):  # noqa: N818 -- it is the file that is unreadable
    """A file that cannot be read any further, and the line."""

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(reason)


def unknown_name(name: str, known: Iterable[str]) -> str:
    """Say that nothing is called so, and what is."""
    known = list(known)
    near = [PATTERN] if name == "origin" and PATTERN in known else get_close_matches(name[:_NAME], known, 1)
    if near:
        text = gettext("There is no column %(name)s; did you mean %(near)s?")
        return text % {"name": quoted(name), "near": near[0]}
    text = gettext("There is no column %(name)s; there are %(known)s.")
    return text % {"name": quoted(name), "known": ", ".join(known)}


def checked_all(columns: Iterable[Column], given: Mapping[str, object]) -> tuple[dict[str, Value], list[str]]:
    """Give the values of the columns that are there, by field, and what is wrong with the others."""
    values, faults = {}, []
    for column in columns:
        if column.field in given:
            try:
                values[column.field] = checked(column.name, column.type, given[column.field])
            except ValueError as error:
                faults.append(str(error))
    return values, faults


def checked(name: str, kind: Type, value: object) -> Value:
    """Give a value in the one form that it has here. Raises ValueError, with what to write instead."""
    fault = None
    if kind is Type.BOOLEAN:
        if isinstance(value, bool):
            return value
        fault = gettext("%(column)s is %(value)s; write true or false.")
    elif kind is Type.NUMBER:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        fault = gettext("%(column)s is %(value)s; write a whole number.")
    elif kind is Type.MOMENT:
        return None if value is None else _moment(name, value)
    elif not isinstance(value, str):
        fault = gettext("%(column)s is %(value)s; write text.")
    elif len(value) > MAX_TEXT:
        text = gettext("%(column)s has %(length)d characters; write at most %(most)d.")
        raise ValueError(text % {"column": name, "length": len(value), "most": MAX_TEXT})
    elif "\0" in value or not _is_whole(value):
        fault = gettext("%(column)s is %(value)s, which holds what no database stores; write it without.")
    else:
        return value
    raise ValueError(fault % {"column": name, "value": quoted(value)})


def _is_whole(text: str) -> bool:
    """Tell whether no half of a character is in it, as JSON can escape one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _moment(name: str, value: object) -> str:
    try:
        moment = datetime.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None or moment.year not in YEARS:
        text = gettext(
            "%(column)s is %(value)s; write a moment of a year from 1970 to 9998, with its zone "
            "(2030-12-31T23:59:00+00:00), or leave it empty."
        )
        raise ValueError(text % {"column": name, "value": quoted(value)})
    return moment.astimezone(UTC).isoformat()


# --- the models' values


def values_of(instance: Any, columns: Iterable[Column]) -> dict[str, Value]:
    """Give what a model's instance holds, by field."""
    return {column.field: _as_value(getattr(instance, column.field)) for column in columns}


def _as_value(stored: bool | int | str | datetime | None) -> Value:
    if not isinstance(stored, datetime):
        return stored
    if timezone.is_naive(stored):  # USE_TZ is off
        stored = timezone.make_aware(stored, timezone.get_default_timezone())
    return stored.astimezone(UTC).isoformat()


def apply(instance: Any, columns: Iterable[Column], values: Mapping[str, Value]) -> None:
    """Set an instance's fields to the values that are there."""
    for column in columns:
        if column.field in values:
            value = values[column.field]
            setattr(instance, column.field, _as_moment(value) if column.type is Type.MOMENT else value)


def _as_moment(value: Value) -> datetime | None:
    if value is None:
        return None
    moment = datetime.fromisoformat(str(value))
    return moment if settings.USE_TZ else timezone.make_naive(moment, timezone.get_default_timezone())


# --- cells

# What a spreadsheet runs as a formula where a cell begins with it, or strips and then does.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# Spreadsheets write TRUE and FALSE in the language of who uses them.
_WORDS = {
    **dict.fromkeys(("true", "yes", "1", "wahr", "ja", "vrai", "oui", "verdadero", "vero"), True),
    **dict.fromkeys(("false", "no", "0", "falsch", "nein", "faux", "non", "falso"), False),
}


def as_cell(value: Value) -> str:
    """Write a value so that a spreadsheet shows it and runs nothing; from_cell() reads the same."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f"'{text}" if _is_formula(text) else text


def from_cell(kind: Type, cell: str) -> object:
    """Read a cell as a value of this type; one that is none is given as it is, for checked() to refuse."""
    if kind is Type.TEXT:
        return text_of(cell)
    cell = cell.strip()
    if kind is Type.BOOLEAN:
        return _WORDS.get(cell.lower(), cell)
    if kind is Type.MOMENT:
        return cell or None
    return int(cell) if cell.isascii() and cell.isdigit() and len(cell) <= _DIGITS else cell


def text_of(cell: str) -> str:
    """Take away the apostrophe that as_cell() puts before a formula."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell) else cell


def _is_formula(text: str) -> bool:
    # Apostrophes before it count too: else what has one already would lose it when it is read.
    return text.lstrip("'").startswith(_FORMULAS)
