"""What an origin regex lets through is proven by an origin, and its slowness by a clock."""

import re
import warnings
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_cors_policy.cors import growth, parse_origin, regexes
from django_cors_policy.cors.regexes import Examination, Witness, examine

CLEAN = [
    r"^https://\w+\.example\.com$",
    r"https://[a-z0-9-]+\.example\.co\.uk",
    r"https://(app|www)\.example\.com(:\d+)?",
    r"http://localhost:\d+",
    r"https?://localhost(:[0-9]{4,5})?",
    r"http://.*\.localhost",
    r"http://(localhost|127\.0\.0\.1)(:\d+)?",
    r"https://app\.example\.com",
    r"https://.*\.example\.com",
    r"https://[^.]+\.example\.com",
    r"https://([a-z]+\.)?example\.com",
    r"https://(?:(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+)example\.com$",
    r"https://example\.(com|net|co\.uk)",
    r"https://(evil)?example\.com",
    r"https://shop[1-3]\.com",
    r"https://bi[a.]lystok\.pl",  # bialystok.pl is a public suffix, which nobody can register
    r"https://app\.example.com",  # the only loose dot is before a top level that does not exist
    r"https://example.com",
    r"https://a.b\.example\.com",  # whatever the loose dot is, it is within the owner's own domain
    r"https://(?!evil).*\.example\.com",
    r"https://(a)\1\.example\.com",
    r"https://(?:(?i:app)|www)\.example\.com",
    r"(?i)^HTTPS://APP\.EXAMPLE\.COM$",
    r"https://[A-Z]+\.example\.com",
    r"https://[^\W_]++\.example\.com",
    r"https://[\s\S]+\.example\.com",
    r"https://[\d\D]+\.example\.com",
    r"https://.+\.corp\.internal",
    r"https://app\d{5000}\.com",
    r"https://app:\d{5}\.example\.com",
    r"chrome-extension://[a-p]{32}",
    r"[!?]://[!]+",
    r"null-and-void",
]
DOTS = [
    (r"https://app.example.com", "https://appaexample.com", r"https://app\.example\.com"),
    (r"https://app\.my.shop\.com", "https://app.myashop.com", r"https://app\.my\.shop\.com"),
    (r"https://.*.example\.com", "https://evilaexample.com", r"https://.*\.example\.com"),
    (r"https://app[.-]example\.com", "https://app-example.com", r"https://app\.example\.com"),
    (r"https://app[^/]example\.com", "https://appaexample.com", r"https://app\.example\.com"),
    (r"https://app[]0.]example\.com", "https://app0example.com", r"https://app\.example\.com"),
    (r"https://[a-z.]{3}.example\.com", "https://eviaexample.com", r"https://[a-z.]{3}\.example\.com"),
    (r"https://(?>app).example\.com", "https://appaexample.com", r"https://(?>app)\.example\.com"),
    (r"(h)?(?(1)ttps|https)://a.example\.com", "https://aaexample.com", r"(h)?(?(1)ttps|https)://a\.example\.com"),
    (r"(h)?(?(1)ttps)://a.example\.com", "https://aaexample.com", r"(h)?(?(1)ttps)://a\.example\.com"),
    (r"https://app.example.internal", "https://appaexample.internal", r"https://app\.example\.internal"),
]
OPEN = [
    (r"https://.*example\.com", "https://evilexample.com"),
    (r"https://.?example\.com", "https://eexample.com"),
    (r"https://example\..*", "https://example.evil.net"),
    (r"https://example\.com.*", "https://example.com.evil.net"),
    (r"https://[a-z.]+", "https://evil.net"),
    (r"https?://\w+\.com", "https://evil.com"),
    (r"http://[a-z]+\.com", "http://evil.com"),
    (r"https://(foo|.*)\.com", "https://www.attacker.com"),
    (r"https://example\.[a-z]{3}", "https://example.net"),
    (r"https://app\d\.com", "https://app1.com"),
    (r"https://[ab]+\.com", "https://a.com"),
    (r"https://[a-z0-9-]+\.github\.io", "https://evil.github.io"),
    (r"https://myapp-[a-z0-9-]+\.vercel\.app", "https://myapp-evil.vercel.app"),
    (r"https://[a-z]+\.internal", "https://evil.internal"),
    (r"https://[^/]+\.(?:com|net)", "https://evil.net"),
    (r"https://(?=.*example\.com).*", "https://evilexample.com"),
    (r"http://localhost.*", "http://localhostevil.net"),
    (r"(?i)HTTPS://[A-Z]+\.COM", "https://evil.com"),
    # The dots cannot be what is wrong here: with literal dots no origin would match.
    (r"https://app.\.com", "https://appe.com"),
]
ANY = [r".*", r"https://.*", r"https?://.+", r"^https://[^/]+$", r"https://[\w.-]+", r"https://[a-z0-9.-]+(:\d+)?"]


