"""What each rule is about: its section of rules.rst, which is a chapter of the README too."""

import re
from functools import cache
from importlib.resources import files


@cache
def sections() -> dict[str, str]:
    """Give the text of each rule's section, title included, by its code."""
    text = files(__package__).joinpath("rules.rst").read_text(encoding="utf-8")
    parts = (part.strip() for part in re.split(r"^(?=CORS[0-9]{3} )", text, flags=re.MULTILINE))
    return {part[:7]: part for part in parts if part}
