"""Settings that resolve the findings with one mechanical answer, as text to paste below the others."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, cast

from django.conf import settings
from django.utils.module_loading import import_string

from django_cors_policy import conf
from django_cors_policy.cors import PatternError, PolicySpec, parse_pattern
from django_cors_policy.cors.lint import Finding, lint
from django_cors_policy.middleware import CorsMiddleware

_ORIGINS, _REGEXES, _METHODS = "CORS_ALLOWED_ORIGINS", "CORS_ALLOWED_ORIGIN_REGEXES", "CORS_ALLOW_METHODS"
_FIELDS = {_ORIGINS: "allowed_origins", _REGEXES: "allowed_origin_regexes", _METHODS: "allow_methods"}
_WHY = {_ORIGINS: "CORS111, CORS114", _REGEXES: "CORS114, CORS206", _METHODS: "CORS305"}
# The rules whose hint is to move the middleware to the top.
_MOVED = frozenset({"CORS402", "CORS403", "CORS404", "CORS406"})
_OURS = f"{CorsMiddleware.__module__}.{CorsMiddleware.__qualname__}"

NOTHING = "# No finding here has one mechanical answer."


def snippet(findings: Iterable[Finding]) -> str:
    """Give Python for the end of the settings' file; it changes nothing by itself.

    Stored policies are left to the admin, and whatever needs a decision to the reader of the report.
    """
    found = [finding for finding in findings if finding.tenant is None]
    assigned: dict[str, Any] = {}
    blocks = [*_renamed(found, assigned), *_policy(found, assigned), *_moved(found)]
    if not blocks:
        return NOTHING
    imports = ["import re"] if any("re.compile(" in block for block in blocks) else []
    return "\n\n".join([*imports, *blocks])


# --- names


def _renamed(found: Iterable[Finding], assigned: dict[str, Any]) -> Iterator[str]:
    for finding in found:
        right = re.fullmatch(r"Rename it to (CORS_\w+)\.", finding.hint)
        if finding.rule.code != "CORS115" or right is None:
            continue
        name = right[1]
        if name in assigned or hasattr(settings, name):
            yield f"# CORS115: {finding.subject} is not read, and {name} is set too: merge the two by hand."
            continue
        assigned[name] = getattr(settings, finding.subject)
        yield f"# CORS115: nobody reads {finding.subject}.\n{name} = {finding.subject}\ndel {finding.subject}"


# --- the policy


def _policy(found: Iterable[Finding], assigned: dict[str, Any]) -> Iterator[str]:
    codes = {finding.rule.code for finding in found}
    spec = conf.current().spec
    renamed = {field: tuple(assigned[name]) for name, field in _FIELDS.items() if isinstance(assigned.get(name), list)}
    spec = replace(spec, **cast("dict[str, Any]", renamed))
    better = spec
    if "allowed_origins" in renamed or "CORS111" in codes:
        better = replace(better, allowed_origins=tuple(map(_canonical, better.allowed_origins)))
    if "allowed_origin_regexes" in renamed or "CORS206" in codes:
        better = replace(better, allowed_origin_regexes=tuple(map(_anchored, better.allowed_origin_regexes)))
    if "allow_methods" in renamed or "CORS305" in codes:
        better = replace(better, allow_methods=tuple(dict.fromkeys(map(_upper, better.allow_methods))))
    if renamed or codes & {"CORS111", "CORS114", "CORS206"}:
        better = _without_shadowed(better)
    for name, field in _FIELDS.items():
        if getattr(better, field) != getattr(spec, field):
            yield f"# {_WHY[name]}\n{name} = {_listed(getattr(better, field))}"


def _canonical(entry: object) -> object:
    """Give the spelling that browsers send; what is malformed otherwise needs somebody who knows what was meant."""
    try:
        parse_pattern(entry)
    except PatternError as error:
        if _has(PolicySpec(allowed_origins=(entry,)), "CORS111"):
            return error.canonical
    return entry


def _anchored(entry: object) -> object:
    if not isinstance(entry, (str, re.Pattern)) or not _has(PolicySpec(allowed_origin_regexes=(entry,)), "CORS206"):
        return entry
    pattern = _text(entry)
    text = f"(?:{pattern})$" if "|" in pattern else f"{pattern}$"
    better: object = text
    try:
        compiled = re.compile(text, entry.flags if isinstance(entry, re.Pattern) else 0)
    except re.error:  # such as flags that have to stand at the beginning
        return entry
    if isinstance(entry, re.Pattern):
        better = compiled
    return entry if _has(PolicySpec(allowed_origin_regexes=(better,)), "CORS206") else better


def _upper(method: object) -> object:
    if isinstance(method, str) and _has(PolicySpec(allow_methods=(method,)), "CORS305"):
        return method.upper()
    return method


def _has(spec: PolicySpec, code: str) -> bool:
    return any(found.rule.code == code for found in lint(spec))


def _without_shadowed(spec: PolicySpec) -> PolicySpec:
    """Take out what is listed twice, and what another entry covers."""
    origins = _unique(spec.allowed_origins)
    regexes = _unique(spec.allowed_origin_regexes)
    spec = replace(spec, allowed_origins=origins, allowed_origin_regexes=regexes)
    covered = {found.subject for found in lint(spec) if found.rule.code == "CORS114"}
    # Only a * covers a regex; and an origin may have the text of the regex that covers it.
    if spec.allow_all_origins or "*" in origins:
        regexes = tuple(entry for entry in regexes if _text(entry) not in covered)
    return replace(
        spec,
        allowed_origins=tuple(entry for entry in origins if entry not in covered),
        allowed_origin_regexes=regexes,
    )


def _unique(entries: Iterable[object]) -> tuple[object, ...]:
    seen: set[object] = set()
    left = []
    for entry in entries:
        if isinstance(entry, (str, re.Pattern)):
            key = (_text(entry), entry.flags & ~re.UNICODE if isinstance(entry, re.Pattern) else 0)
            if key in seen:
                continue
            seen.add(key)
        left.append(entry)
    return tuple(left)


def _text(entry: object) -> str:
    return str(entry.pattern) if isinstance(entry, re.Pattern) else str(entry)


# --- the stack


def _moved(found: Iterable[Finding]) -> Iterator[str]:
    codes = sorted({finding.rule.code for finding in found} & _MOVED)
    missing = any(finding.rule.code == "CORS401" and finding.subject == "MIDDLEWARE" for finding in found)
    if not codes and not missing:
        return
    own = next((path for path in settings.MIDDLEWARE if _is_own(path)), _OURS)
    others = list(settings.MIDDLEWARE)
    if own in others:
        others.remove(own)
    yield f"# {', '.join(codes or ['CORS401'])}\nMIDDLEWARE = {_listed([own, *others])}"


def _is_own(path: object) -> bool:
    try:
        middleware = import_string(str(path))
    except Exception:  # noqa: BLE001 -- Django itself says so when it starts
        return False
    return isinstance(middleware, type) and issubclass(middleware, CorsMiddleware)


# --- text


def _listed(values: Iterable[object]) -> str:
    """Give a list with one entry on a line."""
    return "".join(["[\n", *(f"    {_written(value)},\n" for value in values), "]"])


def _written(value: object) -> str:
    if isinstance(value, re.Pattern):  # whose repr is cut
        flags = value.flags & ~re.UNICODE
        return f"re.compile({value.pattern!r}{f', {flags}' if flags else ''})"
    return repr(value)
