import re
from dataclasses import FrozenInstanceError, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_cors_policy.cors import (
    DEFAULT_HEADERS,
    DEFAULT_MAX_AGE,
    DEFAULT_METHODS,
    CorsRequest,
    CredentialsError,
    CredentialsReason,
    ExposedHeaderNameError,
    HeaderNameError,
    HeaderNameReason,
    InvalidPolicy,
    LimitError,
    LimitReason,
    Limits,
    MaxAgeError,
    MaxAgeReason,
    MethodError,
    MethodReason,
    PatternError,
    PatternReason,
    Policy,
    PolicySpec,
    RegexError,
    RegexReason,
    check_count,
    check_limits,
    compile_policy,
    decide,
    parse_pattern,
)

NO_LIMITS = Limits(
    credentials=True,
    insecure_origins=True,
    public_suffix_wildcards=True,
    any_port=True,
    any_origin=True,
    max_origins=10**6,
    max_age=10**6,
)
BAD_TOKENS = [
    "",
    " ",
    "a b",
    "x\r\nSet-Cookie: a=b",
    "x\n",
    "\rx",
    "x\x00",
    "x,y",
    "x:",
    "é",
    "ａ",
    None,
    3,
    b"x",
    ["x"],
]


def lenient(limits=None, **spec):
    return compile_policy(PolicySpec(**spec), limits=limits, strict=False)


def errors_of(limits=None, **spec):
    """Give the errors that a policy is refused with, and see that they are the ones that a lenient one reports."""
    with pytest.raises(InvalidPolicy) as caught:
        compile_policy(PolicySpec(**spec), limits=limits)
    reported = lenient(limits, **spec).errors
    assert list(map(str, reported)) == list(map(str, caught.value.errors))
    return caught.value.errors


def the_error_of(limits=None, **spec):
    (error,) = errors_of(limits, **spec)
    return error


# --- what a policy is compiled to ------------------------------------------------------------------------------------


def test_cve_2024_25124_cve_2018_8014_cve_2023_49803_nothing_is_allowed_by_default():
    policy = compile_policy(PolicySpec())
    assert not policy.origins
    assert not policy.allow_credentials
    assert policy.actual_headers == ()


def test_cve_2024_6221_private_networks_are_closed_by_default():
    assert compile_policy(PolicySpec(allow_all_origins=True)).allow_private_network is False


def test_the_defaults_are_those_that_people_know():
    assert DEFAULT_METHODS == ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT")
    assert ", ".join(DEFAULT_HEADERS) == (
        "accept, authorization, content-type, user-agent, x-csrftoken, x-requested-with"
    )
    assert DEFAULT_MAX_AGE == 7200


def test_the_default_limits_are_the_documented_ones():
    assert Limits() == Limits(
        credentials=True,
        insecure_origins=False,
        public_suffix_wildcards=False,
        any_port=False,
        any_origin=False,
        max_origins=100,
        max_age=7200,
    )


def test_every_header_value_is_joined():
    policy = compile_policy(
        PolicySpec(
            allowed_origins=["https://a.example"],
            allow_credentials=True,
            allow_methods=["GET", "PATCH"],
            allow_headers=["x-a", "X-B"],
            expose_headers=["X-C", "x-d"],
            preflight_max_age=600,
        )
    )
    assert policy.actual_headers == (
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Expose-Headers", "X-C, x-d"),
    )
    assert policy.preflight_headers == (
        ("Access-Control-Allow-Credentials", "true"),
        ("Access-Control-Allow-Methods", "GET, PATCH"),
        ("Access-Control-Allow-Headers", "x-a, X-B"),
        ("Access-Control-Max-Age", "600"),
    )


def test_a_header_without_a_value_is_left_out():
    policy = compile_policy(PolicySpec(allow_methods=[], allow_headers=[], expose_headers=[], preflight_max_age=0))
    assert policy.actual_headers == ()
    assert policy.preflight_headers == (("Access-Control-Max-Age", "0"),)


