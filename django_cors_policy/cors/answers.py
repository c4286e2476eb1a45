"""Answers as a browser reads them off the wire."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .names import FORBIDDEN_RESPONSE_HEADERS, is_token

_BLANKS = "\t "
# Fetch, "CORS-safelisted response-header name".
_SAFELISTED = frozenset(
    {
        "cache-control",
        "content-language",
        "content-length",
        "content-type",
        "expires",
        "last-modified",
        "pragma",
    }
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it was received: blanks around values, names in any case, repeated headers apart.

    Values have one character for each byte; one that has others is read as UTF-8.
    """

    status: int
    headers: Sequence[tuple[str, str]]


def received(answer: Answer) -> dict[str, str]:
    """Give the headers by lower-case name, repeated ones combined. Source: Fetch, "get a header"."""
    values: dict[str, list[str]] = {}
    for name, value in _fields(answer):
        values.setdefault(name, []).append(value)
    return {name: ", ".join(several) for name, several in values.items()}


def locations(answer: Answer) -> set[str]:
    """Give the values of Location that differ from one another."""
    return {value for name, value in _fields(answer) if name == "location"}


def readable(answer: Answer, *, cors: bool, credentials: bool) -> tuple[tuple[str, str], ...]:
    """Give the headers that a script reads, lower case and sorted, as ``response.headers`` holds them.

    Source: Fetch, "basic filtered response" and "CORS filtered response".
    """
    headers = received(answer)
    names = headers.keys() - FORBIDDEN_RESPONSE_HEADERS
    if cors:
        # A list that cannot be read exposes nothing.
        exposed = {name.lower() for name in tokens(headers.get("access-control-expose-headers", "")) or ()}
        if "*" not in exposed or credentials:
            names &= exposed | _SAFELISTED
    return tuple((name, headers[name]) for name in sorted(names))


def tokens(value: str) -> list[str] | None:
    """Read a list of names; None where it holds what is no name. Source: Fetch, "extract header list values"."""
    items = [item for item in (item.strip(_BLANKS) for item in value.split(",")) if item]
    return items if all(map(is_token, items)) else None


def decoded(value: str) -> str:
    """Read a value's bytes as UTF-8; what is none stands as lone surrogates."""
    return value.encode("latin-1").decode("utf-8", "surrogateescape")


def _fields(answer: Answer) -> Iterator[tuple[str, str]]:
    for name, value in answer.headers:
        bare = name.strip(_BLANKS)
        # What has no name of a header is left out, where the standard would have a network error.
        if is_token(bare):
            yield bare.lower(), _as_bytes(value).strip(_BLANKS)


def _as_bytes(value: str) -> str:
    return value if all(char <= "\xff" for char in value) else value.encode("utf-8", "replace").decode("latin-1")
