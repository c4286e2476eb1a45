import re
import time

import ada_url
import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cors_policy.cors import (
    Limits,
    OriginPattern,
    PatternError,
    PatternReason,
    PatternSet,
    RegexError,
    RegexReason,
    check_limits,
    is_public_suffix,
    parse_origin,
    parse_pattern,
    patterns,
    quoted,
)
from django_cors_policy.cors.patterns import (
    ANY_ORIGIN,
    MAX_PATTERN,
    compile_regex,
    is_plain_origin,
    registrable_domain,
    shared_hosting_suffix,
    site_of,
)

MEGABYTE = 1 << 20
LABEL_63 = "a" * 63
HOST_251 = ".".join([LABEL_63, LABEL_63, LABEL_63, "a" * 59])
HOST_253 = HOST_251 + "aa"


def refused(value):
    with pytest.raises(PatternError) as caught:
        parse_pattern(value)
    return caught.value


def read(value):
    """Give the pattern that a value is and the error that it is refused with, one of them None."""
    try:
        return parse_pattern(value), None
    except PatternError as error:
        return None, error


def pattern_set(*texts, regexes=()):
    return PatternSet(map(parse_pattern, texts), [re.compile(regex) for regex in regexes])


@pytest.mark.parametrize("text", ["https://a", "https://app-1.example.com", "https://1.a_b.-", f"https://{HOST_253}"])
def test_an_https_origin_of_a_name_is_plain(text):
    assert is_plain_origin(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "https://", "http://a.example", "https://a.example:8443", "https://*.a.example", "https://a.example:*"),
        *(
            "https://127.0.0.1",
            "https://127.1",
            "https://a.0x7f",
            "https://1",
            "https://[::1]",
            "capacitor://localhost",
        ),
        *(
            "https://A.example",
            "https://a.example.",
            "https://.a",
            "https://a..b",
            "https://a.example/",
            "https://ä.de",
        ),
        *("https://a.example\n", "\nhttps://a.example", "https://a b", "*", "null", f"https://{HOST_253}a"),
    ],
)
def test_any_other_pattern_is_not_plain(text):
    assert not is_plain_origin(text)


def test_of_a_set_a_string_is_an_exact_origin():
    several = PatternSet(["https://a.example", parse_pattern("https://*.b.example")])
    assert several.match("https://a.example") == "https://a.example"
    assert several.match("https://a.b.example") == parse_pattern("https://*.b.example")
    assert several.match("https://b.example") is None


def test_sets_without_wildcards_do_not_share_those_of_others():
    assert PatternSet([parse_pattern("https://*.b.example")]).match("https://a.b.example") is not None
    assert PatternSet(["https://a.example"]).match("https://a.b.example") is None
    assert not PatternSet()


# --- what is a pattern -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("https://app.example.com", OriginPattern("https", "app.example.com")),
        ("https://app.example.com:8443", OriginPattern("https", "app.example.com", 8443)),
        ("https://*.example.com", OriginPattern("https", "example.com", subdomains=True)),
        ("https://*.example.com:8443", OriginPattern("https", "example.com", 8443, subdomains=True)),
        ("http://localhost:*", OriginPattern("http", "localhost", any_port=True)),
        ("http://*.localhost:*", OriginPattern("http", "localhost", subdomains=True, any_port=True)),
        ("http://127.0.0.1:*", OriginPattern("http", "127.0.0.1", any_port=True)),
        ("http://[::1]:*", OriginPattern("http", "[::1]", any_port=True)),
        ("https://*.com", OriginPattern("https", "com", subdomains=True)),
        ("https://*.xn--bcher-kva.example", OriginPattern("https", "xn--bcher-kva.example", subdomains=True)),
        ("capacitor://localhost", OriginPattern("capacitor", "localhost")),
        ("chrome-extension://abc", OriginPattern("chrome-extension", "abc")),
        ("*", ANY_ORIGIN),
        pytest.param(f"https://*.{HOST_251}", OriginPattern("https", HOST_251, subdomains=True), id="longest base"),
    ],
)
def test_a_pattern_is_read(text, pattern):
    assert parse_pattern(text) == pattern
    assert str(pattern) == text


@pytest.mark.parametrize("text", ["https://app.example.com", "http://[::1]:8000", "capacitor://localhost"])
def test_a_pattern_without_a_wildcard_is_exact(text):
    assert parse_pattern(text).is_exact


@pytest.mark.parametrize("text", ["*", "https://*.example.com", "http://localhost:*", "http://*.localhost:*"])
def test_a_pattern_with_a_wildcard_is_not_exact(text):
    assert not parse_pattern(text).is_exact


def test_only_the_star_alone_is_any_origin():
    assert parse_pattern("*").any_origin
    assert not parse_pattern("https://*.example.com:*").any_origin


# --- what is none, and what was meant --------------------------------------------------------------------------------

