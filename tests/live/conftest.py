"""Server processes on a real database server.

These tests run when they are asked for by name: ``pytest tests/live``, with DATABASE_URL. Then a database server or a
program that is missing is a failure.
"""

from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    asked = [Path(arg.partition("::")[0]).resolve() for arg in config.args]
    return None if any(path == HERE or HERE in path.parents for path in asked) else True
