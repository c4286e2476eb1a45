"""The CORS_* settings: read and compiled once, again when a setting changes."""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime
from difflib import get_close_matches
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.signals import setting_changed
from django.http import HttpRequest
from django.utils.module_loading import import_string

from django_cors_policy.cors import (
    DEFAULT_HEADERS,
    DEFAULT_MAX_AGE,
    DEFAULT_METHODS,
    CorsRequest,
    Decision,
    Limits,
    Policy,
    PolicySpec,
    compile_policy,
    decide,
    quoted,
)

logger = logging.getLogger("django_cors_policy")

T = TypeVar("T")
Resolver = Callable[[HttpRequest], str | None]
TenantsForUser = Callable[[Any], object]  # a user's tenants, None for all; what it gives is not to be trusted

MAX_TENANT = 253  # characters of a tenant key: a host's
MAX_NUMBER = 10**9  # of any setting: thirty years of seconds, which every clock and sleep() can add

_LIST = "a list of strings"
_PATH = "the dotted path of a function that is not async, or None"
_REGEX = "a regular expression, as text or compiled"


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """A setting whose value cannot be used; its safe default, ``used``, stands in for it. ``hint``: what to write."""

    name: str
    value: object
    expected: str
    used: object
    hint: str


@dataclass(frozen=True, slots=True)
class Suppression:
    """What the audit shall keep quiet about: a rule, by code or slug, and a subject; of one tenant, or the settings'.

    ``reason`` is empty where none is given. ``until`` is the last day that it holds.
    """

    rule: str
    subject: str
    reason: str
    until: date | None
    tenant: str | None


@dataclass(frozen=True, slots=True)
class Configuration:
    """All settings, checked and compiled.

    ``policies`` answer where no tenant speaks. ``without_origin`` is the decision for a covered request without Origin;
    ``urls`` covers every path where it is None. ``resolver`` is None where tenants are off.
    ``replica_lag_seconds`` is None unless ``database`` is said to be a replica. ``tenants_for_user`` is None where
    everybody who has the admin's permissions has all tenants.
    ``record_blocked`` is False where tenants are off, too: no table is needed then.
    ``names`` are all that were looked for: any other CORS_* name is read by nobody.
    """

    spec: PolicySpec
    policies: tuple[Policy, ...]
    urls: re.Pattern[str] | None
    without_origin: Decision
    preflight_status: int
    resolver: Resolver | None
    resolver_path: str | None
    limits: Limits
    refresh_seconds: float
    max_stale_seconds: float
    cache_size: int
    database: str | None
    replica_lag_seconds: float | None
    tenants_for_user: TenantsForUser | None
    record_blocked: bool
    suppressions: tuple[Suppression, ...]
    problems: tuple[SettingProblem, ...]
    names: frozenset[str]


def no_tenants(user: object) -> frozenset[str]:  # noqa: ARG001
    """Give none to anybody: for a CORS_ADMIN_TENANTS_FOR_USER that cannot be used."""
    return frozenset()


_SUPPRESSION = ("rule", "subject", "reason", "until", "tenant")


def _day(written: object) -> date | None:
    """Give the day that a date or its text stands for, or None."""
    if isinstance(written, date):
        return written.date() if isinstance(written, datetime) else written
    try:
        return date.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        return None


# A path that matches no request, for a CORS_URLS_REGEX that cannot be used.
_NO_PATH = re.compile(r"(?!)")

# Stands in front of the settings' policy as long as the tenant has none of its own. It allows nothing, but where two
# are asked every answer says that it depends on the origin: the tenant may get a policy at any time.
NO_POLICY = compile_policy(PolicySpec(name="no policy"))