def test_a_policy_says_who_it_is_of():
    policy = compile_policy(PolicySpec(name="shop", tenant="shop.example"))
    assert (policy.name, policy.tenant) == ("shop", "shop.example")


def test_private_network_is_taken_over():
    assert compile_policy(PolicySpec(allow_private_network=True)).allow_private_network is True


def test_a_policy_without_errors_reports_none():
    assert compile_policy(PolicySpec()).errors == ()


@pytest.mark.parametrize(
    ("spec", "varies"),
    [
        pytest.param({}, False, id="nobody"),
        pytest.param({"allow_all_origins": True}, False, id="everybody"),
        pytest.param({"allowed_origins": ["*"]}, False, id="everybody by a pattern"),
        pytest.param({"allowed_origins": ["https://a.example"]}, True, id="somebody"),
        pytest.param({"allowed_origins": ["https://*.a.example"]}, True, id="somebody by a wildcard"),
        pytest.param({"allowed_origin_regexes": ["x"]}, True, id="somebody by a regex"),
        pytest.param({"allowed_origins": ["https://a.example", "*"]}, False, id="somebody and everybody"),
        pytest.param({"allow_all_origins": True, "allow_credentials": True}, False, id="credentials dropped"),
        pytest.param({"tenant": "t"}, True, id="a tenant's nobody"),
        pytest.param({"tenant": "t", "allow_all_origins": True}, True, id="a tenant's everybody"),
        pytest.param({"tenant": "", "allowed_origins": ()}, True, id="a tenant without a name"),
    ],
)
def test_an_answer_varies_where_another_origin_could_get_another(spec, varies):
    assert lenient(**spec).varies is varies


@pytest.mark.parametrize("spec", [{"allow_all_origins": True}, {"allowed_origins": ["*"]}])
def test_any_origin_is_allowed_by_the_flag_or_by_the_star(spec):
    assert compile_policy(PolicySpec(**spec)).origins.any_origin


def test_an_origin_is_matched_by_pattern_and_by_regex():
    policy = compile_policy(
        PolicySpec(
            allowed_origins=["https://a.example", "https://*.b.example"],
            allowed_origin_regexes=[r"https://c\d\.example", re.compile(r"https://D\.example", re.IGNORECASE)],
        )
    )
    for origin in ("https://a.example", "https://x.b.example", "https://c1.example", "https://d.example"):
        assert policy.origins.match(origin) is not None
    assert policy.origins.match("https://e.example") is None


# --- immutable and shared --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [field.name for field in fields(Policy)])
def test_a_policy_is_immutable(name):
    with pytest.raises(FrozenInstanceError):
        setattr(compile_policy(PolicySpec()), name, True)


def test_a_policys_values_are_immutable_too():
    policy = lenient(allowed_origins=["https://a.example", "x"], expose_headers=["x-a"])
    for values in (policy.actual_headers, policy.preflight_headers, policy.errors):
        assert type(values) is tuple
    with pytest.raises(FrozenInstanceError):
        policy.origins.any_origin = True


def test_a_policy_is_independent_of_the_lists_that_it_was_compiled_from():
    written, methods = ["https://a.example"], ["GET"]
    policy = compile_policy(PolicySpec(allowed_origins=written, allow_methods=methods))
    written.append("https://b.example")
    methods.append("PUT")
    assert policy.origins.match("https://b.example") is None
    assert dict(policy.preflight_headers)["Access-Control-Allow-Methods"] == "GET"


def test_policies_are_told_apart_by_identity():
    assert compile_policy(PolicySpec()) != compile_policy(PolicySpec())
    assert len({compile_policy(PolicySpec()), compile_policy(PolicySpec())}) == 2


