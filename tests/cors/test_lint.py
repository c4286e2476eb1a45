"""What the rules find in a policy as somebody wrote it, and in which nothing is found."""

import re
import timeit
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_cors_policy.cors import DEFAULT_HEADERS, DEFAULT_METHODS, PolicySpec, compile_policy, parse_origin
from django_cors_policy.cors.lint import LINT_RULES, Finding, Severity, lint

RULES = {rule.code: rule for rule in LINT_RULES}
CREDENTIALS = {"allow_credentials": True}


def origins(*written, **rest):
    return {"allowed_origins": list(written), **rest}


def regexes(*written, **rest):
    return {"allowed_origin_regexes": list(written), **rest}


def headers(*written, **rest):
    return {"allow_headers": list(written), **rest}


def methods(*written, **rest):
    return {"allow_methods": list(written), **rest}


def exposed(*written, **rest):
    return {"expose_headers": list(written), **rest}


def findings(spec, **flags):
    """Give (code, severity, subject) of all that is found."""
    found = lint(PolicySpec(**spec), **flags)
    return [(finding.rule.code, str(finding.severity), finding.subject) for finding in found]


# The whole of what is found in each.
FOUND = [
    ({"allow_all_origins": True, **CREDENTIALS}, [("CORS101", "critical", "CORS_ALLOW_ALL_ORIGINS")]),
    (origins("*", **CREDENTIALS), [("CORS101", "critical", "*")]),
    (
        regexes(r"https://.*", r"https://[^/]+$", **CREDENTIALS),
        [("CORS101", "critical", r"https://.*"), ("CORS101", "critical", r"https://[^/]+$")],
    ),
    ({"allow_all_origins": True}, [("CORS102", "info", "CORS_ALLOW_ALL_ORIGINS")]),
    (origins("*"), [("CORS102", "info", "*")]),
    (regexes(r"https://.*"), [("CORS102", "info", r"https://.*")]),
    (origins("null"), [("CORS103", "medium", "null")]),
    (origins("Null"), [("CORS103", "medium", "Null")]),
    (regexes(r"null|https://a\.com$"), [("CORS103", "medium", r"null|https://a\.com$")]),
    (origins("http://a.com", **CREDENTIALS), [("CORS104", "high", "http://a.com")]),
    (origins("http://a.com:8000"), [("CORS104", "low", "http://a.com:8000")]),
    (
        origins("http://*.a.com", **CREDENTIALS),
        [("CORS104", "high", "http://*.a.com"), ("CORS106", "medium", "http://*.a.com")],
    ),
    (origins("https://*.co.uk", **CREDENTIALS), [("CORS105", "critical", "https://*.co.uk")]),
    (origins("https://*.github.io"), [("CORS105", "medium", "https://*.github.io")]),
    (origins("https://*.kawasaki.jp"), [("CORS105", "medium", "https://*.kawasaki.jp")]),
    (origins("https://*.a.com", **CREDENTIALS), [("CORS106", "medium", "https://*.a.com")]),
    (origins("https://*.a.com"), [("CORS106", "info", "https://*.a.com")]),
    (origins("https://*.internal"), [("CORS106", "info", "https://*.internal")]),
    (origins("https://me.github.io", **CREDENTIALS), [("CORS107", "medium", "https://me.github.io")]),
    (origins("https://me.github.io:8443"), [("CORS107", "low", "https://me.github.io:8443")]),
    (origins("https://a.com:*", **CREDENTIALS), [("CORS108", "low", "https://a.com:*")]),
    (origins("https://a.com:*"), [("CORS108", "info", "https://a.com:*")]),
    (origins("https://me.github.io:*"), [("CORS108", "info", "https://me.github.io:*")]),
    *(
        (origins(origin), [("CORS109", "medium", origin)])
        for origin in (
            *("http://localhost:*", "http://app.localhost:3000", "http://127.0.0.1", "https://[::1]"),
            *("https://10.1.2.3", "https://172.31.0.1", "https://192.168.0.1", "https://169.254.0.1"),
            *(
                "https://[fd00::1]",
                "https://[fe80::1]",
                "https://0.0.0.0:8000",
                "https://printer.local",
                "https://a.test",
            ),
        )
    ),
    (regexes(r"http://localhost:\d+$"), [("CORS109", "medium", r"http://localhost:\d+$")]),
    (
        regexes(r"https?://192\.168\.\d+\.\d+$"),
        [
            ("CORS109", "medium", r"https?://192\.168\.\d+\.\d+$"),
            ("CORS204", "low", r"https?://192\.168\.\d+\.\d+$"),
        ],
    ),
    (origins("https://a.com https://b.com"), [("CORS110", "medium", "https://a.com https://b.com")]),
    (origins("https://a.comhttps://b.com"), [("CORS110", "medium", "https://a.comhttps://b.com")]),
    (origins("a.com"), [("CORS110", "medium", "a.com")]),
    (origins("foo://exa mple/x", ""), [("CORS110", "medium", "foo://exa mple/x"), ("CORS110", "medium", "")]),
    (origins("foo://-!/x"), [("CORS110", "medium", "foo://-!/x")]),
    (origins(None, b"https://a.com"), [("CORS110", "medium", "None"), ("CORS110", "medium", "b'https://a.com'")]),
    *(
        (origins(origin), [("CORS111", "medium", origin)])
        for origin in (
            *("https://A.com", "HTTPS://a.com", "https://a.com:443", "https://münchen.de", "https://a.com/"),
            *("https://a.com/path", "https://8.8.2056", "https://[0:0::1]"),
        )
    ),
    (origins("https://a.com."), [("CORS112", "medium", "https://a.com.")]),
    (origins("https://xn--pple-43d.com"), [("CORS113", "low", "https://xn--pple-43d.com")]),
    (
        origins("https://www.xn--gogle-rce.com"),
        [("CORS113", "low", "https://www.xn--gogle-rce.com")],
    ),
    (origins("https://a.com", "https://a.com"), [("CORS114", "info", "https://a.com")]),
    (
        origins("https://b.a.com", "https://*.b.a.com", "https://*.a.com"),
        [
            ("CORS106", "info", "https://*.b.a.com"),
            ("CORS106", "info", "https://*.a.com"),
            ("CORS114", "info", "https://b.a.com"),
            ("CORS114", "info", "https://*.b.a.com"),
        ],
    ),
    (
        origins("https://a.com:*", "https://a.com", "https://a.com:8443"),
        [
            ("CORS108", "info", "https://a.com:*"),
            ("CORS114", "info", "https://a.com"),
            ("CORS114", "info", "https://a.com:8443"),
        ],
    ),
    (
        origins("*", "https://a.com", "*", allow_all_origins=True),
        [
            ("CORS102", "info", "CORS_ALLOW_ALL_ORIGINS"),
            ("CORS102", "info", "*"),
            ("CORS102", "info", "*"),
            ("CORS114", "info", "*"),
            ("CORS114", "info", "*"),
            ("CORS114", "info", "https://a.com"),
        ],
    ),
    (
        origins("https://b.a.com", "https://a.com", **regexes(r"https://\w+\.a\.com$")),
        [("CORS114", "info", "https://b.a.com")],
    ),
    (regexes(r"https://a\.com$", re.compile(r"https://a\.com$")), [("CORS114", "info", r"https://a\.com$")]),
    (regexes("https://(a.com"), [("CORS201", "high", "https://(a.com")]),
    (regexes(None, re.compile(b"a")), [("CORS201", "high", "None"), ("CORS201", "high", "b'a'")]),
    (regexes("https://b.a.com$", **CREDENTIALS), [("CORS202", "high", "https://b.a.com$")]),
    (regexes("https://b.a.com$"), [("CORS202", "low", "https://b.a.com$")]),
    (regexes(r"https://.*a\.com$", **CREDENTIALS), [("CORS203", "critical", r"https://.*a\.com$")]),
    (regexes(r"https://.*a\.com$"), [("CORS203", "medium", r"https://.*a\.com$")]),
    (regexes(r"https?://a\.com$", **CREDENTIALS), [("CORS204", "high", r"https?://a\.com$")]),
    (regexes(r"https?://a\.com$"), [("CORS204", "low", r"https?://a\.com$")]),
    (regexes(r"https://([a-z]+)+\.a\.com$"), [("CORS205", "high", r"https://([a-z]+)+\.a\.com$")]),
    (
        origins("https://b.a.com", **regexes(r"https://[a-z]*[a-z]*[a-z]*[a-z]*\.a\.com$")),
        [("CORS205", "medium", r"https://[a-z]*[a-z]*[a-z]*[a-z]*\.a\.com$")],
    ),
    (regexes(r"https://a\.com"), [("CORS206", "info", r"https://a\.com")]),
    (
        {**methods("*"), **headers("*"), **exposed("*"), **CREDENTIALS},
        [
            ("CORS301", "medium", "CORS_ALLOW_METHODS"),
            ("CORS301", "medium", "CORS_ALLOW_HEADERS"),
            ("CORS301", "medium", "CORS_EXPOSE_HEADERS"),
        ],
    ),
    (headers("*", "x-a"), [("CORS302", "low", "CORS_ALLOW_HEADERS")]),
    *((headers(name), [("CORS303", "low", name)]) for name in ("Cookie", "sec-fetch-mode", "ETag", "a b", "")),
    (headers(5), [("CORS303", "low", "5")]),
    (exposed("x y", "ETag"), [("CORS303", "low", "x y")]),
    *((methods(name), [("CORS304", "low", name)]) for name in ("CONNECT", "trace", "Track", "GET POST")),
    (methods(None), [("CORS304", "low", "None")]),
    *((methods(name), [("CORS305", "medium", name)]) for name in ("patch", "put", "Query")),
    ({"preflight_max_age": 7201}, [("CORS307", "info", "CORS_PREFLIGHT_MAX_AGE")]),
    ({"preflight_max_age": 10**5000}, [("CORS307", "info", "CORS_PREFLIGHT_MAX_AGE")]),
    *(
        (exposed(name), [("CORS309", "medium", name)])
        for name in ("Set-Cookie", "authorization", "X-CSRFToken", "X-XSRF-Token", "X-Session-Id")
    ),
    ({"allow_private_network": True}, [("CORS310", "info", "CORS_ALLOW_PRIVATE_NETWORK")]),
    (
        {"allow_private_network": True, "allow_all_origins": True},
        [("CORS102", "info", "CORS_ALLOW_ALL_ORIGINS"), ("CORS310", "medium", "CORS_ALLOW_PRIVATE_NETWORK")],
    ),
    (
        {"allow_private_network": True, **regexes("https://.*")},
        [("CORS102", "info", "https://.*"), ("CORS310", "medium", "CORS_ALLOW_PRIVATE_NETWORK")],
    ),
]