REFUSED = {
    PatternReason.NOT_TEXT: [
        (None, None),
        (443, None),
        (True, None),
        (b"https://a.example", None),
        (["https://a.example"], None),
        (("https://a.example",), None),
        ({"https://a.example"}, None),
        (re.compile("https://a.example"), None),
        (10**5000, None),
        (Ellipsis, None),
    ],
    PatternReason.EMPTY: [("", None)],
    PatternReason.TOO_LONG: [
        ("https://a.example/" + "a" * MAX_PATTERN, None),
        ("https://a" + "." + "a" * 253, None),
        ("https://*." + "a" * 252, None),
        ("x" * MEGABYTE, None),
    ],
    PatternReason.NULL: [("null", None), ("Null", None), ("NULL", None)],
    PatternReason.WHITESPACE: [
        (" https://a.example", "https://a.example"),
        ("https://a.example\n", "https://a.example"),
        ("\thttps://A.example:443/ ", "https://a.example"),
        ("\u3000https://a.example", "https://a.example"),
        (" a.example ", "https://a.example"),
        (" * ", "*"),
        (" null ", None),
        (" ", None),
        ("\n", None),
        ("https:// a.example", None),
        ("https://a. example ", None),
        ("https://a.example https://b.example", None),
        ("https://a.example, https://b.example", None),
        ("https://a.ex\tample", None),
        ("https://a.example\x00", None),
        ("\x00https://a.example", None),
        ("https://a\x7f.example", None),
        ("https://a\u00a0.example", None),
        ("https://a.example\r\nX-Evil: 1", None),
    ],
    PatternReason.MISSING_COMMA: [
        ("https://a.examplehttps://b.example", None),
        ("https://a.exampleHTTP://b.example", None),
        ("https://a.example,https://b.example", None),
        ("https://a.example:8443https://b.example", None),
        ("https://*.a.examplehttps://b.example", None),
        ("https://a.examplecapacitor://localhost", None),
        ("capacitor://localhosthttps://a.example", None),
        ("https://https://a.example", None),
    ],
    PatternReason.MISSING_SCHEME: [
        ("a.example", "https://a.example"),
        ("*.a.example", "https://*.a.example"),
        ("A.example", "https://a.example"),
        ("a.example/", "https://a.example"),
        ("a.example:8443", "https://a.example:8443"),
        ("localhost:*", "http://localhost:*"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("[::1]", "https://[::1]"),
        ("bücher.example", "https://xn--bcher-kva.example"),
        ("127.1", "https://127.0.0.1"),
        ("**", None),
        ("//a.example", None),
        ("/", None),
        ("x" * MAX_PATTERN, None),
        ("a." * 140 + "example", None),
        ("https:a.example", None),
        ("https:/a.example", None),
        ("https//a.example", None),
        ("HTTP:/a.example", None),
        ("file:/a", None),
        ("mailto:a@a.example", None),
        ("data:,", None),
        ("javascript:alert(1)", None),
        ("\ud800", None),
    ],
    PatternReason.SCHEME: [
        ("file:///", None),
        ("file://a.example", None),
        ("FTP://a.example", None),
        ("wss://a.example", None),
        ("blob://a.example", None),
        ("://a.example", None),
        ("1a://a.example", None),
        ("*://a.example", None),
        ("http*://a.example", None),
        ("bücher://a.example", None),
        ("\ufeffhttps://a.example", None),
        ("capacitor://*", None),
        ("capacitor://*.a.example", None),
        ("capacitor://localhost:*", None),
    ],
    PatternReason.MISSING_HOST: [
        ("https://", None),
        ("https:///", None),
        ("https:///a.example", None),
        ("https://:8443", None),
        ("https://?", None),
        ("https://user@", None),
        ("https://*.", None),
        ("https://*.:8443", None),
        ("capacitor://", None),
    ],
    PatternReason.HOST: [
        ("https://a..example", None),
        ("https://.example", None),
        ("https://a.example..", None),
        ("https://*..example", None),
        ("https://a%2eexample", None),
        ("https://a,b.example", None),
        ("https://a'.example", None),
        ("https://[::1", None),
        ("https://[a.example]", None),
        ("https://[::1%eth0]", None),
        ("https://[]", None),
        ("https://1.2.3.4.5", None),
        ("https://256.256.256.256", None),
        ("https://a.1", None),
        ("https://\ud800", None),
        ("https://\u00ad", None),
        ("https://\u0338a.example", None),
        ("https://☃.example", None),
        ("https://℀.example", None),
        ("https://xn--\u00fc.example", None),
        ("https://＊.a.example", None),
        ("https://a.example＃", None),
        ("https://" + "ü" * 64 + ".example", None),
        ("capacitor://a..b", None),
        ("capacitor://bücher", None),
        ("capacitor://localhost:99999", None),
    ],
    PatternReason.WILDCARD: [
        ("https://*", None),
        ("https://*:*", None),
        ("https://*a.example", None),
        ("https://a*.example", None),
        ("https://a.*.example", None),
        ("https://*.*.example", None),
        ("https://a.*", None),
        ("https://example.*:*", None),
        ("https://a.example:*:8443", None),
        ("https://*.127.0.0.1", None),
        ("https://*.127.1", None),
        ("https://*.[::1]", None),
    ],
    PatternReason.PORT: [
        ("https://a.example:", "https://a.example"),
        ("https://a.example:08443", "https://a.example:8443"),
        ("https://a.example:0443", "https://a.example"),
        ("https://a.example:65536", None),
        ("https://a.example:9999999999", None),
        ("https://a.example:http", None),
        ("https://a.example:+1", None),
        ("https://a.example:١", None),
        ("https://a.example:80*", None),
        ("https://a.example:**", None),
        ("https://a.example:8443:*", None),
        ("https://a：1.example", None),
        ("https://::1", None),
    ],
    PatternReason.USERINFO: [
        ("https://user@a.example", "https://a.example"),
        ("https://user:secret@a.example", "https://a.example"),
        ("https://@a.example", "https://a.example"),
        ("https://ok.example@evil.example", "https://evil.example"),
        ("https://a@b@c.example", "https://c.example"),
    ],
    PatternReason.PATH: [
        ("https://a.example/path", "https://a.example"),
        ("https://a.example/*", "https://a.example"),
        ("https://a.example//", "https://a.example"),
        ("https://a.example?", "https://a.example"),
        ("https://a.example#f", "https://a.example"),
        ("https://a.example\\", "https://a.example"),
        ("https://*.a.example/path", "https://*.a.example"),
        ("https://a.example/https://b.example", "https://a.example"),
        ("capacitor://localhost/index.html", "capacitor://localhost"),
        ("capacitor:///index.html", None),
    ],
    PatternReason.TRAILING_DOT: [
        ("https://a.example.", "https://a.example"),
        ("https://*.a.example.:*", "https://*.a.example:*"),
        ("https://a.example。", "https://a.example"),
    ],
    PatternReason.IP_SPELLING: [
        ("http://127.1", "http://127.0.0.1"),
        ("http://0x7f.0.0.1", "http://127.0.0.1"),
        ("http://0X7F.0.0.1/", "http://127.0.0.1"),
        ("http://2130706433", "http://127.0.0.1"),
        ("http://１２７.1", "http://127.0.0.1"),
        ("http://[::0001]:8000", "http://[::1]:8000"),
        ("http://[::A]", "http://[::a]"),
        ("http://[::ffff:127.0.0.1]:*", "http://[::ffff:7f00:1]:*"),
    ],
    PatternReason.UNICODE: [
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://BÜCHER.example", "https://xn--bcher-kva.example"),
        ("HTTPS://Bücher.example:443/", "https://xn--bcher-kva.example"),
        ("https://*.bücher.example:*", "https://*.xn--bcher-kva.example:*"),
        ("https://under_score.bücher.example", "https://under_score.xn--bcher-kva.example"),
        ("https://faß.example", "https://xn--fa-hia.example"),
        ("https://a。example", "https://a.example"),
        ("https://ａ.example", "https://a.example"),
        ("https://a\u00adb.example", "https://ab.example"),
        ("https://日本.example", "https://xn--wgv71a.example"),
    ],
    PatternReason.CASE: [
        ("HTTPS://a.example", "https://a.example"),
        ("https://A.example", "https://a.example"),
        ("https://*.A.example:*", "https://*.a.example:*"),
        ("HTTPS://A.EXAMPLE:443/", "https://a.example"),
        ("HTTP://[::1]", "http://[::1]"),
    ],
    PatternReason.DEFAULT_PORT: [
        ("https://a.example:443", "https://a.example"),
        ("http://a.example:80", "http://a.example"),
        ("https://*.a.example:443", "https://*.a.example"),
        ("https://a.example:443/", "https://a.example"),
    ],
    PatternReason.TRAILING_SLASH: [
        ("https://a.example/", "https://a.example"),
        ("https://a.example:8443/", "https://a.example:8443"),
        ("http://localhost:*/", "http://localhost:*"),
        ("chrome-extension://abc/", "chrome-extension://abc"),
    ],
}
ROWS = [
    pytest.param(value, reason, canonical, id=f"{reason}: {quoted(value)[:60]}")
    for reason, rows in REFUSED.items()
    for value, canonical in rows
]


def test_every_reason_has_its_rows():
    assert set(REFUSED) == set(PatternReason)


@pytest.mark.parametrize(("value", "reason", "canonical"), ROWS)
def test_what_is_no_pattern_is_refused_with_a_reason_and_what_was_meant(value, reason, canonical):
    error = refused(value)
    assert (error.value, error.reason, error.canonical) == (value, reason, canonical)


@pytest.mark.parametrize(("value", "reason", "canonical"), ROWS)
def test_only_case_default_port_unicode_and_trailing_slash_are_correctable(value, reason, canonical):
    safe = {PatternReason.CASE, PatternReason.DEFAULT_PORT, PatternReason.UNICODE, PatternReason.TRAILING_SLASH}
    assert refused(value).correctable is (reason in safe)


@pytest.mark.parametrize(
    "text",
    [
        "HTTPS://user@A.example:443/",
        "HTTPS://A.example:443/path",
        "HTTPS://A.example.:443/",
        "HTTPS://A.example:0443/",
        "HTTP://127.1:80/",
        " HTTPS://A.example:443/",
        "A.example:443/",
    ],
)
def test_a_pattern_with_any_other_fault_beside_those_is_not_correctable(text):
    error = refused(text)
    assert error.canonical is not None
    assert not error.correctable


def test_a_message_names_the_value_the_fault_and_the_canonical_form():
    assert str(refused("https://a.example:443")) == (
        "'https://a.example:443': browsers leave the scheme's default port out; write 'https://a.example'."
    )


def test_cve_2019_25211_no_wildcard_leaves_the_end_of_the_host_open():
    for text in ("https://example.*", "https://example*", "https://example.com*", "https://*", "https://*.example.*"):
        assert refused(text).reason is PatternReason.WILDCARD


# --- properties of the parser ----------------------------------------------------------------------------------------

pieces = st.sampled_from(
    [
        *(
            "http",
            "HTTPS",
            "https",
            "capacitor",
            "file",
            "null",
            "://",
            "://",
            ":",
            "/",
            ".",
            "*",
            "*.",
            ":*",
            "a",
            "B",
        ),
        *("example", "localhost", "com", "xn--bcher-kva", "0", "127", "0x7f", "_", "-", "[", "]", "::1", "@", "%", "?"),
        *(
            "#",
            "\\",
            " ",
            "\t",
            "\n",
            "\x00",
            "bücher",
            "ß",
            "。",
            "１",
            "＊",
            "\u00ad",
            "\u200d",
            "\ud800",
            ",",
            "\u0338",
        ),
        *(":80", ":443", ":8443", ":08", ":65536", "\ufdfa", "א", "ی", "日本"),
    ]
)
near_patterns = st.lists(pieces, max_size=9).map("".join)
any_text = st.text(st.characters(exclude_categories=()))
labels = st.text("abxyz019-_", min_size=1, max_size=5)
hosts = st.lists(labels, min_size=1, max_size=4).map(".".join) | st.sampled_from(["127.0.0.1", "[::1]", "localhost"])
written = st.builds(
    "{}{}{}{}{}{}".format,
    st.sampled_from(["http://", "https://", "HTTPS://", "Http://", "capacitor://", ""]),
    st.sampled_from(["", "", "*.", "user@"]),
    hosts | st.sampled_from(["Bücher.example", "A.example", "127.1", "faß.example", "日本.example", "ｅxample。com"]),
    st.sampled_from(["", "", "."]),
    st.sampled_from(["", ":*", ":80", ":443", ":8443", ":0443", ":"]),
    st.sampled_from(["", "", "/", "/path"]),
)
anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary()
    | st.lists(st.text())
    | st.dictionaries(st.text(), st.text())
)


