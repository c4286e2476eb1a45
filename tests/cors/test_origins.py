import string
import time
from ipaddress import IPv4Address, IPv6Address

import ada_url
import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cors_policy.cors import Origin, is_loopback, origins, parse_origin
from django_cors_policy.cors.origins import MAX_HOST, MAX_ORIGIN, canonical_ipv4, canonical_ipv6, host_address

LABEL_63 = "a" * 63
HOST_253 = ".".join([LABEL_63, LABEL_63, LABEL_63, "a" * 61])


def browsers_origin(text):
    """Give the origin that the WHATWG parser reads from a URL, or None if it reads none."""
    try:
        return ada_url.URL(text).origin
    except ValueError:
        return None


def holds_punycode(host):
    return any(label.startswith("xn--") for label in host.split("."))


# --- what a browser sends --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port"),
    [
        ("https://app.example.com", "https", "app.example.com", None),
        ("http://app.example.com", "http", "app.example.com", None),
        ("https://app.example.com:8443", "https", "app.example.com", 8443),
        ("http://localhost:3000", "http", "localhost", 3000),
        ("https://a.example:80", "https", "a.example", 80),
        ("http://a.example:443", "http", "a.example", 443),
        ("https://a.example:0", "https", "a.example", 0),
        ("https://a.example:65535", "https", "a.example", 65535),
        ("https://under_score.example", "https", "under_score.example", None),
        ("https://-a-.example", "https", "-a-.example", None),
        ("https://ab--cd.example", "https", "ab--cd.example", None),
        ("https://1a.example", "https", "1a.example", None),
        ("https://0.example", "https", "0.example", None),
        ("https://example.0xg", "https", "example.0xg", None),
        ("https://example.1_", "https", "example.1_", None),
        ("https://xn--bcher-kva.example", "https", "xn--bcher-kva.example", None),
        ("http://127.0.0.1", "http", "127.0.0.1", None),
        ("http://192.168.0.1:8080", "http", "192.168.0.1", 8080),
        ("http://0.0.0.0", "http", "0.0.0.0", None),
        ("http://255.255.255.255", "http", "255.255.255.255", None),
        ("http://[::1]", "http", "[::1]", None),
        ("http://[::]:8000", "http", "[::]", 8000),
        ("http://[2001:db8::8a2e:370:7334]", "http", "[2001:db8::8a2e:370:7334]", None),
        ("http://[::ffff:7f00:1]", "http", "[::ffff:7f00:1]", None),
        ("http://[1:0:2:0:3:0:4:0]", "http", "[1:0:2:0:3:0:4:0]", None),
        ("http://[1::2:0:0:3]", "http", "[1::2:0:0:3]", None),
        ("capacitor://localhost", "capacitor", "localhost", None),
        ("ionic://localhost", "ionic", "localhost", None),
        ("tauri://localhost", "tauri", "localhost", None),
        ("app://obsidian.md", "app", "obsidian.md", None),
        ("chrome-extension://abcdefghijklmnop", "chrome-extension", "abcdefghijklmnop", None),
        ("moz-extension://5d2e9a1c-77aa-4c1e", "moz-extension", "5d2e9a1c-77aa-4c1e", None),
        ("safari-web-extension://5D2E9A1C-77AA", "safari-web-extension", "5D2E9A1C-77AA", None),
        ("Custom+Scheme.2://Host_1:8080", "Custom+Scheme.2", "Host_1", 8080),
    ],
)
def test_an_origin_is_read(text, scheme, host, port):
    assert parse_origin(text) == Origin(scheme, host, port)


def test_a_host_may_have_253_characters():
    assert parse_origin(f"https://{HOST_253}:65535") is not None


def test_a_host_may_have_labels_of_more_than_63_characters():
    # RFC 1035 does not allow it, the URL standard does, and so browsers send it.
    text = f"https://{'a' * 64}.example"
    assert parse_origin(text) is not None
    assert browsers_origin(text) == text