CLEAN = [
    {},
    CREDENTIALS,
    origins("https://a.com", "https://b.a.com", "https://a.com:8443", "https://8.8.8.8", **CREDENTIALS),
    origins("https://www.me.github.io", "https://github.io", "https://www.gov.uk"),
    origins("capacitor://localhost", "chrome-extension://abcdefghijklmnop", "app://me.github.io"),
    origins("https://xn--mnchen-3ya.de", "https://xn--e1afmkfd.xn--p1ai", "https://xn--google--wg4sob4c3d.jp"),
    origins("https://xn--0.com", "https://xn--a-ecp.com", "https://xn--.com"),
    regexes(r"https://[a-z0-9-]+\.a\.com$", r"http://localhost:\d+", r"(?i)https://a\.com$", **CREDENTIALS),
    headers("*", "Authorization"),
    headers(*DEFAULT_HEADERS, "x-a", **CREDENTIALS),
    methods("*"),
    methods(*DEFAULT_METHODS, "HEAD", "get", "Post", "QUERY"),
    exposed("*"),
    exposed("ETag", "X-Total", "*"),
    {"preflight_max_age": 0},
    {"preflight_max_age": 7200},
    {"preflight_max_age": True},
    {"preflight_max_age": "100000"},
]


@pytest.mark.parametrize(("spec", "found"), FOUND)
def test_fault_is_found_and_nothing_else(spec, found):
    assert findings(spec) == found


