"""What is written for nginx, Apache, Caddy and S3. tests/live asks the real servers."""

import json
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from django_cors_policy.audit.tenants import UnknownTenant
from django_cors_policy.cors import PolicySpec, compile_policy, parse_origin
from django_cors_policy.models import TenantPolicy
from django_cors_policy.transfer.configs import KINDS, Effective, as_config, effective
from django_cors_policy.transfer.plan import plan, portable_regex

WITH_COMMENTS = ("nginx", "apache", "caddy")


def compiled(*origins, tenant=None, **fields):
    return compile_policy(PolicySpec(name="x", tenant=tenant, allowed_origins=origins, **fields))


def source(*policies, tenant=None, urls=None):
    return Effective(tenant, policies, 204, urls)


def text(kind, *policies, **fields):
    return "\n".join(as_config(kind, source(*policies, **fields)).lines)


def s3(*policies):
    config = as_config("s3", source(*policies))
    return json.loads("\n".join(config.lines))["CORSRules"], config.notes


# --- the effective policy --------------------------------------------------------------------------------------------


@pytest.fixture
def acme(db, settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://settings.example"]
    policy = TenantPolicy.objects.create(tenant="acme.tenants.example")
    policy.origins.create(pattern="https://app.example.com")
    return policy


def origins_of(found):
    return [[str(entry) for entry in policy.origins] for policy in found.policies]


def test_a_tenants_policy_comes_before_the_settings(acme):
    found = effective("acme.tenants.example")
    assert origins_of(found) == [["https://app.example.com"], ["https://settings.example"]]
    assert (found.tenant, found.preflight_status, found.urls, found.notes) == ("acme.tenants.example", 204, None, ())


def test_that_an_origin_expires_is_said_for_no_server_knows_of_it(acme):
    acme.origins.create(pattern="https://gone.example", expires_at=timezone.now() - timedelta(days=1))
    assert effective(acme.tenant).notes == ()
    moment = timezone.now() + timedelta(days=1)
    acme.origins.create(pattern="https://trial.example", expires_at=moment)
    [note] = effective(acme.tenant).notes
    assert note.startswith(f"'https://trial.example' expires at {moment:%Y-%m-%d %H:%M} UTC: export it again then")
    acme.origins.create(pattern="https://later.example", expires_at=moment + timedelta(days=1))
    [note] = effective(acme.tenant).notes
    assert "https://trial.example" in note
    assert ", and 1 more later: export it again then" in note


def test_a_policy_in_shadow_mode_is_left_out_and_said_so(acme):
    TenantPolicy.objects.update(shadow=True)
    found = effective(acme.tenant)
    assert origins_of(found)[-1] == ["https://settings.example"]
    assert "https://app.example.com" not in str(origins_of(found))
    assert found.notes == ("The tenant's policy is in shadow mode, so this is the settings' policy alone.",)


def test_disabled_and_expired_origins_are_left_out(acme):
    acme.origins.create(pattern="https://disabled.example", enabled=False)
    acme.origins.create(pattern="https://expired.example", expires_at=timezone.now() - timedelta(days=1))
    acme.origins.create(pattern="https://later.example", expires_at=timezone.now() + timedelta(days=1))
    assert origins_of(effective(acme.tenant))[0] == ["https://app.example.com", "https://later.example"]


def test_what_is_beyond_the_limits_is_left_out(acme, settings):
    settings.CORS_TENANT_LIMITS = {"max_origins": 1, "credentials": False}
    TenantPolicy.objects.filter(pk=acme.pk).update(allow_credentials=True)
    acme.origins.create(pattern="https://second.example")
    found = effective(acme.tenant)
    assert origins_of(found)[0] == ["https://app.example.com"]
    assert not found.policies[0].allow_credentials


def test_a_disabled_tenant_has_the_settings_policy_alone_and_a_comment_says_so(acme):
    TenantPolicy.objects.filter(pk=acme.pk).update(enabled=False)
    found = effective(acme.tenant)
    assert origins_of(found) == [[], ["https://settings.example"]]
    for kind in WITH_COMMENTS:
        lines = as_config(kind, found).lines
        assert "# The tenant's policy is disabled, so this is the settings' policy alone." in lines


def test_without_tenants_there_is_the_settings_policy_alone_and_a_note_says_so(acme, settings):
    settings.CORS_TENANT_RESOLVER = None
    found = effective(acme.tenant)
    assert origins_of(found) == [["https://settings.example"]]
    assert found.notes == ("CORS_TENANT_RESOLVER is None, so this is the settings' policy alone.",)


def test_no_tenant_is_the_settings_policy(acme, settings):
    settings.CORS_URLS_REGEX = "^/api/"
    settings.CORS_PREFLIGHT_STATUS = 200
    found = effective(None)
    assert origins_of(found) == [[], ["https://settings.example"]]
    assert (found.tenant, found.preflight_status, found.urls.pattern) == (None, 200, "^/api/")


@pytest.mark.parametrize("tenant", ["acme.tenants.exampl", "ACME.tenants.example", "", "acme\0"])
def test_an_unknown_tenant_raises(acme, tenant):
    with pytest.raises(UnknownTenant):
        effective(tenant)


# --- nothing breaks out ----------------------------------------------------------------------------------------------

HOSTILE_KEYS = [
    "a\nevil on;",
    "a\r\nevil on;",
    "evil\\",
    "evil\u2028evil on;",
    "evil {$HOME:evil} ${evil}",
    'evil"; } evil { "',
    "evil `<<EOF",
    "evil' #",
    "\ud800evil",
]


@pytest.mark.parametrize("kind", WITH_COMMENTS)
@pytest.mark.parametrize("key", HOSTILE_KEYS, ids=ascii)
def test_a_tenants_key_stays_in_a_comment_of_one_line(kind, key):
    lines = as_config(kind, source(compiled("https://app.example.com", tenant=key), tenant=key)).lines
    # A backslash at its end would join the next line to a comment, to Apache.
    assert [line for line in lines if line.endswith("\\")] == []
    assert all(line.isprintable() for line in (line.strip("\t") for line in lines))
    assert [line for line in lines if "evil" in line and not line.startswith("#")] == []
    assert not any("{$" in line for line in lines)


@pytest.mark.parametrize("kind", WITH_COMMENTS)
def test_a_regex_of_the_paths_stays_in_a_comment_of_one_line(kind):
    urls = re.compile("(?x)^/evil/\n|evil\\\\")
    lines = as_config(kind, source(compiled(), urls=urls)).lines
    assert [line for line in lines if "evil" in line] == [line for line in lines if "CORS_URLS_REGEX" in line]
    assert not any(line.endswith("\\") or "\n" in line for line in lines)


@pytest.mark.parametrize("kind", WITH_COMMENTS)
def test_a_regex_that_is_left_out_stays_in_a_comment_of_one_line(kind):
    lines = as_config(kind, source(compiled(allowed_origin_regexes=('(?x)evil"\n};\\\\',)))).lines
    assert [line[0] for line in lines if "evil" in line] == ["#"]


def test_a_dollar_of_a_name_is_no_variable_of_nginx():
    lines = text("nginx", compiled("https://app.example.com", expose_headers=("x-$http_cookie",)))
    assert '"x-${cors_settings_dollar}http_cookie"' in lines
    assert "$http_cookie" not in lines
    assert 'geo $cors_settings_dollar {\n    default "$";\n}' in lines


def test_nothing_is_set_aside_for_dollars_that_are_not_there():
    assert "dollar" not in text("nginx", compiled("https://app.example.com"))


def test_a_percent_sign_of_a_name_is_no_format_of_apache():
    lines = text("apache", compiled("https://app.example.com", expose_headers=("x-%t", "%%")))
    assert '"x-%%t, %%%%"' in lines


def test_a_backtick_of_a_name_is_quoted_for_caddy():
    assert '"x-`"' in text("caddy", compiled("https://app.example.com", expose_headers=("x-`",)))


def test_a_list_too_long_for_nginx_is_left_out_and_noted():
    policy = compiled("https://app.example.com", allow_headers=[f"x-{number:04}" for number in range(600)])
    config = as_config("nginx", source(policy))
    assert (
        "Access-Control-Allow-Headers is left out: nginx reads no value of more than 4000 characters." in config.notes
    )
    assert not any("x-0001" in line for line in config.lines)
    assert any('"preflight1" "7200";' in line for line in config.lines)


# --- what is written -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WITH_COMMENTS)
def test_the_introduction_says_what_it_is_and_the_notes_are_in_it(kind):
    config = as_config(kind, source(compiled(tenant="acme"), compiled(), tenant="acme", urls=re.compile("^/api/")))
    assert config.lines[0].endswith("the policy of tenant 'acme', then the settings. Made by django-cors-policy.")
    assert re.match("# (Include|Import) this file in ", config.lines[1])
    assert {f"# {note}" for note in config.notes} < set(config.lines)
    assert "CORS_URLS_REGEX ('^/api/')" in " ".join(config.notes)
    assert text(kind, compiled()).split("\n")[0].endswith("the policy of the settings. Made by django-cors-policy.")


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_policy_gives_the_same_text(kind):
    def made():
        tenant = compiled("https://b.example", "https://*.a.example", tenant="acme")
        return as_config(kind, source(tenant, compiled("https://c.example"), tenant="acme"))

    assert made() == made()


@pytest.mark.parametrize("kind", WITH_COMMENTS)
def test_two_tenants_share_no_variable(kind):
    def variables(tenant):
        found = text(kind, compiled("https://app.example.com", tenant=tenant), compiled(), tenant=tenant)
        return set(re.findall(r"cors_[0-9a-z]+_", found, re.IGNORECASE))

    assert variables("acme")
    assert not variables("acme") & variables("globex")


@pytest.mark.parametrize("kind", WITH_COMMENTS)
def test_a_constant_answer_does_not_vary(kind):
    assert "Vary" not in text(kind, compiled("*"))
    assert "Vary" in text(kind, compiled("*", tenant="acme"), compiled())
    assert "Vary" in text(kind, compiled("https://app.example.com"))
    assert "Vary" not in text(kind, compiled())


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("nginx", "preflight1 true"),
        ("apache", "req_novary('Access-Control-Request-Private-Network') == 'true'"),
        ("caddy", "header Access-Control-Request-Private-Network true"),
    ],
)
def test_a_private_network_is_for_the_policy_that_allows_it(kind, asked):
    policies = [compiled("https://a.example", allow_private_network=allow) for allow in (True, False)]
    assert [text(kind, policy).count(asked) for policy in policies] == [1, 0]


