"""Preflights that succeeded, and how long a browser remembers them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from .names import SAFELISTED_METHODS

# Seconds that a preflight is remembered: without Access-Control-Max-Age, and at most (in Chromium).
DEFAULT_AGE, MAX_AGE = 5, 7200
MAX_ENTRIES = 1024  # as in Chromium
MAX_URL = 1023  # characters; Chromium remembers nothing of a longer one

_AGE = re.compile(r"[+-]?[0-9]+")


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a preflight allows: methods in their own case, headers in lower case.

    One entry holds all of it, as in Chromium; the standard keeps one for each method and each header.

    Source: Fetch, "CORS-preflight cache".
    """

    credentials: bool
    methods: frozenset[str]
    headers: frozenset[str]
    expires: float

    def refuses_method(self, method: str) -> bool:
        """Tell whether the method may not be sent; with credentials ``*`` is a method's own name."""
        anything = "*" in self.methods and not self.credentials
        return not (anything or method in self.methods or method in SAFELISTED_METHODS)

    def refused_headers(self, names: Sequence[str]) -> list[str]:
        """Give those of the unsafe names that may not be sent.

        Chromium departs from the standard in that ``*`` stands for Authorization too.
        """
        anything = "*" in self.headers and not self.credentials
        return [] if anything else [name for name in names if name not in self.headers]

    def covers(self, method: str, names: Sequence[str], *, credentials: bool) -> bool:
        """Tell whether it also serves a later fetch; then ``*`` is not for Authorization, in Chromium either."""
        if (credentials and not self.credentials) or self.refuses_method(method) or self.refused_headers(names):
            return False
        return "authorization" not in names or "authorization" in self.headers


@dataclass(slots=True)
class PreflightCache:
    """The preflights that a browser remembers from one fetch to the next.

    ``now`` are seconds on any clock; whoever keeps the cache moves them on.
    """

    now: float = 0.0
    _entries: dict[tuple[str, str], Preflight] = field(default_factory=dict)

    def covers(self, origin: str, url: str, method: str, names: Sequence[str], *, credentials: bool) -> bool:
        """Tell whether a fetch needs no preflight; an entry that does not do is forgotten, as in Chromium."""
        entry = self._entries.get((origin, url))
        if entry is None:
            return False
        if entry.expires > self.now and entry.covers(method, names, credentials=credentials):
            return True
        del self._entries[origin, url]
        return False

    def keep(self, origin: str, url: str, entry: Preflight) -> None:
        """Remember a preflight, in place of what was known of the address; the oldest one makes room."""
        if len(url) <= MAX_URL:
            self._entries.pop((origin, url), None)
            if len(self._entries) >= MAX_ENTRIES:
                del self._entries[next(iter(self._entries))]
            self._entries[origin, url] = entry


def max_age(value: str | None) -> int:
    """Give the seconds that Access-Control-Max-Age means to Chromium: none at all, and no number, mean the default."""
    if value is None or not _AGE.fullmatch(value):
        return DEFAULT_AGE
    digits = value.lstrip("+-").lstrip("0") or "0"
    if len(digits) > 19 or int(digits) >= 2**63:  # more than it counts with
        return DEFAULT_AGE
    return 0 if value[0] == "-" else min(int(digits), MAX_AGE)
