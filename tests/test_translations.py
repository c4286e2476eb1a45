"""Every sentence of the admin's has its German one, and the compiled catalogue holds them all.

After a change of sentences, with GNU gettext installed, in django_cors_policy/::

    python -m django makemessages --locale de --no-obsolete --add-location file

then translate what is empty or fuzzy in locale/de/LC_MESSAGES/django.po, and there again::

    python -m django compilemessages --locale de
"""

import ast
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po
from django.utils.translation import templatize

import django_cors_policy
from django_cors_policy.audit import RULES
from django_cors_policy.cors import Limits, PolicySpec, compile_policy, errors

ROOT = Path(django_cors_policy.__file__).parent
PO = ROOT / "locale/de/LC_MESSAGES/django.po"
FUNCTIONS = {
    **DEFAULT_KEYWORDS,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
PLACEHOLDER = re.compile(r"%(?:\(\w+\))?.")


def catalogue():
    with PO.open("rb") as file:
        return read_po(file, locale="de", abort_invalid=True)


def forms(text):
    return text if isinstance(text, tuple) else (text,)


MESSAGES = [message for message in catalogue() if message.id]  # the first is the header


def sentences_of_code(source):
    """Give what a module's source marks for translation: the context, and the text or both its numbers' texts."""
    return {(context, text) for _, text, _, context in extract("python", io.BytesIO(source.encode()), FUNCTIONS)}


def sentences_of_template(source):
    # What stands between the marks is left as a row of X, indented as the page is, which is no Python.
    return sentences_of_code("\n".join(line.strip() for line in templatize(source).splitlines()))


def sentences():
    found = set()
    for path in ROOT.rglob("*.py"):
        found |= sentences_of_code(path.read_text(encoding="utf-8"))
    for path in (ROOT / "templates").rglob("*.html"):
        found |= sentences_of_template(path.read_text(encoding="utf-8"))
    return found


def test_the_catalogue_holds_every_sentence_and_no_other():
    held = {(message.context, message.id) for message in MESSAGES}
    assert {"untranslated": sentences() - held, "not used": held - sentences()} == {
        "untranslated": set(),
        "not used": set(),
    }


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: forms(message.id)[0])
def test_each_sentence_is_translated_whole(message):
    written = forms(message.string)
    assert not message.fuzzy
    assert len(written) == (catalogue().num_plurals if message.pluralizable else 1)
    assert all(text.strip() for text in written)
    for text in written:
        assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(forms(message.id)[-1]))


def test_the_catalogue_keeps_nothing_obsolete():
    assert not catalogue().obsolete


def test_the_compiled_catalogue_is_what_the_written_one_compiles_to():
    def held(file):
        return {repr((message.context, message.id, message.string)) for message in read_mo(file) if message.id}

    compiled = io.BytesIO()
    write_mo(compiled, catalogue())
    compiled.seek(0)
    with PO.with_suffix(".mo").open("rb") as committed:
        assert held(committed) == held(compiled)


# --- what is marked --------------------------------------------------------------------------------------------------


def spoilt(source):
    """Give the lines on which makemessages finds no sentence: a call in an f-string, or of one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            calls = [each for each in ast.walk(node) if isinstance(each, ast.Call)]
        elif isinstance(node, ast.Call) and any(isinstance(argument, ast.JoinedStr) for argument in node.args):
            calls = [node]
        else:
            continue
        yield from (call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id in FUNCTIONS)


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_sentence_is_marked_where_makemessages_does_not_find_it(path):
    assert list(spoilt(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("source", ['f"{gettext(a)}"', "_(f'a {b}')"])
def test_a_sentence_that_makemessages_does_not_find_is_seen(source):
    assert list(spoilt(source)) == [1]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("_('a')", (None, "a")),
        ("gettext('a' 'b')", (None, "ab")),
        ("gettext_lazy('a')", (None, "a")),
        ("gettext_noop('a')", (None, "a")),
        ("ngettext('a', 'b', 2)", (None, ("a", "b"))),
        ("ngettext_lazy('a', 'b', 2)", (None, ("a", "b"))),
        ("pgettext('c', 'a')", ("c", "a")),
        ("pgettext_lazy('c', 'a')", ("c", "a")),
        ("npgettext_lazy('c', 'a', 'b', 2)", ("c", ("a", "b"))),
    ],
)
def test_a_marked_sentence_of_a_module_is_found(source, found):
    assert sentences_of_code(source) == {found}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('<p>\n  {% translate "a" %}\n</p>', (None, "a")),
        ('  <p title="it\'s">{% translate "a" context "c" %}', ("c", "a")),
        (" {% blocktranslate trimmed %}\n a {{ b }}\n {% endblocktranslate %}", (None, "a %(b)s")),
        (
            "{% blocktranslate count n=m %}{{ n }} a{% plural %}{{ n }} b{% endblocktranslate %}",
            (None, ("%(n)s a", "%(n)s b")),
        ),
    ],
)
def test_a_marked_sentence_of_a_template_is_found(source, found):
    assert sentences_of_template("{% load i18n %}\n" + source) == {found}


def test_the_summary_of_every_rule_is_translated():
    held = {message.id for message in MESSAGES}
    assert {rule.summary for rule in RULES} - held == set()


# Each entry has one thing wrong with it.
WRONG = PolicySpec(
    allowed_origins=[
        *(7, "", "a" * 301, "null", "https://a b.example", "https://a.examplehttps://b.example", "a.example"),
        *("ftp:/*", "ftp://a.example*", "https://", "https://a..example", "https://a*.example", "https://a.example:x"),
        *("https://a@b.example", "https://a.example/path", "https://a.example.", "https://127.1", "https://ä.example"),
        *("https://A.example", "https://a.example:443", "https://a.example/", "http://a.example"),
        *("https://a.example:*", "https://*.github.io", "*", "https://a.example", "https://b.example"),
    ],
    allowed_origin_regexes=[7, "("],
    allow_credentials=True,
    allow_methods=["a b"],
    allow_headers=["a b"],
    expose_headers=["a b"],
    preflight_max_age=-1,
)
TIGHT = Limits(credentials=False, max_origins=1)


def test_what_is_wrong_with_an_entry_is_translated_whatever_it_is():
    compiled = [
        compile_policy(WRONG, strict=False),
        compile_policy(replace(WRONG, preflight_max_age=9999), limits=TIGHT, strict=False),
    ]
    refused = [error for policy in compiled for error in policy.errors]
    kinds = [errors.PatternReason, errors.RegexReason, errors.MethodReason, errors.HeaderNameReason]
    kinds += [errors.MaxAgeReason, errors.CredentialsReason, errors.LimitReason]
    assert {(type(error.reason), error.reason) for error in refused} == {(kind, one) for kind in kinds for one in kind}
    assert {error.text for error in refused} - {message.id for message in MESSAGES} == set()
