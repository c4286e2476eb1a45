"""Rules over a policy as somebody wrote it: what is unsafe, what never matches, what says nothing."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

from .errors import PatternError, PatternReason, RegexError, quoted
from .names import FORBIDDEN_METHODS, RESPONSE_ONLY_HEADERS, SAFELISTED_METHODS, is_forbidden_request_header, is_token
from .origins import is_loopback, is_of_development
from .patterns import ANY_ORIGIN, OriginPattern, compile_regex, is_public_suffix, parse_pattern, shared_hosting_suffix
from .policy import PolicySpec
from .regexes import Examination, Witness, examine, regex_samples
from .rules import LINT_RULES, Finding, Rule, Severity

__all__ = ["LINT_RULES", "Finding", "Rule", "Severity", "lint", "regex_samples"]


_RULES = {rule.code: rule for rule in LINT_RULES}


def lint(spec: PolicySpec, *, development: bool = False, tenants: bool = False) -> list[Finding]:
    """Look at a policy as it is written, and give what the rules find.

    Total: whatever stands in a field, the answer is findings. In the order of the catalogue, then in that of the
    policy's own entries. ``development``: nobody else is served. ``tenants``: tenants have policies of their own beside
    this one.
    """
    policy = _read(spec, development=development, tenants=tenants)
    findings = [finding for check in _CHECKS for finding in check(policy)]
    return sorted(findings, key=lambda finding: finding.rule.code)


# --- a policy, taken apart once ------------------------------------------------------------------------------------

_SHOWN = 300


@dataclass(frozen=True, slots=True)
class _Written:
    """What the rules look at.

    ``stars`` are the subjects that allow any origin by themselves; ``broken`` are the regexes that are none, each with
    what is wrong.
    """

    spec: PolicySpec
    development: bool
    tenants: bool
    stars: tuple[str, ...]
    origins: tuple[OriginPattern, ...]
    refused: tuple[PatternError, ...]
    regexes: tuple[tuple[re.Pattern[str], Examination], ...]
    broken: tuple[tuple[object, str], ...]

    @property
    def credentials(self) -> bool:
        return bool(self.spec.allow_credentials)

    def found(self, code: str, subject: object, message: str, hint: str, *, grave: bool | None = None) -> Finding:
        """Make a finding: of the rule's gravest severity or its mildest, by default as credentials are allowed."""
        rule = _RULES[code]
        severity = rule.severities[0 if (self.credentials if grave is None else grave) else -1]
        return Finding(rule, severity, _shown(subject), message, hint, self.spec.tenant)

    def setting(self, field: str) -> str:
        """Give the name that people know a field by: a setting's, or in a stored policy the field's own."""
        return f"CORS_{field.upper()}" if self.spec.tenant is None else field


def _read(spec: PolicySpec, *, development: bool, tenants: bool) -> _Written:
    origins: list[OriginPattern] = []
    refused: list[PatternError] = []
    regexes: list[tuple[re.Pattern[str], Examination]] = []
    broken: list[tuple[object, str]] = []
    for written in _entries(spec.allowed_origins):
        try:
            origins.append(parse_pattern(written))
        except PatternError as error:
            refused.append(error)
    for written in _entries(spec.allowed_origin_regexes):
        try:
            regex = compile_regex(written)
        except (RegexError, Warning) as error:  # Python warns of some regexes, which may be an error
            broken.append((written, str(error)))
        else:
            regexes.append((regex, examine(regex)))
    flag = "CORS_ALLOW_ALL_ORIGINS" if spec.tenant is None else "allow_all_origins"
    return _Written(
        spec=spec,
        development=development,
        tenants=tenants,
        stars=(*([flag] if spec.allow_all_origins else ()), *(str(origin) for origin in origins if origin.any_origin)),
        origins=tuple(origin for origin in origins if not origin.any_origin),
        refused=tuple(refused),
        regexes=tuple(regexes),
        broken=tuple(broken),
    )


def _entries(written: object) -> tuple[object, ...]:
    """Give a list's entries; what is no list counts as one, so that its content is looked at all the same."""
    if isinstance(written, (list, tuple)):
        return tuple(written)
    if isinstance(written, (set, frozenset)):
        return tuple(sorted(written, key=_shown))
    return () if written is None else (written,)