@pytest.mark.parametrize(("kind", "end"), [("nginx", r"\z"), ("apache", r"\z"), ("caddy", "$")])
def test_an_origin_is_compared_whole_and_with_regard_to_case(kind, end):
    lines = text(kind, compiled("https://app.example.com", allowed_origin_regexes=(r"https://\d",)))
    assert f"^https://app\\.example\\.com{end}" in lines
    assert f"^(?:https://\\d){end}" in lines
    assert "SetEnvIfNoCase" not in lines
    assert re.findall(r"~\*", lines.replace(r'"~*(?:^|[\s,])(?:origin|\*)', "")) == []


@pytest.mark.parametrize(
    ("kind", "always"), [("nginx", "$http_origin"), ("apache", '"^" '), ("caddy", "default policy1")]
)
def test_a_constant_answer_is_given_without_origin_too(kind, always):
    without = {"nginx": '"" ""', "apache": '"^." ', "caddy": '"~^$" denied'}[kind]
    parts = text(kind, compiled("*")), text(kind, compiled("*", tenant="acme"), compiled())
    assert always in parts[0]
    assert [part.count(without) for part in parts] == ([1, 2] if kind == "nginx" else [0, 1])


def test_policies_behind_one_of_any_origin_are_never_asked():
    planned, _ = plan(None, [compiled("*"), compiled("https://app.example.com")], 204)
    assert (planned.rules, planned.otherwise) == ((), 1)
    assert [number for number, _, _ in planned.numbered()] == [1]