class _Reader:
    """Reads settings by type and notes what is of another."""

    def __init__(self) -> None:
        self.problems: list[SettingProblem] = []
        self.names: set[str] = set()

    def _get(self, name: str, default: Any) -> Any:
        self.names.add(name)
        return getattr(settings, name, default)

    def _wrong(self, name: str, value: object, expected: str, used: T, hint: str | None = None) -> T:
        self.problems.append(SettingProblem(name, value, expected, used, hint or f"Set {name} to {expected}."))
        return used

    def strings(self, name: str, default: tuple[str, ...]) -> tuple[object, ...]:
        value = self._get(name, default)
        if isinstance(value, (set, frozenset)):
            value = sorted(value, key=str)  # a set has no order of its own, and headers should not differ by process
        if isinstance(value, (list, tuple)):
            return tuple(value)
        # Not the default of the lists of methods and headers: what cannot be read allows nothing.
        hint = f"Write a list: {name} = [{quoted(value)}]." if isinstance(value, str) else None
        return self._wrong(name, value, _LIST, (), hint)

    def boolean(self, name: str, *, default: bool = False) -> bool:
        value = self._get(name, default)
        if isinstance(value, bool):
            return value
        hint = f"Write {name} = True or {name} = False; of an environment variable, parse the text."
        return self._wrong(name, value, "a bool", used=False, hint=hint)

    def number(self, name: str, default: float | None, least: float, whole: str | None = None) -> Any:
        value = self._get(name, default)
        if value is None and default is None:
            return None
        kinds = int if whole else (int, float)
        if isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= MAX_NUMBER:
            return value
        expected = f"a {'whole ' if whole else ''}number{f' of {whole}' if whole else ' of seconds'} from {least:g} up"
        expected += ", or None" if default is None else ""
        return self._wrong(name, value, expected, default)

    def urls(self, name: str) -> re.Pattern[str] | None:
        value = self._get(name, None)
        if value is None or value == r"^.*$":
            return None
        if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
            return value
        if isinstance(value, str):
            try:
                return re.compile(value)
            except (re.error, OverflowError, RecursionError, Warning):
                pass
        # Covering no path is the safe reading: covering all would answer where nobody meant to.
        self._wrong(name, value, _REGEX, "no path at all")
        return _NO_PATH

    def choice(self, name: str, choices: tuple[int, ...]) -> int:
        value = self._get(name, choices[0])
        if value in choices and not isinstance(value, bool):
            return int(value)
        expected = " or ".join(str(choice) for choice in choices)
        return self._wrong(name, value, expected, choices[0])

    def database(self, name: str) -> str | None:
        value = self._get(name, None)
        if value is None or (isinstance(value, str) and value in settings.DATABASES):
            return value
        return self._wrong(name, value, "an alias of DATABASES, or None", None)

    def function(self, name: str, default: str | None, used: Any, shown: object = None) -> tuple[str | None, Any]:
        """Give a path and the function there; ``used``, shown so, stands in for one that cannot be used."""
        path = self._get(name, default)
        if path is None:
            return None, None
        try:
            function = import_string(path)
        except Exception as error:  # noqa: BLE001 -- the module may fail in any way, and a request never does
            why = quoted(f"{type(error).__name__}: {error}")
            hint = f"Set {name} to {_PATH}."
            self._wrong(name, path, f"{_PATH}, for it cannot be imported ({why})", shown, hint)
            return None, used
        if not callable(function) or iscoroutinefunction(function):
            self._wrong(name, path, _PATH, shown)
            return None, used
        return path, function

    def limits(self, name: str) -> Limits:
        value = self._get(name, {})
        if not isinstance(value, Mapping):
            return self._wrong(name, value, "a dict", Limits())
        kinds: dict[str, type[int]] = {field.name: type(getattr(Limits(), field.name)) for field in fields(Limits)}
        accepted: dict[str, Any] = {}
        for key, limit in value.items():
            kind = kinds.get(key)
            if kind is not None and type(limit) is kind and limit >= 0:
                accepted[key] = limit
            elif kind is not None:
                self._wrong(f"{name}[{quoted(key)}]", limit, f"of type {kind.__name__}", getattr(Limits(), key))
            else:
                near = get_close_matches(str(key), kinds, 1)
                hint = f"Write {quoted(near[0])}." if near else f"Remove it; the limits are {', '.join(kinds)}."
                self._wrong(f"{name}[{quoted(key)}]", limit, "a limit that there is", None, hint)
        return Limits(**accepted)

    def suppressions(self, name: str) -> tuple[Suppression, ...]:
        value = self._get(name, ())
        if not isinstance(value, (list, tuple)):
            return self._wrong(name, value, "a list of dicts", ())
        read = [self._suppression(f"{name}[{place}]", entry) for place, entry in enumerate(value)]
        return tuple(entry for entry in read if entry is not None)

    def _suppression(self, name: str, entry: object) -> Suppression | None:
        if not isinstance(entry, Mapping):
            return self._wrong(name, entry, "a dict", None)
        wrong = len(self.problems)
        for key in entry:
            if key not in _SUPPRESSION:
                near = get_close_matches(str(key), _SUPPRESSION, 1)
                hint = f"Write {quoted(near[0])}." if near else f"Remove it; the keys are {', '.join(_SUPPRESSION)}."
                self._wrong(f"{name}[{quoted(key)}]", entry[key], "a key of a suppression", None, hint)
        texts = {}
        for key in ("rule", "subject", "reason", "tenant"):
            text = entry.get(key, "" if key == "reason" else None)
            if not isinstance(text, str) and (key != "tenant" or text is not None):
                self._wrong(f"{name}[{key!r}]", text, "text", None, f"Write text for {key!r}.")
            texts[key] = text
        until = _day(entry.get("until"))
        if until is None and entry.get("until") is not None:
            hint = "Write a day such as '2027-01-31'."
            self._wrong(f"{name}['until']", entry["until"], "a date, or None", None, hint)
        # One that is not understood suppresses nothing.
        return Suppression(until=until, **texts) if len(self.problems) == wrong else None


