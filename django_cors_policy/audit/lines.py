"""Where a finding stands: the line of the settings' file that names it."""

import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from django.conf import settings

from django_cors_policy.cors.lint import Finding


@dataclass(frozen=True, slots=True)
class Place:
    """A file, relative to the working directory where it lies below, and a line in it."""

    path: str
    line: int

    @property
    def uri(self) -> str:
        return quote(self.path)


def place_of(found: Finding) -> Place | None:
    """Give the settings module's line that holds the subject; its first where none does, None without a module."""
    module = getattr(settings, "SETTINGS_MODULE", None)
    path = _file(module) if isinstance(module, str) else None
    if path is None:
        return None
    names = [found.subject] if found.tenant is None else []
    return Place(_shown(path), _line(path, names))


def _file(module: str) -> Path | None:
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin else None


def _shown(path: Path) -> str:
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.as_posix()


@cache
def _lines(path: Path) -> tuple[str, ...]:
    try:
        return tuple(path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeError):
        return ()


def _line(path: Path, names: list[str]) -> int:
    for name in names:
        word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        for number, line in enumerate(_lines(path), 1):
            if word.search(line) and not line.lstrip().startswith("#"):
                return number
    return 1
