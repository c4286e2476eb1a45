"""A policy as somebody wrote it, and as it is served."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .errors import (
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
    PolicyError,
    RegexError,
    gettext_noop,
)
from .names import is_token
from .origins import is_loopback
from .patterns import (
    OriginPattern,
    PatternSet,
    compile_regex,
    is_plain_origin,
    is_public_suffix,
    lets_anyone_in,
    parse_pattern,
)

DEFAULT_METHODS = ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT")
DEFAULT_HEADERS = ("accept", "authorization", "content-type", "user-agent", "x-csrftoken", "x-requested-with")
DEFAULT_MAX_AGE = 7200  # seconds; what Chromium caps it to
MAX_MAX_AGE = 2**31  # seconds; what a recipient may read anything longer as (RFC 9111, section 1.2.2)


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """A policy as written: nothing in it has been checked.

    ``preflight_max_age`` is in seconds. ``tenant`` is None for the settings' policy. ``name`` is for people.
    """

    name: str = "settings"
    tenant: str | None = None
    allowed_origins: Sequence[object] = ()
    allowed_origin_regexes: Sequence[object] = ()
    allow_all_origins: bool = False
    allow_credentials: bool = False
    allow_methods: Sequence[object] = DEFAULT_METHODS
    allow_headers: Sequence[object] = DEFAULT_HEADERS
    expose_headers: Sequence[object] = ()
    preflight_max_age: object = DEFAULT_MAX_AGE
    allow_private_network: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tenant's policy may hold at most: CORS_TENANT_LIMITS. ``max_age`` is in seconds.

    Loopback, ``*.localhost`` included, is exempt from ``insecure_origins`` and ``any_port``.
    """

    credentials: bool = True
    insecure_origins: bool = False
    public_suffix_wildcards: bool = False
    any_port: bool = False
    any_origin: bool = False
    max_origins: int = 100
    max_age: int = 7200


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A compiled policy: immutable, every header value joined.

    ``actual_headers`` and ``preflight_headers`` are the (name, value) pairs beside Access-Control-Allow-Origin.
    ``varies`` tells whether the answer depends on the Origin. ``errors`` are the entries that were dropped. ``shadow``
    is the policy that this one, which allows nothing, stands for while it is not to answer yet.
    """

    name: str
    tenant: str | None
    origins: PatternSet
    allow_credentials: bool
    allow_private_network: bool
    varies: bool
    actual_headers: tuple[tuple[str, str], ...]
    preflight_headers: tuple[tuple[str, str], ...]
    errors: tuple[PolicyError, ...]
    shadow: "Policy | None" = None


def compile_policy(
    spec: PolicySpec, *, limits: Limits | None = None, strict: bool = True, like: Policy | None = None
) -> Policy:
    """Compile a policy, collecting the errors of all its entries.

    strict: raises InvalidPolicy with every error. Otherwise each bad entry is dropped alone, the rest is served, and
    ``Policy.errors`` says what was dropped; dropping never lets more through. Credentials with any origin are dropped
    to ``*`` without credentials.

    like: a policy compiled before, leniently, by the same limits and of the same spec but for name, tenant and origins.
    What does not come of those is taken from it, and shared.
    """
    errors: list[PolicyError] = []
    patterns = _compile_patterns(spec, limits, errors)
    regexes = []
    for written in _entries(spec.allowed_origin_regexes):
        try:
            regexes.append(compile_regex(written))
        except RegexError as error:
            errors.append(error)
    origins = PatternSet(patterns, regexes)
    open_entry = _open_entry(origins, regexes)
    if like is None or (like.allow_credentials and open_entry is not None):
        allow_credentials, actual, preflight = _compile_rest(spec, limits, open_entry, errors)
    else:
        allow_credentials, actual, preflight = like.allow_credentials, like.actual_headers, like.preflight_headers
        errors += like.errors
    if strict and errors:
        raise InvalidPolicy(errors)
    return Policy(
        name=spec.name,
        tenant=spec.tenant,
        origins=origins,
        allow_credentials=allow_credentials,
        allow_private_network=spec.allow_private_network,
        # What a tenant allows may change at any time, so its answers always say that they depend on the origin.
        varies=spec.tenant is not None or (bool(origins) and not origins.any_origin),
        actual_headers=actual,
        preflight_headers=preflight,
        errors=tuple(errors),
    )


_Headers = tuple[tuple[str, str], ...]
_METHOD = gettext_noop("a method is made of letters, digits and %(signs)s alone")
_HEADER_NAME = gettext_noop("a header name is made of letters, digits and %(signs)s alone")


def _compile_rest(
    spec: PolicySpec, limits: Limits | None, open_entry: str | None, errors: list[PolicyError]
) -> tuple[bool, _Headers, _Headers]:
    """Compile all but the origins: whether credentials are allowed, and the headers of both kinds of requests."""
    allow_credentials = _compile_credentials(spec, limits, open_entry, errors)
    methods = _tokens(spec.allow_methods, MethodError, MethodReason.NOT_A_TOKEN, _METHOD, errors)
    headers = _tokens(spec.allow_headers, HeaderNameError, HeaderNameReason.NOT_A_TOKEN, _HEADER_NAME, errors)
    exposed = _tokens(spec.expose_headers, ExposedHeaderNameError, HeaderNameReason.NOT_A_TOKEN, _HEADER_NAME, errors)
    max_age = _compile_max_age(spec, limits, errors)
    actual, preflight = [], []
    if allow_credentials:
        actual.append(("Access-Control-Allow-Credentials", "true"))
        preflight.append(("Access-Control-Allow-Credentials", "true"))
    if exposed:
        actual.append(("Access-Control-Expose-Headers", exposed))
    if methods:
        preflight.append(("Access-Control-Allow-Methods", methods))
    if headers:
        preflight.append(("Access-Control-Allow-Headers", headers))
    if max_age is not None:
        preflight.append(("Access-Control-Max-Age", str(max_age)))
    return allow_credentials, tuple(actual), tuple(preflight)


def _compile_patterns(spec: PolicySpec, limits: Limits | None, errors: list[PolicyError]) -> list[OriginPattern | str]:
    patterns: list[OriginPattern | str] = []
    pattern: OriginPattern | str
    for written in (*(("*",) if spec.allow_all_origins else ()), *_entries(spec.allowed_origins)):
        try:
            if isinstance(written, str) and is_plain_origin(written):
                pattern = written
            else:
                pattern = parse_pattern(written)
                if limits is not None:
                    check_limits(pattern, limits)
            if limits is not None:
                check_count(len(patterns) + 1, limits, pattern)
        except (PatternError, LimitError) as error:
            errors.append(error)
        else:
            patterns.append(pattern)
    return patterns


def _entries(written: Sequence[object]) -> Sequence[object]:
    # A string is a sequence too, and the characters of https://*.example.com have a * among them.
    return (written,) if isinstance(written, str) else written


def check_limits(pattern: OriginPattern, limits: Limits) -> None:
    """Raise LimitError if a tenant's policy may not hold this pattern."""
    loopback = not pattern.any_origin and is_loopback(pattern.host)
    if pattern.any_origin:
        if not limits.any_origin:
            why = gettext_noop("any origin at all is allowed (beyond CORS_TENANT_LIMITS: any_origin)")
            raise _beyond(pattern, LimitReason.ANY_ORIGIN, why)
        return
    if pattern.scheme == "http" and not loopback and not limits.insecure_origins:
        why = gettext_noop(
            "http is not allowed here, since anyone on its way can rewrite the page "
            "(beyond CORS_TENANT_LIMITS: insecure_origins)"
        )
        secure = str(pattern).replace("http", "https", 1) if pattern.port is None else None
        raise _beyond(pattern, LimitReason.INSECURE_ORIGIN, why, secure)
    if pattern.any_port and not loopback and not limits.any_port:
        why = gettext_noop("a port has to be named (beyond CORS_TENANT_LIMITS: any_port)")
        raise _beyond(pattern, LimitReason.ANY_PORT, why, str(pattern).removesuffix(":*"))
    if pattern.subdomains and not limits.public_suffix_wildcards and is_public_suffix(pattern.host):
        why = gettext_noop(
            "strangers can have names under %(host)s (beyond CORS_TENANT_LIMITS: public_suffix_wildcards)"
        )
        raise _beyond(pattern, LimitReason.PUBLIC_SUFFIX_WILDCARD, why, params={"host": pattern.host})