def _texts(written: object) -> list[str]:
    return [entry for entry in _entries(written) if isinstance(entry, str)]


def _shown(value: object) -> str:
    """Give a value as at most 300 printable characters: what has a text by that, anything else as Python writes it."""
    if isinstance(value, re.Pattern):
        value = value.pattern
    text = (str(value) if isinstance(value, (str, OriginPattern)) else quoted(value))[:_SHOWN]
    return text if text.isprintable() else repr(text)[1:-1][:_SHOWN]


# --- origins -------------------------------------------------------------------------------------------------------

_NON_CANONICAL = frozenset(
    {
        PatternReason.CASE,
        PatternReason.DEFAULT_PORT,
        PatternReason.IP_SPELLING,
        PatternReason.PATH,
        PatternReason.TRAILING_SLASH,
        PatternReason.UNICODE,
    }
)
# Scripts that one language mixes, by the first word of their letters' names. Unicode TR39, "highly restrictive".
_MIXED_BY_A_LANGUAGE = (
    frozenset({"LATIN", "CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"}),
    frozenset({"LATIN", "CJK", "IDEOGRAPHIC", "BOPOMOFO"}),
    frozenset({"LATIN", "CJK", "IDEOGRAPHIC", "HANGUL"}),
)


def _any_origin(policy: _Written) -> Iterator[Finding]:
    proven = [(regex.pattern, about.any_origin) for regex, about in policy.regexes if about.any_origin is not None]
    for subject, proof in (*((star, ANY_ORIGIN.sample) for star in policy.stars), *proven):
        message = f"{quoted(subject)} allows every origin, such as {proof!r}"
        if policy.credentials:
            yield policy.found(
                "CORS101",
                subject,
                f"{message}, and credentials are allowed: any site could act as the visitor who is logged in here.",
                "List the origins that need credentials, or switch credentials off.",
            )
        else:
            yield policy.found(
                "CORS102",
                subject,
                f"{message}: any site can read what is served without logging in.",
                "Keep it for what is meant for everybody, and list the origins otherwise.",
                grave=policy.tenants and policy.spec.tenant is None,
            )


def _refused(policy: _Written) -> Iterator[Finding]:
    for error in policy.refused:
        rule = "CORS110"
        if error.reason is PatternReason.NULL:
            rule = "CORS103"
        elif error.reason is PatternReason.TRAILING_DOT:
            rule = "CORS112"
        elif error.reason in _NON_CANONICAL and error.canonical is not None:
            rule = "CORS111"
        yield policy.found(rule, error.value, error.message, _spelling(error))


def _spelling(error: PatternError) -> str:
    if error.canonical is not None:
        return f"Write {quoted(error.canonical)}."
    if error.reason is PatternReason.NULL:
        return "Remove it, and serve the page that sends it from an origin of its own, outside of a sandbox."
    if error.reason is PatternReason.MISSING_COMMA:
        parts = re.split(r"(?<!^)(?=https?://)", str(error.value), maxsplit=1, flags=re.IGNORECASE)
        return f"Put a comma between {' and '.join(map(quoted, parts)) if len(parts) > 1 else 'the two'}."
    return "Write an origin such as 'https://app.example.com' or 'https://*.example.com', or remove it."


def _null_regex(policy: _Written) -> Iterator[Finding]:
    for regex, about in policy.regexes:
        if about.null:
            yield policy.found(
                "CORS103",
                regex,
                f"{quoted(regex.pattern)} matches 'null', which every sandboxed page sends and which is never served.",
                "Let it match origins alone, beginning with https://.",
            )


@dataclass(frozen=True, slots=True)
class _OriginRule:
    """A rule about one origin; ``message`` and ``hint`` may name the {origin}, its {host} and the {secure} one.

    {sample} is an origin that passes, the proof: of a wildcard one that nobody means.
    """

    code: str
    applies: Callable[[OriginPattern], bool]
    message: str
    hint: str