@pytest.mark.parametrize("spec", CLEAN)
def test_clean_policy_has_no_findings(spec):
    assert lint(PolicySpec(**spec), development=True) == []
    assert [code for code, _, _ in findings(spec) if code != "CORS109"] == []


def test_default_policy_is_clean():
    assert lint(PolicySpec()) == []
    assert lint(PolicySpec(), development=True, tenants=True) == []
    assert lint(PolicySpec(tenant="a"), tenants=True) == []


def test_every_rule_and_severity_has_a_case_above():
    cases = {(code, severity) for _, found in FOUND for code, severity, _ in found} | {("CORS102", "medium")}

    assert cases == {(rule.code, str(severity)) for rule in LINT_RULES for severity in rule.severities}


def test_catalogue_holds_each_rule_once_and_in_order():
    codes = [rule.code for rule in LINT_RULES]

    assert codes == sorted(set(codes))
    assert codes == [
        *(f"CORS{number}" for number in range(101, 115)),
        *(f"CORS{number}" for number in range(201, 207)),
        *(f"CORS{number}" for number in (301, 302, 303, 304, 305, 307, 309, 310)),
    ]
    assert len({rule.slug for rule in LINT_RULES}) == len(LINT_RULES)


@pytest.mark.parametrize("rule", LINT_RULES, ids=lambda rule: rule.code)
def test_rule_is_complete(rule):
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.slug)
    assert re.fullmatch(r"[A-Z][^\n]*\.", rule.summary)
    assert [severity.rank for severity in rule.severities] == sorted({s.rank for s in rule.severities}, reverse=True)


