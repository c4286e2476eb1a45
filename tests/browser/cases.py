"""What a browser is asked and answered: each step of the standard by hand, and pairs that nobody thought of.

Addresses are written with the names of origins in braces: ``{page}`` is the page's own, ``{other}`` and ``{third}`` are
foreign to it, ``{base}`` is where this case's places are.
"""

import itertools
import random
from collections.abc import Sequence

from django_cors_policy.cors import (
    DEFAULT_HEADERS,
    DEFAULT_METHODS,
    Answer,
    CorsRequest,
    Decision,
    FetchRequest,
    PolicySpec,
    compile_policy,
    decide,
)

from .answering import Place
from .fetching import Case

ACAO, ACAC = "Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"
ACAM, ACAH = "Access-Control-Allow-Methods", "Access-Control-Allow-Headers"
ACEH, ACMA = "Access-Control-Expose-Headers", "Access-Control-Max-Age"
ANY = [(ACAO, "*"), (ACAM, "*"), (ACAH, "*")]
OWN = [(ACAO, "{page}")]
WITH = [(ACAO, "{page}"), (ACAC, "true")]
NULL = [(ACAO, "null"), (ACAM, "*"), (ACAH, "*")]
CUSTOM = (("X-Custom", "1"),)
MANY = (
    ("X-One", "1"),
    ("X-One", "1b"),
    ("ETag", "e"),
    ("Cache-Control", "no-store"),
    ("Content-Language", "en"),
    ("Content-Type", "text/plain"),
    ("Expires", "0"),
    ("Last-Modified", "yesterday"),
    ("Pragma", "p"),
    ("Set-Cookie", "a=1"),
    ("set-cookie2", "b=1"),
    ("*", "star"),
    ("X-Empty", ""),
    ("X-Blank", "\t a  b \t"),
    ("X High", "no name"),
    ("X-High", "\xe9\xff"),
)

# Without blanks in them: those are written where they are used.
HEADER_NAMES = """Cookie Cookie2 Set-Cookie Host Origin Referer Connection Content-Length Date DNT Expect Via TE Upgrade
    Trailer Keep-Alive Transfer-Encoding Accept-Charset Accept-Encoding Access-Control-Request-Method
    Access-Control-Request-Headers Access-Control-Request-Private-Network Sec-X sec- Proxy-X User-Agent X-Sec-
    Authorization Cache-Control Pragma If-None-Match Last-Event-ID X-Requested-With Sec Proxy Set-Cookie2"""
ALLOWED_ORIGINS = """* null {page} {other} {page}/ {page},{page} *.* ** "*" '*' Null null/ foo // localhost
    localhost:80 a: 1a: : :// http: http:x http:/ http:// http://* https://*.example.com https://x.com:*
    http://x:99999 http://[ http://[::1] http://x% http://x%20y http://x<y file: file://[ file://x:1
    https//x.com x.com:443 http://x# mailto:a http://x_y http://x^y http://x|y http://1.2.3.4.5
    http://256.1.1.1 http://1.2.3.09 http://0x http://xn-- http://xn--a ws://x
    foo:// foo://[ foo://a^b foo://x:99999 foo://: foo://@ blob:x http://x\\y http://x@y http://@ http://x: http:///x
    //x /x ? http://x:80a data: javascript: http://%00 http://a..b http://. http://-a about: true
    \xe9 http://\xe9 http://\xc3\xa9 http://x\x7f http://x\x01y~'" """
LOCATIONS = """{@other}{base}/1 {@page}{base}/1 http://@{-other}{base}/1 data:,x ftp://x/ file:///x javascript:1
    about:blank blob:http://x/1 foo:bar foo://x/y mailto:x chrome://version chrome-extension://x/ ws://x{base}/
    wss://x{base}/ http://[ http://127.0.0.1:6000{base}/ https://127.0.0.1:1{base}/ http://127.0.0.1:99999/ 1 ./1
    ..{base}/1 ?q #f 1#f 1?q#f {base}/1 //{-other}{base}/1 \\\\{-other}{base}\\1 http:1 HTTP:{base}/1 {base}/\xe9
    {base}/a/../%2e/1 {base}/\xc3\xa9?\xe9'#\xe9 {base}/%zz foo://user@x {base}/a|b^{}`"<> \x01{base}/1"""
URLS = """http://[{base}/ ftp://x{base}/ file://{base}/ about:{base}/ blob:http://x{base}/ foo:{base}/ ws://x{base}/
    chrome://x{base}/ mailto:{base}/ http://127.0.0.1:6000{base}/ http://localhost:10080{base}/ {@other}{base}/0
    {@page}{base}/0 foo://u@x{base}/ {other}{base}/0#x {other}{base}/0? {other}{base}/0?# {base}/0 .{base}/0
    //x:99999{base}/ {other}{base}/a|b^{}`"<>'\xe9[]\\x;,%zz%7e~!$&()*+=:@ {other}{base}/?a'`{}|\\^\xe9#`<">{}|
    {other}{base}/a/../b/./%2E%2e/c {other}{base}/\U0001f600 {other}{base}/\ud800 HTTP:{base}/0
    http:\\\\x:99999{base}"""


