import re

import pytest
from django.conf import settings as configured

from django_cors_policy import conf
from django_cors_policy.audit import static_findings
from django_cors_policy.audit.fixes import NOTHING, snippet

OURS = "django_cors_policy.middleware.CorsMiddleware"
SUBCLASS = "tests.audit.middleware.OwnCors"
REDIRECTS = "django.middleware.common.CommonMiddleware"
# What a snippet is for.
MECHANICAL = {
    "CORS111",
    "CORS114",
    "CORS115",
    "CORS206",
    "CORS305",
    "CORS401",
    "CORS402",
    "CORS403",
    "CORS404",
    "CORS406",
}


def pasted(settings, text, names):
    """Run a snippet below the settings that hold these names, as a settings' file would."""
    namespace = {name: getattr(settings, name) for name in names if hasattr(settings, name)}
    before = set(namespace)
    exec(text, namespace)
    for name in before - set(namespace):
        delattr(settings, name)
    for name, value in namespace.items():
        if name.isupper():
            setattr(settings, name, value)


def codes():
    return sorted({found.rule.code for found in static_findings()})


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        (
            {"CORS_ALLOWED_ORIGINS": ["https://App.example.com", "https://b.example:443", "https://ü.example"]},
            ["CORS111"],
        ),
        ({"CORS_ALLOWED_ORIGINS": {"https://App.example.com"}}, ["CORS111"]),
        ({"CORS_ALLOWED_ORIGINS": ["https://App.example.com", "https://app.example.com"]}, ["CORS111"]),
        ({"CORS_ALLOWED_ORIGINS": ["https://a.example", "https://b.example", "https://a.example"]}, ["CORS114"]),
        (
            {"CORS_ALLOWED_ORIGINS": ["https://a.example"], "CORS_ALLOWED_ORIGIN_REGEXES": ["https://a.example$"]},
            ["CORS114"],
        ),
        (
            {
                "CORS_ALLOWED_ORIGIN_REGEXES": [
                    r"https://a\.example$",
                    re.compile(r"https://a\.example$"),
                    re.compile(r"https://a\.example$", re.IGNORECASE),
                ]
            },
            ["CORS114"],
        ),
        (
            {
                "CORS_ALLOWED_ORIGINS": ["*", "https://a.example"],
                "CORS_ALLOWED_ORIGIN_REGEXES": [r"https://b\.example$"],
                "CORS_TENANT_RESOLVER": None,
            },
            ["CORS102", "CORS114"],
        ),
        ({"CORS_ALLOWED_ORIGIN_REGEXES": [r"https://[a-z]+\.example\.com"]}, ["CORS206"]),
        ({"CORS_ALLOWED_ORIGIN_REGEXES": [r"https://a\.example|https://b\.example"]}, ["CORS206"]),
        ({"CORS_ALLOWED_ORIGIN_REGEXES": [re.compile(r"https://A\.EXAMPLE", re.IGNORECASE)]}, ["CORS206"]),
        ({"CORS_ALLOW_METHODS": ["GET", "patch", "PATCH", "put"]}, ["CORS305"]),
        ({"CORS_ALLOWED_ORIGN": ["https://App.example.com"]}, ["CORS115"]),
        ({"CORS_ORIGIN_REGEX_WHITELIST": [r"https://[a-z]+\.example\.com"]}, ["CORS115"]),
        ({"CORS_ALLOWED_METHODS": ["patch"]}, ["CORS115"]),
        ({"CORS_ALLOW_CREDENTIAL": True}, ["CORS115"]),
        ({"MIDDLEWARE": [REDIRECTS, OURS]}, ["CORS402"]),
        ({"MIDDLEWARE": [REDIRECTS, SUBCLASS, "nowhere.at.all"]}, ["CORS402"]),
        ({"MIDDLEWARE": ("tests.audit.middleware.JWTMiddleware", OURS)}, ["CORS403"]),
        ({"MIDDLEWARE": ["django.middleware.cache.FetchFromCacheMiddleware", OURS]}, ["CORS404"]),
        ({"MIDDLEWARE": ["django.middleware.http.ConditionalGetMiddleware", OURS]}, ["CORS406"]),
        ({"MIDDLEWARE": [REDIRECTS]}, ["CORS401"]),
    ],
)
def test_the_snippet_pasted_below_the_settings_resolves_what_is_mechanical_and_adds_nothing(settings, changed, found):
    for name, value in changed.items():
        setattr(settings, name, value)
    assert [code for code in codes() if code in found] == found
    before = set(codes())
    text = snippet(static_findings())
    assert text == snippet(static_findings())
    pasted(settings, text, [*changed, "MIDDLEWARE"])
    assert set(codes()) == before - MECHANICAL


