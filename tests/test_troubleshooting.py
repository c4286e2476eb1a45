"""What the README says of the console's messages is what a browser says of these answers."""

import re

import pytest

from django_cors_policy.cors import Answer, FetchRequest, browse
from tests.test_readme import section

PAGE = "https://app.example.com"
CASES = re.findall(
    r"^``([^`]+)``\n\n(?:[^\n]+\n)*?[^\n]* ::\n\n((?: {4}[<>].*\n)+)", section("What the console says"), re.M
)


def read(block):
    """Give the fetch and the answers that a block tells."""
    asked = re.findall(r"^ +> (.*)$", block, re.MULTILINE)
    method, url = asked[0].split()
    headers = dict(line.split(": ") for line in asked[1:] if ": " in line)
    origin = headers.pop("Origin", PAGE)
    credentials = "include" if "with credentials" in asked else "same-origin"
    answers = []
    for line in re.findall(r"^ +< (.*)$", block, re.MULTILINE):
        if line.isdigit():
            answers.append(Answer(int(line), []))
        else:
            answers[-1].headers.append(tuple(line.split(": ")))
    return FetchRequest(origin, url, method, list(headers.items()), credentials), answers


@pytest.mark.parametrize(("message", "block"), CASES)
def test_the_console_says_so(message, block):
    fetch, answers = read(block)
    verdict = browse(fetch, lambda _: answers.pop(0))
    assert not verdict.allowed
    assert verdict.console.endswith(" ".join(message.split()))
    assert answers == []  # each is asked for


def test_each_message_that_people_look_up_is_there():
    assert len(CASES) == section("What the console says").count(" ::\n") >= 20
