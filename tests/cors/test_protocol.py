import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cors_policy.cors import (
    NOT_COVERED,
    CorsRequest,
    Decision,
    Kind,
    PolicySpec,
    Reason,
    compile_policy,
    decide,
    protocol,
)

METHODS = ("Access-Control-Allow-Methods", "GET, PUT")
HEADERS = ("Access-Control-Allow-Headers", "x-asked")
MAX_AGE = ("Access-Control-Max-Age", "600")
EXPOSED = ("Access-Control-Expose-Headers", "x-shown")
CREDENTIALS = ("Access-Control-Allow-Credentials", "true")
PRIVATE_NETWORK = ("Access-Control-Allow-Private-Network", "true")
PREFLIGHT = (METHODS, HEADERS, MAX_AGE)


def allow(origin):
    return ("Access-Control-Allow-Origin", origin)


def policy(*origins, **spec):
    """Compile a policy as it is served, bad entries dropped."""
    lists = {"allow_methods": ["GET", "PUT"], "allow_headers": ["x-asked"], "expose_headers": ["x-shown"]}
    return compile_policy(
        PolicySpec(allowed_origins=origins, **{**lists, "preflight_max_age": 600, **spec}), strict=False
    )


def never():
    raise AssertionError("asked for the own origin although a policy allows")


def request(origin, method="GET", requested_method=None, *, private_network=False, own=lambda: None):
    return CorsRequest(method, origin, requested_method, private_network, own)


def preflight(origin, requested_method="PUT", **more):
    return request(origin, "OPTIONS", requested_method, **more)


LISTED = policy(
    "https://a.example", "https://*.b.example", "http://localhost:*", allowed_origin_regexes=[r"https://c\d"]
)
WITH_CREDENTIALS = policy("https://a.example", allow_credentials=True)
PRIVATE = policy("https://a.example", allow_private_network=True)
BARE = policy("https://a.example", allow_methods=[], allow_headers=[], expose_headers=[], preflight_max_age=None)
STAR = policy("*")
STAR_PRIVATE = policy("*", allow_private_network=True)
NOBODY = policy()
TENANT = policy("https://t.example", "https://both.example", tenant="t", allow_credentials=True, expose_headers=["x-t"])
TENANT_STAR = policy("*", tenant="t")
TENANT_NOBODY = policy(tenant="t")
SETTINGS = policy("https://s.example", "https://both.example", expose_headers=["x-s"], allow_private_network=True)