def test_severities_are_ranked():
    assert [severity.rank for severity in Severity] == [4, 3, 2, 1, 0]
    assert Severity.CRITICAL.rank > Severity("info").rank


# --- what surrounds a policy ---------------------------------------------------------------------------------------


def test_any_origin_is_graver_where_it_makes_tenants_moot():
    assert findings(origins("*"), tenants=True) == [("CORS102", "medium", "*")]


def test_any_origin_of_a_tenant_is_its_own_alone():
    assert findings(origins("*", tenant="a"), tenants=True) == [("CORS102", "info", "*")]


def test_development_origin_is_for_development():
    assert findings(origins("http://localhost:3000", "https://a.test"), development=True) == []
    assert findings(regexes(r"http://localhost:\d+"), development=True) == []


def test_tenants_findings_name_the_tenant_and_its_fields():
    spec = {
        "tenant": "shop.example",
        "allow_all_origins": True,
        "allow_credentials": True,
        "allow_private_network": True,
        "preflight_max_age": 10**6,
        **headers("*"),
    }

    assert findings(spec) == [
        ("CORS101", "critical", "allow_all_origins"),
        ("CORS301", "medium", "allow_headers"),
        ("CORS307", "info", "preflight_max_age"),
        ("CORS310", "medium", "allow_private_network"),
    ]
    assert {finding.tenant for finding in lint(PolicySpec(**spec))} == {"shop.example"}


def test_settings_findings_name_no_tenant():
    assert {finding.tenant for finding in lint(PolicySpec(allow_all_origins=True))} == {None}


def test_order_is_the_catalogues_and_then_the_policys():
    spec = {**origins("https://*.b.com", "http://a.com", "http://b.com"), **methods("put", "TRACE")}

    assert [(code, subject) for code, _, subject in findings(spec)] == [
        ("CORS104", "http://a.com"),
        ("CORS104", "http://b.com"),
        ("CORS106", "https://*.b.com"),
        ("CORS304", "TRACE"),
        ("CORS305", "put"),
    ]


# --- messages and hints --------------------------------------------------------------------------------------------