def check_count(number: int, limits: Limits, value: object) -> None:
    """Raise LimitError if a tenant's policy may not hold so many origins; ``value`` is the one too many."""
    if number > limits.max_origins:
        why = gettext_noop("a policy holds at most %(most)d origins (CORS_TENANT_LIMITS: max_origins)")
        params = {"most": limits.max_origins}
        raise LimitError(str(value), LimitReason.MAX_ORIGINS, why, "allowed_origins", params=params)


def _beyond(
    pattern: OriginPattern,
    reason: LimitReason,
    why: str,
    canonical: str | None = None,
    params: Mapping[str, object] | None = None,
) -> LimitError:
    return LimitError(str(pattern), reason, why, "allowed_origins", canonical, params)


def _open_entry(origins: PatternSet, regexes: list[re.Pattern[str]]) -> str | None:
    """Give an entry that lets any origin in, or None."""
    return "*" if origins.any_origin else next((regex.pattern for regex in regexes if lets_anyone_in(regex)), None)


def _compile_credentials(
    spec: PolicySpec, limits: Limits | None, open_entry: str | None, errors: list[PolicyError]
) -> bool:
    if not spec.allow_credentials:
        return False
    if limits is not None and not limits.credentials:
        errors.append(
            LimitError(
                spec.allow_credentials,
                LimitReason.CREDENTIALS,
                gettext_noop("credentials are not for tenants here (CORS_TENANT_LIMITS: credentials)"),
                "allow_credentials",
            )
        )
        return False
    if open_entry is not None:
        errors.append(
            CredentialsError(
                open_entry,
                CredentialsReason.ANY_ORIGIN,
                gettext_noop(
                    "any origin with credentials lets every site act as the visitor; it is served without credentials"
                ),
            )
        )
        return False
    return True