# --- the rules -------------------------------------------------------------------------------------------------------


def served(planned, origin):
    """Give the number of the policy that the rules find, as the servers read them."""

    def first(rules, otherwise):
        return next((rule.policy for rule in rules if re.search(f"^{rule.regex}\\Z", origin)), otherwise)

    otherwise = planned.otherwise
    if first(planned.gate, 0):
        otherwise = first(planned.regexes, otherwise)
    return first(planned.rules, otherwise)


PATTERNS = (
    "https://app.example.com",
    "https://*.example.org",
    "http://localhost:*",
    "https://*.any.example:*",
    "http://[::1]:*",
)
ORIGINS = (
    *("https://app.example.com", "https://app.example.com:8443", "https://appxexample.com", "HTTPS://app.example.com"),
    *("https://example.org", "https://a.example.org", "https://a.b.example.org", "https://.example.org"),
    *("https://a..example.org", "https://A.example.org", "https://a.example.org:443", "https://a.example.org.evil"),
    *("http://localhost", "http://localhost:0", "http://localhost:80", "http://localhost:8080", "http://localhost:65535"),
    *("http://localhost:65536", "http://localhost:08", "http://localhost:", "http://[::1]", "http://[::1]:8"),
    *("https://a.any.example", "https://a.any.example:8443", "https://any.example:8443", "https://a.any.example:443"),
    *("https://1.2.3.4", "https://1.2.3.256", "https://01.2.3.4", "https://1.2.3", "https://a.0x1f", "https://a.1"),
    *("capacitor://Local_host", "FILE://a", "file://a", "ws://a", "1a://b", "null", "", "a", "https://", "https://a b"),
    *(f"https://{'a' * count}.example.org" for count in (240, 241, 242, 300)),
    *(f"{'a' * count}://b" for count in (290, 296, 297, 400)),
    *(f"capacitor://{'a' * count}" for count in (253, 254)),
)  # fmt: skip