# --- everything else -------------------------------------------------------------------------------------------------

NO_ORIGINS = {
    "null": ["null", "Null", "NULL", "null://", "https://null/"],
    "empty": ["", " ", "://", "https://", "https:", "https", "//a.example", "a.example", "*"],
    "case": ["HTTPS://a.example", "Https://a.example", "https://A.example", "https://a.eXample", "hTTp://localhost"],
    "default port": ["https://a.example:443", "http://a.example:80", "http://[::1]:80", "https://127.0.0.1:443"],
    "port": [
        "https://a.example:",
        "https://a.example:08443",
        "https://a.example:00",
        "https://a.example:65536",
        "https://a.example:99999",
        "https://a.example:100000",
        "https://a.example:-1",
        "https://a.example:+1",
        "https://a.example: 1",
        "https://a.example:1_0",
        "https://a.example:١",
        "https://a.example:http",
        "https://a.example:*",
        "https://a.example:1:2",
        "capacitor://localhost:65536",
        "capacitor://localhost:01",
    ],
    "path": [
        "https://a.example/",
        "https://a.example/path",
        "https://a.example?q",
        "https://a.example#f",
        "https://a.example\\",
        "https://a.example:8443/",
        "capacitor://localhost/",
    ],
    "userinfo": ["https://user@a.example", "https://@a.example", "https://a.example@evil.test", "https://:p@a.example"],
    "dots": ["https://a.example.", "https://.a.example", "https://a..example", "https://.", "https://..", "app://a."],
    "wildcard": ["https://*.a.example", "https://*", "https://a.*", "*://a.example"],
    "characters": [
        "https://a b.example",
        "https://a.example b",
        "https://a.example,https://b.example",
        "https://a.example, https://b.example",
        "https://a.example https://b.example",
        "https://a%2eexample",
        "https://a%60.example",
        "https://bücher.example",
        "https://ａ.example",
        "https://a。example",
        "https://a\u00ad.example",
        "https://a\u200b.example",
        "https://a'.example",
        "https://a`.example",
        "https://{a}.example",
        "https://(a).example",
        "https://a+.example",
        "https://a^.example",
        "https://a!.example",
        "https://a~.example",
        "https://a;.example",
        "https://a|.example",
        "https://a&.example",
        "https://a$.example",
        "https://a=.example",
        'https://a".example',
    ],
    "white space and controls": [
        " https://a.example",
        "https://a.example ",
        "https://a.example\n",
        "\nhttps://a.example",
        "https://a.example\r",
        "https://a.example\r\n",
        "https://a.example\t",
        "https://a.ex\tample",
        "ht\ntps://a.example",
        "https://a.example\x00",
        "https://\x00a.example",
        "https://a.example\x0b",
        "https://a.example\x7f",
        "https://a.example\u2028",
        "https://a.example\ufeff",
        "https://a.example:1\n",
        "capacitor://localhost\n",
    ],
    "surrogates": ["\ud800", "https://\ud800.example", "https://a.example\udcff", "capacitor://\udfff"],
    "IPv4": [
        "http://127.1",
        "http://1.2.3",
        "http://0",
        "http://1",
        "http://2130706433",
        "http://0x7f000001",
        "http://0x7f.1",
        "http://0x",
        "http://0177.0.0.1",
        "http://127.0.0.01",
        "http://256.0.0.1",
        "http://1.2.3.256",
        "http://1.2.3.4.5",
        "http://4294967296",
        "http://a.1",
        "http://a.0x1",
        "http://a.09",
        "http://1.2.3.4.",
    ],
    "IPv6": [
        "http://::1",
        "http://[]",
        "http://[::1",
        "http://::1]",
        "http://[[::1]]",
        "http://[:::]",
        "http://[::1::]",
        "http://[0:0:0:0:0:0:0:1]",
        "http://[::0001]",
        "http://[::A]",
        "http://[::127.0.0.1]",
        "http://[::ffff:127.0.0.1]",
        "http://[::1%25eth0]",
        "http://[::1%eth0]",
        "http://[1:2:3:4:5:6:7]",
        "http://[1:2:3:4:5:6:7:8:9]",
        "http://[12345::]",
        "http://[1:2:3:4:5:6:7::]",
        "http://[1::2:0:0:0:3]",
        "http://a[::1]",
        "http://[::1]a",
        "http://[v1.a]",
        "capacitor://[::1]",
    ],
    "scheme": [
        "file://",
        "file:///",
        "file://a.example",
        "FILE://a.example",
        "ftp://a.example",
        "ws://a.example",
        "wss://a.example",
        "about://blank",
        "blob://a.example",
        "blob:https://a.example",
        "data://a",
        "data:,",
        "javascript://a",
        "JavaScript://a",
        "1app://a",
        "-app://a",
        "app:a",
        "app:/a",
        "://a.example",
        "https:///a.example",
        "https:a.example",
        "https:/a.example",
        "https//a.example",
        "ſ://a",
        "\u212a://a",
    ],
}


