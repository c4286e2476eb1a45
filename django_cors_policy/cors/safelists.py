"""Which headers a script may send, with a preflight or without, as Chromium has it.

Values are as they travel: one character for each byte.
"""

import re
from collections.abc import Mapping

from .names import FORBIDDEN_METHODS, is_forbidden_request_header

MAX_VALUE = 128  # bytes of a safelisted header's value
MAX_VALUES = 1024  # bytes of all of them together

_BLANKS = "\t\n\r "  # Fetch, "HTTP whitespace"
_OVERRIDES = frozenset({"x-http-method", "x-http-method-override", "x-method-override"})
_UNSAFE_BYTE = re.compile(r'[\x00-\x08\x0a-\x1f"():<>?@\[\\\]{}\x7f]')  # Fetch, "CORS-unsafe request-header byte"
_LANGUAGE = re.compile(r"[0-9A-Za-z *,.;=-]*")
_ESSENCE = re.compile(
    r"[\t ]*(?:application/x-www-form-urlencoded|multipart/form-data|text/plain)[\t ]*(?:;.*)?",
    re.IGNORECASE | re.DOTALL,
)
_RANGE = re.compile(r"bytes=([0-9]+)-([0-9]*)")
_LAST_BYTE = 2**63 - 1  # and of that one Chromium does not ask either
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_WHOLE_NUMBER = re.compile(r"[0-9]+")
# Client hints, from when scripts were to set them; the standard has none of these any more.
_HINTS = {
    "device-memory": _NUMBER,
    "downlink": _NUMBER,
    "dpr": _NUMBER,
    "ect": re.compile(r"slow-2g|[234]g"),
    "intervention": re.compile(r".*", re.DOTALL),
    "rtt": _WHOLE_NUMBER,
    "save-data": re.compile(r"on", re.IGNORECASE),
    "viewport-width": _WHOLE_NUMBER,
    "width": _WHOLE_NUMBER,
}
# Those that a redirect takes away, unless it leads to the page's own origin; Save-Data is for everybody.
OWN_HINTS = frozenset(_HINTS) - {"intervention", "save-data"}


def normalize_value(value: str) -> str:
    """Take the HTTP whitespace off both ends. Source: Fetch, "normalize a header value"."""
    return value.strip(_BLANKS)


def is_dropped(name: str, value: str) -> bool:
    """Tell whether ``fetch()`` silently leaves a request header out. Source: Fetch, "forbidden request-header".

    Chromium departs from the standard in that it also leaves out User-Agent.
    """
    lower = name.lower()
    if lower in _OVERRIDES:
        return any(method.strip(_BLANKS).upper() in FORBIDDEN_METHODS for method in value.split(","))
    # Of a draft that Chromium has given up: it is a header like any other.
    if lower == "access-control-request-private-network":
        return False
    return lower == "user-agent" or is_forbidden_request_header(lower)


def unsafe_names(headers: Mapping[str, str]) -> list[str]:
    """Give the names that need a preflight, sorted, of headers by their lower-case names.

    Source: Fetch, "CORS-unsafe request-header names".
    """
    safe = [name for name, value in headers.items() if _is_safelisted(name, value)]
    too_long = sum(len(headers[name]) for name in safe) > MAX_VALUES
    return sorted(headers if too_long else headers.keys() - safe)


def _is_safelisted(name: str, value: str) -> bool:
    # Fetch, "CORS-safelisted request-header".
    if len(value) > MAX_VALUE:
        return False
    if name == "accept":
        return not _UNSAFE_BYTE.search(value)
    if name in ("accept-language", "content-language"):
        return _LANGUAGE.fullmatch(value) is not None
    if name == "content-type":
        return not _UNSAFE_BYTE.search(value) and _ESSENCE.fullmatch(value) is not None
    if name == "range":
        return _is_simple_range(value)
    hint = _HINTS.get(name)
    return hint is not None and hint.fullmatch(value) is not None


def _is_simple_range(value: str) -> bool:
    # Fetch, "simple range header value": one range, which has a start.
    found = _RANGE.fullmatch(value)
    if found is None:
        return False
    first, last = int(found[1]), int(found[2] or found[1])
    return first <= last < _LAST_BYTE