@given(near_patterns | written | any_text | anything)
def test_anything_is_a_pattern_or_refused(value):
    pattern, error = read(value)
    assert error.value is value if pattern is None else str(pattern) == value


@given(near_patterns | written)
def test_a_pattern_without_a_wildcard_is_an_origin(text):
    pattern, _ = read(text)
    if pattern is not None and "*" not in text:
        assert pattern.is_exact
        assert str(parse_origin(text)) == text


@given(near_patterns | written)
def test_every_origin_is_a_pattern(text):
    origin = parse_origin(text)
    if origin is not None:
        assert parse_pattern(text) == OriginPattern(origin.scheme, origin.host, origin.port)


@given(near_patterns | written)
def test_a_canonical_form_is_a_pattern_and_its_own_canonical_form(text):
    _, error = read(text)
    if error is not None and error.canonical is not None:
        assert str(parse_pattern(error.canonical)) == error.canonical != text


@given(near_patterns | written | hosts.map("https://{}".format))
def test_a_plain_origin_is_an_exact_pattern_within_all_limits(text):
    if is_plain_origin(text):
        pattern = parse_pattern(text)
        assert pattern.is_exact
        assert str(pattern) == text
        check_limits(pattern, Limits())


@given(near_patterns | written)
def test_what_is_correctable_is_the_same_origin_to_a_browser(text):
    _, error = read(text)
    if error is not None and error.correctable and "*" not in text and not text.startswith("capacitor"):
        assert ada_url.URL(text).origin == error.canonical