_ORIGIN_RULES = (
    _OriginRule(
        "CORS104",
        lambda origin: origin.scheme == "http" and not is_loopback(origin.host),
        "{origin} is http: anyone on the way to {sample} can put a script into its pages.",
        "Serve it with TLS, and write {secure}.",
    ),
    _OriginRule(
        "CORS105",
        lambda origin: origin.subdomains and is_public_suffix(origin.host),
        "{origin} trusts strangers: anyone can have a name under {host}, such as {sample}.",
        "List the hosts that are yours.",
    ),
    _OriginRule(
        "CORS106",
        lambda origin: origin.subdomains and not is_public_suffix(origin.host) and not is_loopback(origin.host),
        "{origin} trusts every subdomain, such as {sample}: one taken over, or one with foreign code, is enough.",
        "List the subdomains that need it, if they are known.",
    ),
    _OriginRule(
        "CORS107",
        lambda origin: origin.is_exact and _is_web(origin) and shared_hosting_suffix(origin.host) is not None,
        "{origin} has its name from a hosting service: once it is given up, anyone can take it.",
        "Use a domain of your own, or remove the entry when you give the name up.",
    ),
    _OriginRule(
        "CORS108",
        lambda origin: origin.any_port and not is_loopback(origin.host),
        "{origin} trusts whatever listens on any port of that host, such as {sample}.",
        "Name the port, or leave it out for the scheme's own.",
    ),
)


def _origin(policy: _Written) -> Iterator[Finding]:
    for rule, origin in product(_ORIGIN_RULES, policy.origins):
        if rule.applies(origin):
            names = {
                "origin": quoted(str(origin)),
                "host": origin.host,
                "sample": repr(origin.sample),  # whole, however long: half a proof is none
                "secure": quoted(f"https{str(origin)[4:]}"),
            }
            yield policy.found(rule.code, origin, rule.message.format(**names), rule.hint.format(**names))


def _is_web(origin: OriginPattern) -> bool:
    return origin.scheme in ("http", "https")


def _development(policy: _Written) -> Iterator[Finding]:
    if policy.development:
        return
    found: list[tuple[object, str, str]] = [
        (origin, quoted(str(origin)), origin.sample)
        for origin in policy.origins
        if _is_web(origin) and is_of_development(origin.host)
    ]
    found += [
        (regex, quoted(regex.pattern), about.development)
        for regex, about in policy.regexes
        if about.development is not None
    ]
    for subject, shown, sample in found:
        yield policy.found(
            "CORS109",
            subject,
            f"{shown} belongs to development, and this server is not: whatever runs at {sample!r}, on a visitor's "
            "machine or network, is trusted.",
            "Keep it to the settings of development."
            if policy.spec.tenant is None
            else "Disable or remove it wherever others reach the server.",
        )


def _lookalike(policy: _Written) -> Iterator[Finding]:
    for origin in policy.origins:
        for label in origin.host.split("."):
            read = _from_punycode(label)
            scripts = _scripts(read)
            if len(scripts) > 1 and not any(scripts <= mixed for mixed in _MIXED_BY_A_LANGUAGE):
                yield policy.found(
                    "CORS113",
                    origin,
                    f"{quoted(label)} reads {quoted(read)} and mixes {' and '.join(sorted(scripts))} letters.",
                    "Make sure that it is the host you mean: names that only look like another mix scripts.",
                )


def _from_punycode(label: str) -> str:
    if not label.startswith("xn--"):
        return ""
    try:
        return label.removeprefix("xn--").encode().decode("punycode")
    except UnicodeError:  # encodes nothing; no browser sends it
        return ""


def _scripts(text: str) -> frozenset[str]:
    letters = (char for char in text if unicodedata.category(char)[0] == "L")
    return frozenset(unicodedata.name(letter, "UNKNOWN").split()[0] for letter in letters) - {"MODIFIER"}