@pytest.mark.parametrize(
    "text",
    [pytest.param(text, id=f"{fault}: {text!a}") for fault, texts in NO_ORIGINS.items() for text in texts],
)
def test_everything_else_is_none(text):
    assert parse_origin(text) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"https://a{HOST_253}", id="254 characters of host"),
        pytest.param(f"capacitor://a{HOST_253}", id="254 characters of another scheme's host"),
        pytest.param(f"{'a' * 300}://a", id="scheme"),
        pytest.param(f"https://a.example{' ' * 8192}", id="8 KB of spaces"),
        pytest.param("https://" + "a" * 8192, id="8 KB of host"),
        pytest.param("https://" + "a." * 4096, id="8 KB of labels"),
        pytest.param("https://a:" + "1" * 8192, id="8 KB of digits"),
    ],
)
def test_what_is_too_long_is_none(text):
    assert parse_origin(text) is None


def test_other_schemes_have_the_same_limit_of_the_host():
    assert parse_origin(f"capacitor://{HOST_253}") is not None


def test_dch_701_an_invalid_origin_never_raises():
    # django-cors-headers crashed on what urlsplit() refuses.
    for text in (
        "https://[",
        "https://]",
        "https://[a]",
        "http://[::1",
        "https://a.example:99999999",
        "https://℀.example",
    ):
        assert parse_origin(text) is None


def test_dch_measured_only_the_exact_serialization_is_an_origin():
    # django-cors-headers compares what urlsplit() makes of it, and echoes the rest.
    assert parse_origin("https://ok.example") is not None
    for text in ("https://ok.example/evil", "HTTPS://ok.example", "https://ok.ex\tample", "https://ok.example?evil"):
        assert parse_origin(text) is None


# --- properties ------------------------------------------------------------------------------------------------------

any_text = st.text(st.characters(exclude_categories=()))
pieces = st.sampled_from(
    [
        *("http", "https", "capacitor", "file", "null", "://", ":", "/", ".", "..", "a", "B", "example", "localhost"),
        *(
            "xn--",
            "xn--bcher-kva",
            "0",
            "1",
            "08",
            "127",
            "255",
            "256",
            "0x",
            "0x7f",
            "_",
            "-",
            "[",
            "]",
            "::1",
            "[::1]",
        ),
        *("*", "@", "%", "?", "#", "\\", " ", "\t", "\n", "\r", "\x00", "é", "ß", "。", "．", "\u00ad", "\ud800", ","),
        *(":80", ":443", ":8443", ":0", ":65536", ":01"),
    ]
)
near_origins = st.lists(pieces, max_size=8).map("".join)
near_http = st.tuples(st.sampled_from(["http://", "https://"]), near_origins).map("".join)
schemes = st.sampled_from(["http", "https"])
ports = st.just("") | st.integers(0, 65535).map(":{}".format) | st.sampled_from([":80", ":443", ":0", ":080", ":65536"])
odd_labels = st.sampled_from(["xn--bcher-kva", "xn--a", "0x1", "0X1", "127", "08", "-", "_"])
labels = st.text("abcXYZ019-_", min_size=1, max_size=6) | odd_labels
names = st.lists(labels, min_size=1, max_size=5).map(".".join)


