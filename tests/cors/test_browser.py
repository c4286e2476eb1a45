"""The steps of a fetch, one by one. That they are a real browser's is for tests/browser/test_agreement.py to say."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_cors_policy.cors.browser import Answer, FetchRequest, PreflightCache, WireRequest, browse

PAGE, API, THIRD = "https://app.example", "https://api.example", "https://cdn.example"
ITEMS = f"{API}/items"
ANY = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "*"),
    ("Access-Control-Allow-Headers", "*"),
]
OWN = [("Access-Control-Allow-Origin", PAGE)]
WITH = [*OWN, ("Access-Control-Allow-Credentials", "true")]
BLOCKED = f"Access to fetch at '{ITEMS}' from origin '{PAGE}' has been blocked by CORS policy: "
PREFLIGHT = "Response to preflight request doesn't pass access control check: "
THROWN = "Uncaught (in promise) TypeError: Failed to execute 'fetch' on 'Window': "

ENUMERATION = (
    "Failed to read the '{}' property from 'RequestInit': The provided value '{}' is not a valid enum value of type "
    "Request{}."
)


def ok(*headers, status=200):
    return Answer(status, headers)


def moved(location, *headers, status=302):
    return Answer(status, [*(headers or ANY), ("Location", location)])


def serve(*answers):
    """Give a server that answers in this order, and anything at all once there is nothing left."""
    left = list(answers)
    return lambda request: left.pop(0) if left else ok(*ANY)


def look(*answers, origin=PAGE, url=ITEMS, **fetch):
    return browse(FetchRequest(origin, url, **fetch), serve(*answers))


def allow(methods=None, headers=None, *, base=WITH):
    lists = (("Access-Control-Allow-Methods", methods), ("Access-Control-Allow-Headers", headers))
    return ok(*base, *[(name, value) for name, value in lists if value is not None])


def sent(verdict):
    return [(request.method, request.url, dict(request.headers)) for request, _ in verdict.requests]


def line(verdict):
    """Give what the console says after the part that is always the same."""
    assert verdict.console.startswith(BLOCKED)
    return verdict.console.removeprefix(BLOCKED)


# --- arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fetch", "text"),
    [
        ({"url": "http://["}, "Failed to parse URL from http://["),
        ({"url": "http://u:p@a/"}, "Request cannot be constructed from a URL that includes credentials: http://u:p@a/"),
        ({"url": "foo://u@a/"}, "Request cannot be constructed from a URL that includes credentials: foo://u@a/"),
        ({"method": "a b"}, "'a b' is not a valid HTTP method."),
        ({"method": ""}, "'' is not a valid HTTP method."),
        ({"method": "GET\n"}, "'GET\n' is not a valid HTTP method."),
        ({"method": "TRACE"}, "'TRACE' HTTP method is unsupported."),
        ({"method": "connect"}, "'connect' HTTP method is unsupported."),
        ({"method": "Track"}, "'Track' HTTP method is unsupported."),
        ({"headers": [("a b", "1")]}, "Invalid name"),
        ({"headers": [("", "1")]}, "Invalid name"),
        ({"headers": [("X", "a\nb")]}, "Invalid value"),
        ({"headers": [("X", "a\rb")]}, "Invalid value"),
        ({"headers": [("X", "\x00")]}, "Invalid value"),
        ({"headers": [("Cookie", "a\nb")]}, "Invalid value"),
        (
            {"headers": [("X", "\u0100")]},
            "Failed to read the 'headers' property from 'RequestInit': String contains non ISO-8859-1 code point.",
        ),
        (
            {"method": "\u0100"},
            "Failed to read the 'method' property from 'RequestInit': String contains non ISO-8859-1 code point.",
        ),
        ({"credentials": "all"}, ENUMERATION.format("credentials", "all", "Credentials")),
        ({"redirect": ""}, ENUMERATION.format("redirect", "", "Redirect")),
    ],
)
def test_fetch_throws_before_it_asks_anybody(fetch, text):
    verdict = look(**fetch)

    assert (verdict.allowed, verdict.step, verdict.requests) == (False, "Request class", ())
    assert verdict.console == THROWN + text
    assert verdict.message.startswith("fetch() throws a TypeError: ")


def test_faults_are_found_in_fetchs_own_order():
    given = {"credentials": "x", "headers": [("a b", "\u0100")], "method": "\u0100", "redirect": "x", "url": "http://["}
    mended = [("credentials", "omit"), ("headers", [("a b", "1")]), ("method", "a b"), ("redirect", "follow")]
    found = []
    for name, value in [*mended, ("url", "http://u@a/"), ("url", ITEMS), ("method", "GET"), ("headers", [])]:
        found.append(look(**given).console.removeprefix(THROWN)[:30])
        given[name] = value
    assert found == [
        "Failed to read the 'credential",
        "Failed to read the 'headers' p",
        "Failed to read the 'method' pr",
        "Failed to read the 'redirect' ",
        "Failed to parse URL from http:",
        "Request cannot be constructed ",
        "'a b' is not a valid HTTP meth",
        "Invalid name",
    ]
    assert look(**given).allowed


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "app.example",
        "https://app.example/",
        "https://App.example",
        "https://app.example:443",
        "*",
        "file://",
        "NULL",
    ],
)
def test_no_page_has_such_an_origin(origin):
    with pytest.raises(ValueError, match="is not the origin of a page: write it as a browser sends it"):
        look(origin=origin)


def test_a_hostile_origin_is_cut_short():
    with pytest.raises(ValueError, match=r"\(100000 characters\)") as caught:
        look(origin="x" * 100_000)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("written", "method"),
    [
        *[(name.lower(), name) for name in ("DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT")],
        *[(name, name) for name in ("patch", "Patch", "PATCH", "foo", "*", "query")],
    ],
)
def test_a_method_is_normalized(written, method):
    verdict = look(url=f"{PAGE}/items", method=written)
    assert [request.method for request, _ in verdict.requests] == [method]


def test_headers_are_combined_trimmed_and_dropped():
    headers = [
        ("X-B", " 1\t"),
        ("Cookie", "a=b"),
        ("x-a", "2"),
        ("X-b", ""),
        ("X-HTTP-Method", "TRACE"),
        ("Sec-X", "1"),
    ]
    verdict = look(url=f"{PAGE}/items", headers=headers)
    assert sent(verdict) == [("GET", f"{PAGE}/items", {"X-B": "1, ", "x-a": "2"})]


def test_each_value_of_an_override_is_looked_at_by_itself():
    verdict = look(url=f"{PAGE}/", headers=[("X-HTTP-Method", "TRACE"), ("X-HTTP-Method", "PUT")])
    assert sent(verdict) == [("GET", f"{PAGE}/", {"X-HTTP-Method": "PUT"})]


# --- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("items?x#y", f"{PAGE}/items?x"),
        ("", f"{PAGE}/"),
        ("//api.example", f"{API}/"),
        ("HTTPS://API.example:443/a b", f"{API}/a%20b"),
        ("https://b\xfccher.example/", "https://xn--bcher-kva.example/"),
        ("https://api.example/\ud800", f"{API}/%EF%BF%BD"),
    ],
)
def test_what_is_asked(url, asked):
    assert [request.url for request, _ in look(url=url).requests] == [asked]


def test_a_page_without_an_origin_has_nothing_to_be_relative_to():
    assert look(origin="null", url="items").console == f"{THROWN}Failed to parse URL from items"


def test_other_origins_than_https_are_pages_too():
    verdict = look(ok(("Access-Control-Allow-Origin", "chrome-extension://abc")), origin="chrome-extension://abc")
    assert (verdict.allowed, sent(verdict)) == (True, [("GET", ITEMS, {"Origin": "chrome-extension://abc"})])


@pytest.mark.parametrize(
    ("url", "console"),
    [
        ("ftp://a/b", 'Fetch API cannot load ftp://a/b. URL scheme "ftp" is not supported.'),
        ("about:blank", 'Fetch API cannot load about:blank. URL scheme "about" is not supported.'),
        (
            "blob:https://app.example/1",
            'Fetch API cannot load blob:https://app.example/1. URL scheme "blob" is not supported.',
        ),
        ("file:///etc/passwd", "Not allowed to load local resource: file:///etc/passwd"),
        ("data:x#,y", "Failed to load resource: net::ERR_INVALID_URL"),
    ],
)
def test_a_scheme_that_no_page_fetches(url, console):
    verdict = look(url=url)
    assert (verdict.allowed, verdict.step, verdict.console, verdict.requests) == (False, "scheme fetch", console, ())


def test_a_data_url_needs_nobody():
    verdict = look(url="data:,x")
    assert (verdict.allowed, verdict.requests, verdict.message) == (True, (), "The browser answers a data: URL itself.")


def test_a_bad_port_is_not_asked():
    verdict = look(url="https://api.example:6000/")
    assert (verdict.allowed, verdict.step, verdict.requests) == (False, "main fetch", ())
    assert verdict.console == "Failed to load resource: net::ERR_UNSAFE_PORT"


def test_mixed_content_is_not_asked():
    verdict = look(url="http://api.example/items#x")
    assert (verdict.allowed, verdict.step, verdict.requests) == (False, "main fetch", ())
    assert verdict.console == (
        "Mixed Content: The page at 'https://app.example/' was loaded over HTTPS, but requested an insecure resource "
        "'http://api.example/items'. This request has been blocked; the content must be served over HTTPS."
    )


# --- whose answer may be read ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "patch"])
@pytest.mark.parametrize("headers", [[], [("X-Custom", "1")]])
def test_at_home_nothing_is_asked_of_the_server(method, headers):
    verdict = look(ok(status=500), url=f"{PAGE}/items", method=method, headers=headers, credentials="include")

    own = {} if method in ("GET", "HEAD") else {"Origin": PAGE}
    assert verdict.allowed
    assert sent(verdict) == [(method, f"{PAGE}/items", dict(headers) | own)]
    assert (verdict.step, verdict.message, verdict.console) == (
        "main fetch",
        "The page may read the answer of its own origin.",
        "",
    )


@pytest.mark.parametrize("credentials", ["omit", "same-origin", "include"])
@pytest.mark.parametrize("status", [200, 204, 304, 404, 500])
def test_a_foreign_answer_is_read_where_it_says_so(credentials, status):
    verdict = look(ok(*WITH, status=status), credentials=credentials)

    assert verdict.allowed
    assert sent(verdict) == [("GET", ITEMS, {"Origin": PAGE})]
    assert (verdict.step, verdict.message) == ("main fetch", "The page may read the answer of another origin.")


@pytest.mark.parametrize(
    "url",
    [
        "http://app.example:8443",
        "https://app.example:8443",
        "https://www.app.example",
        "https://app.example.",
        "https://app2.example",
    ],
)
def test_another_port_scheme_or_host_is_foreign(url):
    origin = "http://app.example" if url.startswith("http:") else PAGE
    assert not look(ok(), origin=origin, url=url).allowed


NO_ORIGIN = "No 'Access-Control-Allow-Origin' header is present on the requested resource."
ANY_WITH = (
    "The value of the 'Access-Control-Allow-Origin' header in the response must not be the wildcard '*' when the "
    "request's credentials mode is 'include'."
)
ORIGIN = "The 'Access-Control-Allow-Origin' header "
VALID = " Have the server send the header with a valid value."
CREDENTIALS = (
    "The value of the 'Access-Control-Allow-Credentials' header in the response is '{}' which must be 'true' when the "
    "request's credentials mode is 'include'."
)
SEND = f"the server has to send 'Access-Control-Allow-Origin: {PAGE}'"


UNEQUAL = ORIGIN + "has a value '{}' that is not equal to the supplied origin." + VALID
MULTIPLE = ORIGIN + "contains multiple values '{}', but only one is allowed." + VALID
INVALID = ORIGIN + "contains the invalid value '{}'." + VALID


@pytest.mark.parametrize(
    ("values", "reason", "said"),
    [
        ([], NO_ORIGIN, f"There is no Access-Control-Allow-Origin: {SEND}."),
        (["null"], UNEQUAL.format("null"), "'null', not letter"),
        ([f"{PAGE}/"], UNEQUAL.format(f"{PAGE}/"), SEND),
        ([PAGE.upper()], UNEQUAL.format(PAGE.upper()), SEND),
        (["x:1"], UNEQUAL.format("x:1"), SEND),
        (["https://\xc3\xa9"], UNEQUAL.format("https://\\u00C3\\u00A9"), SEND),
        ([PAGE, PAGE], MULTIPLE.format(f"{PAGE}, {PAGE}"), "Often the application and a proxy add one each."),
        (["*", "*"], MULTIPLE.format("*, *"), "several values"),
        ([f"{PAGE},"], MULTIPLE.format(f"{PAGE},"), "once"),
        (["a b"], MULTIPLE.format("a b"), "several"),
        ([""], INVALID.format(""), "which is no origin"),
        (["app.example"], INVALID.format("app.example"), "which is no origin"),
        (["https://a:*"], INVALID.format("https://a:*"), SEND),
        (["\xe9\t\x7f~"], INVALID.format("\\u00E9\\u0009\\u007F~"), SEND),
        (["\u20ac"], INVALID.format("\\u00E2\\u0082\\u00AC"), SEND),
    ],
)
def test_the_cors_check_of_an_origin(values, reason, said):
    headers = [("Access-Control-Allow-Origin", value) for value in values]
    verdict = look(ok(*headers))
    preflighted = look(ok(*headers), method="PUT")

    assert (verdict.allowed, verdict.step, line(verdict)) == (False, "CORS check", reason)
    assert verdict.message.startswith(f"'{ITEMS}': ")
    assert said in verdict.message
    assert (preflighted.step, line(preflighted)) == ("CORS-preflight fetch", PREFLIGHT + reason)
    assert [request.method for request, _ in preflighted.requests] == ["OPTIONS"]


@pytest.mark.parametrize("value", ["*", " *\t", PAGE, f" {PAGE} "])
@pytest.mark.parametrize(
    "name", ["Access-Control-Allow-Origin", "ACCESS-CONTROL-ALLOW-ORIGIN", "access-control-allow-origin "]
)
def test_an_origin_is_found_as_it_travels(name, value):
    assert look(ok((name, value))).allowed


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (ANY, ANY_WITH),
        ([*ANY, ("Access-Control-Allow-Credentials", "true")], ANY_WITH),
        (OWN, CREDENTIALS.format("")),
        ([*OWN, ("Access-Control-Allow-Credentials", "True")], CREDENTIALS.format("True")),
        ([*OWN, ("Access-Control-Allow-Credentials", "tr\xfce")], CREDENTIALS.format("tr\\u00FCe")),
        ([*WITH, *WITH[1:]], CREDENTIALS.format("true, true")),
    ],
)
def test_the_cors_check_of_credentials(headers, reason):
    verdict = look(ok(*headers), credentials="include")
    assert (verdict.allowed, verdict.step, line(verdict)) == (False, "CORS check", reason)
    assert look(ok(*headers), credentials="same-origin").allowed


@pytest.mark.parametrize("value", ["null", "*"])
def test_a_page_without_an_origin_asks_as_null(value):
    verdict = look(ok(("Access-Control-Allow-Origin", value)), origin="null", url=f"{PAGE}/")
    assert (verdict.allowed, sent(verdict)) == (True, [("GET", f"{PAGE}/", {"Origin": "null"})])


def test_the_line_names_the_address_with_its_fragment():
    verdict = look(ok(), url=f"{ITEMS}#x")
    assert verdict.console.startswith(f"Access to fetch at '{ITEMS}#x' from origin '{PAGE}' has been blocked")
    assert sent(verdict) == [("GET", ITEMS, {"Origin": PAGE})]


LONG = "x" * 50_000


@pytest.mark.parametrize(
    ("answer", "fetch"),
    [
        (ok(("Access-Control-Allow-Origin", LONG)), {}),
        (allow(LONG.upper()), {"method": LONG}),
        (allow(LONG[1:]), {"headers": [(LONG, "1")]}),
        (allow("(" + LONG), {"method": "PUT"}),
        (moved(f"ftp://{LONG}"), {}),
        (ok(), {"url": f"/{LONG}", "headers": [(f"({LONG}", "1")]}),
        (ok(), {"url": f"{LONG}:"}),
        (ok(), {"url": f"{API}/{LONG}"}),
        (ok(), {"credentials": LONG}),
    ],
    ids=range(9),
)
def test_what_is_quoted_of_somebody_else_is_cut_short(answer, fetch):
    verdict = look(answer, **fetch)
    assert not verdict.allowed
    assert len(verdict.message) < 1000


# --- what may be read of it ------------------------------------------------------------------------------------------

SHOWN = [
    ("ETag", "e"),
    ("X-One", "1"),
    ("x-one", " 2 "),
    ("Content-Type", "text/plain"),
    ("Set-Cookie", "a=1"),
    ("set-cookie2", "b"),
    ("*", "star"),
    ("Bad Name", "1"),
    ("X-Empty", ""),
]


def expose(*values, credentials="same-origin"):
    headers = [("Access-Control-Expose-Headers", value) for value in values]
    return dict(look(ok(*WITH, *SHOWN, *headers), credentials=credentials).readable_headers)


def test_at_home_all_is_readable_but_cookies():
    verdict = look(ok(*SHOWN), url=f"{PAGE}/")
    assert verdict.readable_headers == (
        ("*", "star"),
        ("content-type", "text/plain"),
        ("etag", "e"),
        ("x-empty", ""),
        ("x-one", "1, 2"),
    )


def test_the_safelisted_are_always_readable():
    names = [
        "Cache-Control",
        "Content-Language",
        "Content-Length",
        "Content-Type",
        "Expires",
        "Last-Modified",
        "Pragma",
    ]
    verdict = look(ok(*OWN, *[(name, "1") for name in names], ("ETag", "e"), ("Vary", "x")))
    assert verdict.readable_headers == tuple((name.lower(), "1") for name in names)


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([], set()),
        (["X-ONE, etag"], {"x-one", "etag"}),
        (["etag", "x-one"], {"x-one", "etag"}),
        ([",etag,, x-one\t,"], {"x-one", "etag"}),
        (["etag, a b"], set()),
        (['"etag"'], set()),
        (["set-cookie, set-cookie2"], set()),
        (["x-absent"], set()),
    ],
)
def test_others_are_readable_by_name(values, names):
    assert expose(*values).keys() == {"content-type", *names}


def test_any_header_is_any_without_credentials():
    assert {"etag", "x-one", "*", "x-empty", "access-control-expose-headers"} <= expose("x, *").keys()
    assert not {"set-cookie", "set-cookie2", "bad name"} & expose("*").keys()
    assert expose("*, etag", credentials="include").keys() == {"*", "content-type", "etag"}


# --- the preflight ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "post"])
def test_what_a_form_can_send_is_sent_at_once(method):
    verdict = look(method=method, headers=[("Content-Type", "text/plain"), ("Accept", "x"), ("Range", "bytes=0-")])
    assert [request.method for request, _ in verdict.requests] == [method.upper()]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "patch", "foo"])
def test_any_other_method_is_asked_for(method):
    verdict = look(method=method)
    assert sent(verdict) == [
        ("OPTIONS", ITEMS, {"Origin": PAGE, "Access-Control-Request-Method": method}),
        (method, ITEMS, {"Origin": PAGE}),
    ]
    assert verdict.allowed


def test_headers_are_asked_for_sorted_in_lower_case_and_once():
    headers = [
        ("X-Z", "1"),
        ("authorization", "x"),
        ("X-a", "1"),
        ("Accept", "x"),
        ("x-Z", "2"),
        ("Content-Type", "a/b"),
    ]
    verdict = look(headers=[*headers, ("Cookie", "c")], credentials="omit")
    assert verdict.requests[0] == (
        WireRequest(
            "OPTIONS",
            ITEMS,
            (
                ("Origin", PAGE),
                ("Access-Control-Request-Method", "GET"),
                ("Access-Control-Request-Headers", "authorization,content-type,x-a,x-z"),
            ),
        ),
        ok(*ANY),
    )
    own = {"X-Z": "1, 2", "authorization": "x", "X-a": "1", "Accept": "x", "Content-Type": "a/b"}
    assert dict(verdict.requests[1][0].headers) == own | {"Origin": PAGE}


@pytest.mark.parametrize("status", [199, 300, 304, 400, 401, 403, 404, 500])
def test_a_preflight_needs_an_ok_status(status):
    verdict = look(ok(*ANY, status=status), method="PUT")
    assert (verdict.step, line(verdict)) == (
        "CORS-preflight fetch",
        f"{PREFLIGHT}It does not have HTTP ok status.",
    )
    assert f"answered with status {status}" in verdict.message


@pytest.mark.parametrize("status", [200, 204, 299])
def test_an_ok_status_is_any_from_200_to_299(status):
    assert look(ok(*ANY, status=status), method="PUT").allowed


def test_the_origin_is_looked_at_before_the_status():
    assert line(look(ok(status=404), method="PUT")) == PREFLIGHT + NO_ORIGIN


@pytest.mark.parametrize("headers", [(), ANY])
def test_a_preflight_is_not_redirected(headers):
    verdict = look(Answer(301, [*headers, ("Location", "/items/")]), method="PUT")
    assert line(verdict) == f"{PREFLIGHT}Redirect is not allowed for a preflight request."
    assert "'https://api.example/items/'" in verdict.message


def test_credentials_are_asked_of_the_preflight_too():
    verdict = look(ok(*OWN), method="PUT", credentials="include")
    assert line(verdict) == PREFLIGHT + CREDENTIALS.format("")


@pytest.mark.parametrize("value", ["PUT", "GET, PUT", ",PUT,", "\tPUT ,x", "*"])
def test_a_method_is_allowed(value):
    assert look(allow(value), ok(*WITH), method="PUT").allowed


@pytest.mark.parametrize(
    ("method", "value", "credentials"),
    [
        ("PUT", None, "omit"),
        ("PUT", "", "omit"),
        ("PUT", "put", "omit"),
        ("patch", "PATCH", "omit"),
        ("PUT", "GET", "omit"),
        ("PUT", "*", "include"),
    ],
)
def test_a_method_is_refused(method, value, credentials):
    verdict = look(allow(value), method=method, credentials=credentials)
    assert line(verdict) == f"Method {method} is not allowed by Access-Control-Allow-Methods in preflight response."
    assert [request.method for request, _ in verdict.requests] == ["OPTIONS"]


def test_what_is_said_of_a_method():
    lower, wildcard = look(allow("PATCH"), method="patch"), look(allow("*"), method="PUT", credentials="include")
    head = f"'{ITEMS}': Access-Control-Allow-Methods is "
    assert lower.message == f"{head}'PATCH': the server has to name 'patch', letter for letter, or the script 'PATCH'."
    assert wildcard.message == (
        f"{head}'*': the server has to name 'PUT', letter for letter; with credentials: 'include', '*' stands for "
        "nothing else."
    )


@pytest.mark.parametrize("value", ["x-custom", "X-CUSTOM", "a, X-Custom", "*"])
def test_a_header_is_allowed(value):
    assert look(allow(headers=value), ok(*WITH), headers=[("X-Custom", "1")]).allowed


@pytest.mark.parametrize(
    ("value", "credentials"), [(None, "omit"), ("", "omit"), ("x-other", "omit"), ("*", "include"), ("x-custo", "omit")]
)
def test_a_header_is_refused(value, credentials):
    verdict = look(allow(headers=value), headers=[("X-Custom", "1"), ("X-Z", "1")], credentials=credentials)
    reason = "Request header field x-custom is not allowed by Access-Control-Allow-Headers in preflight response."
    assert line(verdict) == reason
    assert "the server has to name 'x-custom, x-z'" in verdict.message


def test_any_header_is_authorization_too_in_chromium():
    assert look(allow(headers="*"), ok(*WITH), headers=[("Authorization", "x")]).allowed


def test_the_method_is_looked_at_before_the_headers():
    assert line(look(allow(), method="PUT", headers=[("X-Custom", "1")])).startswith("Method PUT ")


@pytest.mark.parametrize("value", ["PUT GET", '"PUT"', "PUT;", "PUT, (", "\xe9", "PUT\x0b", "PUT:"])
@pytest.mark.parametrize("name", ["Methods", "Headers"])
def test_a_list_that_cannot_be_read_allows_nothing(name, value):
    verdict = look(ok(*OWN, (f"Access-Control-Allow-{name}", value)), method="PUT")
    assert line(verdict) == f"Cannot parse Access-Control-Allow-{name} response header field in preflight response."
    assert verdict.step == "CORS-preflight fetch"


def test_the_answer_itself_is_checked_after_the_preflight():
    verdict = look(allow("PUT"), ok(), method="PUT")
    assert (verdict.step, line(verdict)) == ("CORS check", NO_ORIGIN)
    assert [request.method for request, _ in verdict.requests] == ["OPTIONS", "PUT"]


# --- preflights that are remembered ----------------------------------------------------------------------------------


def preflights(*fetches, headers=ANY, age=None, passed=0.0):
    """Tell which of several fetches were preceded by a preflight."""
    cache = PreflightCache()
    answer = ok(*headers, *([] if age is None else [("Access-Control-Max-Age", age)]))
    found = []
    for fetch in fetches:
        verdict = browse(
            FetchRequest(**({"origin": PAGE, "url": ITEMS, "method": "PUT"} | fetch)), lambda _: answer, cache
        )
        found.append(any(request.method == "OPTIONS" for request, _ in verdict.requests))
        cache.now += passed
    return found


@pytest.mark.parametrize(
    ("age", "passed", "again"),
    [
        *((None, 4, False), (None, 5, True), ("60", 59, False), ("60", 60, True), ("0", 0, True), ("x", 5, True)),
        *(("999999", 7199, False), ("999999", 7200, True)),
    ],
)
def test_a_preflight_is_remembered_for_its_age(age, passed, again):
    assert preflights({}, {}, age=age, passed=passed) == [True, again]


def test_without_a_cache_every_call_is_a_new_browser():
    assert [len(look(method="PUT").requests) for _ in range(2)] == [2, 2]


def test_another_address_page_or_method_is_asked_for():
    both = [*WITH, ("Access-Control-Allow-Methods", "PUT, DELETE")]
    assert preflights({}, {"method": "DELETE"}, headers=both) == [True, False]
    assert preflights({}, {"url": f"{ITEMS}#x"}, {"url": f"{ITEMS}?"}, {"url": f"{THIRD}/items"}) == [True] * 4
    assert preflights({}, {"credentials": "include"}, {}, headers=both) == [True, True, False]


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range"])
def test_a_condition_is_asked_for_again(name):
    conditional = {"headers": [(name, "x")]}
    assert preflights(conditional, conditional, {}) == [True, True, False]


def test_any_header_is_not_authorization_for_long():
    authorized = {"headers": [("Authorization", "x")]}
    assert preflights(authorized, authorized) == [True, True]
    assert preflights(authorized, authorized, headers=[*ANY, ("Access-Control-Allow-Headers", "authorization")]) == [
        True,
        False,
    ]


def test_what_fails_is_not_remembered():
    assert preflights({}, {}, headers=OWN) == [True, True]


def test_a_hidden_page_remembers_nothing_and_is_served_by_nothing():
    moved_on = {ITEMS: moved(f"{THIRD}/x", status=307)}
    cache, asked = PreflightCache(), []

    def send(request):
        asked.append((request.method, request.url, dict(request.headers)["Origin"]))
        return ok(*ANY) if request.method == "OPTIONS" else moved_on.get(request.url, ok(*ANY))

    for url in (ITEMS, f"{THIRD}/x", ITEMS):
        assert browse(FetchRequest(PAGE, url, "PUT"), send, cache).allowed
    away = [("OPTIONS", f"{THIRD}/x", "null"), ("PUT", f"{THIRD}/x", "null")]
    assert asked == [
        *[("OPTIONS", ITEMS, PAGE), ("PUT", ITEMS, PAGE), *away],
        *[("OPTIONS", f"{THIRD}/x", PAGE), ("PUT", f"{THIRD}/x", PAGE)],
        *[("PUT", ITEMS, PAGE), *away],
    ]


def test_a_page_without_an_origin_remembers_nothing():
    assert preflights({"origin": "null"}, {"origin": "null"}) == [True, True]


# --- redirects -------------------------------------------------------------------------------------------------------


def hops(verdict):
    return [(request.method, request.url) for request, _ in verdict.requests]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(status):
    verdict = look(moved("/other", status=status))
    assert (verdict.allowed, hops(verdict)) == (True, [("GET", ITEMS), ("GET", f"{API}/other")])


@pytest.mark.parametrize("status", [200, 201, 300, 304, 305, 306])
@pytest.mark.parametrize("redirect", ["follow", "error", "manual"])
def test_other_statuses_lead_nowhere(status, redirect):
    verdict = look(moved("/other", status=status), redirect=redirect)
    assert (verdict.allowed, len(verdict.requests)) == (True, 1)


@pytest.mark.parametrize(
    ("method", "status", "followed"),
    [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
        ("PUT", 301, "PUT"),
        ("PUT", 302, "PUT"),
        ("PUT", 303, "GET"),
        ("PUT", 307, "PUT"),
        ("HEAD", 303, "HEAD"),
        ("patch", 303, "GET"),
        ("GET", 302, "GET"),
    ],
)
def test_a_redirect_changes_the_method(method, status, followed):
    body = [("Content-Type", "text/plain"), ("Content-Language", "en"), ("Content-Encoding", "x"), ("X-Custom", "1")]
    verdict = look(
        moved("/b", status=status), url=f"{PAGE}/a", method=method, headers=[*body, ("Content-Location", "y")]
    )

    _, (second, _) = verdict.requests
    kept = [name for name, _ in second.headers if name != "Origin"]
    dropped = followed == "GET" != method
    assert second.method == followed
    assert kept == (["X-Custom"] if dropped else [name for name, _ in body] + ["Content-Location"])


def test_a_redirect_is_checked_itself():
    verdict = look(moved(f"{THIRD}/x", ("X", "1")))
    assert (verdict.step, line(verdict), len(verdict.requests)) == ("CORS check", NO_ORIGIN, 1)


@pytest.mark.parametrize(
    ("first", "second", "origin"),
    [
        (PAGE, PAGE, None),
        (PAGE, API, PAGE),
        (API, API, PAGE),
        (API, PAGE, "null"),
        (API, THIRD, "null"),
    ],
)
def test_a_redirect_between_foreign_origins_hides_the_page(first, second, origin):
    verdict = look(moved(f"{second}/b"), url=f"{first}/a")
    assert dict(verdict.requests[1][0].headers).get("Origin") == origin


def test_home_by_way_of_a_foreign_origin_is_no_longer_home():
    verdict = look(moved(f"{API}/b"), moved(f"{PAGE}/c"), ok(), url=f"{PAGE}/a")
    assert dict(verdict.requests[2][0].headers) == {"Origin": "null"}
    assert verdict.console == (
        f"Access to fetch at '{PAGE}/c' (redirected from '{PAGE}/a') from origin '{PAGE}' has been blocked by CORS "
        f"policy: {NO_ORIGIN}"
    )


def test_a_hidden_page_is_not_named_by_the_answer():
    verdict = look(moved(f"{THIRD}/b"), ok(*OWN))
    assert not verdict.allowed
    assert (
        "'Access-Control-Allow-Origin: null', since a redirect from one foreign origin to another hides"
        in verdict.message
    )
    assert look(moved(f"{THIRD}/b"), ok(("Access-Control-Allow-Origin", "null"))).allowed


def test_a_redirect_is_preceded_by_a_preflight_of_its_own():
    verdict = look(ok(*ANY), moved(f"{THIRD}/b"), headers=[("X-Custom", "1")])
    assert hops(verdict) == [("OPTIONS", ITEMS), ("GET", ITEMS), ("OPTIONS", f"{THIRD}/b"), ("GET", f"{THIRD}/b")]
    assert [dict(request.headers)["Origin"] for request, _ in verdict.requests] == [PAGE, PAGE, "null", "null"]


def test_a_loop_remembers_its_preflight_unless_the_page_is_hidden():
    verdict = look(*[ok(*ANY), moved("/items"), moved("/items")], headers=[("X-Custom", "1")])
    assert [method for method, _ in hops(verdict)] == ["OPTIONS", "GET", "GET", "GET"]
    there_and_back = [ok(*ANY), moved(f"{THIRD}/"), ok(*ANY), moved("/"), ok(*ANY), moved("/")]
    verdict = look(*there_and_back, headers=[("X-Custom", "1")])
    assert [method for method, _ in hops(verdict)] == ["OPTIONS", "GET"] * 4


def test_a_page_without_an_origin_remembers_while_the_fetch_lasts():
    verdict = look(ok(*ANY), moved("/items"), moved("/items"), origin="null", method="PUT")
    assert [method for method, _ in hops(verdict)] == ["OPTIONS", "PUT", "PUT", "PUT"]


def test_authorization_stays_with_its_origin():
    headers = [("Authorization", "x"), ("X-Custom", "1")]
    away = look(moved(f"{API}/b"), url=f"{PAGE}/a", headers=headers)
    near = look(moved("/b"), url=f"{PAGE}/a", headers=headers)
    assert dict(away.requests[1][0].headers)["Access-Control-Request-Headers"] == "x-custom"
    assert "Authorization" in dict(near.requests[1][0].headers)


@pytest.mark.parametrize(("to", "kept"), [(f"{PAGE}/b", True), (f"{API}/b", False), (f"{THIRD}/b", False)])
def test_hints_are_for_the_pages_own_origin(to, kept):
    verdict = look(moved(to), headers=[("DPR", "1"), ("Save-Data", "on")])
    assert "Save-Data" in dict(verdict.requests[1][0].headers)
    assert ("DPR" in dict(verdict.requests[1][0].headers)) is kept


@pytest.mark.parametrize(
    ("url", "location", "shown"),
    [
        (ITEMS, "/b", f"{API}/b"),
        (f"{ITEMS}#x", "/b", f"{API}/b#x"),
        (f"{ITEMS}#x", "/b#y", f"{API}/b#y"),
        (f"{ITEMS}#x", "/b#", f"{API}/b#"),
        (ITEMS, "/\xe9", f"{API}/%E9"),
        (ITEMS, "/\xc3\xa9", f"{API}/%C3%A9"),
        (ITEMS, "/\u20ac", f"{API}/%E2%82%AC"),
    ],
)
def test_where_a_redirect_leads(url, location, shown):
    verdict = look(moved(location), ok(), url=url)
    assert verdict.console.startswith(f"Access to fetch at '{shown}' (redirected from '{url}') from origin")
    assert verdict.requests[1][0].url == shown.partition("#")[0]


def failed(verdict):
    return verdict.allowed, verdict.step, verdict.console.removeprefix("Failed to load resource: net::ERR_")


def test_twenty_redirects_and_no_more():
    answers = [moved(f"/{number}") for number in range(21)]
    assert look(*answers[:20]).allowed
    verdict = look(*answers)
    assert failed(verdict) == (False, "HTTP-redirect fetch", "TOO_MANY_REDIRECTS")
    assert len(verdict.requests) == 21


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("status", [200, 302])
def test_locations_that_differ_are_no_answer(method, status):
    verdict = look(Answer(status, [("Location", "/a"), ("location", "/b")]), method=method)
    assert failed(verdict) == (False, "HTTP-network fetch", "RESPONSE_HEADERS_MULTIPLE_LOCATION")


def test_locations_that_are_the_same_are_one():
    assert hops(look(Answer(302, [*ANY, ("Location", "/a"), ("location", " /a ")])))[1] == ("GET", f"{API}/a")


@pytest.mark.parametrize("redirect", ["follow", "error", "manual"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_location_that_is_no_url_is_no_answer(method, redirect):
    verdict = look(moved("http://[", ("X", "1")), method=method, redirect=redirect)
    assert failed(verdict) == (False, "HTTP-redirect fetch", "INVALID_REDIRECT")


@pytest.mark.parametrize("headers", [[], [("Location", "")], [("Location", " ")]])
@pytest.mark.parametrize("redirect", ["follow", "error"])
def test_without_a_location_there_is_no_redirect(headers, redirect):
    verdict = look(Answer(302, [*ANY, *headers]), redirect=redirect)
    assert (verdict.allowed, len(verdict.requests)) == (True, 1)


@pytest.mark.parametrize("scheme", ["about:x", "blob:x", "chrome://x", "data:,x", "devtools://x", "file:///x"])
@pytest.mark.parametrize("redirect", ["follow", "error"])
def test_no_server_redirects_into_the_browser(scheme, redirect):
    assert failed(look(moved(scheme), redirect=redirect)) == (False, "HTTP-redirect fetch", "UNSAFE_REDIRECT")
    assert line(look(moved(scheme, ("X", "1")), redirect=redirect)) == NO_ORIGIN


SCHEMES = (
    "Cross origin requests are only supported for protocol schemes: chrome, chrome-experimental-site-token-provider, "
    "chrome-extension, chrome-untrusted, data, http, https, isolated-app."
)


@pytest.mark.parametrize("url", [ITEMS, f"{PAGE}/items"])
@pytest.mark.parametrize("target", ["ftp://x/", "javascript:1", "mailto:x", "app:x"])
def test_a_redirect_off_the_web_is_not_followed(url, target):
    verdict = look(moved(target), url=url)
    assert verdict.step == "HTTP-redirect fetch"
    assert verdict.console == (
        f"Access to fetch at '{target}' (redirected from '{url}') from origin '{PAGE}' has been blocked by CORS "
        f"policy: {SCHEMES}"
    )


def test_a_redirect_to_a_socket_is_not_followed():
    assert failed(look(moved("wss://x/"))) == (False, "HTTP-redirect fetch", "UNKNOWN_URL_SCHEME")
    for verdict in (
        look(moved("wss://x/"), url=f"{PAGE}/"),
        look(moved("wss://x/"), method="POST"),
        look(ok(*ANY), moved("wss://x/"), headers=[("X-Custom", "1")]),
    ):
        assert (verdict.step, SCHEMES in verdict.console) == ("HTTP-redirect fetch", True)


USERINFO = "Redirect location '' contains a username and password, which is disallowed for cross-origin requests."


@pytest.mark.parametrize(
    "location", ["https://u:p@api.example/", "https://u@cdn.example", "https://:p@app.example", "x://u@y"]
)
@pytest.mark.parametrize("redirect", ["follow", "error"])
def test_a_redirect_with_a_password_is_not_followed(location, redirect):
    verdict = look(moved(location), redirect=redirect)
    assert (verdict.step, line(verdict)) == ("HTTP-redirect fetch", USERINFO)


def test_a_redirect_with_a_password_is_not_followed_at_home_either():
    verdict = look(moved("https://u:p@app.example/b"), url=f"{PAGE}/a")
    assert (verdict.allowed, verdict.step, verdict.console) == (False, "HTTP-redirect fetch", "")
    assert USERINFO in look(moved("https://u:p@api.example/b"), url=f"{PAGE}/a").console


@pytest.mark.parametrize("location", ["https://@api.example/b", "https://:@api.example/b"])
def test_an_empty_password_is_none(location):
    assert hops(look(moved(location)))[1] == ("GET", f"{API}/b")


@pytest.mark.parametrize(("location", "code"), [("/b", "FAILED"), ("wss://x", "FAILED"), ("ftp://x", "")])
def test_an_error_is_what_was_asked_for(location, code):
    assert failed(look(moved(location), redirect="error")) == (False, "HTTP fetch", code)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("headers", [[], [("Location", "")], [("Location", "/b")], [("Location", "data:,")]])
def test_an_opaque_redirect_shows_nothing(status, headers):
    verdict = look(Answer(status, [*ANY, *headers]), redirect="manual")
    assert (verdict.allowed, verdict.step, verdict.console, verdict.readable_headers) == (False, "HTTP fetch", "", ())
    assert len(verdict.requests) == 1


def test_an_opaque_redirect_is_checked_first():
    assert line(look(moved("/b", ("X", "1")), redirect="manual")) == NO_ORIGIN


def test_a_redirect_may_lead_to_what_no_browser_asks():
    assert failed(look(moved("https://api.example:22/"))) == (False, "main fetch", "UNSAFE_PORT")
    verdict = look(moved("http://api.example/#x"))
    assert verdict.console.startswith("Mixed Content: ")
    assert "requested an insecure resource 'http://api.example/#x'. This" in verdict.console


# --- whatever comes --------------------------------------------------------------------------------------------------

TEXT = st.text(st.sampled_from("a*:/,; \t\n\r\x00\x7f\xe9\u0100\ud800[@#?%"), max_size=12) | st.text(max_size=6)
HEADERS = st.lists(st.tuples(TEXT | st.sampled_from(["Location", *(name for name, _ in ANY)]), TEXT), max_size=4)
FETCHES = st.builds(
    FetchRequest,
    st.sampled_from([PAGE, "null", "http://localhost:8000"]),
    st.sampled_from([ITEMS, "/x", "data:,"]) | TEXT,
    st.sampled_from(["GET", "PUT", "patch"]) | TEXT,
    HEADERS,
    st.sampled_from(["omit", "same-origin", "include"]),
    st.sampled_from(["follow", "error", "manual"]),
)


@settings(max_examples=50)
@given(FETCHES, st.lists(st.builds(Answer, st.integers(100, 599), HEADERS), max_size=6))
def test_every_fetch_comes_to_a_verdict(fetch, answers):
    verdict = browse(fetch, serve(*answers))

    assert verdict.message
    assert verdict.allowed or not verdict.readable_headers
    assert not verdict.allowed or not verdict.console
    assert len(verdict.requests) <= 2 * 21


def test_what_send_raises_passes_through():
    def send(request):
        raise ConnectionError(request.url)

    with pytest.raises(ConnectionError, match=ITEMS):
        browse(FetchRequest(PAGE, ITEMS), send)


def test_nobody_is_told_to_allow_null():
    verdict = browse(FetchRequest("null", "https://api.example/"), lambda _: Answer(200, []))
    assert "the page has to come from an address of its own" in verdict.message
    assert "Access-Control-Allow-Origin: null" not in verdict.message