@pytest.mark.parametrize("origin", ORIGINS, ids=lambda origin: f"{origin[:40]}-{len(origin)}")
def test_wildcards_take_what_the_policy_takes(origin):
    policy = compiled(*PATTERNS)
    planned, _ = plan(None, [policy], 204)
    assert served(planned, origin) == (policy.origins.match(origin) is not None)


@pytest.mark.parametrize("origin", ORIGINS, ids=lambda origin: f"{origin[:40]}-{len(origin)}")
def test_regexes_are_asked_about_origins_alone_and_not_about_ipv6(origin):
    policy = compiled(allowed_origin_regexes=(r".*",))
    planned, notes = plan(None, [policy], 204)
    is_asked = parse_origin(origin) is not None and "[" not in origin
    assert served(planned, origin) == is_asked
    assert notes == ["Regexes are not asked about IPv6 addresses."]


@pytest.mark.parametrize("pattern", ["https://b.example", "https://*.b.example", r"https://\w+\.b\.example"])
def test_the_first_policy_that_allows_the_origin_serves_it(pattern):
    regexes = {"allowed_origin_regexes": (pattern,)} if "\\" in pattern else {}
    last = compiled(*([] if regexes else [pattern]), **regexes)
    planned, _ = plan("acme", [compiled("https://b.example", "https://a.b.example", tenant="acme"), last], 204)
    assert served(planned, "https://a.b.example") == 1
    assert served(planned, "https://b.example") == 1
    assert served(planned, "https://c.b.example") == (0 if pattern == "https://b.example" else 2)