def test_equal_header_values_are_one_string():
    def compiled():
        names = ["".join(["x-some-", "header"]), "".join(["x-", "other"])]  # made anew each time
        return compile_policy(PolicySpec(allow_methods=names, allow_headers=names, expose_headers=names))

    one, other = compiled(), compiled()
    pairs = zip(one.preflight_headers + one.actual_headers, other.preflight_headers + other.actual_headers, strict=True)
    for (name, value), (_, same) in pairs:
        assert value is same or name == "Access-Control-Max-Age"


@pytest.mark.parametrize("limits", [None, Limits(any_origin=True), Limits(credentials=False, max_age=60)])
@pytest.mark.parametrize("origins", [(), ("https://a.example",), ("*",), ("http://a.example", "no origin")])
@pytest.mark.parametrize(
    "rest",
    [
        {},
        {"allow_credentials": True, "expose_headers": ("x-total",), "allow_private_network": True},
        {"allow_methods": ("a b",), "allow_headers": (), "preflight_max_age": -1, "allow_credentials": True},
    ],
)
def test_a_policy_like_another_is_what_it_would_be_without(limits, origins, rest):
    like = lenient(limits, **rest)
    spec = PolicySpec(name="shop", tenant="shop", allowed_origins=origins, **rest)
    shared, alone = (compile_policy(spec, limits=limits, strict=False, like=policy) for policy in (like, None))
    assert list(map(str, shared.errors)) == list(map(str, alone.errors))
    for name in set(Policy.__slots__) - {"origins", "errors"}:
        assert getattr(shared, name) == getattr(alone, name)
    assert shared.preflight_headers is like.preflight_headers or (shared.origins.any_origin and like.allow_credentials)


def test_a_strict_policy_is_refused_for_what_it_has_of_another():
    like = lenient(preflight_max_age=-1)
    with pytest.raises(InvalidPolicy, match="-1"):
        compile_policy(PolicySpec(preflight_max_age=-1), like=like)


def test_a_subclass_of_str_is_a_name_too():
    class Name(str):
        __slots__ = ()

    assert compile_policy(PolicySpec(allow_methods=[Name("GET")])).preflight_headers[0][1] == "GET"


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "kind", "value", "reason"),
    [
        ({"allowed_origins": ["https://A"]}, PatternError, "https://A", PatternReason.CASE),
        ({"allowed_origins": [None]}, PatternError, None, PatternReason.NOT_TEXT),
        ({"allowed_origin_regexes": ["("]}, RegexError, "(", RegexReason.SYNTAX),
        ({"allowed_origin_regexes": [3]}, RegexError, 3, RegexReason.NOT_A_REGEX),
        ({"allow_methods": ["A B"]}, MethodError, "A B", MethodReason.NOT_A_TOKEN),
        ({"allow_headers": ["a:"]}, HeaderNameError, "a:", HeaderNameReason.NOT_A_TOKEN),
        ({"expose_headers": [""]}, ExposedHeaderNameError, "", HeaderNameReason.NOT_A_TOKEN),
        ({"preflight_max_age": -1}, MaxAgeError, -1, MaxAgeReason.NOT_SECONDS),
        (
            {"allow_all_origins": True, "allow_credentials": True},
            CredentialsError,
            "*",
            CredentialsReason.ANY_ORIGIN,
        ),
    ],
)
def test_a_bad_entry_is_an_error_of_its_own(spec, kind, value, reason):
    error = the_error_of(**spec)
    assert type(error) is kind
    assert (error.value, error.reason) == (value, reason)


def test_all_errors_are_collected_in_the_order_of_the_fields():
    errors = errors_of(
        allowed_origins=["*", "https://A", 3],
        allowed_origin_regexes=["(", "["],
        allow_credentials=True,
        allow_methods=["A B", "C D"],
        allow_headers=["a:"],
        expose_headers=["b:"],
        preflight_max_age=None,
    )
    assert [(error.field, error.value) for error in errors] == [
        ("allowed_origins", "https://A"),
        ("allowed_origins", 3),
        ("allowed_origin_regexes", "("),
        ("allowed_origin_regexes", "["),
        ("allow_credentials", "*"),
        ("allow_methods", "A B"),
        ("allow_methods", "C D"),
        ("allow_headers", "a:"),
        ("expose_headers", "b:"),
        ("preflight_max_age", None),
    ]


