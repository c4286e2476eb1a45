"""A probe of the example project as it is shipped, by all the requests that it may send, bounded by the clock."""

import re
from time import monotonic

from tests.test_example_project import PREPARE, run_python


def test_a_full_probe_of_the_example_project_is_clean_and_takes_30_seconds_at_most(tmp_path):
    prepared = run_python(tmp_path, "-c", PREPARE)
    assert prepared.returncode == 0, prepared.stderr
    start = monotonic()
    done = run_python(tmp_path, "-m", "django", "cors_audit", "--probe", "--fail-level", "info")
    seconds = monotonic() - start
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("No findings.\n")
    assert int(re.search(r"^Sent: ([0-9]+) requests", done.stdout, re.MULTILINE)[1]) > 15_000
    assert seconds < 30