class Writer:
    """Writes cases, numbered; ``origins`` are those of the pages, all on loopback."""

    def __init__(self, origins: Sequence[str]) -> None:
        self.page, self.other, self.third = origins[:3]
        self.cases: list[Case] = []

    def filled(self, text: str, base: str = "") -> str:
        names = {"page": self.page, "other": self.other, "third": self.third, "base": base}
        for name, value in names.items():
            text = text.replace("{" + name + "}", value)
            text = text.replace("{@" + name + "}", value.replace("://", "://user:pass@"))
        return text

    def add(
        self,
        name: str,
        *fetches: dict,
        preflight: tuple[int, Sequence[tuple[str, str]]] = (200, ANY),
        actual: tuple[int, Sequence[tuple[str, str]]] = (200, ANY),
        url: str = "{other}{base}/0",
        more: dict[str, tuple[tuple, tuple]] | None = None,
    ) -> None:
        base = f"/case-{len(self.cases)}"
        places = {
            f"{base}/{path}": Place(*(Answer(status, self._headers(headers, base)) for status, headers in pair))
            for path, pair in {"0": (preflight, actual), **(more or {})}.items()
        }
        requests = []
        for given in fetches or ({},):
            fetch = {"origin": self.page, "url": url} | given
            requests.append(FetchRequest(**(fetch | {"url": self.filled(fetch["url"], base)})))
        self.cases.append(Case(name, requests, places))

    def _headers(self, headers: Sequence[tuple[str, str]], base: str) -> list[tuple[str, str]]:
        return [(name, self.filled(value, base)) for name, value in headers]


def written(origins: Sequence[str]) -> list[Case]:
    """Give the cases written by hand: at least one for each step."""
    writer = Writer(origins)
    for write in (
        _methods,
        _headers,
        _origins,
        _preflights,
        _caches,
        _exposed,
        _rewritten,
        _hops,
        _loops,
        _locations,
        _urls,
        _nulls,
    ):
        write(writer)
    return writer.cases


def _methods(writer: Writer) -> None:
    every = "get Head POST delete Options put patch Patch PATCH TRACE connect Track foo * a'b|~"
    for method in [*every.split(" "), "", "a b", "GET ", "\xe9", "Ｇ", "a\nb"]:
        writer.add(f"method {method!r}", {"method": method})
        writer.add(f"method {method!r} at home", {"method": method}, url="{page}{base}/0")