def _shadowed(policy: _Written) -> Iterator[Finding]:
    wide = {origin for origin in policy.origins if not origin.is_exact}
    seen: set[object] = set()
    entries: list[tuple[object, object]] = [(star, star) for star in policy.stars]
    entries += [(origin, origin) for origin in policy.origins]
    entries += [((regex.pattern, regex.flags), regex) for regex, _ in policy.regexes]
    for key, entry in entries:
        wider = _covering(policy, entry, wide) if isinstance(entry, OriginPattern) else None
        if policy.stars and entry != policy.stars[0]:
            wider = policy.stars[0]
        if key in seen or wider is not None:
            why = "is listed twice" if key in seen else f"is covered by {quoted(wider)} already"
            hint = "Remove it, or the wider one if this is all that is meant."
            yield policy.found(
                "CORS114", entry, f"{quoted(_shown(entry))} {why}.", "Remove it." if key in seen else hint
            )
        seen.add(key)


def _covering(policy: _Written, origin: OriginPattern, wide: set[OriginPattern]) -> str | None:
    """Give the wildcard or regex that lets all of an origin through, or None."""
    for wider in origin.wider():
        if wider in wide:
            return str(wider)
    for regex, about in policy.regexes:
        if origin.is_exact and about.growth is None and regex.fullmatch(str(origin)):
            return regex.pattern
    return None


# --- regexes -------------------------------------------------------------------------------------------------------


def _broken_regex(policy: _Written) -> Iterator[Finding]:
    for written, message in policy.broken:
        yield policy.found("CORS201", written, message, "Correct it; as it is it matches nothing.")


@dataclass(frozen=True, slots=True)
class _RegexRule:
    """A rule that a witness proves; ``message`` names it as {}, and a better regex may follow the hint."""

    code: str
    witness: Callable[[Examination], Witness | None]
    message: str
    hint: str


_REGEX_RULES = (
    _RegexRule(
        "CORS202",
        lambda about: about.unescaped_dot,
        "lets {} through, since an unescaped dot stands for any character",
        r"Write \. for a dot",
    ),
    _RegexRule(
        "CORS203",
        lambda about: about.open_domain,
        "lets {} through, which anyone can register",
        "Write the domain out, with its dots escaped and a dot before it",
    ),
    _RegexRule(
        "CORS204",
        lambda about: about.any_scheme,
        "lets {} through, which anyone on the way to it can rewrite",
        "Begin it with https:// alone",
    ),
    _RegexRule(
        "CORS206",
        lambda about: about.unanchored,
        "would let {} through if it were matched by its beginning alone, as elsewhere; here it is matched whole",
        "If that is what you mean, say so with a $ at its end",
    ),
)
_LONGEST_INSTEAD = 200  # characters that quoted() shows: half a regex is no advice


def _regex(policy: _Written) -> Iterator[Finding]:
    for rule, (regex, about) in product(_REGEX_RULES, policy.regexes):
        witness = rule.witness(about)
        if witness is not None:
            message = f"{quoted(regex.pattern)} {rule.message.format(repr(witness.origin))}."
            instead = witness.instead or ""
            shown = f": {quoted(instead)}." if 0 < len(instead) <= _LONGEST_INSTEAD else "."
            yield policy.found(rule.code, regex, message, rule.hint + shown)


def _slow_regex(policy: _Written) -> Iterator[Finding]:
    for regex, about in policy.regexes:
        if (growth := about.growth) is not None:
            (few, quick), (many, slow) = growth.shorter, growth.longer
            yield policy.found(
                "CORS205",
                regex,
                f"{quoted(regex.pattern)} takes {'exponential' if growth.exponential else 'polynomial'} time for "
                f"{growth.shape}: {quick * 1000:.1f} ms for n = {few} and {slow * 1000:.1f} ms for n = {many}.",
                "Leave only one way to match each part, with no repeat within a repeat, such as [a-z0-9-]+ for a "
                "label; or list patterns such as 'https://*.example.com' instead.",
                grave=growth.exponential,
            )


# --- methods, headers and the rest ---------------------------------------------------------------------------------

_BROWSERS_KEEP = {"Chromium": 7200, "Firefox": 86400}  # seconds
_SECRET_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "set-cookie", "set-cookie2"})
_SECRET_WORDS = ("csrf", "xsrf", "session")


