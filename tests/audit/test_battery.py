import re

import pytest

from django_cors_policy.audit import written
from django_cors_policy.audit.battery import EVIL, Seeds, battery, wildcard_samples
from django_cors_policy.audit.written import entry_grants, is_serialized, regex_grants
from django_cors_policy.cors import OriginPattern, PatternSet, parse_origin, parse_pattern
from django_cors_policy.cors.lint import regex_samples

SEEDS = Seeds(
    allowed=["https://app.example.com", "http://localhost:3000", "https://x.github.io:8443", "capacitor://localhost"],
    wildcards=["https://*.example.org", "http://*.example.net:*"],
    hosts=["api.example.com", "[::1]:8000"],
    others=["https://other.example"],
    slow=["https://aaaaaaaaaaaa_"],
)


def made(name, seeds=SEEDS):
    return [case.origin for case in battery(seeds) if case.name == name]


# What audit-rules.md lists, each with one that has to be there.
@pytest.mark.parametrize(
    ("name", "origin", "sendable"),
    [
        ("appended", "https://app.example.com.evil.test", True),
        ("appended", "https://app.example.comevil.test", True),
        ("appended", "https://app.example.com:80.evil.test", False),
        ("prepended", "https://evilapp.example.com", True),
        ("prepended", "https://evil-app.example.com", True),
        ("prepended", "https://evil.test.app.example.com", True),
        ("a character off", "https://pp.example.com", True),
        ("a character off", "https://app.example.co", True),
        ("a dot turned into a letter", "https://appxexample.com", True),
        ("a dot turned into a letter", "https://app.examplexcom", True),
        ("two hosts joined", "https://app.example.com.localhost:3000", True),
        ("two hosts joined", "https://app.example.comlocalhost:3000", True),
        ("two hosts joined", "http://localhostx.github.io:8443", True),
        ("another scheme", "http://app.example.com", True),
        ("another scheme", "https://localhost:3000", True),
        ("another port", "https://app.example.com:8443", True),
        ("another port", "https://x.github.io:8444", True),
        ("another port", "https://x.github.io", True),
        ("the default port written out", "https://app.example.com:443", False),
        ("upper case", "HTTPS://APP.EXAMPLE.COM", False),
        ("a trailing dot", "https://app.example.com.", True),
        ("a trailing slash", "https://app.example.com/", False),
        ("a path", "https://app.example.com/evil", False),
        ("a query", "https://app.example.com?evil", False),
        ("userinfo", "https://evil@app.example.com", False),
        ("userinfo", "https://app.example.com@evil.test", False),
        *(("a control character or space", f"https://app.example.com{char}", False) for char in "\t\r\n\0"),
        ("two origins joined", "https://app.example.com,http://localhost:3000", False),
        ("two origins joined", "https://app.example.com http://localhost:3000", False),
        *(
            ("a special character", f"https://app.example.com{text}.evil.test", True)
            for text in [*"_-\"'{}()+^!~;|&*,$=`", "%60", "%0b"]
        ),
        ("null", "null", True),
        *(("no origin", text, False) for text in ("Null", "*", "")),
        *(("a loopback or private address", f"http://{host}", True) for host in ("[::]", "[::1]", "0.0.0.0")),
        *(
            ("a loopback or private address", f"http://{host}", False)
            for host in ("[::ffff:127.0.0.1]", "2130706433", "0x7f000001", "127.1")
        ),
        ("a look-alike in punycode", "https://xn--80a6aa.example.com", True),
        ("a look-alike in full width", "https://ａｐｐ．ｅｘａｍｐｌｅ．ｃｏｍ".encode().decode("latin-1"), False),
        ("a wildcard's apex", "https://example.org", True),
        ("a wildcard's apex", "http://example.net", True),
        ("a wildcard's deeper label", "https://a.probe.example.org", True),
        ("a sibling under a public suffix", "https://evil.github.io:8443", True),
        ("a sibling under a public suffix", "https://evil.com", True),
        ("another tenant's", "https://other.example", True),
        ("8 KB of text", f"https://{'a' * 8184}", False),
        ("a slow one", "https://aaaaaaaaaaaa_", True),
        ("anybody's", EVIL, True),
        ("appended", "https://api.example.com.evil.test", True),
    ],
)
def test_the_battery_holds(name, origin, sendable):
    [case] = [case for case in battery(SEEDS) if case.origin == origin]
    assert (case.name, case.sendable) == (name, sendable)