def only(spec) -> Finding:
    (finding,) = lint(PolicySpec(**spec))
    return finding


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        (origins("https://A.com/"), "lower case", "'https://a.com'"),
        (origins("https://münchen.de"), "ASCII", "'https://xn--mnchen-3ya.de'"),
        (origins("https://a.com."), "dot", "'https://a.com'"),
        (origins("https://a.comhttps://b.com"), "comma", "between 'https://a.com' and 'https://b.com'"),
        (origins("null"), "never served", "sandbox"),
        (origins("https://"), "host", "such as 'https://app.example.com'"),
        (origins(5), "is a string", "such as 'https://app.example.com'"),
        (origins("https://a.comapp://b"), "comma", "between the two"),
        (origins("http://a.com"), "is http", "'https://a.com'"),
        (origins("https://*.github.io"), "under github.io", "yours"),
        (origins("https://xn--pple-43d.com"), "'аpple' and mixes CYRILLIC and LATIN", "mean"),
        (origins("https://a.com", "https://a.com"), "listed twice", "Remove it."),
        (origins("https://b.a.com", **regexes(r"https://\w+\.a\.com$")), r"covered by 'https://\\w+", "wider"),
        (regexes("("), "missing )", "Correct"),
        (regexes("https://b.a.com$"), "'https://baa.com'", r"'https://b\\.a\\.com$'"),
        (regexes(r"https://.*a\.com$"), "'https://evila.com'", r"'https://([a-z0-9-]+\\.)*a\\.com$'"),
        (regexes(r"https://[a-z]+\.com$"), "'https://evil.com'", "dots escaped and a dot before it."),
        (regexes(r"https?://a\.com$"), "'http://a.com'", r"'https://a\\.com$'"),
        (regexes(r"https://([a-z]+)+\.a\.com$"), "exponential time for 'https://' + 'a' * n + '_'", "one way"),
        (regexes(r"https://a\.com"), "'https://a.com.evil.net'", r"'https://a\\.com$'"),
        (regexes(r"https://.*"), "such as 'https://evil.net'", "list the origins"),
        (methods("put"), "'PUT'", "Write 'PUT'."),
        ({"preflight_max_age": 10000}, "Chromium 7200.", "7200"),
        ({"preflight_max_age": 100000}, "Firefox 86400.", "7200"),
        (exposed("Set-Cookie"), "never", "Remove"),
        (exposed("Authorization"), "secret", "Remove"),
    ],
)
def test_message_says_what_is_wrong_and_hint_what_to_write(spec, message, hint):
    finding = only(spec)

    assert message in finding.message
    assert hint in finding.hint


def test_hint_holds_no_half_of_a_regex():
    finding = only(regexes("https://(?:a|" + "b" * 300 + ").a.com$"))

    assert finding.rule.code == "CORS202"
    assert finding.hint == r"Write \. for a dot."


# What lets somebody in names an origin that passes. What never matches (103, 110 to 112), what nobody else is let in by
# (113, 114) and a regex that matches nothing or less (201, 206) have none.
PROVEN = {
    **dict.fromkeys(["CORS101", "CORS102", "CORS105", "CORS106", "CORS108"], r"such as '([^']+)'"),
    "CORS104": "on the way to '([^']+)'",
    **dict.fromkeys(["CORS202", "CORS203", "CORS204"], "lets '([^']+)' through"),
    "CORS107": "^'([^']+)' has its name",
    "CORS109": "runs at '([^']+)'",
}
WIDE = [
    "https://*.a.com:*",
    "http://*.a.com",
    "http://b.com:*",
    "https://*.github.io:8443",
    f"https://*.{'a.' * 124}com",
    "https://*.test:*",
]


@pytest.mark.parametrize(
    "spec",
    [
        *(spec for spec, found in FOUND if PROVEN.keys() & {code for code, _, _ in found}),
        *(origins(entry) for entry in WIDE),
    ],
)
def test_printed_witness_passes_the_compiled_policy(spec):
    policy = compile_policy(PolicySpec(**spec), strict=False)
    found = [finding for finding in lint(PolicySpec(**spec)) if finding.rule.code in PROVEN]
    assert found
    for finding in found:
        (witness,) = re.findall(PROVEN[finding.rule.code], finding.message)
        assert parse_origin(witness) is not None
        assert policy.origins.match(witness) is not None