def test_it_changes_nothing_by_itself(settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://App.example.com"]
    settings.MIDDLEWARE = [REDIRECTS, OURS]
    snippet(static_findings())
    assert configured.CORS_ALLOWED_ORIGINS == ["https://App.example.com"]
    assert configured.MIDDLEWARE == [REDIRECTS, OURS]


def test_what_is_served_stays_the_same_where_duplicates_go(settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://*.example.com", "https://a.example.com", "https://*.a.example.com:*"]
    pasted(settings, snippet(static_findings()), ["CORS_ALLOWED_ORIGINS"])
    assert settings.CORS_ALLOWED_ORIGINS == ["https://*.example.com", "https://*.a.example.com:*"]


def test_a_regex_stays_although_the_origin_that_it_covers_has_its_text(settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://a.example.com"]
    settings.CORS_ALLOWED_ORIGIN_REGEXES = ["https://a.example.com"]
    text = snippet(found for found in static_findings() if found.rule.code == "CORS114")
    pasted(settings, text, [])
    assert settings.CORS_ALLOWED_ORIGINS == []
    assert settings.CORS_ALLOWED_ORIGIN_REGEXES == ["https://a.example.com"]


def test_the_other_entries_stay_and_in_their_order(settings):
    settings.CORS_ALLOWED_ORIGINS = ["no origin", "https://B.example", 7, "https://a.example"]
    settings.CORS_ALLOWED_ORIGIN_REGEXES = [r"https://a\.example\.com", 7, "(", r"https://b\.example\.com$"]
    settings.CORS_ALLOW_METHODS = ["P OST", "get", "put", None]
    pasted(settings, snippet(static_findings()), [])
    assert settings.CORS_ALLOWED_ORIGINS == ["no origin", "https://b.example", 7, "https://a.example"]
    assert settings.CORS_ALLOW_METHODS == ["P OST", "get", "PUT", None]
    regexes = [r"https://a\.example\.com$", 7, "(", r"https://b\.example\.com$"]
    assert list(settings.CORS_ALLOWED_ORIGIN_REGEXES) == regexes


def test_a_regex_with_other_flags_is_another(settings):
    plain, folding = (re.compile(r"https://a\.example$", flags) for flags in (0, re.IGNORECASE))
    settings.CORS_ALLOWED_ORIGIN_REGEXES = [plain.pattern, folding, plain]
    pasted(settings, snippet(static_findings()), [])
    assert list(settings.CORS_ALLOWED_ORIGIN_REGEXES) == [plain.pattern, folding]


def test_the_middleware_moves_to_the_top_and_the_others_keep_their_order(settings):
    settings.MIDDLEWARE = ["a.B", REDIRECTS, SUBCLASS, "c.D"]
    pasted(settings, snippet(static_findings()), [])
    assert settings.MIDDLEWARE == [SUBCLASS, "a.B", REDIRECTS, "c.D"]


def test_a_name_that_is_set_already_is_left_to_the_reader(settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://a.example"]
    settings.CORS_ALLOWED_ORIGN = ["https://b.example"]
    [line] = snippet(static_findings()).splitlines()
    assert line.startswith("# CORS115: CORS_ALLOWED_ORIGN is not read, and CORS_ALLOWED_ORIGINS is set too")


def test_of_two_names_for_one_setting_the_second_is_left_to_the_reader(settings):
    settings.CORS_ALLOWED_ORIGN = settings.CORS_ORIGIN_WHITELIST = ["https://b.example"]
    text = snippet(static_findings())
    assert text.count("CORS_ALLOWED_ORIGINS = ") == 1
    assert text.count("merge the two by hand") == 1


@pytest.mark.parametrize(
    ("pattern", "flags"),
    [(r"(?i)https://a\.example|https://b\.example", 0), (r"https://a\.example # no end", re.VERBOSE)],
)
def test_a_regex_that_cannot_simply_be_ended_is_left_alone(settings, pattern, flags):
    settings.CORS_ALLOWED_ORIGIN_REGEXES = [re.compile(pattern, flags) if flags else pattern]
    assert "CORS206" in codes()
    assert snippet(static_findings()) == NOTHING


def test_a_pattern_with_flags_is_written_whole(settings):
    pattern = re.compile(r"https://a\.example" + "(?:)" * 100, re.IGNORECASE)
    settings.CORS_ALLOWED_ORIGIN_REGEXES = [pattern]
    text = snippet(static_findings())
    assert text.startswith("import re\n")
    pasted(settings, text, [])
    [better] = conf.current().spec.allowed_origin_regexes
    assert (better.pattern, better.flags) == (pattern.pattern + "$", pattern.flags)


def test_nothing_mechanical_is_a_comment(settings):
    settings.CORS_ALLOWED_ORIGINS = ["http://a.example"]
    settings.CORS_COLOUR = "red"
    assert snippet(static_findings()) == NOTHING
    exec(NOTHING)


def test_stored_policies_and_rules_that_were_left_out_are_not_in_it(settings):
    settings.CORS_ALLOWED_ORIGINS = ["https://App.example.com"]
    settings.CORS_ALLOW_METHODS = ["put"]
    chosen = [found for found in static_findings() if found.rule.code == "CORS305"]
    assert "CORS_ALLOWED_ORIGINS" not in snippet(chosen)
    settings.CORS_ALLOW_METHODS = ["PUT"]
    assert snippet([]) == NOTHING