# --- allowed ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policies", "asked", "reason", "pattern", "headers", "vary"),
    [
        # Fetch, "CORS check", step 4: the header is the byte-serialized origin of the request.
        pytest.param(
            [LISTED],
            request("https://a.example"),
            *(Reason.LISTED, "https://a.example", (allow("https://a.example"), EXPOSED), ("Origin",)),
            id="CORS check 4: listed",
        ),
        pytest.param(
            [LISTED],
            request("https://x.y.b.example"),
            *(Reason.WILDCARD, "https://*.b.example", (allow("https://x.y.b.example"), EXPOSED), ("Origin",)),
            id="CORS check 4: subdomain",
        ),
        pytest.param(
            [LISTED],
            request("http://localhost:3000"),
            *(Reason.WILDCARD, "http://localhost:*", (allow("http://localhost:3000"), EXPOSED), ("Origin",)),
            id="CORS check 4: any port",
        ),
        pytest.param(
            [LISTED],
            request("https://c1"),
            *(Reason.REGEX, r"https://c\d", (allow("https://c1"), EXPOSED), ("Origin",)),
            id="CORS check 4: regex",
        ),
        pytest.param(
            [LISTED],
            request("https://a.example", "POST"),
            *(Reason.LISTED, "https://a.example", (allow("https://a.example"), EXPOSED), ("Origin",)),
            id="CORS check 4: any method",
        ),
        pytest.param(
            [LISTED],
            request("https://a.example", "get"),
            *(Reason.LISTED, "https://a.example", (allow("https://a.example"), EXPOSED), ("Origin",)),
            id="CORS check 4: whatever the method",
        ),
        # Steps 6 and 7: credentials need the header, and its value is true.
        pytest.param(
            [WITH_CREDENTIALS],
            request("https://a.example"),
            *(Reason.LISTED, "https://a.example", (allow("https://a.example"), CREDENTIALS, EXPOSED), ("Origin",)),
            id="CORS check 7: credentials",
        ),
        # Step 3: * suffices without credentials; it is the same for everyone, so nothing varies.
        pytest.param(
            [STAR],
            request("https://evil.test"),
            *(Reason.ANY_ORIGIN, "*", (allow("*"), EXPOSED), ()),
            id="CORS check 3: any origin",
        ),
        pytest.param(
            [STAR],
            request("null"),
            *(Reason.ANY_ORIGIN, "*", (allow("*"), EXPOSED), ()),
            id="CORS check 3: any origin, null",
        ),
        pytest.param(
            [STAR],
            request("no\r\norigin"),
            *(Reason.ANY_ORIGIN, "*", (allow("*"), EXPOSED), ()),
            id="CORS check 3: any origin, malformed",
        ),
        pytest.param(
            [STAR],
            request("https://evil.test", private_network=True),
            *(Reason.ANY_ORIGIN, "*", (allow("*"), EXPOSED), ()),
            id="CORS check 3: any origin, no private network for an actual request",
        ),
        # "HTTP-network-or-cache fetch" keeps what was stored for another origin, unless Vary says otherwise.
        pytest.param(
            [TENANT_STAR],
            request("https://evil.test"),
            *(Reason.ANY_ORIGIN, "*", (allow("*"), EXPOSED), ("Origin",)),
            id="CORS check 3: a tenant's any origin may change",
        ),
        pytest.param(
            [TENANT_NOBODY, STAR],
            request("https://evil.test"),
            *(Reason.ANY_ORIGIN, "*", (allow("*"), EXPOSED), ("Origin",)),
            id="CORS check 3: the settings' any origin behind a tenant",
        ),
        pytest.param(
            [TENANT, STAR],
            request("null"),
            *(Reason.ANY_ORIGIN, "*", (allow("*"), EXPOSED), ("Origin",)),
            id="CORS check 3: the settings' any origin behind a tenant, null",
        ),
        # "CORS-preflight fetch", step 7: the lists that the request's method and headers are looked up in.
        pytest.param(
            [LISTED],
            preflight("https://a.example"),
            *(Reason.LISTED, "https://a.example", (allow("https://a.example"), *PREFLIGHT), ("Origin",)),
            id="CORS-preflight fetch 7: the full lists",
        ),
        pytest.param(
            [LISTED],
            preflight("https://x.b.example"),
            *(Reason.WILDCARD, "https://*.b.example", (allow("https://x.b.example"), *PREFLIGHT), ("Origin",)),
            id="CORS-preflight fetch 7: wildcard",
        ),
        pytest.param(
            [LISTED],
            preflight("https://a.example", "DELETE"),
            *(Reason.LISTED, "https://a.example", (allow("https://a.example"), *PREFLIGHT), ("Origin",)),
            id="CORS-preflight fetch 7.5: a method that is not listed gets the lists, and the browser refuses",
        ),
        pytest.param(
            [LISTED],
            preflight("https://a.example", ""),
            *(Reason.LISTED, "https://a.example", (allow("https://a.example"), *PREFLIGHT), ("Origin",)),
            id="CORS-preflight fetch 7: an empty method is asked for",
        ),
        pytest.param(
            [LISTED],
            preflight("https://a.example", "\r\nX-Evil: 1"),
            *(Reason.LISTED, "https://a.example", (allow("https://a.example"), *PREFLIGHT), ("Origin",)),
            id="CORS-preflight fetch 7: what is asked for is never repeated",
        ),
        pytest.param(
            [WITH_CREDENTIALS],
            preflight("https://a.example"),
            *(Reason.LISTED, "https://a.example", (allow("https://a.example"), CREDENTIALS, *PREFLIGHT), ("Origin",)),
            id="CORS-preflight fetch 7, CORS check 7: credentials",
        ),
        pytest.param(
            [BARE],
            preflight("https://a.example"),
            *(Reason.LISTED, "https://a.example", (allow("https://a.example"),), ("Origin",)),
            id="CORS-preflight fetch 7: empty lists are no headers",
        ),
        pytest.param(
            [BARE],
            request("https://a.example"),
            *(Reason.LISTED, "https://a.example", (allow("https://a.example"),), ("Origin",)),
            id="CORS check 4: nothing exposed",
        ),
        pytest.param(
            [STAR],
            preflight("https://evil.test"),
            *(Reason.ANY_ORIGIN, "*", (allow("*"), *PREFLIGHT), ()),
            id="CORS-preflight fetch 7, CORS check 3: any origin",
        ),
        # Private Network Access, "CORS preflight": only where it is asked for and allowed.
        pytest.param(
            [PRIVATE],
            preflight("https://a.example", private_network=True),
            *(
                Reason.LISTED,
                "https://a.example",
                (allow("https://a.example"), *PREFLIGHT, PRIVATE_NETWORK),
                ("Origin",),
            ),
            id="Private Network Access: asked for and allowed",
        ),
        pytest.param(
            [PRIVATE],
            preflight("https://a.example"),
            *(Reason.LISTED, "https://a.example", (allow("https://a.example"), *PREFLIGHT), ("Origin",)),
            id="Private Network Access: not asked for",
        ),
        pytest.param(
            [PRIVATE],
            request("https://a.example", private_network=True),
            *(Reason.LISTED, "https://a.example", (allow("https://a.example"), EXPOSED), ("Origin",)),
            id="Private Network Access: no preflight",
        ),
        pytest.param(
            [STAR_PRIVATE],
            preflight("https://evil.test", private_network=True),
            *(Reason.ANY_ORIGIN, "*", (allow("*"), *PREFLIGHT, PRIVATE_NETWORK), ()),
            id="Private Network Access: any origin",
        ),
        # The first policy that allows answers, with its own flags.
        pytest.param(
            [TENANT, SETTINGS],
            request("https://t.example"),
            *(
                Reason.LISTED,
                "https://t.example",
                (allow("https://t.example"), CREDENTIALS, ("Access-Control-Expose-Headers", "x-t")),
                ("Origin",),
            ),
            id="CORS check 7: the tenant's",
        ),
        pytest.param(
            [TENANT, SETTINGS],
            request("https://s.example"),
            *(
                Reason.LISTED,
                "https://s.example",
                (allow("https://s.example"), ("Access-Control-Expose-Headers", "x-s")),
                ("Origin",),
            ),
            id="CORS check 4: the settings', without the tenant's credentials",
        ),
        pytest.param(
            [TENANT, SETTINGS],
            preflight("https://both.example", private_network=True),
            *(
                Reason.LISTED,
                "https://both.example",
                (allow("https://both.example"), CREDENTIALS, *PREFLIGHT),
                ("Origin",),
            ),
            id="CORS-preflight fetch 7: in both, the first answers, without the other's private network",
        ),
        pytest.param(
            [TENANT, SETTINGS],
            preflight("https://s.example", private_network=True),
            *(
                Reason.LISTED,
                "https://s.example",
                (allow("https://s.example"), *PREFLIGHT, PRIVATE_NETWORK),
                ("Origin",),
            ),
            id="CORS-preflight fetch 7: the settings', with its own private network",
        ),
        # "CORS-preflight fetch", step 3: without Access-Control-Request-Method it is none.
        pytest.param(
            [LISTED],
            request("https://a.example", "OPTIONS"),
            *(Reason.LISTED, "https://a.example", (allow("https://a.example"), EXPOSED), ("Origin",)),
            id="CORS-preflight fetch 3: OPTIONS without the header is an actual request",
        ),
        pytest.param(
            [LISTED],
            request("https://a.example", "POST", "PUT"),
            *(Reason.LISTED, "https://a.example", (allow("https://a.example"), EXPOSED), ("Origin",)),
            id="CORS-preflight fetch 1: POST with the header is an actual request",
        ),
        pytest.param(
            [LISTED],
            request("https://a.example", "options", "PUT"),
            *(Reason.LISTED, "https://a.example", (allow("https://a.example"), EXPOSED), ("Origin",)),
            id="CORS-preflight fetch 1: the method is in upper case",
        ),
    ],
)
def test_an_origin_is_allowed(policies, asked, reason, pattern, headers, vary):
    decision = decide(policies, asked._replace(own_origin=never))
    kind = Kind.PREFLIGHT if asked.method == "OPTIONS" and asked.requested_method is not None else Kind.ACTUAL
    assert decision._replace(policy=None) == Decision(kind, True, reason, headers, vary, None, pattern)
    assert decision.policy in policies