def test_every_rule_that_lets_somebody_in_has_a_witness_above():
    shown = {code for _, found in FOUND for code, _, _ in found}
    assert PROVEN.keys() <= shown


def test_slow_regex_is_slow_for_the_origin_that_is_printed():
    regex = re.compile(r"https://([a-z]+)+\.a\.com$")
    message = only(regexes(regex)).message
    shape, few, many = re.search(r"time for (.*): .* n = ([0-9]+) and .* n = ([0-9]+)\.", message).groups()

    def seconds(number):
        origin = eval(shape, {"n": int(number)})
        assert parse_origin(origin) is not None
        return min(timeit.repeat(lambda: regex.fullmatch(origin), number=1, repeat=5))

    assert seconds(many) > 3 * seconds(few)


# --- whatever stands in a field ------------------------------------------------------------------------------------


class Rude:
    def __repr__(self):
        raise RuntimeError("no")


junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.binary(max_size=20),
    st.text(max_size=40),
    st.lists(st.integers(), max_size=2),
    st.sampled_from(
        ["*", "null", "https://", "x" * 5000, "(" * 3000, b"*", 10**5000, Rude(), re.compile(b"."), object]
    ),
    st.from_regex(r"(https?|foo)://[a-z.*@:/\[\]-]{0,12}", fullmatch=True),
    st.from_regex(r"https://xn--[a-z0-9-]{0,12}\.com", fullmatch=True),
)
lists = st.one_of(junk, st.lists(junk, max_size=4), st.lists(junk, max_size=3).map(tuple))


@settings(max_examples=60, deadline=None)
@given(lists, lists, lists, lists, lists, junk, st.booleans(), st.none() | st.text(max_size=5))
def test_any_junk_gives_findings_of_bounded_printable_text(
    origins, regexes, methods, headers, exposed, age, cred, tenant
):
    spec = PolicySpec(
        tenant=tenant,
        allowed_origins=origins,
        allowed_origin_regexes=regexes,
        allow_credentials=cred,
        allow_methods=methods,
        allow_headers=headers,
        expose_headers=exposed,
        preflight_max_age=age,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a junk regex
        found = lint(spec)
        again = lint(spec)

    assert [(finding.rule, finding.severity, finding.subject) for finding in found] == [
        (finding.rule, finding.severity, finding.subject) for finding in again
    ]
    for finding in found:
        assert finding.severity in finding.rule.severities
        assert len(finding.subject) <= 300
        assert finding.subject.isprintable()
        assert finding.message.isprintable()
        assert finding.hint.isprintable()
        assert len(finding.message) < 2000
        assert len(finding.hint) < 1000


def test_regex_that_warns_is_a_finding_where_warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = lint(PolicySpec(allowed_origin_regexes=["[[a]"]))

    assert [finding.rule.code for finding in found] == ["CORS201"]


@pytest.mark.parametrize("written", ["*", {"*"}, frozenset({"*"}), ("*",)])
def test_what_is_no_list_is_looked_at_all_the_same(written):
    assert findings({"allowed_origins": written}) == [("CORS102", "info", "*")]


def test_set_is_looked_at_in_a_stable_order():
    found = findings({"allowed_origins": {"http://b.com", "http://a.com", 5, None}})

    assert [subject for _, _, subject in found] == ["http://a.com", "http://b.com", "5", "None"]


def test_control_characters_are_escaped_and_long_subjects_cut():
    found = findings(origins("https://a\r\n\x1b[31m.com", "x" * 1000, Rude(), "\udcff\u202e"))

    assert [subject for _, _, subject in found] == [
        r"https://a\r\n\x1b[31m.com",
        "x" * 300,
        "<Rude>",
        r"\udcff\u202e",
    ]


def test_slow_regex_is_not_asked_about_every_origin():
    spec = origins("https://" + "a" * 40 + ".com", **regexes(r"https://([a-z]+)+\.b\.com$"))

    assert [code for code, _, _ in findings(spec)] == ["CORS205"]