@st.composite
def ipv4_spellings(draw):
    count = draw(st.integers(1, 5))
    numbers = [draw(st.integers(0, 256)) for _ in range(count - 1)]
    numbers.append(draw(st.integers(0, 256) | st.integers(0, 256**4) | st.sampled_from([2**24, 2**16, 2**32 - 1])))
    spelling = st.sampled_from(["{}", "{}", "0{:o}", "0x{:x}", "0X{:X}", "00{:o}", "0x00{:x}", "0{}"])
    return ".".join(draw(spelling).format(number) for number in numbers)


@st.composite
def ipv6_spellings(draw):
    groups = draw(st.lists(st.sampled_from([0, 0, 0, 1, 0xFF, 0xABCD, 0xFFFF]), min_size=8, max_size=8))
    address = IPv6Address(int.from_bytes(b"".join(group.to_bytes(2) for group in groups)))
    dotted = str(IPv4Address(int(address) & 0xFFFFFFFF))
    written = draw(
        st.sampled_from(
            [
                str(address),
                address.exploded,
                ":".join(f"{group:x}" for group in groups),
                ":".join(f"{group:x}" for group in groups[:6]) + f":{dotted}",
                f"::{dotted}",
                str(address).replace("::", ":"),
            ]
        )
    )
    return f"[{draw(st.sampled_from([written, written.upper(), f'{written}%1']))}]"


hosts = names | ipv4_spellings() | ipv6_spellings()
urls = st.builds("{}://{}{}".format, schemes, hosts, ports)


@given(any_text | near_origins | near_http)
def test_any_text_is_an_origin_or_none(text):
    assert parse_origin(text) is None or isinstance(parse_origin(text), Origin)


@given(near_origins | near_http | urls)
def test_an_origins_text_is_its_serialization(text):
    origin = parse_origin(text)
    assert origin is None or str(origin) == text


@given(near_origins | near_http | any_text)
def test_an_origin_holds_nothing_that_could_end_or_split_a_header(text):
    characters = frozenset(string.ascii_letters + string.digits + "+-._:/[]")
    assert parse_origin(text) is None or characters.issuperset(text)


@given(near_http | urls)
def test_what_is_accepted_is_the_origin_that_browsers_read(text):
    origin = parse_origin(text)
    if origin is not None and not holds_punycode(origin.host):
        assert browsers_origin(text) == text


@given(urls)
def test_the_origin_that_browsers_read_is_accepted(url):
    origin = browsers_origin(url)
    assert origin is None or parse_origin(origin) is not None


@given(urls)
def test_of_all_spellings_only_the_one_that_browsers_send_is_accepted(url):
    if not holds_punycode(url.partition("://")[2].lower()):
        assert (parse_origin(url) is not None) == (browsers_origin(url) == url)


@given(ipv4_spellings())
def test_every_spelling_of_an_ipv4_address_has_the_form_that_browsers_send(host):
    origin = browsers_origin(f"http://{host}")
    assert canonical_ipv4(host) == (origin and origin.removeprefix("http://"))


@given(ipv6_spellings())
def test_every_spelling_of_an_ipv6_address_has_the_form_that_browsers_send(host):
    origin = browsers_origin(f"http://{host}")
    assert canonical_ipv6(host[1:-1]) == (origin and origin.removeprefix("http://"))


# --- bounded work ----------------------------------------------------------------------------------------------------