def regex_of(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@pytest.mark.parametrize("pattern", CLEAN)
def test_regex_that_pins_its_domain_is_clean(pattern):
    about = examine(regex_of(pattern))

    assert about == Examination(None, False, about.development, None, None, about.any_scheme, about.unanchored, None)
    assert about.any_scheme is None


@pytest.mark.parametrize(("pattern", "witness", "instead"), DOTS)
def test_unescaped_dot_is_proven_by_a_host_of_another_owner(pattern, witness, instead):
    about = examine(regex_of(pattern))

    assert about.unescaped_dot == Witness(witness, instead)
    assert about.open_domain is None


@pytest.mark.parametrize(("pattern", "witness"), OPEN)
def test_open_domain_is_proven_by_an_origin_anyone_can_have(pattern, witness):
    about = examine(regex_of(pattern))

    assert about.open_domain is not None
    assert about.open_domain.origin == witness
    assert about.unescaped_dot is None


@pytest.mark.parametrize("pattern", ANY)
def test_regex_that_lets_any_host_in_is_not_called_an_open_domain_as_well(pattern):
    about = examine(regex_of(pattern))

    assert about.any_origin == "https://evil.net"
    assert about.open_domain is None
    assert about.unescaped_dot is None


def test_better_regex_pins_the_domain_that_was_named():
    about = examine(regex_of(r"https://.*example\.co\.uk"))

    assert about.open_domain == Witness("https://evilexample.co.uk", r"https://([a-z0-9-]+\.)*example\.co\.uk$")


@pytest.mark.parametrize(
    ("pattern", "witness"),
    [(r"https://[a-z]+\.com", "https://evil.com"), (r"https://.*\.co\.uk", "https://x7.q-9.co.uk")],
)
def test_better_regex_is_withheld_where_no_domain_is_named(pattern, witness):
    assert examine(regex_of(pattern)).open_domain == Witness(witness, None)


@pytest.mark.parametrize(
    ("pattern", "witness"),
    [
        (r"https?://app\.example\.com", Witness("http://app.example.com", r"https://app\.example\.com")),
        (r"http(s)?://app\.example\.com", Witness("http://app.example.com", r"https://app\.example\.com")),
        (r"(http|https)://app\.example\.com", Witness("http://app.example.com", r"(https|https)://app\.example\.com")),
        (r"http://app\.example\.com", Witness("http://app.example.com", r"https://app\.example\.com")),
        (r".*\.example\.com", Witness("http://evil.example.com", None)),
        (r"(?=.*//app\.example\.com)\w+://[a-z.]+", Witness("http://app.example.com", None)),
        (r"http://192\.168\.\d+\.\d+", Witness("http://192.168.1.1", r"https://192\.168\.\d+\.\d+")),
        (r".*", Witness("http://evil.net", None)),
        (r"https://app\.example\.com", None),
        (r"http://localhost(:\d+)?", None),
        (r"http://\[::1\]:\d+", None),
    ],
)
def test_any_scheme_is_proven_by_an_http_origin(pattern, witness):
    assert examine(regex_of(pattern)).any_scheme == witness


@pytest.mark.parametrize(
    ("pattern", "witness"),
    [
        (r"http://localhost:\d+", "http://localhost:1"),
        (r"https://(app\.example\.com|localhost)(:3000)?", "https://localhost"),
        (r"^https?://(127\.0\.0\.1|\[::1\])(:\d+)?$", "http://[::1]"),
        (r"https://192\.168\.\d+\.\d+", "https://192.168.1.1"),
        (r"https://.*\.local", "https://io.local"),
        (r"(?=http://localhost:)\w+://[a-z]+(:1)?", None),  # nothing is known of lookarounds
        (r"https://localhost\.example\.com", None),
        (r"https://172\.32\.\d+\.\d+", None),
        (r"https://.*", None),
        (r"capacitor://localhost", None),
    ],
)
def test_what_is_of_development_is_proven_by_the_shortest_origin_of_it(pattern, witness):
    assert examine(regex_of(pattern)).development == witness


@pytest.mark.parametrize(
    ("pattern", "witness"),
    [
        (r"https://app\.example\.com", Witness("https://app.example.com.evil.net", r"https://app\.example\.com$")),
        (r"https://a\.com|https://b\.com", Witness("https://a.com.evil.net", r"(?:https://a\.com|https://b\.com)$")),
        (r"https://app\.", Witness("https://app.evil.net", r"https://app\.$")),
        (r"https://app", Witness("https://app.evil.net", "https://app$")),
        ("", Witness("https://evil.net", "$")),
        (r"(?x)https://app\.com # the app", Witness("https://app.com.evil.net", None)),
        (r"(?i)https://a\.com|https://b\.com", Witness("https://a.com.evil.net", None)),
        (r"https://app\.example\.com$", None),
        (r"https://app\.example\.com\Z", None),
        (r"https://.*", None),
        (r"http://localhost:\d+", None),  # what it would match longer is no origin
    ],
)
def test_unanchored_regex_is_proven_by_what_only_its_beginning_matches(pattern, witness):
    assert examine(regex_of(pattern)).unanchored == witness


@pytest.mark.parametrize(("pattern", "null"), [(r"null|https://a\.com", True), (r".*", True), (r"https://.*", False)])
def test_null_is_tried(pattern, null):
    assert examine(regex_of(pattern)).null is null


schemes = st.sampled_from(["https?://", "https://", "http://", "^", "", ".*", r"\w+://"])
pieces = st.sampled_from(
    [
        *(".*", ".", r"\.", "example", "app", "com", "io", "net", r"\w+", "[a-z]*", "[^/]+", "[a-z.]{2,9}", "[-.]"),
        *("(", "(?:", "|", ")", ")?", r"\d", "(?=", "(?!", r"\b", "localhost", ":8000", "x", "$"),
    ]
)


@settings(max_examples=50, deadline=None)
@given(schemes, st.lists(pieces, max_size=7).map("".join))
def test_each_witness_is_an_origin_that_the_regex_lets_through(scheme, rest):
    try:
        regex = regex_of(scheme + rest)
    except re.error:
        return
    about = examine(regex)

    for witness in (about.unescaped_dot, about.open_domain, about.any_scheme):
        if witness is not None:
            assert parse_origin(witness.origin) is not None
            assert regex.fullmatch(witness.origin)
            assert witness.instead is None or not regex_of(witness.instead).fullmatch(witness.origin)
    if about.unanchored is not None:
        assert parse_origin(about.unanchored.origin) is not None
        assert regex.match(about.unanchored.origin)
        assert not regex.fullmatch(about.unanchored.origin)
    assert about.any_scheme is None or about.any_scheme.origin.startswith("http://")
    assert about.any_origin is None or regex.fullmatch(about.any_origin)


# --- what is private to Python -------------------------------------------------------------------------------------


def operators(node: object) -> set[str]:
    if hasattr(node, "name"):
        return {node.name}
    if isinstance(node, (list, tuple)) or hasattr(node, "data"):
        return set().union(*map(operators, node))
    return set()


def test_parse_tree_has_the_operators_that_are_read():
    pattern = r"^a.[^b][^c-d\w](?:e|fg)(h)*+i*?(j)?(?(2)k|l)(?>m)\1(?=n)(?<!o)$"

    assert operators(regexes._parse_tree(regex_of(pattern))) == {
        *("LITERAL", "ANY", "NOT_LITERAL", "IN", "NEGATE", "RANGE", "CATEGORY", "CATEGORY_WORD", "BRANCH"),
        *("SUBPATTERN", "ATOMIC_GROUP", "MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT", "MAXREPEAT"),
        *("GROUPREF_EXISTS", "GROUPREF", "AT", "AT_BEGINNING", "AT_END", "ASSERT", "ASSERT_NOT"),
    }


def test_regex_without_a_readable_tree_is_examined_by_the_hosts_in_its_text(monkeypatch):
    def refuse(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(regexes, "import_module", refuse)
    about = examine(regex_of(r"https?://(?:[a-z.]+)*example\.com"))

    assert about.open_domain == Witness("https://evilexample.com", r"https://([a-z0-9-]+\.)*example\.com$")
    assert about.any_scheme is not None
    assert about.any_scheme.origin == "http://example.com"


def test_category_that_is_unknown_leaves_the_text(monkeypatch):
    monkeypatch.setattr(regexes, "_CATEGORIES", {})

    assert examine(regex_of(r"https://\w*example\.com")).open_domain is not None


def test_warnings_as_errors_do_not_escape():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        regex = regex_of(r"https://.*[[~]example\.com")  # may become a set within a set one day
        warnings.simplefilter("error")
        about = examine(regex)

    assert about.open_domain is None


# --- time ----------------------------------------------------------------------------------------------------------


class Clocked:
    """A regex whose matches take as long, by its own clock, as ``cost`` says for a text."""

    def __init__(self, monkeypatch, cost, pattern=r"https://([a-z]+)+\.example\.com", spikes=0):
        self.pattern, self.flags = pattern, re.UNICODE
        self.cost, self.spikes = cost, spikes
        self.now = self.longest = 0.0
        self.calls = {}
        monkeypatch.setattr(growth, "_without_least_length", lambda regex: regex)

    def timer(self):
        return self.now

    def fullmatch(self, text):
        self.calls[text] = self.calls.get(text, 0) + 1
        interrupted = len(text) > 60 and self.calls[text] <= self.spikes
        spent = self.cost(len(text)) + (0.1 if interrupted else 0)
        self.now += spent
        self.longest = max(self.longest, spent)

    match = fullmatch


@pytest.mark.parametrize("base", [1.1, 1.2, 1.5, 2, 3, 6])
def test_exponential_growth_is_found_and_never_waited_for(monkeypatch, base):
    regex = Clocked(monkeypatch, lambda length: 3e-8 * base ** (length - 9))
    about = examine(regex, timer=regex.timer)

    assert about.growth is not None
    assert about.growth.exponential
    assert about.growth.shape == "'https://' + 'a' * n + '_'"
    assert regex.longest < 0.05
    assert regex.cost(about.growth.askable) <= 0.001


@pytest.mark.parametrize("degree", [2, 3, 4, 5])
def test_polynomial_growth_is_told_from_exponential(monkeypatch, degree):
    regex = Clocked(monkeypatch, lambda length: 0.015 * (length / 253) ** degree)
    about = examine(regex, timer=regex.timer)

    assert about.growth is not None
    assert not about.growth.exponential
    assert about.growth.longer[0] > about.growth.shorter[0]


@pytest.mark.parametrize(
    "cost",
    [
        lambda length: 0.0009,
        lambda length: 0.0000001 * length,
        lambda length: 0.00001 * length,  # 2.5 ms in the end, but linear
        lambda length: 0.0009 * (length / 270) ** 3,
        lambda length: 0.0,
        lambda length: 0.03,  # slow from the start: not the length's fault
    ],
)
def test_what_is_linear_or_fast_is_not_slow(monkeypatch, cost):
    regex = Clocked(monkeypatch, cost)

    assert examine(regex, timer=regex.timer).growth is None


def test_match_that_was_interrupted_is_measured_again(monkeypatch):
    regex = Clocked(monkeypatch, lambda length: 0.0000001 * length, spikes=2)

    assert examine(regex, timer=regex.timer).growth is None


def test_time_for_one_regex_is_bounded(monkeypatch):
    regex = Clocked(monkeypatch, lambda length: 0.0009)
    examine(regex, timer=regex.timer)

    assert regex.now < 1


def test_regex_with_one_way_to_match_is_not_timed(monkeypatch):
    regex = Clocked(monkeypatch, lambda length: 2.0**length, pattern=r"https://app\.example\.com")

    assert examine(regex, timer=regex.timer).growth is None


def test_exponential_regex_is_asked_about_short_origins_alone():
    about = examine(regex_of(r"https?://([a-z0-9-]+\.?)+"))

    assert about.growth is not None
    assert about.growth.exponential
    assert about.any_origin == "https://evil.net"


@pytest.mark.parametrize(
    ("pattern", "exponential"),
    [
        (r"https://([a-z]+)+\.example\.com", True),
        (r"https://(?:a|aa)+\.example\.com", True),
        (r"https://app-(?:\d+-?)+\.example\.com", True),
        (r"http://([a-z]+)+\.localhost", True),
        (r"https://([a-z]+)+\.shop-of-a-company-with-a-long-name\.example\.com", True),
        (r"https://([\w.-]+)+\.shop-of-a-company-with-a-long-name\.example\.com", True),
        (r"(?x) https://([a-z]+)+\.shop-of-a-company-with-a-long-name\.example\.com # ours", True),
        ("https://" + "a?" * 28 + "a" * 28 + r"\.com", True),
        ("https://" + "(?:a|aa)" * 28 + r"\.com", True),
        (r"https://[a-z]*[a-z]*[a-z]*[a-z]*\.example\.com", False),
    ],
)
def test_real_slow_regex_is_found(pattern, exponential):
    growth = examine(regex_of(pattern)).growth

    assert growth is not None
    assert growth.exponential is exponential


@pytest.mark.parametrize(
    "pattern",
    [
        "https://(" + "|".join(f"tenant{number}" for number in range(300)) + r")\.example\.com(:\d+)?",
        "(?:https://(?:" + "|".join(f"[a-z]{{{number}}}" for number in range(100)) + r")\.example\.com)",
        r"https://(?:a{1000}){1000}\.example\.com",
        r"https://" + "(" * 90 + "a" + ")?" * 90 + r"\.example\.com",
        r"https://" + "(?:a|b)" * 40 + r"\.example\.com",
        "https://" + "x" * 5_000,
        "-" * 5_000 + ".",
    ],
)
def test_large_regex_is_examined_within_bounds(pattern):
    about = examine(regex_of(pattern))

    assert about.open_domain is None
    assert all(
        getattr(about, field.name) is None for field in fields(about) if field.name not in ("unanchored", "null")
    )


def test_tree_too_deep_for_python_is_left(monkeypatch):
    def recurse(regex: re.Pattern[str]) -> None:
        raise RecursionError

    monkeypatch.setattr(regexes, "_parse_tree", recurse)

    assert examine(regex_of(r"https://app\.example\.com")).open_domain is None
