import pytest

from django_cors_policy.cors.preflights import MAX_ENTRIES, MAX_URL, Preflight, PreflightCache, max_age

PAGE, URL = "https://app.example", "https://api.example/items"


def preflight(methods=("PUT",), headers=("x-custom",), *, credentials=False, expires=5):
    return Preflight(credentials, frozenset(methods), frozenset(headers), expires)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, 5),
        ("", 5),
        ("0", 0),
        ("-0", 0),
        ("-1", 0),
        ("-" + "9" * 18, 0),
        ("1", 1),
        ("+10", 10),
        ("010", 10),
        ("600", 600),
        ("7200", 7200),
        ("7201", 7200),
        (str(2**63 - 1), 7200),
        (str(2**63), 5),
        ("9" * 5000, 5),
        ("-" + "9" * 30, 5),
        *[(text, 5) for text in ("x", "10s", "1.5", "10, 10", "--1", "0x10", "1_0", " 10", "1e3", "\u0661")],
    ],
)
def test_an_age_is_what_chromium_reads(value, seconds):
    assert max_age(value) == seconds


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT"])
def test_a_method_is_allowed(method):
    assert not preflight().refuses_method(method)


@pytest.mark.parametrize("method", ["put", "PATCH", "*"])
def test_a_method_is_refused(method):
    assert preflight().refuses_method(method)


def test_any_method_is_any_without_credentials():
    assert not preflight(["*"]).refuses_method("PATCH")
    assert preflight(["*"], credentials=True).refuses_method("PATCH")
    assert not preflight(["*"], credentials=True).refuses_method("*")


def test_headers_are_refused_one_by_one():
    assert preflight().refused_headers(["authorization", "x-custom", "x-other"]) == ["authorization", "x-other"]


def test_any_header_is_any_without_credentials():
    assert preflight(headers=["*"]).refused_headers(["authorization", "x-other"]) == []
    assert preflight(headers=["*"], credentials=True).refused_headers(["*", "x-other"]) == ["x-other"]


@pytest.mark.parametrize(
    ("entry", "method", "names", "credentials", "covered"),
    [
        (preflight(), "PUT", ["x-custom"], False, True),
        (preflight(), "GET", [], False, True),
        (preflight(), "PUT", [], True, False),
        (preflight(credentials=True), "PUT", [], False, True),
        (preflight(credentials=True), "PUT", [], True, True),
        (preflight(), "DELETE", [], False, False),
        (preflight(), "PUT", ["x-other"], False, False),
        (preflight(headers=["*"]), "GET", ["x-other"], False, True),
        (preflight(headers=["*"]), "GET", ["authorization"], False, False),
        (preflight(headers=["*", "authorization"]), "GET", ["authorization"], False, True),
    ],
)
def test_an_entry_serves_a_later_fetch(entry, method, names, credentials, covered):
    assert entry.covers(method, names, credentials=credentials) is covered


def test_an_entry_serves_until_it_expires():
    cache = PreflightCache()
    cache.keep(PAGE, URL, preflight(expires=5))

    cache.now = 4.9
    assert cache.covers(PAGE, URL, "PUT", [], credentials=False)
    cache.now = 5.0
    assert not cache.covers(PAGE, URL, "PUT", [], credentials=False)


def test_an_entry_is_of_one_page_and_one_address():
    cache = PreflightCache()
    cache.keep(PAGE, URL, preflight())

    assert not cache.covers("https://other.example", URL, "PUT", [], credentials=False)
    assert not cache.covers(PAGE, URL + "?", "PUT", [], credentials=False)


def test_an_entry_that_does_not_do_is_forgotten():
    cache = PreflightCache()
    cache.keep(PAGE, URL, preflight())

    assert not cache.covers(PAGE, URL, "DELETE", [], credentials=False)
    assert not cache.covers(PAGE, URL, "PUT", [], credentials=False)


def test_a_new_entry_takes_the_place_of_the_old():
    cache = PreflightCache()
    cache.keep(PAGE, URL, preflight(["PUT"]))
    cache.keep(PAGE, URL, preflight(["DELETE"]))

    assert cache.covers(PAGE, URL, "DELETE", [], credentials=False)
    assert not cache.covers(PAGE, URL, "PUT", [], credentials=False)


def test_a_long_address_is_not_remembered():
    cache = PreflightCache()
    for length in (MAX_URL, MAX_URL + 1):
        cache.keep(PAGE, "x" * length, preflight())

    assert cache.covers(PAGE, "x" * MAX_URL, "PUT", [], credentials=False)
    assert not cache.covers(PAGE, "x" * (MAX_URL + 1), "PUT", [], credentials=False)


def test_the_oldest_entry_makes_room():
    cache = PreflightCache()
    cache.keep(PAGE, "0", preflight())
    for number in range(MAX_ENTRIES - 1):
        cache.keep(PAGE, str(number), preflight())  # the first of them anew, and so no longer the oldest
    cache.keep(PAGE, "last", preflight())
    assert cache.covers(PAGE, "0", "PUT", [], credentials=False)
    cache.keep(PAGE, "one more", preflight())

    known = [url for url in map(str, range(MAX_ENTRIES)) if cache.covers(PAGE, url, "PUT", [], credentials=False)]
    assert known == [str(number) for number in range(1, MAX_ENTRIES - 1)]
    assert cache.covers(PAGE, "one more", "PUT", [], credentials=False)
