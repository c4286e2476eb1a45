"""What the audit finds in each project of the corpus is what has to be found there: no finding less, and none more."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from django.test import override_settings

from django_cors_policy.audit import RULES
from tests import settings as tests_settings
from tests.audit_corpus import startproject
from tests.audit_corpus.auditing import (
    NAMES,
    arguments,
    audited,
    expected,
    findings,
    project,
    settings_module,
    settings_of,
)

ROOT = Path(__file__).parent.parent.parent
FOR_REAL = [name for name in NAMES if getattr(project(name), "FOR_REAL", False)]
IN_PROCESS = [name for name in NAMES if name not in FOR_REAL]


def is_clean(name):
    return {row.split()[1] for row in expected(name)} <= {"low", "info"}


def is_probed(name):
    return hasattr(project(name), "PROBE")


@pytest.fixture(scope="module", autouse=True)
def started():
    """Put what startproject writes in force, and make importable what projects use and the tests do not install."""
    with pytest.MonkeyPatch.context() as patch, override_settings(**settings_of(startproject)):
        patch.syspath_prepend(Path(__file__).parent / "packages")
        yield


@pytest.fixture
def judge(record_property):
    """Give a way to compare what was found with what has to be; the summary of all is printed at the end."""

    def judge(name, report):
        found = findings(report)
        record_property("corpus", [name, expected(name), found])
        missed, wrong = Counter(expected(name)) - Counter(found), Counter(found) - Counter(expected(name))
        messages = [f"{row['code']} {row['subject']}: {row['message']}" for row in report["findings"]]
        assert (sorted(missed), sorted(wrong)) == ([], []), f"missed, and wrong; of {messages}"

    return judge


def in_a_process(name, folder):
    """Audit a project as people do; give the report."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", "cors_audit", *arguments(name)],
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": settings_module(name),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(ROOT),
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return json.loads(done.stdout)


# --- each project


@pytest.mark.django_db
@pytest.mark.parametrize("name", IN_PROCESS)
def test_a_project_has_what_is_expected_and_nothing_else(name, judge):
    judge(name, audited(name))


@pytest.mark.parametrize("name", FOR_REAL)
def test_a_project_with_databases_of_its_own_has_what_is_expected_and_nothing_else(name, judge, tmp_path):
    judge(name, in_a_process(name, tmp_path))


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["moved_from_cors_headers"])
def test_a_process_of_its_own_finds_the_same(name, tmp_path):
    assert in_a_process(name, tmp_path) == audited(name)


# --- the corpus itself


def test_it_is_as_large_as_it_should_be():
    clean = [name for name in NAMES if is_clean(name)]
    assert len(NAMES) >= 60
    assert len(clean) >= 15
    probed = {name for name in clean if is_probed(name)}
    assert len(probed) >= 5
    assert probed >= {"wildcards", "public_data", "tenants_share_an_origin"}


def test_every_rule_is_triggered_by_a_project():
    triggered = {row.split()[0] for name in NAMES for row in expected(name)}
    assert {rule.code for rule in RULES} - triggered == set()


def test_what_a_project_expects_is_in_order_and_possible():
    severities = {rule.code: rule.severities for rule in RULES}
    for name in NAMES:
        assert expected(name) == sorted(expected(name)), name
        for row in expected(name):
            code, severity = row.split()
            assert severity in severities[code], (name, row)


def test_no_setting_of_the_tests_own_reaches_a_project():
    own = {name for name in vars(tests_settings) if name.isupper()}
    assert own <= {name for name in vars(startproject) if name.isupper()}