def _headers(writer: Writer) -> None:
    for name in HEADER_NAMES.split():
        writer.add(f"header {name}", {"headers": ((name, "1"),)})
    pairs = {
        "X-HTTP-Method-Override": ["PUT", "TRACE", "trace ", "GET,\tTrack", '"TRACE"', "TRACE x", ",connect,"],
        "X-HTTP-Method": ["CONNECT"],
        "X-Method-Override": ["TRACK", "tracks"],
        "Accept": ["", "x" * 128, "x" * 129, "a\tb", "\xe9" * 128, *"()<>?@[]{}\\\":\x7f\x01'/=;,%"],
        "Accept-Language": ["", "en, *;q=0.5", "en_US", "a\tb", "\xe9", "x" * 129],
        "Content-Language": ["de-CH", "x:y", "en/"],
        "Content-Type": [
            *("", "text/plain", "TEXT/Plain; charset=utf-8", "text/plain;charset=(", "text/plain, a/b", "text/plain,"),
            *("text/plain x", "text/plain ;x", "text/plain\t;x", "text /plain", "text/", "/", ";text/plain"),
            *("text/plain;;;", "text/plain;\xe9", "text/plain\xe9", "text/plain/x", "text/plain,text/plain"),
            *("multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "application/json"),
            *("text/plain;" + "x" * 117, "text/plain;" + "x" * 118, " text/plain ", "text/plain;a\tb"),
        ],
        "Range": [
            *(
                "bytes=0-",
                "bytes=0-10",
                "bytes=5-5",
                "bytes=5-4",
                "bytes=-5",
                "bytes=0-1,2-3",
                "Bytes=0-1",
                "bytes =0-",
            ),
            *("bytes= 0-1", "bytes=0 -1", "bytes=0- 1", "bytes=a-", "bytes=-", "bytes=", "bytes=00-01", "items=0-1"),
            *(f"bytes={2**63 - 2}-", f"bytes={2**63 - 1}-", f"bytes=0-{2**63 - 2}", f"bytes=0-{2**63 - 1}"),
            *(f"bytes={10**30}-", "bytes=+1-2", "", "bytes=0-" + "0" * 120, "bytes=0-" + "0" * 121),
        ],
        "DPR": ["", "1", "1.5", "1.", ".5", "x", "-1", "1" * 129],
        "Device-Memory": ["0.5", "x"],
        "Downlink": ["1.5", "x"],
        "ECT": ["slow-2g", "2g", "3g", "4g", "5g", "4G", "g"],
        "RTT": ["1", "1.5"],
        "Save-Data": ["on", "ON", "off", ""],
        "Width": ["100", "1.5", "x"],
        "Viewport-Width": ["100", "1.5"],
        "Intervention": ["", "anything (\t) at all", "x" * 128, "x" * 129],
        "X-A": ["", " a \t", "\r\na\r\n", "a\nb", "a\rb", "\x00", "a\x01b", "a\x7f", "\x0ba\x0c", "\xe9", "\u0100"],
        "X(": ["1"],
        "": ["1"],
        "X A": ["1"],
        "\xe9": ["1"],
        "X\u0100": ["1"],
        "a'b|~`": ["1"],
    }
    for name, values in pairs.items():
        for value in values:
            writer.add(f"header {name!r} {value[:40]!r} {len(value)}", {"headers": ((name, value),)})
    together = {
        "combined": [("X-B", "1"), ("x-a", "2"), ("X-b", "3"), ("X-B", "")],
        "blank among them": [("X-A", " "), ("X-A", "2"), ("X-A", "")],
        "in order": [("X-Z", "a"), ("x.b", "1"), ("x-1", "1"), ("X_", "1"), ("content-type", "a/b"), ("Accept", "(")],
        "128 in two": [("Accept", "a" * 60), ("accept", "b" * 66)],
        "129 in two": [("Accept", "a" * 60), ("accept", "b" * 67)],
        "overrides apart": [("X-HTTP-Method", "PUT"), ("X-HTTP-Method", "TRACE")],
        "dropped and bad": [("Cookie", "a\nb")],
        "two faults": [("X-A", "\x00"), ("a b", "1")],
    }
    eight = [(name, "a" * 128) for name in ("Accept", "Accept-Language", "Content-Language")]
    eight += [("Content-Type", "text/plain;" + "a" * 117), ("Range", "bytes=" + "0" * 121 + "-")]
    eight += [(name, "1" * 128) for name in ("DPR", "Width", "RTT")]
    together |= {"1024": eight, "1025": [*eight, ("ECT", "4g")], "1024 and another": [*eight, ("X-A", "1")]}
    together["1025 and another"] = [*eight, ("ECT", "4g"), ("X-A", "1")]
    for name, headers in together.items():
        writer.add(f"headers {name}", {"headers": tuple(headers)})
        refused = (200, [(ACAO, "*")])
        writer.add(f"headers {name}, refused", {"headers": tuple(headers)}, preflight=refused)


def _origins(writer: Writer) -> None:
    values = ALLOWED_ORIGINS.split()
    for value in [*values, "", " ", "{page} ", "\t{page}", " * ", "{page} {page}", "{page},", "http://x\ty"]:
        headers = [(ACAO, value)]
        writer.add(f"ACAO {value!r}", actual=(200, headers))
        writer.add(
            f"ACAO {value!r} with credentials", {"credentials": "include"}, actual=(200, [*headers, (ACAC, "true")])
        )
        writer.add(f"ACAO {value!r} of a preflight", {"method": "PUT"}, preflight=(200, headers))
    for name, headers in {
        "absent": [],
        "twice": OWN + OWN,
        "twice any": [(ACAO, "*")] * 2,
        "in other case": [(ACAO.upper(), "{page}")],
        "a blank after its name": [(f"{ACAO} ", "{page}")],
        "one empty": [(ACAO, ""), *OWN],
    }.items():
        for credentials in ("omit", "same-origin", "include"):
            fetch = {"credentials": credentials}
            writer.add(f"ACAO {name} {credentials}", fetch, actual=(200, [*headers, (ACAC, "true")]))
            answer = (200, [*headers, (ACAC, "true"), (ACAM, "PUT")])
            writer.add(f"ACAO {name} {credentials} of a preflight", fetch | {"method": "PUT"}, preflight=answer)
    for value in ("true", "True", "TRUE", "", "false", "true, true", " true\t", "tr\xe9\x7f", "1"):
        headers = [*OWN, (ACAC, value), (ACAM, "PUT")]
        writer.add(f"ACAC {value!r}", {"credentials": "include"}, actual=(200, headers))
        writer.add(f"ACAC {value!r} unasked", actual=(200, headers))
        fetch = {"credentials": "include", "method": "PUT"}
        writer.add(f"ACAC {value!r} of a preflight", fetch, preflight=(200, headers), actual=(200, WITH))
    writer.add("ACAC twice", {"credentials": "include"}, actual=(200, [*OWN, *WITH[1:], *WITH[1:]]))
    writer.add("ACAC absent", {"credentials": "include"}, actual=(200, OWN))
    for status in (200, 204, 299, 300, 304, 305, 306, 400, 401, 404, 500, 503):
        writer.add(f"status {status}", actual=(status, ANY))
        writer.add(f"status {status} without ACAO", actual=(status, []))
        writer.add(f"status {status} of a preflight", {"method": "PUT"}, preflight=(status, ANY))
        writer.add(f"status {status} of a preflight, without ACAO", {"method": "PUT"}, preflight=(status, []))
    for credentials in ("omit", "same-origin", "include", "", "Include"):
        writer.add(f"credentials {credentials}", {"credentials": credentials})
        writer.add(f"credentials {credentials} at home", {"credentials": credentials}, url="{page}{base}/0")
    for redirect in ("follow", "error", "manual", "x", ""):
        writer.add(f"redirect {redirect}", {"redirect": redirect})
    faults = {"redirect": "x", "credentials": "y", "method": "\u0100", "headers": (("a b", "\u0100"),)}
    for missing in (None, "credentials", "headers", "method", "redirect"):
        kept = {name: value for name, value in faults.items() if missing is None or name > missing}
        writer.add(f"faults without {missing}", kept)
    writer.add("bad method and header", {"method": "a b", "headers": (("a b", "1"),)})


def _preflights(writer: Writer) -> None:
    lists = [
        "GET,{}",
        ",{}",
        "{},",
        "GET,,{}",
        " {}\t",
        "{}\t,GET",
        "{} GET",
        "",
        "*",
        "*,GET",
        "* GET",
        '"{}"',
        "{};q=1",
    ]
    lists += ["\xe9,{}", " ", ",", "{}\x0b", "{},\x0c", "GET , {} , X", "{}:", "GET", "x{}"]
    methods = [
        ("PUT", "PUT"),
        ("put", "PUT"),
        ("put", "put"),
        ("patch", "PATCH"),
        ("patch", "patch"),
        ("PATCH", "patch"),
    ]
    methods += [("PaTCH", "PATCH"), ("DELETE", "DELETE"), ("*", "x"), ("x", "X")]
    for credentials in ("same-origin", "include"):
        for method, named in methods:
            fetch = {"method": method, "credentials": credentials}
            for text in lists if (method, named) == ("PUT", "PUT") else ("{}", "*"):
                headers = [*WITH, (ACAM, text.replace("{}", named))]
                name = f"method {method} by {text!r} {named} {credentials}"
                writer.add(name, fetch, preflight=(200, headers), actual=(200, WITH))
        for header in ("X-Custom", "Authorization", "*", "Content-Type"):
            fetch = {"headers": ((header, "1"),), "credentials": credentials}
            for text in lists if header == "X-Custom" else ("{}", "*", "*, {}", "x"):
                headers = [*WITH, (ACAH, text.replace("{}", header))]
                name = f"header {header} by {text!r} {credentials}"
                writer.add(name, fetch, preflight=(200, headers), actual=(200, WITH))
        fetch = {"headers": (("Authorization", "1"), *CUSTOM), "method": "PUT", "credentials": credentials}
        for name, headers in {
            "nothing": [],
            "the method alone": [(ACAM, "PUT")],
            "a header alone": [(ACAM, "PUT"), (ACAH, "x-custom")],
            "all": [(ACAM, "PUT"), (ACAH, "x-custom"), (ACAH, "AUTHORIZATION")],
            "both wrong": [(ACAM, "("), (ACAH, ")")],
            "any": [(ACAM, "GET"), (ACAM, "*"), (ACAH, "*"), (ACAH, "x")],
        }.items():
            writer.add(f"allows {name} {credentials}", fetch, preflight=(200, WITH + headers), actual=(200, WITH))
    writer.add(
        "POST needs no method", {"method": "POST", "headers": CUSTOM}, preflight=(200, [*OWN, (ACAH, "x-custom")])
    )
    writer.add("the answer is checked too", {"method": "PUT"}, actual=(200, []))
    for name, answer in {
        "a redirect": (302, [*ANY, ("Location", "/elsewhere")]),
        "a redirect without ACAO": (302, [("Location", "/elsewhere")]),
        "a redirect to nowhere": (302, ANY),
        "a redirect to nothing": (302, [*ANY, ("Location", "")]),
        "a redirect to no URL": (302, [*ANY, ("Location", "http://[")]),
        "a redirect off the web": (302, [*ANY, ("Location", "data:,x")]),
        "two Locations": (200, [*ANY, ("Location", "a"), ("Location", "b")]),
        "a Location of no consequence": (204, [*ANY, ("Location", "a")]),
        "a choice": (300, [*ANY, ("Location", "a")]),
    }.items():
        writer.add(f"preflight with {name}", {"method": "PUT"}, preflight=answer)


def _caches(writer: Writer) -> None:
    custom, put, delete = {"headers": CUSTOM}, {"method": "PUT"}, {"method": "DELETE"}
    include = {"credentials": "include"}
    for value in (None, "0", "-0", "-1", "60", "+60", "x", "", "60, 60", " 60 ", "6.0", str(2**63), f"-{2**64}", "--1"):
        headers = ANY if value is None else [*ANY, (ACMA, value)]
        writer.add(f"twice with an age of {value!r}", custom, custom, preflight=(200, headers))
    both = [*WITH, (ACAM, "PUT, DELETE"), (ACAH, "x-custom")]
    for name, fetches in {
        "the other method": (put, delete),
        "a method that is not allowed, and again": (put, {"method": "PATCH"}, delete),
        "a header": (put, custom),
        "credentials later": (put, put | include, put),
        "credentials first": (put | include, put, put | include),
        "a fragment": (put, put | {"url": "{other}{base}/0#x"}, put),
        "a query": (put, put | {"url": "{other}{base}/0?"}, put),
        "a simple one between": (put, {}, put),
        "a long address": (put | {"url": "{other}{base}/0?" + "x" * 1000},) * 2,
    }.items():
        writer.add(f"remembered for {name}", *fetches, preflight=(200, both), actual=(200, WITH))
    conditions = ["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range"]
    for name in (*conditions, "Cache-Control", "Pragma", "Accept-Encoding", "Priority", "Authorization"):
        conditional = {"headers": ((name, "x"), *CUSTOM)}
        writer.add(f"{name}, twice", conditional, conditional)
        writer.add(f"{name}, once", custom, conditional, custom)
    authorized = {"headers": (("Authorization", "1"),)}
    writer.add("Authorization by *, twice", authorized, authorized)
    writer.add(
        "Authorization by name, twice", authorized, authorized, preflight=(200, [*OWN, (ACAH, "authorization, *")])
    )
    writer.add("a failure is not remembered", put, put, preflight=(404, ANY))
    writer.add("null remembers too", *[put | {"origin": "null"}] * 2)
    # Of a fetch that hides the page's origin nothing is remembered, nor does what is remembered serve it.
    hidden, plain = put | {"url": "{other}{base}/0"}, put | {"url": "{third}{base}/1"}
    away = {"actual": (307, [*ANY, ("Location", "{third}{base}/1")]), "more": {"1": ((200, ANY), (200, ANY))}}
    writer.add("plain, hidden, plain", plain, hidden, plain, **away)
    writer.add("hidden, plain, hidden", hidden, plain, hidden, **away)
    writer.add("another page's", put, put | {"url": "{third}{base}/0"})


def _exposed(writer: Writer) -> None:
    values = [
        "X-One",
        "x-one, ETAG",
        "*",
        " * ",
        "*, x-one",
        "x-one a, etag",
        "x-one,(",
        "x-one,,etag",
        "x-one,",
        '"x-one"',
    ]
    values += ["set-cookie, set-cookie2", "x-one;etag", "", "x-empty, X-Blank", "\xe9, x-one", "x\tb", "x-high, x high"]
    for value in values:
        for credentials in ("same-origin", "include"):
            answer = (200, [*WITH, *MANY, (ACEH, value)])
            writer.add(f"exposed {value!r} {credentials}", {"credentials": credentials}, actual=answer)
    writer.add("exposed in two", actual=(200, [*WITH, *MANY, (ACEH, "etag"), (ACEH, "x-one")]))
    writer.add("nothing exposed", actual=(200, [*WITH, *MANY]))
    writer.add("all at home", actual=(200, MANY), url="{page}{base}/0")


END = ((200, ANY), (200, ANY))


def _rewritten(writer: Writer) -> None:
    headers = (
        *(("Content-Type", "text/plain"), ("Content-Language", "en"), ("Content-Encoding", "x"), *CUSTOM),
        *(("Content-Location", "y"), ("Authorization", "z"), ("Range", "bytes=0-1")),
    )
    for method, status, where in itertools.product(
        ("GET", "POST", "PUT", "HEAD", "patch"), (301, 302, 303, 307, 308), ("{page}", "{other}", "{third}")
    ):
        fetch = {"method": method, "headers": headers}
        to = (status, [*ANY, ("Location", where + "{base}/1")])
        writer.add(f"{method} {status} to {where}", fetch, actual=to, more={"1": END})
    hints = ["Device-Memory", "Downlink", "DPR", "ECT", "RTT", "Save-Data", "Viewport-Width", "Width", "Intervention"]
    hints += ["Accept", "Accept-Language", "Range", "X-HTTP-Method", "If-Range", "Priority", "Purpose"]
    for hint, value, first, second in itertools.product(
        hints, ("1", "x"), ("{page}", "{other}"), ("{page}", "{other}", "{third}")
    ):
        fetch, to = {"headers": ((hint, value),)}, (307, [*ANY, ("Location", second + "{base}/1")])
        name = f"{hint} {value} from {first} to {second}"
        writer.add(name, fetch, actual=to, url=first + "{base}/0", more={"1": END})


def _hops(writer: Writer) -> None:
    fetches = {
        "plain": {},
        "custom": {"headers": CUSTOM},
        "authorized": {"headers": (("Authorization", "x"),)},
        "POST": {"method": "POST"},
        "PUT": {"method": "PUT"},
        "include": {"credentials": "include"},
        "error": {"redirect": "error"},
        "manual": {"redirect": "manual"},
    }
    ends = {
        "any": END,
        "own": ((200, WITH + ANY[1:]), (200, WITH)),
        "null": ((200, NULL + WITH[1:]), (200, NULL + WITH[1:])),
        "nothing": ((200, []), (200, [])),
    }
    ways = (("page", "page"), ("page", "other"), ("other", "page"), ("other", "other"), ("other", "third"))
    for (first, second), name, kind in itertools.product(ways, fetches, ends):
        answers = {
            "preflight": (200, [*WITH, (ACAM, "PUT"), (ACAH, "x-custom, authorization")]),
            "actual": (307, [*WITH, ("Location", "{" + second + "}{base}/1")]),
            "more": {"1": ends[kind]},
        }
        label = f"{name} from {first} to {second} of {kind}"
        writer.add(label, fetches[name], url="{" + first + "}{base}/0", **answers)
    for first, second in ways:
        home = {"1": ((200, ANY), (302, [*ANY, ("Location", "{page}{base}/2")])), "2": ((200, []), (200, []))}
        to = (302, [*ANY, ("Location", "{" + second + "}{base}/1")])
        writer.add(f"home again from {first} by {second}", actual=to, url="{" + first + "}{base}/0", more=home)


def _loops(writer: Writer) -> None:
    loop = (302, [*ANY, ("Location", "{other}{base}/0")])
    ring = {"1": ((200, ANY), (302, [*ANY, ("Location", "{third}{base}/0")]))}
    for name, fetch in {"plain": {}, "custom": {"headers": CUSTOM}, "POST": {"method": "POST"}}.items():
        writer.add(f"loop {name}", fetch, actual=loop)
        writer.add(f"loop without age {name}", fetch, preflight=(200, [*ANY, (ACMA, "0")]), actual=loop)
        writer.add(f"ring {name}", fetch, actual=(307, [*ANY, ("Location", "{other}{base}/1")]), more=ring)
    for length in (19, 20, 21):
        chain = {str(n): ((200, ANY), (302, [*ANY, ("Location", str(n + 1))])) for n in range(1, length)}
        writer.add(f"{length} redirects", actual=(302, [*ANY, ("Location", "1")]), more=chain | {str(length): END})


def _locations(writer: Writer) -> None:
    values = LOCATIONS.split()
    values = [value.replace("{-other}", writer.other.removeprefix("http://")) for value in values]
    for value in [*values, "", " ", "{base}/a b", " {base}/1 ", "{base}/\t1"]:
        for status in (302, 307):
            place = {"1": ((200, ANY), (200, ANY))}
            to = (status, [*ANY, ("Location", value)])
            writer.add(f"{status} to {value!r}", actual=to, more=place)
            writer.add(f"{status} to {value!r} from home", actual=to, more=place, url="{page}{base}/0")
            if status == 302:
                for redirect in ("error", "manual"):
                    writer.add(f"redirect {redirect} to {value!r}", {"redirect": redirect}, actual=to, more=place)
                writer.add(f"{status} to {value!r} without ACAO", actual=(302, [("Location", value)]), more=place)
                writer.add(f"{status} to {value!r} from a fragment", actual=to, more=place, url="{other}{base}/0#old")
    for method, headers in itertools.product(("GET", "POST", "PUT"), ((), CUSTOM, (("DPR", "x"),))):
        fetch, to = {"method": method, "headers": headers}, (302, [*ANY, ("Location", "ws://x{base}/")])
        writer.add(f"{method} {headers} to ws", fetch, actual=to)
    for redirect in ("follow", "error", "manual"):
        fetch = {"redirect": redirect}
        writer.add(f"no Location {redirect}", fetch, actual=(302, ANY))
        writer.add(f"no Location {redirect} without ACAO", fetch, actual=(302, []))
        writer.add(f"no Location {redirect} at home", fetch, actual=(302, []), url="{page}{base}/0")
        for status in (200, 300, 304, 305):
            writer.add(f"{status} with Location {redirect}", fetch, actual=(status, [*ANY, ("Location", "1")]))
    for values in (("1", "2"), ("1", "1"), ("", "1"), (" 1 ", "1"), ("1", "2", "1")):
        headers = [("Location", value) for value in values]
        for status in (200, 302):
            writer.add(f"{status} with Locations {values}", actual=(status, ANY + headers))
            writer.add(f"{status} with Locations {values} without ACAO", actual=(status, headers))


def _urls(writer: Writer) -> None:
    user = "http://user:pass@"
    for url in [
        *URLS.split(),
        user + "x:y{base}/",
        "{other}{base}/a b?c d#e f",
        " {other}{base}/0\n",
        "{other}{base}/\t0",
    ]:
        writer.add(f"url {url!r}", url=url, actual=(200, []))
    writer.add("bad url and method", {"method": "TRACE"}, url="http://[{base}/")
    writer.add("ftp and method", {"method": "TRACE"}, url="ftp://x{base}/")
    port = writer.other.rpartition(":")[2]
    hosts = "A.LocalHost 127.1 0x7f.1 127.0.0.1. c.localhost. \xfc.localhost ｃ.localhost %63.localhost c。localhost"
    hosts += " ☃.localhost \xdf.localhost x\xad.localhost xn--a.localhost ab--\xfc.localhost -a-.localhost a^b a|b a<b"
    for host in hosts.split():
        writer.add(f"host {host!r}", url=f"http://{host}:{port}{{base}}/0", actual=(200, []))


def _nulls(writer: Writer) -> None:
    null = {"origin": "null"}
    for name, headers in {"nothing": [], "any": ANY, "null": NULL, "own": OWN}.items():
        for url in ("{page}{base}/0", "{other}{base}/0"):
            for method in ("GET", "PUT"):
                fetch = null | {"method": method}
                writer.add(
                    f"null {method} {url} {name}", fetch, preflight=(200, headers), actual=(200, headers), url=url
                )
        to = (302, [*headers, ("Location", "{third}{base}/1")])
        writer.add(f"null redirected {name}", null, actual=to, more={"1": ((200, NULL), (200, NULL))})
    writer.add("null loop", null | {"headers": CUSTOM}, actual=(302, [*NULL, ("Location", "0")]))


# --- and at random -------------------------------------------------------------------------------------------------

NAMES = [
    "X-Custom",
    "x-other",
    "Authorization",
    "Accept",
    "Content-Type",
    "Range",
    "Cookie",
    "Accept-Language",
    "X-ONE",
]
NAMES += ["Sec-Fetch-Mode", "DPR", "If-None-Match", "X-HTTP-Method-Override", "*", "Content-Language", "bad name"]
VALUES = ["1", "", "text/plain", "application/json", "bytes=0-", "bytes=0-1,2-3", "en", "a(b", "x" * 128, "x" * 129]
VALUES += ["TRACE", " 1.5 ", "\xe9", "a\nb", "text/plain;charset=utf-8"]
METHODS = ["GET"] * 6 + ["POST", "PUT", "PUT", "DELETE", "HEAD", "OPTIONS", "patch", "PATCH", "put", "TRACE", "foo"]
STATUSES = [200] * 8 + [204, 204, 404, 500, 301, 302, 303, 307, 308, 299, 304]
CARE = 0.85  # how often a well-meaning server gets a header right
HOSTILE = "aAzZ019 \t-_.~*/:;,=+%?#@()[]{}<>|\\^`'\"!$&\x01\x0b\x7f\x80\xa0\xe9\xff"


def generated(origins: Sequence[str], *, seed: int, count: int) -> list[Case]:
    """Give random cases, each of a fetch or two and up to four places."""
    writer = Writer(origins)
    rng = random.Random(seed)
    for number in range(count):
        writer.page, writer.other, writer.third = rng.sample(list(origins), 3)
        chance = _Chance(rng, writer.page, well_meant=rng.random() < 0.7)
        last = rng.choice([0, 0, 0, 1, 1, 2, 3])
        places = {str(step): chance.place(step, last) for step in range(last + 1)}
        preflight, actual = places.pop("0")
        if rng.random() < 0.3:  # by one of our own policies, in place of what anybody may answer
            preflight, actual = chance.by_policy(last)
        url = rng.choice(["{page}", "{other}", "{other}", "{third}"]) + "{base}/0" + rng.choice(["", "", "#f", "?q"])
        fetches = [chance.fetch] * rng.choice([1, 1, 1, 2])
        writer.add(f"seed {seed} number {number}", *fetches, preflight=preflight, actual=actual, url=url, more=places)
    return writer.cases


class _Chance:
    """Draws a fetch, and servers that mean it well or not."""

    def __init__(self, rng: random.Random, page: str, *, well_meant: bool) -> None:
        self._rng = rng
        self._page = page
        self._well_meant = well_meant
        headers = [(rng.choice(NAMES), self._value()) for _ in range(rng.choice([0, 0, 1, 1, 2, 3, 6]))]
        if rng.random() < 0.9:  # one bad pair hides all the rest
            headers = [(name, value) for name, value in headers if " " not in name and "\n" not in value]
        self.fetch = {
            "origin": "null" if rng.random() < 0.1 else page,
            "method": rng.choice(METHODS),
            "headers": tuple(headers),
            "credentials": rng.choice(["omit", "same-origin", "same-origin", "include", "include"]),
            "redirect": rng.choice(["follow"] * 8 + ["error", "manual"]),
        }

    def _hostile(self) -> str:
        return "".join(self._rng.choices(HOSTILE, k=self._rng.randint(1, 8)))

    def _value(self) -> str:
        if self._rng.random() < 0.7:
            return self._rng.choice(VALUES)
        return self._rng.choice(["", "", "text/plain", "bytes=", "http://"]) + self._hostile()

    def _is_right(self) -> bool:
        return self._well_meant and self._rng.random() < CARE

    def place(self, step: int, last: int) -> tuple[tuple, tuple]:
        rng, method = self._rng, self.fetch["method"]
        names = ", ".join(name for name, _ in self.fetch["headers"] if " " not in name)
        methods = f"{method}, {method.upper()}"
        allowed = [(ACAM, self._listed(methods, method.lower())), (ACAH, self._listed(names, names.upper()))]
        age = rng.choice([[], [], [(ACMA, "0")], [(ACMA, "60")], [(ACMA, "x")]])
        status = 204 if self._is_right() else rng.choice([200, 204, 404, 302, 299])
        moved = [("Location", "{other}{base}/1")] if status == 302 and rng.random() < 0.5 else []
        preflight = (status, self._access(step) + allowed + age + moved)
        exposed = rng.choice(["*", "x-one, etag", "ETag, x-blank", "a b", "x-empty", "X-High, *", self._hostile()])
        headers = [*self._access(step), (ACEH, exposed), *rng.sample(MANY, 5)]
        if step < last:
            return preflight, (rng.choice([301, 302, 303, 307, 308, 307, 307]), [*headers, self._location(step + 1)])
        return preflight, (rng.choice(STATUSES), headers)

    def by_policy(self, last: int) -> tuple[tuple, tuple]:
        """Answer as a policy decides."""
        rng, origin, method = self._rng, self.fetch["origin"], self.fetch["method"]
        names = [name for name, _ in self.fetch["headers"]]
        policy = compile_policy(
            PolicySpec(
                allowed_origins=rng.choice([[self._page], [self._page], ["*"], ["https://app.example.com"], []]),
                allow_credentials=rng.random() < 0.5,
                allow_methods=rng.choice([DEFAULT_METHODS, [method, method.upper()], ["GET"], ["*"]]),
                allow_headers=rng.choice([DEFAULT_HEADERS, names, names[:1], ["*"]]),
                expose_headers=rng.choice([[], ["X-One", "ETag"], ["*"]]),
                preflight_max_age=rng.choice([0, 60, 7200]),
            ),
            strict=False,
        )

        def decided(method: str, asked: str | None) -> Decision:
            return decide([policy], CorsRequest(method, origin, asked, False, lambda: None))

        preflight, actual = decided("OPTIONS", method), decided(method, None)
        moved = [self._location(1)] if last else []
        status = rng.choice([301, 302, 307]) if last else 200
        headers = [*actual.headers, ("Vary", "Origin"), *rng.sample(MANY, 5), *moved]
        return (204 if preflight.allowed else 403, list(preflight.headers)), (status, headers)

    def _location(self, step: int) -> tuple[str, str]:
        rng = self._rng
        if rng.random() < 0.1:
            hostile = "{base}/x/x/x/x/" + self._hostile()  # deep enough for all the `..` in it
            # Without those that are relative from http alone.
            known = [value for value in LOCATIONS.split() if not value.lower().startswith(("http:1", "http:{"))]
            return "Location", rng.choice([hostile, *known]).replace("{-other}", "x:99999")
        origin = rng.choice(["{page}", "{other}", "{other}", "{third}", "{@other}" if rng.random() < 0.2 else "{page}"])
        path = rng.choice([origin + "{base}/", origin + "{base}/", "", "{base}/"])
        return "Location", path + str(step) + rng.choice(["", "", "#g", "?r"])

    def _access(self, step: int) -> list[tuple[str, str]]:
        rng, name = self._rng, self._rng.choice([ACAO, ACAO, ACAO.lower(), ACAO.upper()])
        credentials = [(ACAC, "true")]
        if self._is_right():
            origin = rng.choice(["{page}", "null", "*"]) if step else "{page}"
            if "null" in (self.fetch["origin"], origin) or self.fetch["credentials"] == "include":
                origin = "null" if self.fetch["origin"] == "null" or origin == "null" else "{page}"
            return [(name, origin), *credentials]
        wrong = ["{page}", "*", "null", "{other}", "{page}/", "{page}, {page}", "", " {page}\t", "http://[", "x"]
        wrong += [self._hostile(), rng.choice(["https://", "x:", "{page}"]) + self._hostile()]
        credentials = rng.choice([credentials, credentials, [], [(ACAC, "True")], credentials * 2])
        return [(name, rng.choice(wrong))] * rng.choice([0, 1, 1, 1, 1, 2]) + credentials

    def _listed(self, *lists: str) -> str:
        if self._is_right():
            return lists[0]
        return self._rng.choice(
            [*lists, "*", "*", "", "x", "a b", self._hostile(), "GET, x-custom, authorization, PUT"]
        )