def _tokens(
    written: Sequence[object],
    error: type[MethodError | HeaderNameError],
    reason: MethodReason | HeaderNameReason,
    why: str,
    errors: list[PolicyError],
) -> str:
    tokens = []
    for name in _entries(written):
        if isinstance(name, str) and is_token(name):
            tokens.append(name)
        else:
            errors.append(error(name, reason, why, params={"signs": "!#$%&'*+-.^_`|~"}))
    # Most tenants leave the lists at their default: one string for all of them.
    return sys.intern(", ".join(tokens))


def _compile_max_age(spec: PolicySpec, limits: Limits | None, errors: list[PolicyError]) -> int | None:
    written = spec.preflight_max_age
    if not isinstance(written, int) or isinstance(written, bool) or not 0 <= written <= MAX_MAX_AGE:
        why = gettext_noop("a lifetime is a whole number of seconds from 0 to %(most)d")
        errors.append(MaxAgeError(written, MaxAgeReason.NOT_SECONDS, why, params={"most": MAX_MAX_AGE}))
        return None
    if limits is not None and written > limits.max_age:
        errors.append(
            LimitError(
                written,
                LimitReason.MAX_AGE,
                gettext_noop("a tenant's preflights live at most %(most)d seconds (CORS_TENANT_LIMITS: max_age)"),
                "preflight_max_age",
                params={"most": limits.max_age},
            )
        )
        return limits.max_age
    return written