def test_each_origin_is_there_once_in_the_same_order_and_can_travel():
    cases = battery(SEEDS)
    assert cases == battery(SEEDS)
    assert len({case.origin for case in cases}) == len(cases)
    assert all(case.origin.encode("latin-1") is not None for case in cases)
    assert [case.origin for case in cases[:2]] == [EVIL, "null"]


def test_a_label_without_a_look_alike_gets_an_accent():
    assert (
        made("a look-alike in punycode", Seeds(allowed=["https://www.example.com"]))[0]
        == "https://xn--www-dma.example.com"
    )


def test_wildcards_are_sampled():
    assert wildcard_samples("https://*.example.com:*") == [
        "https://probe.example.com:8443",
        "https://a.probe.example.com:8443",
    ]


@pytest.mark.parametrize(
    "pattern", [r"^https://\w+\.example\.com$", r"https://(a|b)\.x\.io", r"^https://(a+)+\.x\.io$"]
)
def test_samples_of_a_regex_pass_it(pattern):
    samples, _ = regex_samples(re.compile(pattern))
    assert samples
    assert all(re.fullmatch(pattern, sample) for sample in samples)


def test_a_slow_regex_gives_a_slow_origin():
    regex = re.compile(r"^https://(a+)+\.x\.io$")
    [slow] = regex_samples(regex)[1]
    assert slow.startswith("https://aaaa")
    assert regex.fullmatch(slow) is None
    assert regex_samples(re.compile("https://a.io"))[1] == []


# --- the matcher of the audit's own


def test_it_takes_for_web_origins_what_the_parser_does():
    more = [
        "https://a.io:65536",
        "https://a.io:08",
        "https://[::g]",
        "https://[::ffff:7f00:1]",
        "https://1.2.3",
        "http://a.0x1",
    ]
    more += [f"https://{'a' * 60}.{'a' * 60}.{'a' * 60}.{'a' * 60}.{'a' * 20}.io", "https://[1::]", "https://127.0.0.1"]
    for origin in [*(case.origin for case in battery(SEEDS)), *SEEDS.allowed, *more]:
        parsed = parse_origin(origin)
        assert is_serialized(origin) == (parsed is not None and parsed.scheme in ("http", "https")), origin


ENTRIES = [*SEEDS.allowed, *SEEDS.wildcards, "https://localhost:*", "http://*.localhost:8443", "*"]


@pytest.mark.parametrize("entry", ENTRIES)
def test_it_grants_of_the_battery_what_ours_does(entry):
    pattern = parse_pattern(entry)
    assert isinstance(pattern, OriginPattern)
    ours = PatternSet([pattern])
    for case in battery(SEEDS):
        assert entry_grants(entry, case.origin) == (ours.match(case.origin) is not None), case


@pytest.mark.parametrize(
    "pattern", [r"https://.*\.example\.com", r".*", r"https?://app.example.com", r"capacitor://.*"]
)
def test_it_grants_by_a_regex_what_ours_does(pattern):
    ours = PatternSet([], [re.compile(pattern)])
    for case in [*battery(SEEDS), *battery(Seeds(allowed=["capacitor://localhost"]))]:
        expected = ours.match(case.origin) is not None
        assert regex_grants(pattern, case.origin) == regex_grants(re.compile(pattern), case.origin) == expected, case


@pytest.mark.parametrize("entry", [None, 7, "(", b"x"])
def test_what_is_no_entry_grants_nothing(entry):
    assert not regex_grants(entry, "https://app.example.com")
    assert not entry_grants(entry, "https://app.example.com")


@pytest.mark.django_db
def test_a_key_that_no_row_can_have_is_not_looked_up(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert written.Written().stored("a\0b") is None


@pytest.mark.django_db
def test_policies_that_cannot_be_read_are_none(monkeypatch):
    from django.db import DatabaseError

    def fail(**_):
        raise DatabaseError("gone")

    monkeypatch.setattr(written.transaction, "atomic", fail)
    assert written.Written().stored("acme") is None
