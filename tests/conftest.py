import pytest
from django.conf import settings
from django.db import Error, connection

from django_cors_policy import middleware, reading, selection
from django_cors_policy.blocked import recorder
from django_cors_policy.store import store
from tests.audit_corpus.score import pytest_terminal_summary  # noqa: F401 -- a hook


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_blocker):
    """Say it once, in one line, where the database server is not there."""
    if connection.vendor != "sqlite":
        try:
            with django_db_blocker.unblock():
                connection.ensure_connection()
        except Error as error:
            name = settings.DATABASES["default"]
            pytest.exit(f"no database at {name['HOST']}:{name['PORT']} (DATABASE_URL): {error}", returncode=1)
        finally:
            connection.close()


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch):
    """Let every test begin as a process that has just started, and start no thread behind its back."""
    threads = []
    monkeypatch.setattr(store, "_run_thread", threads.append)
    monkeypatch.setattr(reading, "WAIT", 60.0)  # a machine that stands still for two seconds is no outage
    reading._stored.cache_clear()  # it knows the tables by the names that a test may have given them
    monkeypatch.setattr(middleware, "_denials", middleware._Denials())
    monkeypatch.setattr(selection, "_complained_at", float("-inf"))
    monkeypatch.setattr(recorder, "_run_thread", lambda target: None)
    store.reset()
    recorder.reset()
    yield threads
    store.reset()
    recorder.reset()


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self, now=1000.0):
        self.now = now

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


@pytest.fixture
def clock():
    return Clock()