def _star(policy: _Written) -> Iterator[Finding]:
    headers = [name.lower() for name in _texts(policy.spec.allow_headers)]
    if not policy.credentials:
        if "*" in headers and "authorization" not in headers:
            yield policy.found(
                "CORS302",
                policy.setting("allow_headers"),
                "The allowed headers are '*', which does not stand for Authorization; browsers differ on it.",
                "List 'authorization' beside the '*' if requests carry it.",
            )
        return
    for field in ("allow_methods", "allow_headers", "expose_headers"):
        if "*" in _texts(getattr(policy.spec, field)):
            yield policy.found(
                "CORS301",
                policy.setting(field),
                f"{policy.setting(field)} holds '*', which with credentials stands for something named '*' alone.",
                "List the names.",
            )


def _header(policy: _Written) -> Iterator[Finding]:
    faults = [(name, _request_header_fault(name)) for name in _entries(policy.spec.allow_headers)]
    faults += [(name, _token_fault(name)) for name in _entries(policy.spec.expose_headers)]
    for name, fault in faults:
        if fault is not None:
            yield policy.found("CORS303", name, f"{_shown(name)!r} {fault}.", "Remove it.")


def _token_fault(name: object) -> str | None:
    return None if is_token(name) else "is no header name: those are made of letters, digits and !#$%&'*+-.^_`|~"


def _request_header_fault(name: object) -> str | None:
    if not isinstance(name, str) or not is_token(name):
        return _token_fault(name)
    if is_forbidden_request_header(name):
        return "is a header that browsers set themselves and no script can"
    return "is a header of responses, not of requests" if name.lower() in RESPONSE_ONLY_HEADERS else None


def _method(policy: _Written) -> Iterator[Finding]:
    for name in _entries(policy.spec.allow_methods):
        shown = repr(_shown(name))
        if not isinstance(name, str) or not is_token(name):
            yield policy.found("CORS304", name, f"{shown} is no method name.", "Remove it.")
        elif name.upper() in FORBIDDEN_METHODS:
            yield policy.found("CORS304", name, f"{shown} is a method that no script can send.", "Remove it.")
        elif name != name.upper() and name.upper() not in SAFELISTED_METHODS:
            yield policy.found(
                "CORS305",
                name,
                f"{shown} is not the method {name.upper()[:_SHOWN]!r}: methods are compared with their case.",
                f"Write {name.upper()[:_SHOWN]!r}.",
            )


def _max_age(policy: _Written) -> Iterator[Finding]:
    written = policy.spec.preflight_max_age
    if not isinstance(written, int):
        return
    capping = [f"{browser} {seconds}" for browser, seconds in _BROWSERS_KEEP.items() if written > seconds]
    if capping:
        yield policy.found(
            "CORS307",
            policy.setting("preflight_max_age"),
            f"Browsers keep a preflight for less than {_shown(written)} seconds: {', '.join(capping)}.",
            f"Write {min(_BROWSERS_KEEP.values())}, or know that it is cut.",
        )


def _exposed(policy: _Written) -> Iterator[Finding]:
    for name in _texts(policy.spec.expose_headers):
        lower = name.lower()
        if lower in ("set-cookie", "set-cookie2"):
            message = "is never shown to scripts, whatever is exposed"
        elif lower in _SECRET_HEADERS or any(word in lower for word in _SECRET_WORDS):
            message = "carries a secret that scripts of other origins could read"
        else:
            continue
        yield policy.found("CORS309", name, f"{_shown(name)!r} {message}.", "Remove it.")


def _private_network(policy: _Written) -> Iterator[Finding]:
    if policy.spec.allow_private_network:
        yield policy.found(
            "CORS310",
            policy.setting("allow_private_network"),
            "Access-Control-Allow-Private-Network is obsolete: browsers ask the visitor instead, and those that still "
            "heed it let the allowed origins reach into the network that this server stands in.",
            "Switch it off.",
            grave=bool(policy.stars) or any(about.any_origin for _, about in policy.regexes),
        )


_CHECKS: tuple[Callable[[_Written], Iterator[Finding]], ...] = (
    _any_origin,
    _refused,
    _null_regex,
    _origin,
    _development,
    _lookalike,
    _shadowed,
    _broken_regex,
    _regex,
    _slow_regex,
    _star,
    _header,
    _method,
    _max_age,
    _exposed,
    _private_network,
)
