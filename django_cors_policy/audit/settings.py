"""What the CORS_* settings tell: the policy they make, names nobody reads, values of another type."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec

from django.conf import settings

from django_cors_policy import conf
from django_cors_policy.cors import quoted
from django_cors_policy.cors.lint import Finding, Rule, Severity, lint

UNKNOWN_SETTING = Rule(
    "CORS115", "unknown-setting", (Severity.HIGH, Severity.LOW), "A CORS_* setting that nobody reads.", None
)
WRONG_TYPE = Rule(
    "CORS116",
    "wrong-type",
    (Severity.HIGH,),
    "A setting of another type than it should have: its safe default is used.",
    None,
)
DEBUG = Rule(
    "CORS415",
    "debug",
    (Severity.HIGH,),
    "DEBUG is on while any origin, or any of a public suffix, may read the tracebacks.",
    942,
)
RULES = (UNKNOWN_SETTING, WRONG_TYPE, DEBUG)

# The names that django-cors-headers had before its present ones; it reads some of them still.
_REPLACED = {
    "CORS_ORIGIN_ALLOW_ALL": "CORS_ALLOW_ALL_ORIGINS",
    "CORS_ORIGIN_REGEX_WHITELIST": "CORS_ALLOWED_ORIGIN_REGEXES",
    "CORS_ORIGIN_WHITELIST": "CORS_ALLOWED_ORIGINS",
}
_REMOVED = frozenset({"CORS_MODEL", "CORS_REPLACE_HTTPS_REFERER"})
_OPEN = frozenset({"CORS101", "CORS102", "CORS105", "CORS203"})


def findings() -> Iterator[Finding]:
    """Find what the CORS_* settings tell by themselves."""
    configuration = conf.current()
    found = lint(configuration.spec, debug=settings.DEBUG, tenants=configuration.resolver is not None)
    yield from found
    yield from while_debugging(found)
    yield from _wrong_types(configuration)
    yield from _unknown_names(configuration)
    yield from _signal_receivers()


def while_debugging(found: Iterable[Finding]) -> Iterator[Finding]:
    """Find the policies that let anyone read a traceback, among a policy's own findings."""
    for finding in found:
        if settings.DEBUG and finding.rule.code in _OPEN:
            yield Finding(
                DEBUG,
                Severity.HIGH,
                finding.subject,
                f"DEBUG is on while {finding.rule.code} is found: pages of any site can read the tracebacks, which "
                "show settings and local variables.",
                "Set DEBUG = False wherever others reach the server, or name the origins one by one.",
                finding.tenant,
            )


def _wrong_types(configuration: conf.Configuration) -> Iterator[Finding]:
    for problem in configuration.problems:
        yield Finding(
            WRONG_TYPE,
            Severity.HIGH,
            problem.name,
            f"{problem.name} is {quoted(problem.value)}, not {problem.expected}; {problem.used!r} is used instead.",
            problem.hint,
        )


def _unknown_names(configuration: conf.Configuration) -> Iterator[Finding]:
    written = {name for name in dir(settings) if name.startswith("CORS_")}
    for name in sorted(written - configuration.names):
        if name in _REMOVED:
            severity, hint = Severity.HIGH, "Remove it: django-cors-headers had it once, and no setting replaces it."
        elif near := [_REPLACED[name]] if name in _REPLACED else get_close_matches(name, configuration.names, 1, 0.75):
            severity, hint = Severity.HIGH, f"Rename it to {near[0]}."
        else:
            severity, hint = Severity.LOW, "Remove it, or look its name up in the list of settings."
        yield Finding(UNKNOWN_SETTING, severity, name, f"Nobody reads {name}: it has no effect.", hint)


def _signal_receivers() -> Iterator[Finding]:
    # Only somebody who moved over has the module loaded; nothing here imports it but the project's own URLconf.
    if find_spec("corsheaders") is not None:
        with suppress(Exception):  # Django says itself what is wrong with it
            import_module(settings.ROOT_URLCONF)
    signals = sys.modules.get("corsheaders.signals")
    signal = getattr(signals, "check_request_enabled", None)
    if signal is not None and signal.has_listeners():
        yield Finding(
            UNKNOWN_SETTING,
            Severity.HIGH,
            "corsheaders.signals.check_request_enabled",
            "Receivers are connected to django-cors-headers' signal, which nobody sends here: they allow nothing.",
            "Disconnect them, and give each tenant a policy instead.",
        )
