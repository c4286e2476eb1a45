"""What the measurements need of the machine; what is not there is said in one line."""

import shutil
from importlib.util import find_spec


class NeedError(Exception):
    """Something is not there; the message says what, and where it comes from."""


def need_package(name: str) -> None:
    if find_spec(name) is None:
        raise NeedError(f"{name} is not installed: python -m pip install .[benchmarks]")


def need_program(name: str) -> None:
    if shutil.which(name) is None:
        raise NeedError(f"{name} is not on the path; Debian's package is called {name}")