@given(near_patterns | written | any_text | anything)
def test_a_message_is_one_line_that_begins_with_the_value(value):
    _, error = read(value)
    if error is not None:
        assert str(error).isprintable()
        assert str(error).startswith(quoted(value))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("x" * MEGABYTE, id="letters"),
        pytest.param("https://" + "a." * (MEGABYTE // 2), id="labels"),
        pytest.param("\n" * MEGABYTE, id="line breaks"),
        pytest.param("\U0010ffff" * MEGABYTE, id="unassigned"),
        pytest.param(b"\x00" * MEGABYTE, id="bytes"),
        pytest.param("https://" + "ü" * 250, id="Unicode"),
        pytest.param(" " * 150 + "\n" * 150, id="white space"),
    ],
)
def test_a_message_is_bounded(value):
    assert len(str(refused(value))) < 3000


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("https://" + "ü." * 140, id="Unicode labels"),
        pytest.param("https://" + "\u0338" * 290, id="combining marks"),
        pytest.param("https://" + "\ufdfa" * 290, id="characters that grow"),
        pytest.param("https://" + "a" * 290 + "!", id="one label"),
        pytest.param("https://" + "@" * 290, id="at signs"),
        pytest.param("https://" + ":" * 290, id="colons"),
        pytest.param("https://[" + ":" * 280 + "]", id="colons in brackets"),
        pytest.param("a " * 150, id="words"),
    ],
)
def test_the_worst_pattern_is_refused_in_no_time(text):
    began = time.process_time()
    refused(text)
    assert time.process_time() - began < 0.5  # a few ms