def _read() -> Configuration:
    read = _Reader()
    spec = PolicySpec(
        allowed_origins=read.strings("CORS_ALLOWED_ORIGINS", ()),
        allowed_origin_regexes=read.strings("CORS_ALLOWED_ORIGIN_REGEXES", ()),
        allow_all_origins=read.boolean("CORS_ALLOW_ALL_ORIGINS"),
        allow_credentials=read.boolean("CORS_ALLOW_CREDENTIALS"),
        allow_methods=read.strings("CORS_ALLOW_METHODS", DEFAULT_METHODS),
        allow_headers=read.strings("CORS_ALLOW_HEADERS", DEFAULT_HEADERS),
        expose_headers=read.strings("CORS_EXPOSE_HEADERS", ()),
        preflight_max_age=read.number("CORS_PREFLIGHT_MAX_AGE", DEFAULT_MAX_AGE, 0, "seconds"),
        allow_private_network=read.boolean("CORS_ALLOW_PRIVATE_NETWORK"),
    )
    policy = compile_policy(spec, strict=False)
    path, resolver = read.function("CORS_TENANT_RESOLVER", "django_cors_policy.tenants.by_host", None)
    policies = (policy,) if resolver is None else (NO_POLICY, policy)
    for error in policy.errors:
        logger.error("CORS settings: %s", error)
    configuration = Configuration(
        spec=spec,
        policies=policies,
        urls=read.urls("CORS_URLS_REGEX"),
        without_origin=decide(policies, CorsRequest("GET", None, None, requests_private_network=False, own_origin=str)),
        preflight_status=read.choice("CORS_PREFLIGHT_STATUS", (204, 200)),
        resolver=resolver,
        resolver_path=path,
        limits=read.limits("CORS_TENANT_LIMITS"),
        refresh_seconds=read.number("CORS_POLICY_REFRESH_SECONDS", 1.0, 0),
        max_stale_seconds=read.number("CORS_POLICY_MAX_STALE_SECONDS", 300, 0),
        cache_size=read.number("CORS_POLICY_CACHE_SIZE", 10_000, 1, "tenants"),
        database=read.database("CORS_POLICY_DATABASE"),
        replica_lag_seconds=read.number("CORS_POLICY_REPLICA_LAG_SECONDS", None, 0),
        tenants_for_user=read.function("CORS_ADMIN_TENANTS_FOR_USER", None, no_tenants, "no tenant for anybody")[1],
        record_blocked=read.boolean("CORS_RECORD_BLOCKED", default=True) and resolver is not None,
        suppressions=read.suppressions("CORS_AUDIT_SUPPRESS"),
        problems=tuple(read.problems),
        names=frozenset(read.names),
    )
    for problem in configuration.problems:
        logger.error("CORS settings: %s is %s, not %s", problem.name, quoted(problem.value), problem.expected)
    return configuration


# What current() gives, or None until it has been called; to be looked at before it is, for speed.
compiled: Configuration | None = None


def current() -> Configuration:
    """Give the compiled settings; they are read at the first call, and again after a setting has changed."""
    global compiled  # noqa: PLW0603 -- one value for the process, swapped whole
    configuration = compiled
    if configuration is None:
        configuration = compiled = _read()
    return configuration


def _forget(*, setting: str, **_: object) -> None:
    global compiled  # noqa: PLW0603
    if setting.startswith("CORS_"):
        compiled = None


setting_changed.connect(_forget, dispatch_uid="django_cors_policy.conf")