def test_what_no_wildcard_takes_is_left_to_any_origin():
    planned, _ = plan("acme", [compiled("http://localhost:*", tenant="acme"), compiled("*")], 204)
    assert [served(planned, f"http://localhost:{port}") for port in (8080, 80)] == [1, 2]


def test_no_rule_is_there_twice():
    both = [compiled("https://app.example.com", tenant="acme"), compiled("https://app.example.com")]
    assert [rule.policy for rule in plan("acme", both, 204)[0].rules] == [1]


@pytest.mark.parametrize(
    ("regex", "carried"),
    [
        (r"^https://[a-z0-9-]+\.example\.com$", r"(?:^https://[a-z0-9-]+\.example\.com$)"),
        (r"https?://(a|b)\.x(:\d{2,5})?", r"(?:https?://(?:a|b)\.x(?::\d{2,5})?)"),
        (r"(?i)https://\w+[.]x", r"(?i:https://\w+[.]x)"),
        (re.compile(r"https://\S+?\.[^.]*", re.IGNORECASE), r"(?i:https://\S+?\.[^.]*)"),
    ],
)
def test_a_plain_regex_is_carried_over_without_captures(regex, carried):
    assert portable_regex(re.compile(regex)) == carried


@pytest.mark.parametrize(
    "regex",
    [
        *(r"https://(?!evil)a", r"https://(?<=/)a", r"(https)://\1", r"https://(?P<name>a)", r"https://(?i:a)"),
        *(r"https://a\Z", r"https://\bb", r"https://é", r"https://a{,3}", r"https://(?#c)a", r"(?x)https://a b", "a b"),
        *(
            r"https://(?:[a-z]{1,63}\.){1,20}x",
            r"https://a{1001}",
            r"https://(?:a{999,}){2}",
            r'https://"',
            "https://`",
        ),
        *(r"https://a;", r"https://[a\]]", r"https://a#", "https://a\n", "https://" + "(" * 90 + ")" * 90 + "a" * 1800),
        *(r"https://a\\", r"https://a\x41", r"https://a{"),
        *([r"https://a++", r"https://a*+", r"https://(?>a)"]),
    ],
)
def test_a_regex_that_may_say_another_thing_elsewhere_is_left_out_and_named(regex):
    policy = compiled(allowed_origin_regexes=(regex,))
    planned, notes = plan(None, [policy], 204)
    assert planned.regexes == planned.gate == ()
    assert len(notes) == 1
    assert notes[0].startswith(f"The regex {regex[:5]!r}"[:-1])
    assert notes[0].endswith("is left out: it says what not all servers read as Python does.")


# --- S3 --------------------------------------------------------------------------------------------------------------


def test_s3_has_a_rule_for_each_policy():
    tenant = compiled(
        "https://app.example.com",
        "https://*.example.org:8443",
        allow_methods=("GET", "PUT"),
        allow_headers=("x-one",),
        expose_headers=("ETag",),
        preflight_max_age=60,
        tenant="acme",
    )
    rules, notes = s3(tenant, compiled("https://b.example", allow_methods=("HEAD",), allow_headers=()))
    assert rules == [
        {
            "AllowedOrigins": ["https://app.example.com", "https://*.example.org:8443"],
            "AllowedMethods": ["GET", "PUT"],
            "AllowedHeaders": ["x-one"],
            "ExposeHeaders": ["ETag"],
            "MaxAgeSeconds": 60,
        },
        {"AllowedOrigins": ["https://b.example"], "AllowedMethods": ["HEAD"], "MaxAgeSeconds": 7200},
    ]
    assert not any("left out" in note for note in notes)
    assert notes[0].startswith("Apply it with: aws s3api put-bucket-cors ")


def test_s3_takes_any_port_as_two_entries():
    rules, _ = s3(compiled("http://localhost:*", "http://localhost"))
    assert rules[0]["AllowedOrigins"] == ["http://localhost", "http://localhost:*"]