# --- regexes ---------------------------------------------------------------------------------------------------------


def test_a_regex_is_compiled():
    assert compile_regex(r"https://\w+\.example") == re.compile(r"https://\w+\.example")


def test_a_compiled_regex_is_taken_as_it_is():
    regex = re.compile("HTTPS://A", re.IGNORECASE)
    assert compile_regex(regex) is regex


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("(", RegexReason.SYNTAX),
        ("[", RegexReason.SYNTAX),
        ("*", RegexReason.SYNTAX),
        ("a{99999999999999999999}", RegexReason.SYNTAX),
        pytest.param("(" * 20_000 + ")" * 20_000, RegexReason.SYNTAX, id="nested"),
        (None, RegexReason.NOT_A_REGEX),
        (3, RegexReason.NOT_A_REGEX),
        (b"https", RegexReason.NOT_A_REGEX),
        (re.compile(b"https"), RegexReason.NOT_A_REGEX),
    ],
)
def test_what_is_no_regex_is_refused(value, reason):
    with pytest.raises(RegexError) as caught:
        compile_regex(value)
    assert (caught.value.value, caught.value.reason, caught.value.canonical) == (value, reason, None)


@pytest.mark.parametrize(
    "regex",
    ["(?<\n", "(?P<a\r\nb>x)", "(?P<" + "é" * 10_000 + "\x00>x)", "(?\n)", "\\\n(", "(" + "a" * (MEGABYTE // 10)],
    ids=["extension", "group name", "long group name", "flag", "escape", "long"],
)
def test_the_message_about_a_regex_is_one_bounded_line(regex):
    with pytest.raises(RegexError) as caught:
        compile_regex(regex)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 5000


# --- the index -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "origin"),
    [
        ("https://a.example", "https://a.example"),
        ("https://a.example:8443", "https://a.example:8443"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("https://*.example.com", "https://a.example.com"),
        ("https://*.example.com", "https://a.b.c.example.com"),
        ("https://*.example.com", "https://example.com.example.com"),
        ("https://*.example.com:8443", "https://a.example.com:8443"),
        ("https://*.com", "https://example.com"),
        ("http://localhost:*", "http://localhost"),
        ("http://localhost:*", "http://localhost:0"),
        ("http://localhost:*", "http://localhost:3000"),
        ("http://localhost:*", "http://localhost:443"),
        ("http://[::1]:*", "http://[::1]:8000"),
        ("http://127.0.0.1:*", "http://127.0.0.1:8000"),
        ("http://*.localhost:*", "http://a.localhost"),
        ("http://*.localhost:*", "http://a.b.localhost:3000"),
    ],
)
def test_a_pattern_matches(pattern, origin):
    assert str(pattern_set(pattern).match(origin)) == pattern


@pytest.mark.parametrize(
    ("pattern", "origin"),
    [
        ("https://a.example", "http://a.example"),
        ("https://a.example", "https://b.example"),
        ("https://a.example", "https://a.example:8443"),
        ("https://a.example:8443", "https://a.example"),
        ("https://a.example", "https://a.example."),
        ("https://a.example", "https://a.example.evil.test"),
        ("https://a.example", "https://evila.example"),
        ("https://a.example", "https://evil.a.example"),
        ("https://a.example", "https://a.exampl"),
        ("https://a.example", "null"),
        ("https://a.example", ""),
        ("capacitor://localhost", "http://localhost"),
        ("capacitor://localhost", "capacitor://localhost:8080"),
        ("capacitor://localhost", "Capacitor://localhost"),
        ("https://*.example.com", "https://example.com"),
        ("https://*.example.com", "http://a.example.com"),
        ("https://*.example.com", "https://a.example.com:8443"),
        ("https://*.example.com", "https://aexample.com"),
        ("https://*.example.com", "https://a-example.com"),
        ("https://*.example.com", "https://a.example.com.evil.test"),
        ("https://*.example.com", "https://a.example.comevil.test"),
        ("https://*.example.com", "https://a.exampleXcom"),
        ("https://*.example.com", "https://.example.com"),
        ("https://*.example.com", "https://*.example.com"),
        ("https://*.example.com", "https://a..example.com"),
        ("https://*.example.com", "https://A.example.com"),
        ("https://*.example.com", "https://a.example.com/"),
        ("https://*.example.com", "https://evil.test/.example.com"),
        ("https://*.example.com", "https://evil.test#.example.com"),
        ("https://*.example.com", "https://evil.test\n.example.com"),
        ("https://*.example.com", "https://evil@a.example.com"),
        ("https://*.example.com", "https://a.example.com:443"),
        ("https://*.example.com", "capacitor://a.example.com"),
        ("https://*.example.com", "null"),
        ("https://*.example.com:8443", "https://a.example.com"),
        ("http://localhost:*", "https://localhost:3000"),
        ("http://localhost:*", "http://a.localhost:3000"),
        ("http://localhost:*", "http://localhost.evil.test:3000"),
        ("http://localhost:*", "http://localhost:80"),
        ("http://localhost:*", "http://localhost:99999"),
        ("http://localhost:*", "http://localhost:"),
        ("http://localhost:*", "http://localhost:*"),
        ("http://*.localhost:*", "http://localhost:3000"),
        ("http://[::1]:*", "http://[::2]:8000"),
        ("https://*.0.1.example", "https://1.0.1"),
    ],
)
def test_a_pattern_does_not_match(pattern, origin):
    assert pattern_set(pattern).match(origin) is None


def test_ghsa_vhxv_fg4m_p2w8_the_ends_of_two_hosts_do_not_make_a_third():
    several = pattern_set("https://foo.com", "https://bar.com", "https://*.foo.com", "https://*.bar.com")
    for host in ("barfoo.com", "foobar.com", "foo.combar.com", "foo.bar.com.com", "oo.com", "r.com", "com"):
        assert several.match(f"https://{host}") is None


def test_dch_259_an_origin_is_compared_with_its_scheme():
    assert pattern_set("https://a.example", "https://*.b.example").match("http://a.example") is None
    assert pattern_set("https://a.example", "https://*.b.example").match("http://x.b.example") is None


def test_dch_measured_a_regex_is_matched_whole():
    # django-cors-headers calls re.match(), for which the beginning is enough.
    for regex in (r"https://ok\.example", r"^https://ok\.example", r"https://(\w+\.)?ok\.example"):
        assert pattern_set(regexes=[regex]).match("https://ok.example") is not None
        assert pattern_set(regexes=[regex]).match("https://ok.example.evil.test") is None


def test_dch_measured_a_regex_never_sees_what_is_no_origin():
    anything_goes = pattern_set(regexes=[r"(?s).*"])
    assert anything_goes.match("https://ok.example") is not None
    for text in ("null", "", "https://ok.example/evil", "HTTPS://ok.example", "https://ok.ex\tample", "file://", "*"):
        assert anything_goes.match(text) is None


def test_dch_measured_a_dollar_before_a_line_break_is_no_end():
    assert pattern_set(regexes=[r"^https://ok\.example$"]).match("https://ok.example\n") is None


def test_the_first_regex_that_matches_is_given():
    first, second = re.compile(r"https://a\..*"), re.compile(r"https://.*\.example")
    assert PatternSet([], [first, second]).match("https://a.example") is first
    assert PatternSet([], [first, second]).match("https://b.example") is second


def test_an_exact_origin_is_found_before_a_wildcard_and_a_wildcard_before_a_regex():
    regex = re.compile(r"https://.*\.example")
    texts = ["https://*.b.example", "https://a.b.example"]
    several = PatternSet(map(parse_pattern, texts), [regex])
    assert several.match("https://a.b.example") == "https://a.b.example"
    assert several.match("https://c.b.example") == parse_pattern("https://*.b.example")
    assert several.match("https://b.example") is regex


@pytest.mark.parametrize("origin", ["https://a.example", "null", "", "HTTPS://A", "\r\n", "\ud800", "x" * 8192])
def test_the_star_matches_everything_and_wins(origin):
    assert pattern_set("https://a.example", "*", regexes=[".*"]).match(origin) is ANY_ORIGIN


def test_an_empty_set_matches_nothing():
    assert not PatternSet()
    assert PatternSet().match("https://a.example") is None


@pytest.mark.parametrize(
    "several",
    [pattern_set("*"), pattern_set("https://a.example"), pattern_set("http://a.example:*"), pattern_set(regexes=["x"])],
    ids=["star", "exact", "wildcard", "regex"],
)
def test_a_set_with_anything_in_it_is_true(several):
    assert several


def test_patterns_that_differ_in_their_port_alone_all_match():
    several = pattern_set("https://*.a.example:1", "https://*.a.example:2", "https://*.a.example")
    assert str(several.match("https://x.a.example:2")) == "https://*.a.example:2"
    assert str(several.match("https://x.a.example")) == "https://*.a.example"
    assert several.match("https://x.a.example:3") is None


def test_the_nearest_base_is_given():
    several = pattern_set("https://*.example", "https://*.a.example")
    assert str(several.match("https://x.a.example")) == "https://*.a.example"


@pytest.mark.parametrize("name", ["any_origin", "_exact", "_hosts", "_regexes", "new"])
def test_a_set_is_immutable(name):
    with pytest.raises((AttributeError, TypeError)):
        setattr(PatternSet(), name, True)


# --- what a match costs ----------------------------------------------------------------------------------------------


class Raw(str):
    """Text that counts how often it is looked up."""

    __slots__ = ("lookups",)

    def __hash__(self):
        self.lookups = getattr(self, "lookups", 0) + 1
        return super().__hash__()


def unparsed(monkeypatch):
    monkeypatch.setattr(patterns, "parse_origin", None)


@pytest.mark.parametrize("origin", ["https://a9.example", "https://evil.test"])
def test_an_exact_origin_is_one_lookup_without_parsing(monkeypatch, origin):
    several = pattern_set(*(f"https://a{number}.example" for number in range(1000)))
    unparsed(monkeypatch)
    raw = Raw(origin)
    several.match(raw)
    assert raw.lookups == 1


def test_an_exact_origin_is_not_parsed_where_wildcards_and_regexes_could_match(monkeypatch):
    several = pattern_set("https://a.example", "https://*.a.example", regexes=[".*"])
    unparsed(monkeypatch)
    assert several.match("https://a.example") == "https://a.example"


def test_what_no_exact_origin_matches_is_parsed_once(monkeypatch):
    parsed = []
    several = pattern_set("https://*.a.example", "http://localhost:*", regexes=["x", "y"])
    monkeypatch.setattr(patterns, "parse_origin", lambda text: parsed.append(text) or parse_origin(text))
    several.match("https://evil.test")
    assert parsed == ["https://evil.test"]


def test_a_match_does_not_slow_down_with_the_number_of_wildcards():
    several = pattern_set(*(f"https://*.a{number}.example" for number in range(5000)))
    began = time.process_time()
    for _ in range(200):
        several.match("https://x.y.z.a4999.example")
    assert time.process_time() - began < 0.5  # some 2 ms; a loop over all takes seconds


# --- against another matcher -----------------------------------------------------------------------------------------


def split(text):
    scheme, _, rest = text.partition("://")
    host, colon, port = rest.rpartition(":")
    return (scheme, host, port) if colon and not rest.endswith("]") else (scheme, rest, "")


def matches(pattern, origin):
    """Compare the texts of a pattern and of an origin, part by part."""
    if pattern == "*":
        return True
    (scheme, host, port), (its_scheme, its_host, its_port) = split(pattern), split(origin)
    if scheme != its_scheme or port not in ("*", its_port):
        return False
    if host.startswith("*."):
        wanted, given = host[2:].split("."), its_host.split(".")
        return len(given) > len(wanted) and given[-len(wanted) :] == wanted
    return host == its_host


few_labels = st.sampled_from(["a", "b", "foo", "bar", "barfoo", "foo-bar", "com", "example", "localhost"])
few_hosts = st.lists(few_labels, min_size=1, max_size=4).map(".".join)
fixed_hosts = st.sampled_from(["127.0.0.1", "[::1]", "[::2]", "localhost", "foo.com", "a.foo.com", "example.com"])
few_schemes = st.sampled_from(["http", "https"])
few_ports = st.sampled_from(["", "", "", ":1", ":8443"])
few_origins = st.builds("{}://{}{}".format, few_schemes, few_hosts | fixed_hosts, few_ports) | st.sampled_from(
    ["capacitor://localhost", "capacitor://a"]
)
few_patterns = (
    few_origins
    | st.builds("{}://*.{}{}".format, few_schemes, few_hosts, few_ports | st.just(":*"))
    | st.builds("{}://{}:*".format, few_schemes, few_hosts | fixed_hosts)
)


@given(st.lists(few_patterns, max_size=8), st.data())
def test_a_set_matches_as_its_patterns_do_one_by_one(texts, data):
    several = pattern_set(*texts)
    for origin in [data.draw(few_origins, label="origin"), *texts]:
        if "*" not in origin:
            assert (several.match(origin) is not None) == any(matches(text, origin) for text in texts)


@given(st.lists(few_patterns, min_size=1, max_size=8), few_origins)
def test_what_is_given_is_one_of_the_patterns_and_matches(texts, origin):
    match = pattern_set(*texts).match(origin)
    if match is not None:
        assert str(match) in texts
        assert matches(str(match), origin)


@given(few_patterns, st.data())
def test_a_wildcard_matches_whatever_it_stands_for(text, data):
    origin = text.replace("*.", data.draw(few_hosts) + ".").replace(":*", data.draw(few_ports))
    assert pattern_set(text).match(origin) is not None


@given(st.lists(few_patterns, max_size=5), near_patterns | any_text)
def test_nothing_but_the_star_matches_what_is_no_origin(texts, text):
    if parse_origin(text) is None:
        assert pattern_set(*texts, regexes=[r"(?s).*"]).match(text) is None


# --- public suffixes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "com",
        "co.uk",
        "github.io",  # the private section
        "s3.amazonaws.com",
        "amazonaws.com",  # a stranger may have a name under s3.amazonaws.com
        "kawasaki.jp",  # the base of the rule *.kawasaki.jp
        "other.kawasaki.jp",
        "ck",  # of *.ck
        "xn--p1ai",  # рф
        "xn--55qx5d.cn",  # 公司.cn
    ],
)
def test_different_owners_register_names_under_a_public_suffix(host):
    assert is_public_suffix(host)


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "example.co.uk",
        "someone.github.io",
        "city.kawasaki.jp",  # the exception !city.kawasaki.jp
        "a.other.kawasaki.jp",
        "www.ck",
        "localhost",
        "a.localhost",
        "internal",  # no top level of the list
        "corp.internal",
        "local",
        "under_score",
    ],
)
def test_anything_else_is_no_public_suffix(host):
    assert not is_public_suffix(host)