@pytest.mark.parametrize(
    ("policies", "origin", "serves"),
    [
        ([TENANT, SETTINGS], "https://t.example", TENANT),
        ([TENANT, SETTINGS], "https://s.example", SETTINGS),
        ([TENANT, SETTINGS], "https://both.example", TENANT),
        ([SETTINGS, TENANT], "https://both.example", SETTINGS),
        ([NOBODY, NOBODY, SETTINGS], "https://s.example", SETTINGS),
        ([TENANT_STAR, SETTINGS], "https://s.example", TENANT_STAR),
    ],
)
def test_the_first_policy_that_allows_answers(policies, origin, serves):
    assert decide(policies, request(origin)).policy is serves


def test_flags_are_never_joined_across_policies():
    first = policy("https://a.example", tenant="t", allow_credentials=True)
    second = policy("https://b.example", allow_private_network=True, expose_headers=["x-b"])
    for asked in (request("https://b.example"), preflight("https://b.example", private_network=True)):
        assert CREDENTIALS not in decide([first, second], asked).headers
    assert PRIVATE_NETWORK not in decide([first, second], preflight("https://a.example", private_network=True)).headers


def test_an_origin_is_repeated_byte_for_byte():
    # Fetch, "CORS check", step 4. Other schemes than http and https keep their case.
    for origin in ("safari-web-extension://5D2E9A1C", "App://Host_1:8080"):
        assert decide([policy(origin)], request(origin)).headers[0] == allow(origin)
        assert decide([policy(origin)], request(origin.lower())).headers == ()


