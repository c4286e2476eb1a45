import pytest

from django_cors_policy import middleware, selection
from django_cors_policy.store import store


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch):
    """Let every test begin as a process that has just started, and start no thread behind its back."""
    threads = []
    monkeypatch.setattr(store, "_run_thread", threads.append)
    monkeypatch.setattr(middleware, "_denials", middleware._Denials())
    monkeypatch.setattr(selection, "_complained_at", float("-inf"))
    store.reset()
    yield threads
    store.reset()


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
