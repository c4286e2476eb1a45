"""The rules that somebody names, by code, by number or by slug."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from django_cors_policy.cors import quoted
from django_cors_policy.cors.lint import Rule


class UnknownName(ValueError):  # noqa: N818 -- it is the name that is unknown
    """A name that nothing has, and the nearest that something has."""


_FEW = 8


def unknown(kind: str, name: str, known: Iterable[str]) -> UnknownName:
    """Make the error for a name, with the nearest of those that there are, or with all of a few."""
    names = list(known)
    near = get_close_matches(name, names, 1) or [found for found in names if found.lower() == name.lower()]
    if near:
        meant = f"did you mean {quoted(near[0])}?"
    else:  # there are many rules, and of nothing else
        meant = f"there are {', '.join(names)}" if len(names) <= _FEW else "--list-rules names them all"
    return UnknownName(f"no {kind} is called {quoted(name)}; {meant}")


def code_of(name: str, rules: Iterable[Rule]) -> str | None:
    """Give the code of the rule that is called so, ``CORS105``, ``105`` or ``public-suffix-wildcard``, or None."""
    asked = name.strip().upper()
    for rule in rules:
        if asked in (rule.code, rule.code.removeprefix("CORS"), rule.slug.upper()):
            return rule.code
    return None


def codes_of(names: Iterable[str], rules: Sequence[Rule]) -> set[str]:
    """Give the codes of rules by what people call them. Raises UnknownName."""
    codes = set()
    for name in names:
        code = code_of(name, rules)
        if code is None:
            known = [text for rule in rules for text in (rule.code, rule.slug)]
            raise unknown("rule", name.strip(), known)
        codes.add(code)
    return codes