# --- without an Origin -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [request(None), request(None, "OPTIONS", "PUT"), request(None, "POST")])
def test_any_origin_alone_answers_a_request_without_origin_too(asked):
    # A cached answer has to serve everyone.
    assert decide([STAR], asked._replace(own_origin=never)) == Decision(
        Kind.NOT_CORS, True, Reason.ANY_ORIGIN, (allow("*"), EXPOSED), (), STAR, "*"
    )


@pytest.mark.parametrize(
    ("policies", "vary"),
    [
        pytest.param([LISTED], ("Origin",), id="listed"),
        pytest.param([NOBODY], (), id="nobody"),
        pytest.param([TENANT], ("Origin",), id="a tenant's"),
        pytest.param([TENANT_NOBODY], ("Origin",), id="a tenant's nobody"),
        pytest.param([TENANT_STAR], ("Origin",), id="a tenant's any origin"),
        pytest.param([TENANT_NOBODY, STAR], ("Origin",), id="any origin behind a tenant"),
        pytest.param([NOBODY, STAR], ("Origin",), id="any origin behind another policy"),
    ],
)
def test_a_request_without_origin_gets_no_headers_but_vary(policies, vary):
    assert decide(policies, request(None, own=never)) == Decision(
        Kind.NOT_CORS, False, Reason.NO_ORIGIN, (), vary, None, None
    )


def test_dch_measured_a_request_without_origin_never_fails():
    # The signal handler of django-cors-headers' README looks into the header, and answers 500 where there is none.
    for policies in ([], [LISTED], [STAR], [TENANT, SETTINGS]):
        for method, requested in (("GET", None), ("OPTIONS", None), ("OPTIONS", "PUT")):
            assert decide(policies, request(None, method, requested, own=never)).kind in (
                *(Kind.NOT_CORS, Kind.NOT_COVERED),
            )


