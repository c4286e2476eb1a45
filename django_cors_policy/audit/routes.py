"""Which paths a project has: read from its URLconf."""

import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles import finders
from django.urls import Resolver404, URLResolver, get_resolver, resolve

from django_cors_policy.cors import quoted

_MOST = 5000  # routes that are looked at
_PLAIN = re.compile(r"[\w/.~-]*")


class UnknownPath(ValueError):  # noqa: N818 -- it is the path that is unknown
    """A path that no route matches, and the nearest that one does."""


def paths(argument: str | None = None) -> list[str]:
    """Give the paths of the routes that need no argument, or of those that need this one alone.

    Raises whatever importing the URLconf raises.
    """
    routes = islice(_walk(get_resolver().url_patterns, "", argument), _MOST)
    return [path for path in dict.fromkeys(f"/{path}" for path in routes) if resolves(path)]


def left_out(asked: Iterable[str]) -> tuple[int, int]:
    """Give how many routes none of these paths leads to, and how many there are. Each path has to have a route."""
    total = sum(1 for _ in islice(_leaves(get_resolver().url_patterns), _MOST))
    return max(total - len({resolve(path).route for path in asked}), 0), total


def known(path: str) -> str:
    """Give a path that a route matches. Raises UnknownPath."""
    if not resolves(path):
        near = get_close_matches(path, paths(), 1)
        meant = f"; did you mean {quoted(near[0])}?" if near else ""
        raise UnknownPath(f"no route matches {quoted(path)}{meant}")
    return path


def static_path() -> str | None:
    """Give the path of a static file of this project, where this server may be asked for one."""
    prefix = settings.STATIC_URL
    if not prefix or "//" in prefix or not apps.is_installed("django.contrib.staticfiles"):
        return None
    files = (path for finder in finders.get_finders() for path, _ in finder.list([]))
    name = next(files, None)
    return None if name is None else f"/{prefix.lstrip('/')}{name}"


def resolves(path: str) -> bool:
    """Tell whether a route matches a path."""
    try:
        resolve(path)
    except Resolver404:
        return False
    return True


def _leaves(patterns: Sequence[Any]) -> Iterator[Any]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _leaves(pattern.url_patterns)
        else:
            yield pattern


def _walk(patterns: Sequence[Any], before: str, argument: str | None) -> Iterator[str]:
    for pattern in patterns:
        text = _text(pattern)
        if text is None:
            continue
        path = before + text
        if path.count("{}") > (argument is not None):
            continue
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path, argument)
        elif ("{}" in path) == (argument is not None):
            yield path.replace("{}", argument or "")


def _text(pattern: Any) -> str | None:
    """Give a route's own part as plain text, {} for an argument; None where it is not that simple."""
    text = re.sub(r"<[^>]+>", "{}", str(pattern.pattern))
    # Of a regex, what stands for itself.
    plain = re.sub(r"^(\(\?[a-z]+\))?\^?|\\Z$|\$$", "", text).replace("\\.", ".")
    return plain if _PLAIN.fullmatch(plain.replace("{}", "")) else None
