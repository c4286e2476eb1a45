"""Where reports go: files, each with its format."""

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from django_cors_policy.audit.formats import FORMATS
from django_cors_policy.audit.naming import unknown
from django_cors_policy.cors import quoted


class UnusableOutput(ValueError):  # noqa: N818 -- it is the output that is unusable
    """A file that is not named as it should be, or that cannot be written."""


@dataclass(frozen=True, slots=True)
class Output:
    """A file that gets the report in one of FORMATS."""

    format: str
    path: str


def format_called(name: str) -> str:
    """Give a format's name as it is written. Raises UnknownName."""
    if name not in FORMATS:
        raise unknown("format", name, FORMATS)
    return name


def outputs(written: Iterable[str]) -> list[Output]:
    """Read FORMAT=FILE, several of them. Raises UnknownName, UnusableOutput."""
    found = []
    for text in written:
        name, sign, path = text.partition("=")
        if not sign or not path:
            raise UnusableOutput(f"--output takes FORMAT=FILE, such as sarif=cors.sarif, and not {quoted(text)}")
        found.append(Output(format_called(name), path))
    return found


def write_whole(path: str, text: str) -> None:
    """Write a file so that it holds either what it held or all of the text. Raises UnusableOutput."""
    write_pieces(path, [text if text.endswith("\n") else text + "\n"])


def write_pieces(path: str, pieces: Iterable[str]) -> None:
    """Write a file of any size, as write_whole() does. Raises UnusableOutput, and what the pieces raise."""
    try:
        target = os.path.realpath(path)  # a link stays one
        if os.path.exists(target) and not os.path.isfile(target):
            with open(target, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
                file.writelines(pieces)  # a pipe, a terminal
        else:
            _replace(target, pieces)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise UnusableOutput(f"{quoted(path)} cannot be written: {why}") from error


def _replace(path: str, pieces: Iterable[str]) -> None:
    descriptor, temporary = tempfile.mkstemp(prefix=".cors_policy-", dir=os.path.dirname(path))
    try:
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.writelines(pieces)
        # mkstemp's files are its owner's alone; a report is as readable as whatever else the process writes.
        os.chmod(temporary, _mode(path))
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _mode(path: str) -> int:
    """Give the mode of the file that is replaced, or the one that a new file gets."""
    with suppress(OSError):
        return os.stat(path).st_mode & 0o777
    mask = os.umask(0o077)  # which can only be read by setting it
    os.umask(mask)
    return 0o666 & ~mask
