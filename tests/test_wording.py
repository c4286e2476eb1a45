import pytest
from django.utils import translation

from django_cors_policy.cors import LimitError, Limits, PatternError, Reason, check_limits, parse_pattern
from django_cors_policy.wording import REASONS, said


def compile_pattern(written):
    check_limits(parse_pattern(written), Limits())


def refused(written, language):
    with pytest.raises((PatternError, LimitError)) as caught:
        compile_pattern(written)
    with translation.override(language):
        return said(caught.value)


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "'https://A.example': browsers send scheme and host in lower case; write 'https://a.example'."),
        (
            "de",
            "'https://A.example': Browser senden Schema und Host in Kleinbuchstaben; schreiben Sie 'https://a.example'.",
        ),
    ],
)
def test_what_is_wrong_is_said_in_the_readers_language(language, sentence):
    assert refused("https://A.example", language) == sentence


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        (
            "en",
            (
                "'https://*.github.io': strangers can have names under github.io (beyond CORS_TENANT_LIMITS: "
                "public_suffix_wildcards). Whoever runs this site can lift this limit, in its settings."
            ),
        ),
        (
            "de",
            (
                "'https://*.github.io': Fremde können Namen unter github.io besitzen (überschreitet "
                "CORS_TENANT_LIMITS: public_suffix_wildcards). "
                "Wer diese Website betreibt, kann diese Grenze in deren Einstellungen aufheben."
            ),
        ),
    ],
)
def test_a_limit_is_said_with_who_can_lift_it(language, sentence):
    assert refused("https://*.github.io", language) == sentence


def test_what_was_written_is_never_read_as_a_template():
    assert "'https://%(value)s%s.example'" in refused("https://%(value)s%s.example", "de")


def test_the_protocol_itself_speaks_english_whatever_the_language():
    with translation.override("de"), pytest.raises(PatternError, match="an origin pattern is not empty"):
        parse_pattern("")


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_sentence_in_the_readers_language(reason):
    english = str(REASONS[reason])
    with translation.override("de"):
        assert str(REASONS[reason]) != english