@pytest.mark.parametrize(
    ("host", "suffix"),
    [
        ("someone.github.io", "github.io"),
        ("a.someone.github.io", None),
        ("github.io", None),
        ("example.com", None),
        ("example.co.uk", None),
        ("localhost", None),
        ("a.internal", None),
    ],
)
def test_shared_hosting_suffix_is_given_for_a_name_right_under_it(host, suffix):
    assert shared_hosting_suffix(host) == suffix


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("a.b.example.co.uk", "example.co.uk"),
        ("example.com", "example.com"),
        ("a.someone.github.io", "someone.github.io"),
        ("co.uk", None),
        ("localhost", None),
        ("a.internal", None),
    ],
)
def test_registrable_domain(host, domain):
    assert registrable_domain(host) == domain


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("a.example.com", "example.com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("a.me.github.io", "me.github.io"),
        ("github.io", "github.io"),
        ("s3.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com"),
        # A top level that the list does not know is a suffix by the list's own algorithm.
        ("a.b.corp.internal", "corp.internal"),
        ("app.acme.localhost", "acme.localhost"),
        ("localhost", "localhost"),
        ("127.0.0.1", "127.0.0.1"),
        ("[2001:db8::1]", "[2001:db8::1]"),
    ],
)
def test_site_of(host, site):
    assert site_of(host) == site