@pytest.mark.parametrize("token", BAD_TOKENS, ids=repr)
@pytest.mark.parametrize("field", ["allow_methods", "allow_headers", "expose_headers"])
def test_what_is_no_token_never_reaches_a_header(field, token):
    policy = lenient(**{field: ["X-Good", token, "X-Fine"]})
    assert policy.errors[0].value is token
    assert "X-Good, X-Fine" in dict(policy.preflight_headers + policy.actual_headers).values()


@given(st.lists(st.text(st.characters(max_codepoint=0xFF) | st.sampled_from("aX-")) | st.none() | st.binary()))
def test_a_header_value_holds_tokens_alone(names):
    policy = lenient(allow_methods=names, allow_headers=names, expose_headers=names)
    for _, value in policy.preflight_headers + policy.actual_headers:
        assert re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(, [!#$%&'*+.^_`|~0-9A-Za-z-]+)*", value)


@pytest.mark.parametrize("seconds", [0, 1, 600, 7200, 86400, 2**31])
def test_max_age_is_whole_seconds(seconds):
    headers = dict(compile_policy(PolicySpec(preflight_max_age=seconds)).preflight_headers)
    assert headers["Access-Control-Max-Age"] == str(seconds)


@pytest.mark.parametrize(
    "written",
    [
        *(-1, 2**31 + 1, 1.0, 0.5, float("nan"), float("inf"), True, False, "600", b"600", None, [600]),
        pytest.param(10**5000, id="more digits than Python writes"),
    ],
)
def test_any_other_max_age_is_refused_and_left_out(written):
    assert the_error_of(preflight_max_age=written).reason is MaxAgeReason.NOT_SECONDS
    assert "Access-Control-Max-Age" not in dict(lenient(preflight_max_age=written).preflight_headers)


@pytest.mark.parametrize("spec", [{"allow_all_origins": True}, {"allowed_origins": ["https://a.example", "*"]}])
def test_any_origin_with_credentials_is_served_without_credentials(spec):
    policy = lenient(allow_credentials=True, **spec)
    assert policy.origins.any_origin
    assert not policy.allow_credentials
    assert "Access-Control-Allow-Credentials" not in dict(policy.preflight_headers + policy.actual_headers)


def test_ingress_nginx_7134_an_invalid_origin_drops_itself_alone():
    policy = lenient(allowed_origins=["https://a.example", "https://b.example/*", "https://c.example"])
    assert not policy.origins.any_origin
    assert [policy.origins.match(f"https://{host}.example") for host in "abcd"] == [
        *("https://a.example", None, "https://c.example", None),
    ]
    assert [error.value for error in policy.errors] == ["https://b.example/*"]


def test_a_list_of_nothing_but_invalid_origins_allows_nobody():
    policy = lenient(allowed_origins=["https://*", "**", "https://A", None], allowed_origin_regexes=["*", None])
    assert not policy.origins


@pytest.mark.parametrize("text", ["https://*.example.com", "*.example.com", "https://a.example, *", "**"])
def test_a_string_where_a_list_belongs_is_not_read_by_its_characters(text):
    # One of them is a *.
    policy = lenient(allowed_origins=text)
    assert not policy.origins.any_origin
    assert policy.origins.match("https://evil.test") is None


def test_a_string_where_a_list_belongs_is_one_entry():
    policy = compile_policy(
        PolicySpec(
            allowed_origins="https://*.example.com",
            allowed_origin_regexes=r"https://a\.example",
            allow_methods="PATCH",
            allow_headers="x-a",
            expose_headers="x-b",
        )
    )
    assert policy.origins.match("https://a.example") is not None
    assert policy.origins.match("https://a.example.com") is not None
    headers = dict(policy.preflight_headers + policy.actual_headers)
    assert headers["Access-Control-Allow-Methods"] == "PATCH"
    assert headers["Access-Control-Allow-Headers"] == "x-a"
    assert headers["Access-Control-Expose-Headers"] == "x-b"


# --- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "spec", "reason"),
    [
        ("credentials", {"allow_credentials": True}, LimitReason.CREDENTIALS),
        ("insecure_origins", {"allowed_origins": ["http://a.example"]}, LimitReason.INSECURE_ORIGIN),
        ("insecure_origins", {"allowed_origins": ["http://*.a.example"]}, LimitReason.INSECURE_ORIGIN),
        ("insecure_origins", {"allowed_origins": ["http://10.0.0.1:*"]}, LimitReason.INSECURE_ORIGIN),
        ("public_suffix_wildcards", {"allowed_origins": ["https://*.github.io"]}, LimitReason.PUBLIC_SUFFIX_WILDCARD),
        ("public_suffix_wildcards", {"allowed_origins": ["https://*.co.uk:1"]}, LimitReason.PUBLIC_SUFFIX_WILDCARD),
        ("public_suffix_wildcards", {"allowed_origins": ["https://*.com:*"]}, LimitReason.PUBLIC_SUFFIX_WILDCARD),
        ("any_port", {"allowed_origins": ["https://a.example:*"]}, LimitReason.ANY_PORT),
        ("any_port", {"allowed_origins": ["https://*.a.example:*"]}, LimitReason.ANY_PORT),
        ("any_port", {"allowed_origins": ["http://[::ffff:7f00:1]:*"]}, LimitReason.ANY_PORT),
        ("any_origin", {"allowed_origins": ["*"]}, LimitReason.ANY_ORIGIN),
        ("any_origin", {"allow_all_origins": True}, LimitReason.ANY_ORIGIN),
    ],
)
def test_a_limit_refuses_what_is_beyond_it(limit, spec, reason):
    limits = replace(NO_LIMITS, **{limit: False})
    error = the_error_of(limits, **spec)
    assert type(error) is LimitError
    assert error.reason is reason
    assert error.field == ("allow_credentials" if limit == "credentials" else "allowed_origins")
    assert f"CORS_TENANT_LIMITS: {limit}" in str(error)
    policy = lenient(limits, **spec)
    assert not policy.origins
    assert not policy.allow_credentials


@pytest.mark.parametrize(
    "spec",
    [
        {"allowed_origins": ["*"]},
        {"allow_all_origins": True},
        {"allowed_origins": ["http://a.example", "https://*.github.io:*"], "allow_credentials": True},
        {"preflight_max_age": 10**6},
    ],
)
def test_without_limits_nothing_is_refused(spec):
    assert (
        compile_policy(PolicySpec(**spec)).errors == compile_policy(PolicySpec(**spec), limits=NO_LIMITS).errors == ()
    )


@pytest.mark.parametrize(
    "pattern",
    [
        *("https://a.example", "https://*.a.example", "https://a.example:8443", "https://*.internal"),
        *(
            "http://localhost:3000",
            "http://localhost:*",
            "http://*.localhost:*",
            "http://127.0.0.1:*",
            "http://[::1]:*",
        ),
        *("https://localhost:*", "capacitor://localhost", "chrome-extension://abc", "https://someone.github.io"),
    ],
)
def test_the_default_limits_allow_what_is_safe_and_loopback(pattern):
    check_limits(parse_pattern(pattern), Limits())


def test_origins_are_counted_up_to_the_limit():
    written = ["https://a.example", "https://b.example", "https://c.example"]
    limits = replace(NO_LIMITS, max_origins=2)
    error = the_error_of(limits, allowed_origins=written)
    assert (error.reason, error.value, error.field) == (LimitReason.MAX_ORIGINS, written[2], "allowed_origins")
    policy = lenient(limits, allowed_origins=written)
    assert [policy.origins.match(origin) for origin in written] == [*written[:2], None]


def test_what_is_dropped_is_not_counted():
    limits = replace(NO_LIMITS, max_origins=1, insecure_origins=False)
    policy = lenient(limits, allowed_origins=["x", "http://a.example", "https://a.example", "https://b.example"])
    assert [error.reason for error in policy.errors] == [
        *(PatternReason.MISSING_SCHEME, LimitReason.INSECURE_ORIGIN, LimitReason.MAX_ORIGINS),
    ]
    assert policy.origins.match("https://a.example") is not None


@pytest.mark.parametrize(("number", "refused"), [(0, False), (3, False), (4, True)])
def test_check_count(number, refused):
    limits = Limits(max_origins=3)
    if not refused:
        check_count(number, limits, "https://a.example")
        return
    with pytest.raises(LimitError) as caught:
        check_count(number, limits, parse_pattern("https://a.example"))
    assert (caught.value.reason, caught.value.value) == (LimitReason.MAX_ORIGINS, "https://a.example")


def test_a_longer_max_age_is_cut_to_the_limit():
    limits = replace(NO_LIMITS, max_age=600)
    error = the_error_of(limits, preflight_max_age=601)
    assert (error.reason, error.value, error.field) == (LimitReason.MAX_AGE, 601, "preflight_max_age")
    assert dict(lenient(limits, preflight_max_age=601).preflight_headers)["Access-Control-Max-Age"] == "600"


@pytest.mark.parametrize("seconds", [0, 599, 600])
def test_a_max_age_within_the_limit_is_kept(seconds):
    policy = compile_policy(PolicySpec(preflight_max_age=seconds), limits=replace(NO_LIMITS, max_age=600))
    assert dict(policy.preflight_headers)["Access-Control-Max-Age"] == str(seconds)


def test_a_limit_of_credentials_comes_before_any_origin():
    limits = replace(NO_LIMITS, credentials=False)
    assert the_error_of(limits, allow_all_origins=True, allow_credentials=True).reason is LimitReason.CREDENTIALS


# --- dropping never lets more through --------------------------------------------------------------------------------

GOOD_ORIGINS = ["https://a.example", "https://*.b.example", "http://localhost:*", "https://c.example:8443", "app://d"]
GOOD_REGEXES = [r"https://e\d?\.example", r"https://(x|y)\.f\.example"]
ASKED = [
    *("https://a.example", "https://x.b.example", "https://b.example", "http://localhost", "http://localhost:3000"),
    *("https://c.example:8443", "https://c.example", "app://d", "https://e.example", "https://e1.example"),
    *(
        "https://x.f.example",
        "https://z.f.example",
        "https://evil.test",
        "http://a.example",
        "null",
        "*",
        "",
        "https://A",
    ),
    *("https://x.github.io", "http://insecure.example", "https://p.example:1", "https://a.example.evil.test"),
]
JUNK_ORIGINS = [
    *("", "null", "**", "https://*", "https://*.*", "https://a.*", "*.example", "https://evil.test/", "https://A"),
    *(
        "file://",
        "capacitor://*",
        "https://evil.test:443",
        "https://evil.test, *",
        " *",
        "* ",
        "*:*",
        "*://*",
        "ｈttps://a",
    ),
    *(None, 3, b"*", ["*"], ("*",), re.compile("."), object()),
]
BEYOND_LIMITS = ["*", "http://insecure.example", "https://*.github.io", "https://p.example:*", "http://*.test:*"]
JUNK_REGEXES = ["(", "*", "[", None, 3, b".*", re.compile(b".*"), [".*"]]


def mixed(good, junk):
    """Draw a list of good entries, and the same list with junk anywhere in it."""
    return st.lists(
        st.tuples(st.sampled_from(good), st.just(True)) | st.tuples(st.sampled_from(junk), st.just(False)), max_size=6
    )


def written_and_clean(entries):
    return [entry for entry, _ in entries], [entry for entry, good in entries if good]


def answers(policy):
    """Give all that a policy says to a battery of origins."""
    requests = [
        CorsRequest(method, origin, requested, requests_private_network=True, own_origin=lambda: None)
        for origin in [None, *ASKED]
        for method, requested in [("GET", None), ("OPTIONS", "PUT")]
    ]
    decisions = [decide([policy], request) for request in requests]
    return [(decision.allowed, decision.reason, decision.headers, decision.vary) for decision in decisions]


@given(
    mixed(GOOD_ORIGINS, JUNK_ORIGINS + BEYOND_LIMITS),
    mixed(GOOD_REGEXES, JUNK_REGEXES),
    mixed(["GET", "PATCH", "x"], BAD_TOKENS),
    mixed(["x-a", "X-B"], BAD_TOKENS),
    mixed(["x-c", "X-D"], BAD_TOKENS),
    st.booleans(),
    st.sampled_from([None, "t"]),
)
def test_a_policy_with_junk_answers_as_the_policy_without_it(
    origins, regexes, methods, headers, exposed, credentials, tenant
):
    written, clean = zip(*map(written_and_clean, (origins, regexes, methods, headers, exposed)), strict=True)
    names = ("allowed_origins", "allowed_origin_regexes", "allow_methods", "allow_headers", "expose_headers")
    flags = {"allow_credentials": credentials, "allow_private_network": True, "tenant": tenant}
    junk = lenient(Limits(), **dict(zip(names, written, strict=True)), **flags)
    pure = compile_policy(PolicySpec(**dict(zip(names, clean, strict=True)), **flags), limits=Limits())
    assert answers(junk) == answers(pure)
    assert len(junk.errors) == sum(map(len, written)) - sum(map(len, clean))


@given(st.lists(st.sampled_from(GOOD_ORIGINS + JUNK_ORIGINS + BEYOND_LIMITS), max_size=6), st.booleans())
def test_no_limit_lets_more_through(written, credentials):
    spec = PolicySpec(allowed_origins=written, allow_credentials=credentials)
    limited = compile_policy(spec, limits=Limits(max_origins=2), strict=False)
    unlimited = compile_policy(spec, strict=False)
    for origin in ASKED:
        assert limited.origins.match(origin) is None or unlimited.origins.match(origin) is not None


@given(
    st.lists(st.text(), max_size=3) | st.text(),
    st.lists(st.text() | st.binary(), max_size=3),
    st.lists(st.text() | st.none(), max_size=3),
    st.integers() | st.floats() | st.text() | st.none(),
)
def test_a_lenient_policy_never_raises(origins, regexes, names, max_age):
    policy = lenient(
        Limits(),
        allowed_origins=origins,
        allowed_origin_regexes=regexes,
        allow_methods=names,
        allow_headers=names,
        expose_headers=names,
        preflight_max_age=max_age,
    )
    assert isinstance(policy, Policy)


@pytest.mark.parametrize("regex", [".*", r"https?://.+", r"(?i)https://[a-z0-9.-]+"])
def test_a_regex_that_lets_anyone_in_is_served_without_credentials(regex):
    spec = PolicySpec(
        allowed_origins=["https://app.example.com"], allowed_origin_regexes=[regex], allow_credentials=True
    )
    policy = compile_policy(spec, strict=False)
    assert not policy.allow_credentials
    assert [type(error) for error in policy.errors] == [CredentialsError]
    assert regex in policy.errors[0].value


def test_a_regex_that_names_a_domain_keeps_its_credentials():
    spec = PolicySpec(allowed_origin_regexes=[r"https://[a-z0-9-]+\.example\.com"], allow_credentials=True)
    assert compile_policy(spec).allow_credentials