# --- refused ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [request("https://a.example"), preflight("https://a.example"), request(None)])
def test_without_policies_nothing_is_covered(asked):
    assert decide([], asked._replace(own_origin=never)) is NOT_COVERED
    assert Decision(Kind.NOT_COVERED, False, Reason.NOT_COVERED, (), (), None, None) == NOT_COVERED


@pytest.mark.parametrize(
    ("origin", "own", "reason"),
    [
        # Fetch, "CORS check", step 2: without the header the check fails.
        pytest.param("https://evil.test", "https://own.example", Reason.NOT_ALLOWED, id="CORS check 2: not allowed"),
        pytest.param("https://evil.test", None, Reason.NOT_ALLOWED, id="CORS check 2: own host not trusted"),
        pytest.param("http://a.example", "https://own.example", Reason.NOT_ALLOWED, id="CORS check 4: scheme"),
        pytest.param("https://a.example:1", "https://own.example", Reason.NOT_ALLOWED, id="CORS check 4: port"),
        pytest.param("https://own.example:1", "https://own.example", Reason.NOT_ALLOWED, id="own host, other port"),
        pytest.param(
            "http://own.example:1", "https://own.example", Reason.NOT_ALLOWED, id="own, other scheme and port"
        ),
        pytest.param("https://x.own.example", "https://own.example", Reason.NOT_ALLOWED, id="below the own host"),
        # "null" is what opaque origins are serialized as: every sandboxed page has it.
        pytest.param("null", "https://own.example", Reason.NULL_ORIGIN, id="CORS check 2: null"),
        pytest.param("null", None, Reason.NULL_ORIGIN, id="CORS check 2: null, own host not trusted"),
        pytest.param("", "https://own.example", Reason.MALFORMED, id="CORS check 2: empty"),
        pytest.param("NULL", "https://own.example", Reason.MALFORMED, id="CORS check 2: null in upper case"),
        pytest.param("*", "https://own.example", Reason.MALFORMED, id="CORS check 2: star"),
        pytest.param("https://a.example/", "https://own.example", Reason.MALFORMED, id="CORS check 4: slash"),
        pytest.param("https://own.example/", "https://own.example", Reason.MALFORMED, id="own origin and a slash"),
        pytest.param(
            "HTTP://own.example", "https://own.example", Reason.MALFORMED, id="own host, scheme in upper case"
        ),
        pytest.param("https://a.example\r\nX-Evil: 1", "https://own.example", Reason.MALFORMED, id="line break"),
        pytest.param("https://a.example, null", "https://own.example", Reason.MALFORMED, id="two origins"),
        pytest.param("x" * 8192, "https://own.example", Reason.MALFORMED, id="8 KB"),
        pytest.param("\ud800", "https://own.example", Reason.MALFORMED, id="surrogate"),
        # A proxy that ends TLS and does not say so: the browser sends https, Django sees http.
        pytest.param("https://own.example", "http://own.example", Reason.OTHER_SCHEME, id="own host by https"),
        pytest.param("http://own.example", "https://own.example", Reason.OTHER_SCHEME, id="own host by http"),
        pytest.param("https://own.example:1", "http://own.example:1", Reason.OTHER_SCHEME, id="own host and port"),
    ],
)
def test_an_origin_is_refused_with_a_reason(origin, own, reason):
    expected = Decision(Kind.ACTUAL, False, reason, (), ("Origin",), None, None)
    assert decide([LISTED], request(origin, own=lambda: own)) == expected
    assert decide([LISTED], preflight(origin, own=lambda: own)) == expected._replace(kind=Kind.PREFLIGHT)


def test_the_own_origin_is_no_cors_request():
    # Fetch, "append a request `Origin` header": it travels with every request other than GET and HEAD.
    assert decide([LISTED], request("https://own.example", "POST", own=lambda: "https://own.example")) == Decision(
        Kind.NOT_CORS, False, Reason.SAME_ORIGIN, (), ("Origin",), None, None
    )


