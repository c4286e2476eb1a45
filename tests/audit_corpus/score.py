"""The sum over the corpus, printed at the end; in tests/conftest.py, for under xdist pytest loads no other then."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much of what is there was found, and how much of what was found is there, over all projects that ran."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    # Properties travel with the reports, from the workers of xdist too.
    ran = [value for report in reports for key, value in report.user_properties if key == "corpus"]
    if not ran:
        return
    there = found = both = 0
    for _, expected, reported in ran:
        there += len(expected)
        found += len(reported)
        both += sum(min(expected.count(row), reported.count(row)) for row in set(expected))
    recall, precision = (f"{100 * both / whole:.1f} %" if whole else "of nothing" for whole in (there, found))
    terminalreporter.write_line(
        f"audit corpus, projects: {len(ran)}; recall {recall} of {there} findings, precision {precision} of {found}"
    )
