"""What each rule is about: its section of rules.rst, which is a chapter of the README too."""

import re
from difflib import get_close_matches
from functools import cache
from importlib.resources import files

from django_cors_policy.cors import quoted


class UnknownRule(ValueError):  # noqa: N818 -- it is the rule that is unknown
    """A name that no rule has, and the nearest that one has."""


@cache
def sections() -> dict[str, str]:
    """Give the text of each rule's section, title included, by its code."""
    text = files(__package__).joinpath("rules.rst").read_text(encoding="utf-8")
    parts = (part.strip() for part in re.split(r"^(?=CORS[0-9]{3} )", text, flags=re.MULTILINE))
    return {part[:7]: part for part in parts if part}


def explain(name: str) -> str:
    """Give the section of the rule with this code (``CORS105``), number (``105``) or slug. Raises UnknownRule."""
    codes: dict[str, str] = {}
    for code, text in sections().items():
        slug = text.split(maxsplit=2)[1]
        codes |= {code: code, code.removeprefix("CORS"): code, slug.upper(): code}
    asked = name.strip().upper()
    if asked in codes:
        return sections()[codes[asked]]
    near = get_close_matches(asked, codes, 1)
    meant = f"; did you mean {quoted(codes[near[0]])}?" if near else "; --list-rules names them all"
    raise UnknownRule(f"no rule is called {quoted(name)}{meant}")