def test_a_preflight_from_the_own_origin_is_still_a_preflight():
    # No browser sends one, and no view may see one.
    decision = decide([LISTED], preflight("https://own.example", own=lambda: "https://own.example"))
    assert (decision.kind, decision.allowed, decision.reason) == (Kind.PREFLIGHT, False, Reason.SAME_ORIGIN)


def test_an_allowed_origin_is_allowed_on_its_own_host_too():
    assert decide([LISTED], request("https://a.example", own=lambda: "https://a.example")).reason is Reason.LISTED


def test_an_untrusted_host_is_no_own_origin():
    assert decide([LISTED], request("null", own=lambda: None)).reason is Reason.NULL_ORIGIN


@pytest.mark.parametrize(
    ("policies", "vary"),
    [([LISTED], ("Origin",)), ([NOBODY], ()), ([TENANT_NOBODY], ("Origin",)), ([NOBODY, NOBODY], ("Origin",))],
)
def test_a_refusal_varies_where_another_origin_could_be_allowed(policies, vary):
    assert decide(policies, request("https://evil.test")).vary == vary


@pytest.mark.parametrize(
    ("asked", "times"),
    [
        (request("https://a.example"), 0),
        (preflight("https://a.example"), 0),
        (request(None), 0),
        (request("https://evil.test"), 1),
        (request("null"), 1),
        (request(""), 1),
        (preflight("https://evil.test"), 1),
    ],
)
def test_the_own_origin_is_asked_for_only_where_nobody_allows(asked, times):
    calls = []
    decide([NOBODY, LISTED], asked._replace(own_origin=lambda: calls.append("called")))
    assert len(calls) == times


# --- advisories ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [{"allow_all_origins": True}, {"allowed_origins": ["*", "https://a.example"]}])
def test_cve_2018_20744_star_with_credentials_is_never_reflected(spec):
    star = compile_policy(PolicySpec(allow_credentials=True, **spec), strict=False)
    for asked in (
        request("https://a.example"),
        request("https://evil.test"),
        preflight("https://evil.test"),
        request(None),
    ):
        headers = dict(decide([star], asked).headers)
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in headers


def test_ghsa_mh55_gqvf_xfwm_the_headers_asked_for_are_never_looked_at():
    # A header of nothing but commas cannot cost anything: the lists of the policy are the answer, whatever is asked.
    assert CorsRequest._fields == ("method", "origin", "requested_method", "requests_private_network", "own_origin")
    asked_for_much = decide([LISTED], preflight("https://a.example", "," * (1 << 20))).headers
    assert asked_for_much == decide([LISTED], preflight("https://a.example")).headers
    assert asked_for_much[1:] == LISTED.preflight_headers


def test_dch_measured_only_the_exact_origin_is_echoed():
    for origin in ("https://a.example/evil", "HTTPS://a.example", "https://a.ex\tample", "https://a.example.evil.test"):
        assert decide([LISTED], request(origin)).headers == ()


# --- whatever is asked -----------------------------------------------------------------------------------------------

