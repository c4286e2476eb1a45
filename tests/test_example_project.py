"""What the audit finds in the example project: nothing as it is shipped, something of each kind where it is broken."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PREPARE = """
import django
from django.core.management import call_command
django.setup()
from example_project.sites import both, load_policies
call_command("migrate", verbosity=0)
load_policies(both(8000, 8001, 8002))
call_command("cors_audit", "--fail-level", "medium")
"""


def run_python(folder, *args):
    """Run Python on the example project, with a database in this folder."""
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": f"sqlite:///{folder / 'example.sqlite3'}",
        "DJANGO_SETTINGS_MODULE": "example_project.settings",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-W", "error", *args]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Give a way to run Python on the example project, with one database."""
    return partial(run_python, tmp_path_factory.mktemp("example"))


@pytest.fixture(scope="module")
def shipped(run):
    """Audit it with the data that the demo makes."""
    return run("-c", PREPARE)


def test_the_example_project_is_clean_as_it_is_shipped(shipped):
    assert (shipped.returncode, shipped.stderr) == (0, "")
    assert shipped.stdout.startswith("No findings.\n")
    assert "2 stored policies" in shipped.stdout


def test_the_insecure_settings_show_each_family_of_rules(shipped, run):
    insecure = ("--settings", "example_project.settings_insecure", "--probe", "--max-requests", "1000")
    done = run("-m", "django", "cors_audit", "--format", "json", *insecure)
    assert done.returncode == 1
    found = {(finding["code"], finding["severity"]) for finding in json.loads(done.stdout)["findings"]}
    assert {code[4] for code, _ in found} == {"1", "2", "3", "4", "5", "6"}
    assert {
        ("CORS105", "critical"),
        ("CORS203", "critical"),
        ("CORS301", "medium"),
        ("CORS402", "high"),
        ("CORS506", "medium"),
        ("CORS602", "high"),
    } <= found