def test_s3_takes_any_origin_and_any_header_without_credentials():
    rules, _ = s3(compiled("*", allow_headers=("*",)))
    assert (rules[0]["AllowedOrigins"], rules[0]["AllowedHeaders"]) == (["*"], ["*"])


def test_s3_takes_no_lifetime_where_there_is_none():
    spec = PolicySpec(allowed_origins=("https://a.example",), preflight_max_age="soon")
    assert "MaxAgeSeconds" not in s3(compile_policy(spec, strict=False))[0][0]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"allow_methods": ("GET", "PATCH")}, "'PATCH'"),
        ({"allow_methods": ("GET", "*")}, "'*'"),
        ({"allow_headers": ("x-one", "*"), "allow_credentials": True}, "'*'"),
        ({"allow_headers": ("x-one", "x-*")}, "'x-*'"),
        ({"expose_headers": ("*",)}, "'*'"),
        ({"allowed_origin_regexes": (r"https://\w+\.x",)}, r"The regex 'https://\\w+\\.x'"),
    ],
)
def test_what_s3_has_no_word_for_is_left_out_and_named(fields, named):
    rules, notes = s3(compiled("https://app.example.com", **{"allow_methods": ("GET",), **fields}))
    assert [note for note in notes if note.startswith(f"{named} is left out: ")]
    assert "*" not in json.dumps(rules)
    assert (rules[0]["AllowedOrigins"], rules[0]["AllowedMethods"]) == (["https://app.example.com"], ["GET"])


def test_s3_says_that_it_knows_no_private_networks():
    assert "S3 knows nothing of private networks." in s3(compiled("https://a.example", allow_private_network=True))[1]


def test_s3_takes_one_asterisk_in_an_origin():
    rules, notes = s3(compiled("https://*.example.org:*", "https://a.example"))
    assert rules[0]["AllowedOrigins"] == ["https://a.example"]
    assert "'https://*.example.org:*' is left out: S3 takes one * in an origin." in notes


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("https://a.example", "https://*.example"),
        ("https://a.example", "*"),
        ("*", "https://*.example"),
        ("https://*.a.example", "https://*.example"),
        ("https://*.example.org", "https://*.a.example.org"),
        ("https://*.example.org", "https://*.example.org:*"),
        ("http://a.localhost:*", "http://*.localhost:8080"),
        ("http://a.localhost:*", "http://a.localhost:*"),
    ],
)
def test_s3_never_joins_two_policies(first, last):
    rules, notes = s3(compiled(first, tenant="acme"), compiled(last))
    assert len(rules) == 1
    said = f"{last!r} is left out: the tenant's own policy comes before it, and S3 would join the two."
    assert said in notes


def test_s3_leaves_out_silently_what_another_policy_serves_already():
    rules, notes = s3(
        compiled("https://a.example", "https://*.b.example", tenant="acme"), compiled("https://x.b.example")
    )
    assert len(rules) == 1
    assert not any(".example" in note for note in notes)


def test_s3_leaves_out_a_wildcard_where_a_regex_may_have_served_it():
    rules, _ = s3(compiled("https://a.example", allowed_origin_regexes=("https://b",)), compiled("https://*.c.example"))
    assert len(rules) == 1


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("https://example.org", "https://*.example.org"),
        ("https://*.example.org", "http://*.example.org"),
        ("https://*.example.org:8443", "https://*.example.org"),
        ("https://*.a.example", "https://*.b.example"),
        ("https://*.example.org", "https://*.myexample.org"),
    ],
)
def test_s3_takes_two_policies_that_share_no_origin(first, last):
    rules, _ = s3(compiled(first, tenant="acme"), compiled(last))
    assert [rule["AllowedOrigins"] for rule in rules] == [[first], [last]]


@pytest.mark.parametrize("policy", [compiled(), compiled("https://a.example", allow_methods=("PATCH",))])
def test_s3_says_what_to_do_where_nothing_is_left(policy):
    rules, notes = s3(policy)
    assert rules == []
    assert "aws s3api delete-bucket-cors" in notes[-1]