@pytest.mark.parametrize(
    ("written", "sample"),
    [
        ("https://a.com", "https://a.com"),
        ("https://*.a.com", "https://evil.a.com"),
        ("https://*.a.com:444", "https://evil.a.com:444"),
        ("http://a.com:*", "http://a.com:8443"),
        ("https://*.a.com:*", "https://evil.a.com:8443"),
        ("*", "https://evil.net"),
        ("app://x", "app://x"),
        (f"https://*.{'a.' * 124}com", f"https://e.{'a.' * 124}com"),
    ],
)
def test_sample_is_an_origin_that_a_pattern_stands_for(written, sample):
    pattern = parse_pattern(written)
    assert pattern.sample == sample
    assert PatternSet([pattern]).match(sample) is not None


@pytest.mark.parametrize(
    ("written", "wider"),
    [
        (
            "https://a.b.com:444",
            {"https://a.b.com:*", "https://*.b.com:444", "https://*.b.com:*", "https://*.com:444", "https://*.com:*"},
        ),
        ("https://*.b.com:*", {"https://*.com:*"}),
        ("http://localhost", {"http://localhost:*"}),
    ],
)
def test_wider_patterns_stand_for_all_of_a_pattern(written, wider):
    pattern = parse_pattern(written)
    assert {str(other) for other in pattern.wider()} == wider
    assert all(PatternSet([other]).match(pattern.sample) for other in pattern.wider())


def test_a_set_gives_what_it_holds_in_the_order_in_which_it_is_asked():
    wildcard, any_port = parse_pattern("https://*.example.com"), parse_pattern("http://localhost:*")
    regex = re.compile("https://a")
    exact = parse_pattern("https://b.example")
    held = PatternSet([wildcard, any_port, "https://a.example", exact, ANY_ORIGIN], [regex])
    assert list(held) == [ANY_ORIGIN, "https://a.example", "https://b.example", wildcard, any_port, regex]
    assert list(PatternSet()) == []
