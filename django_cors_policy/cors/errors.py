"""What can be wrong with a policy as somebody wrote it.

::

    ValueError
    ├── PolicyError            one entry: .value, .reason, and .canonical where another spelling would do
    │   ├── PatternError
    │   ├── RegexError
    │   ├── MethodError
    │   ├── HeaderNameError
    │   │   └── ExposedHeaderNameError
    │   ├── MaxAgeError
    │   ├── CredentialsError
    │   └── LimitError
    └── InvalidPolicy          all of a policy's entries together: .errors
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

_SHOWN = 200


def gettext_noop(text: str) -> str:
    """Mark a sentence for translation, as makemessages knows it; it stays what it is, for here is no Django."""
    return text


_SAID = "%(value)s: %(text)s."
_SAID_WITH_ANSWER = gettext_noop("%(value)s: %(text)s; write %(canonical)s.")


def quoted(value: object) -> str:
    """Show a value on one line of bounded length: its first 200 characters, control characters escaped."""
    text = value if isinstance(value, str) else _described(value)
    shown = repr(text[:_SHOWN])  # cut first: an escaped character takes up to ten
    if not isinstance(value, str):
        shown = shown[1:-1]
    return shown if len(text) <= _SHOWN else f"{shown}... ({len(text)} characters)"


def _described(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 -- somebody's own class, or an int of more digits than Python writes
        return f"<{type(value).__name__}>"


class PatternReason(StrEnum):
    NOT_TEXT = "not-text"
    EMPTY = "empty"
    TOO_LONG = "too-long"
    NULL = "null"
    WHITESPACE = "whitespace"
    MISSING_COMMA = "missing-comma"
    MISSING_SCHEME = "missing-scheme"
    SCHEME = "scheme"
    MISSING_HOST = "missing-host"
    HOST = "host"
    WILDCARD = "wildcard"
    PORT = "port"
    USERINFO = "userinfo"
    PATH = "path"
    TRAILING_DOT = "trailing-dot"
    IP_SPELLING = "ip-spelling"
    UNICODE = "unicode"
    CASE = "case"
    DEFAULT_PORT = "default-port"
    TRAILING_SLASH = "trailing-slash"


class RegexReason(StrEnum):
    NOT_A_REGEX = "not-a-regex"
    SYNTAX = "syntax"


class MethodReason(StrEnum):
    NOT_A_TOKEN = "not-a-token"  # noqa: S105 -- a token of RFC 9110, not a secret


class HeaderNameReason(StrEnum):
    NOT_A_TOKEN = "not-a-token"  # noqa: S105 -- a token of RFC 9110, not a secret


class MaxAgeReason(StrEnum):
    NOT_SECONDS = "not-seconds"


class CredentialsReason(StrEnum):
    ANY_ORIGIN = "any-origin"


class LimitReason(StrEnum):
    CREDENTIALS = "credentials"
    INSECURE_ORIGIN = "insecure-origins"
    PUBLIC_SUFFIX_WILDCARD = "public-suffix-wildcards"
    ANY_PORT = "any-port"
    ANY_ORIGIN = "any-origin"
    MAX_ORIGINS = "max-origins"
    MAX_AGE = "max-age"


class PolicyError(ValueError):
    """One entry that cannot be served as it is written.

    ``value`` is what was written, ``reason`` says what is wrong in one word, ``field`` is the PolicySpec field it
    stands in, ``canonical`` the spelling to use instead, or None where no spelling would make it right. ``message`` is
    the whole sentence in English, made of ``text``, which is the same whatever was written, and its ``params``.
    """

    field: str

    def __init__(
        self,
        value: object,
        reason: StrEnum,
        text: str,
        canonical: str | None = None,
        params: Mapping[str, object] | None = None,
    ) -> None:
        self.value = value
        self.reason = reason
        self.text = text
        self.canonical = canonical
        self.params = params or {}
        self.message = self.said(gettext_noop)
        super().__init__(self.message)

    def said(self, gettext: Callable[[str], str]) -> str:
        """Say what is wrong and what to write instead, in the language that ``gettext`` translates to."""
        return gettext(_SAID_WITH_ANSWER if self.canonical else _SAID) % {
            "value": quoted(self.value),
            "text": gettext(self.text) % self.params,
            "canonical": quoted(self.canonical),
        }


class PatternError(PolicyError):
    """An origin pattern that parse_pattern() refuses."""

    field = "allowed_origins"

    _SAFE_TO_CORRECT = frozenset(
        {PatternReason.CASE, PatternReason.DEFAULT_PORT, PatternReason.UNICODE, PatternReason.TRAILING_SLASH}
    )

    @property
    def correctable(self) -> bool:
        """Whether the canonical form certainly means what was written, so that a form may store it unasked."""
        return self.canonical is not None and self.reason in self._SAFE_TO_CORRECT


class RegexError(PolicyError):
    """A regular expression that is none."""

    field = "allowed_origin_regexes"


class MethodError(PolicyError):
    """A method that is not a token (RFC 9110, section 5.6.2)."""

    field = "allow_methods"


class HeaderNameError(PolicyError):
    """A header name that is not a token (RFC 9110, section 5.6.2)."""

    field = "allow_headers"


class ExposedHeaderNameError(HeaderNameError):
    """The same, among the exposed headers."""

    field = "expose_headers"


class MaxAgeError(PolicyError):
    """A preflight's lifetime that is not a whole number of seconds from 0 to 2 ** 31."""

    field = "preflight_max_age"


class CredentialsError(PolicyError):
    """Credentials together with any origin: served as ``*`` without credentials."""

    field = "allow_credentials"


class LimitError(PolicyError):
    """An entry beyond what a tenant's policy may hold (CORS_TENANT_LIMITS)."""

    def __init__(
        self,
        value: object,
        reason: LimitReason,
        text: str,
        field: str,
        canonical: str | None = None,
        params: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(value, reason, text, canonical, params)
        self.field = field


class InvalidPolicy(ValueError):  # noqa: N818 -- the name of the design: it is the policy that is invalid
    """A policy with at least one bad entry; ``errors`` holds them all, in the order of the policy's fields."""

    def __init__(self, errors: Sequence[PolicyError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(str(error) for error in self.errors))