any_text = st.text(st.characters(exclude_categories=()))
pieces = st.sampled_from(
    [
        *(
            "http",
            "https",
            "://",
            ":",
            "/",
            ".",
            "a",
            "b",
            "example",
            "localhost",
            "null",
            "*",
            "\r\n",
            "\t",
            "\x00",
            " ",
        ),
        *(",", "é", "\ud800", ":443", ":3000", "evil", ".test", "app", "@", "[::1]", "127.0.0.1", "A"),
    ]
)
known = st.sampled_from(
    [
        *(
            "https://a.example",
            "https://x.b.example",
            "http://localhost:3000",
            "http://localhost",
            "https://c1",
            "null",
        ),
        *("https://t.example", "https://s.example", "https://both.example", "https://evil.test", "", "app://x"),
    ]
)
origins = st.none() | known | known | st.lists(pieces, max_size=8).map("".join) | any_text
names = st.lists(st.sampled_from(["GET", "x-a", "*", "a\r\nb", "\x00", "é", "", None, 3]) | any_text, max_size=3)
specs = st.builds(
    PolicySpec,
    tenant=st.sampled_from([None, "t"]),
    allowed_origins=st.lists(
        st.sampled_from(
            [
                *("https://a.example", "https://*.b.example", "http://localhost:*", "https://t.example", "app://x"),
                *("null", "https://a.example/", "https://A", "\r\n", 3),
            ]
        )
        | (known | any_text).filter(lambda text: text != "*"),
        max_size=5,
    ),
    allowed_origin_regexes=st.lists(st.sampled_from([r"https://c\d", r"(?s).*", "(", ".*a", r"[^\n]+"]), max_size=2),
    allow_all_origins=st.sampled_from([False, False, True]),
    allow_credentials=st.booleans(),
    allow_methods=names,
    allow_headers=names,
    expose_headers=names,
    preflight_max_age=st.sampled_from([0, 600, -1, "x\r\n", None]),
    allow_private_network=st.booleans(),
)
policies_of_a_request = st.lists(specs.map(lambda spec: compile_policy(spec, strict=False)), max_size=3)
requests = st.builds(
    CorsRequest,
    st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "OPTIONS", "options", "\r\n"]),
    origins,
    st.none() | st.sampled_from(["GET", "PUT", "", "\r\n"]) | any_text,
    st.booleans(),
    (st.none() | known | any_text).map(lambda own: lambda: own),
)


@given(policies_of_a_request, requests)
def test_a_decision_is_always_made_and_its_headers_are_safe(policies, asked):
    decision = decide(policies, asked)
    headers = dict(decision.headers)
    assert len(headers) == len(decision.headers)
    assert decision.vary in ((), ("Origin",))
    for name, value in decision.headers:
        assert name.startswith("Access-Control-")
        assert re.fullmatch(r"[\x20-\x7e]+", value)
    if not decision.allowed:
        assert (decision.headers, decision.policy, decision.pattern) == ((), None, None)
        return
    assert decision.policy in policies
    allowed = headers["Access-Control-Allow-Origin"]
    assert allowed in ("*", asked.origin)
    assert allowed != "null"
    if allowed == "*":
        assert "Access-Control-Allow-Credentials" not in headers
    else:
        assert decision.vary == ("Origin",)


@given(policies_of_a_request, requests)
def test_no_answer_without_vary_depends_on_the_origin(policies, asked):
    decision = decide(policies, asked)
    if decision.vary or decision.kind is Kind.PREFLIGHT:
        return
    for origin in (None, "null", "https://a.example", "https://evil.test", asked.origin):
        other = decide(policies, asked._replace(origin=origin, method="GET"))
        assert (other.headers, other.vary) == (decision.headers, ())


@given(policies_of_a_request, requests)
def test_an_answer_is_one_policys_own(policies, asked):
    decision = decide(policies, asked)
    if decision.policy is not None:
        alone = decide([decision.policy], asked)
        assert (alone.headers, alone.reason, alone.pattern) == (decision.headers, decision.reason, decision.pattern)


def test_what_is_too_long_to_be_an_origin_is_not_remembered(monkeypatch):
    monkeypatch.setattr(protocol, "remembered", remembered := {})
    assert decide([LISTED], request("https://a.example")).allowed
    assert decide([LISTED], request(f"https://{'a' * 8000}.example")).reason is Reason.MALFORMED
    assert list(remembered) == [((LISTED,), "https://a.example")]


def test_remembered_decisions_are_bounded_and_each_is_its_own_policies(monkeypatch):
    monkeypatch.setattr(protocol, "remembered", remembered := {})
    for number in range(3 * protocol.REMEMBERED):
        assert not decide([LISTED], request(f"https://other{number}.example")).allowed
        assert len(remembered) <= protocol.REMEMBERED
        assert decide([LISTED], request("https://a.example")).policy is LISTED
        assert decide([WITH_CREDENTIALS], request("https://a.example")).policy is WITH_CREDENTIALS
