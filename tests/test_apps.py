"""The app in projects of other make."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

from django_cors_policy import middleware

ROOT = Path(__file__).parent.parent

BARE = """
import django
from django.conf import settings
settings.configure(
    SECRET_KEY="x", ROOT_URLCONF="tests.empty_urls", INSTALLED_APPS={apps!r}, USE_TZ=True,
    MIDDLEWARE=["django_cors_policy.middleware.CorsMiddleware"],
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}},
)
django.setup()
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
get_wsgi_application()
call_command("migrate", verbosity=0)
call_command("check", databases=["default"])
call_command("cors_audit")
"""


@pytest.mark.parametrize(
    ("installed", "code", "said"),
    [
        (["django_cors_policy"], 0, "No findings."),
        ([], 1, 'add "django_cors_policy" to INSTALLED_APPS'),
    ],
)
def test_the_app_needs_no_other_and_its_middleware_says_that_it_needs_the_app(installed, code, said):
    script = [sys.executable, "-W", "error", "-c", BARE.format(apps=installed)]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, said in done.stdout + done.stderr) == (code, True), done.stderr


def test_the_middleware_refuses_to_be_imported_without_the_app(monkeypatch):
    monkeypatch.setattr(apps, "is_installed", lambda name: False)
    with pytest.raises(ImproperlyConfigured, match="INSTALLED_APPS"):
        importlib.reload(middleware)