def test_text_of_more_than_any_origin_is_not_looked_at(monkeypatch):
    monkeypatch.setattr(origins, "_HTTP", None)
    monkeypatch.setattr(origins, "_OTHER", None)
    assert parse_origin("a" * (MAX_ORIGIN + 1)) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a" * MAX_ORIGIN, id="a word"),
        pytest.param(("https://" + "a." * MAX_ORIGIN)[:MAX_ORIGIN], id="labels"),
        pytest.param(("https://" + "a-" * MAX_ORIGIN)[: MAX_ORIGIN - 1] + "!", id="nearly a host"),
        pytest.param(("https://" + "1." * MAX_ORIGIN)[: MAX_HOST + 7], id="numbers"),
        pytest.param("http://[" + ":" * 250 + "]", id="colons"),
        pytest.param("http://[" + "0:" * 120 + "]", id="groups"),
        pytest.param("http://[" + "f" * 250 + "]", id="hex"),
        pytest.param("http://" + "9" * 250, id="one number"),
        pytest.param("http://0x" + "f" * 250, id="one hex number"),
    ],
)
def test_the_worst_text_of_that_length_is_cheap(text):
    began = time.process_time()
    for _ in range(100):
        parse_origin(text)
    assert time.process_time() - began < 0.5  # some 5 ms; an exponent would take for ever


# --- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("1.2.3", "1.2.0.3"),
        ("1.0xffffff", "1.255.255.255"),
        ("0x.0X.0.0", "0.0.0.0"),
        ("4294967295", "255.255.255.255"),
        ("4294967296", None),
        ("256.1", None),
        ("1.16777216", None),
        ("1.2.3.4.5", None),
        ("1.2.3.4.", None),
        ("08", None),
        ("0xg", None),
        ("+1", None),
        ("1_0", None),
        ("١", None),
        ("", None),
        ("a.example", None),
        pytest.param("9" * 5000, None, id="more digits than int() takes"),
        pytest.param("0x" + "f" * 5000, None, id="many hexadecimal digits"),
    ],
)
def test_canonical_ipv4(text, canonical):
    assert canonical_ipv4(text) == canonical


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("::1", "[::1]"),
        ("0:0:0:0:0:0:0:0", "[::]"),
        ("2001:DB8::00A", "[2001:db8::a]"),
        ("::ffff:127.0.0.1", "[::ffff:7f00:1]"),
        ("1:0:2:3:4:5:6:7", "[1:0:2:3:4:5:6:7]"),
        ("1:0:0:2:0:0:0:3", "[1:0:0:2::3]"),
        ("1:0:0:2:3:0:0:4", "[1::2:3:0:0:4]"),
        ("1:2:3:4:5:6:0:0", "[1:2:3:4:5:6::]"),
        ("1::2::3", None),
        ("fe80::1%eth0", None),
        ("fe80::1%", None),
        ("[::1]", None),
        ("127.0.0.1", None),
        ("", None),
    ],
)
def test_canonical_ipv6(text, canonical):
    assert canonical_ipv6(text) == canonical


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", IPv4Address("127.0.0.1")),
        ("[::1]", IPv6Address("::1")),
        ("a.example", None),
        ("localhost", None),
        ("1.example", None),
    ],
)
def test_host_address(host, address):
    assert host_address(host) == address


@pytest.mark.parametrize("host", ["localhost", "a.localhost", "a.b.localhost", "127.0.0.1", "127.255.0.9", "[::1]"])
def test_loopback_is_the_visitors_own_machine(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        *("a.example", "localhost.example", "notlocalhost", "localhost.localdomain", "127.0.0.1.example", "*"),
        *("0.0.0.0", "128.0.0.1", "10.0.0.1", "[::]", "[::2]", "[fe80::1]"),
        "[::ffff:7f00:1]",  # in no version of Python
    ],
)
def test_anything_else_is_no_loopback(host):
    assert not is_loopback(host)


@pytest.mark.parametrize("text", ["https://app.example.com", "http://app.example.com:8000", "https://[::1]:8443"])
def test_the_text_of_an_origin_is_its_serialization(text):
    assert str(parse_origin(text)) == text
