"""A strict Content-Security-Policy blocks nothing of the pages: no script, style or handler stands in them."""

from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.admin.test_policies import page
from tests.admin.test_staff import addresses, mine, theirs  # noqa: F401 -- fixtures

pytestmark = pytest.mark.django_db


class Inline(HTMLParser):
    """Keeps what a policy of 'self' alone would block."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in given and given.get("type") != "application/json"):
            self.found.append(tag)
        self.found += [name for name in given if name == "style" or name.startswith("on")]


@pytest.fixture
def client():
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def test_what_a_policy_blocks_is_found():
    html = "<p style='a:b'><script>1</script><script src='/x.js'></script><a onclick='x()'><style></style>"
    assert Inline(html).found == ["style", "script", "onclick", "style"]


def test_no_page_holds_a_script_or_a_style(client, theirs):  # noqa: F811
    seen = 0
    for url in sorted(set(addresses(theirs))):
        response = client.get(url)
        if not response.streaming and response.get("Content-Type", "").startswith("text/html"):
            assert (url, Inline(response.content.decode()).found) == (url, [])
            seen += response.status_code == 200
    assert seen >= 8


def test_no_page_that_answers_a_form_does(client, mine):  # noqa: F811
    url = f"/admin/django_cors_policy/tenantpolicy/{mine.pk}"
    conflict = client.post(f"{url}/change/", page(policy=mine) | {"version": "0"})
    unsaved = client.post(f"{url}/change/", page(policy=mine) | {"_try": "1"})
    refused = client.post(f"{url}/change/", page("no origin", policy=mine))
    for response in (conflict, unsaved, refused):
        assert response.status_code == 200
        assert Inline(response.content.decode()).found == []
