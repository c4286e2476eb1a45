"""What the CORS_* settings tell: the policy they make, names nobody reads, values of another type."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec

from django.conf import settings
from django.db import connections, router
from django.utils.translation import gettext_noop

from django_cors_policy import conf
from django_cors_policy.audit import cookies, resolver
from django_cors_policy.cors import is_loopback, quoted
from django_cors_policy.cors.lint import Finding, Rule, Severity, lint
from django_cors_policy.models import TenantPolicy

UNKNOWN_SETTING = Rule(
    "CORS115",
    "unknown-setting",
    (Severity.HIGH, Severity.LOW),
    gettext_noop("A CORS_* setting that nobody reads."),
    None,
)
WRONG_TYPE = Rule(
    "CORS116",
    "wrong-type",
    (Severity.HIGH,),
    gettext_noop("A setting of another type than it should have: its safe default is used."),
    None,
)
READ_ELSEWHERE = Rule(
    "CORS419",
    "policies-read-elsewhere",
    (Severity.HIGH,),
    gettext_noop("The policies are read from another database than the router writes them to."),
    None,
)
DEBUG = Rule(
    "CORS415",
    "debug",
    (Severity.HIGH,),
    gettext_noop("DEBUG is on while any origin, or any of a public suffix, may read the tracebacks."),
    942,
)
STALENESS = Rule(
    "CORS418",
    "staleness",
    (Severity.MEDIUM,),
    gettext_noop(
        "A change of a stored policy takes long to be obeyed, or an outage ends before the next look at the database."
    ),
    None,
)
RULES = (UNKNOWN_SETTING, WRONG_TYPE, DEBUG, STALENESS, READ_ELSEWHERE)

# The names that django-cors-headers had before its present ones; it reads some of them still.
_REPLACED = {
    "CORS_ORIGIN_ALLOW_ALL": "CORS_ALLOW_ALL_ORIGINS",
    "CORS_ORIGIN_REGEX_WHITELIST": "CORS_ALLOWED_ORIGIN_REGEXES",
    "CORS_ORIGIN_WHITELIST": "CORS_ALLOWED_ORIGINS",
}
_REMOVED = frozenset({"CORS_MODEL", "CORS_REPLACE_HTTPS_REFERER"})
PROMPT = 60  # seconds until a change has to be obeyed
_OPEN = frozenset({"CORS101", "CORS102", "CORS105", "CORS203"})


def findings() -> Iterator[Finding]:
    """Find what the CORS_* settings tell by themselves."""
    configuration = conf.current()
    found = lint(configuration.spec, development=is_development(), tenants=configuration.resolver is not None)
    yield from found
    yield from while_debugging(found)
    served = replace(configuration.spec, allow_credentials=configuration.policies[-1].allow_credentials)
    yield from cookies.policy_findings(served)
    yield from cookies.admin_findings(served)
    yield from resolver.import_findings()
    yield from _wrong_types(configuration)
    yield from _staleness(configuration)
    yield from _unknown_names(configuration)
    yield from _read_elsewhere(configuration)
    yield from _signal_receivers()


def is_development() -> bool:
    """Tell whether nobody else is served: DEBUG is on, or all of ALLOWED_HOSTS is this machine."""
    hosts = [entry.lower().removeprefix(".") for entry in settings.ALLOWED_HOSTS]
    return settings.DEBUG or (bool(hosts) and all(map(is_loopback, hosts)))


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
        if problem.name == resolver.SETTING:
            continue  # CORS417 says it
        yield Finding(
            WRONG_TYPE,
            Severity.HIGH,
            problem.name,
            f"{problem.name} is {quoted(problem.value)}, not {problem.expected}; {problem.used!r} is used instead.",
            problem.hint,
        )


def _staleness(configuration: conf.Configuration) -> Iterator[Finding]:
    refresh, stale = configuration.refresh_seconds, configuration.max_stale_seconds
    if configuration.resolver is None:
        return
    if refresh > PROMPT:
        yield Finding(
            STALENESS,
            Severity.MEDIUM,
            "CORS_POLICY_REFRESH_SECONDS",
            f"A revoked origin of a tenant is served for up to {refresh:g} seconds more.",
            f"Set it to {PROMPT} or less: a look at the database is one small query.",
        )
    if stale < refresh:
        yield Finding(
            STALENESS,
            Severity.MEDIUM,
            "CORS_POLICY_MAX_STALE_SECONDS",
            f"Policies of {stale:g} seconds are too old to be served in an outage, and they are looked at every "
            f"{refresh:g} seconds: one failed query may switch every tenant's policy off.",
            "Set it to more than CORS_POLICY_REFRESH_SECONDS; the default is 300.",
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


def _read_elsewhere(configuration: conf.Configuration) -> Iterator[Finding]:
    read = configuration.database
    if read is None or configuration.resolver is None or configuration.replica_lag_seconds is not None:
        return
    try:
        written = router.db_for_write(TenantPolicy)
    except Exception:  # noqa: BLE001 -- a project's own router, which may need a request to choose by
        return
    if _place(read) != _place(written):
        yield Finding(
            READ_ELSEWHERE,
            Severity.HIGH,
            "CORS_POLICY_DATABASE",
            f"Policies are read from {quoted(read)} and written to {quoted(written)}: a change is never obeyed, unless "
            "the one is a replica of the other.",
            f"Set CORS_POLICY_DATABASE = {quoted(written)}; or, if {quoted(read)} is a replica, say by how much it may "
            "lag: CORS_POLICY_REPLICA_LAG_SECONDS = 5.",
        )


def _place(alias: str) -> tuple[object, ...]:
    """Give what tells one database from another: a second alias may only have other timeouts."""
    entry = connections[alias].settings_dict
    return (str(entry["NAME"]), entry["HOST"], str(entry["PORT"]))


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
