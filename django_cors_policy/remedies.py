"""What would let a blocked fetch through: the smallest change of the policies, in a sentence."""

import shlex
import time
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from django_cors_policy import conf, reading
from django_cors_policy.cors import (
    Answer,
    CorsRequest,
    Decision,
    FetchRequest,
    Policy,
    PolicySpec,
    Reason,
    WireRequest,
    browse,
    compile_policy,
    decide,
    quoted,
)
from django_cors_policy.selection import may_be_stored, tenant_of
from django_cors_policy.tenants import checked_host

MAX_TOLD = 300  # characters of one thing that a client sent

_PREFLIGHT = ("Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers")
_BY_REASON = {
    Reason.NULL_ORIGIN: "Serve the page from an http or https address: null is everybody's, and never allowed.",
    Reason.OTHER_SCHEME: "Declare the proxy that speaks https for this server: SECURE_PROXY_SSL_HEADER.",
    Reason.NOT_COVERED: "Let CORS_URLS_REGEX match the path.",
}
# What a script has to set for a browser to ask, where there are values for which it does not.
_ASKED_FOR = {
    "content-type": "application/json",
    **dict.fromkeys(("accept", "accept-language", "content-language"), '"'),
}


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do, and the policy that it changes, before and after; None where it changes none."""

    text: str
    before: PolicySpec | None = None
    after: PolicySpec | None = None


LET_THROUGH = Remedy(
    "The policies let it through, so another layer answers or changes it: manage.py cors_audit --probe names it."
)


@dataclass(frozen=True, slots=True)
class Written:
    """The policies that answer a tenant's requests as they are written, in their order, and the one that does not.

    ``why`` says what keeps ``silent`` from answering.
    """

    policies: tuple[PolicySpec, ...]
    silent: PolicySpec | None = None
    why: str = ""


def written_for(configuration: conf.Configuration, tenant: str | None) -> Written:
    """Read what is written of a tenant, past memory, by one query at most.

    Raises whatever a driver or a router raises.
    """
    if tenant is None or not may_be_stored(tenant):
        return Written((configuration.spec,))
    alias = reading.database()
    with transaction.atomic(using=alias):  # a query that fails must not break the request's own transaction
        rows = reading.read_rows(tenant, alias)
    if not rows:
        return Written((configuration.spec,))
    stored, why = reading.spec_in(tenant, rows, time.time())
    return Written((configuration.spec,), stored, why) if why else Written((stored, configuration.spec))


def denial(configuration: conf.Configuration, request: HttpRequest, decision: Decision) -> str:
    """Say of a preflight that no policy allows what ``cors_explain`` says of it, and how to ask: one line."""
    fields = [(name, request.headers.get(name, "")) for name in _PREFLIGHT]
    origin, method, names = (value for _, value in fields)
    said = f"CORS: {quoted(origin)} is denied ({decision.reason})."
    host = checked_host(request)
    if host is None:
        return f"{said} ALLOWED_HOSTS refuses the request's host."
    asked = WireRequest("OPTIONS", f"{request.scheme}://{host}{request.get_full_path()}", tuple(fields))
    if any(len(word) > MAX_TOLD or not word.isprintable() for word in (origin, method, asked.url, names)):
        return said
    # With the least that asks for each header, and without cookies: a preflight says nothing of either.
    headers = [(name, _ASKED_FOR.get(name, "1")) for name in _names(names)]
    fetch = FetchRequest(origin, asked.url, method, headers)
    try:
        if decision.reason is not Reason.OTHER_SCHEME and not browse(fetch, lambda _: Answer(403, ())).requests:
            # No page of https asks http: it looks so behind a proxy that is not declared.
            fetch = replace(fetch, url=fetch.url.replace("http:", "https:", 1))
        said += _told(configuration, fetch, asked, decision, tenant_of(configuration, request))
    except ValueError as error:  # no page has this origin
        said += f" {error}."
    if any(word.startswith("-") for word in (origin, method)):
        return said  # what begins with a hyphen would be pasted as an option
    options = [part for name, value in headers for part in ("--header", f"{name}: {value}")]
    return f"{said} Step by step: {shlex.join(['manage.py', 'cors_explain', origin, method, fetch.url, *options])}"


def _told(
    configuration: conf.Configuration, fetch: FetchRequest, asked: WireRequest, decision: Decision, tenant: str | None
) -> str:
    try:
        written = written_for(configuration, tenant)
    except Exception as error:  # noqa: BLE001 -- whatever a driver or a router raises
        return f" But {unreadable(error)}."
    found = remedy(fetch, asked, decision, tenant, written)
    return "" if found is None or found is LET_THROUGH else f" To let it through: {found.text}"


def unreadable(error: Exception) -> str:
    """Say that written_for() failed."""
    return f"the stored policies cannot be read: {quoted(str(error))}"


def remedy(
    fetch: FetchRequest, asked: WireRequest, decision: Decision, tenant: str | None, written: Written
) -> Remedy | None:
    """Find what lets a fetch through that ends with this request and decision; None where no such change does.

    ``tenant`` is the request's. It is LET_THROUGH where the policies let it through as they are. Raises ValueError for
    a page's origin that no page has.
    """
    if decision.reason is Reason.NULL_ORIGIN and fetch.origin != "null":
        return Remedy(f"Ask for {quoted(asked.url)} at once: a redirect between foreign origins hides the page's.")
    if decision.reason in _BY_REASON:
        return Remedy(_BY_REASON[decision.reason])
    policies, silent = written.policies, written.silent
    spec = next((policy for policy in policies if _allows(fetch.origin, policy)), policies[0])
    if _lets_through(fetch, spec):
        return LET_THROUGH
    if silent is not None and _lets_through(fetch, silent):
        done = "enable" if written.why == "disabled" else "end the shadow mode of"
        text = f"In the admin: {done} the policy of tenant {quoted(tenant)}, which would let it through."
        return Remedy(text, PolicySpec(tenant=tenant), silent)
    changed, changes = _changed(fetch, asked, spec)
    if not _lets_through(fetch, changed):
        return None
    place = "In the settings"
    if spec.tenant is not None:
        place = f"In the admin, in the policy of tenant {quoted(spec.tenant)}"
    elif tenant is not None:
        own = f"in the policy of tenant {quoted(tenant)}, which is {written.why}"
        if silent is None:
            own = f"in a policy of tenant {quoted(tenant)}, who has none"
        place = f"In the settings, for all tenants, or {own}"
    return Remedy(f"{place}: {'; '.join(changes)}.", spec, changed)


def _names(written: str) -> list[str]:
    """Read Access-Control-Request-Headers as browsers write it: lower case, sorted, each once."""
    return sorted({name.strip().lower() for name in written.split(",")} - {""})


def _changed(fetch: FetchRequest, asked: WireRequest, spec: PolicySpec) -> tuple[PolicySpec, list[str]]:
    """Add to a policy what the fetch needs and it lacks; give the names of what was added too."""
    stored = spec.tenant is not None
    fields = {name.lower(): value for name, value in asked.headers}
    changes = []

    def add(field: str, setting: str, label: str, entries: list[str]) -> None:
        nonlocal spec
        added: dict[str, Any] = {field: (*getattr(spec, field), *entries)}
        spec = replace(spec, **added)
        shown = ", ".join(map(quoted, entries))
        changes.append(f"add {shown} to the {label}" if stored else f"add {shown} to {setting}")

    if not _lets_through(replace(fetch, method="GET", headers=(), credentials="omit"), spec):
        add("allowed_origins", "CORS_ALLOWED_ORIGINS", "origins", [fetch.origin])
    method = fields.get("access-control-request-method")
    if method is not None and not _lets_through(replace(fetch, headers=(), credentials="omit"), spec):
        add("allow_methods", "CORS_ALLOW_METHODS", "methods", [method])
    names = _names(fields.get("access-control-request-headers", ""))
    lacking = [name for name in names if not _lets_through(_with_header(fetch, name), spec)]
    if lacking:
        add("allow_headers", "CORS_ALLOW_HEADERS", "headers", lacking)
    if fetch.credentials == "include" and not _compiled(spec).allow_credentials:
        spec = replace(spec, allow_credentials=True)
        changes.append("allow credentials" if stored else "set CORS_ALLOW_CREDENTIALS = True")
    return spec, changes


def _with_header(fetch: FetchRequest, name: str) -> FetchRequest:
    headers = [pair for pair in fetch.headers if pair[0].lower() == name]
    return replace(fetch, method="GET", headers=headers, credentials="omit")


def _compiled(spec: PolicySpec) -> Policy:
    limits = None if spec.tenant is None else conf.current().limits
    return compile_policy(spec, limits=limits, strict=False)


def _allows(origin: str, spec: PolicySpec) -> bool:
    return decide([_compiled(spec)], CorsRequest("GET", origin, None, False, lambda: None)).allowed


def _lets_through(fetch: FetchRequest, spec: PolicySpec) -> bool:
    """Tell whether a browser is content with what a policy alone answers."""
    policy = _compiled(spec)

    def send(wire: WireRequest) -> Answer:
        fields = {name.lower(): value for name, value in wire.headers}
        request = CorsRequest(
            wire.method, fields.get("origin"), fields.get("access-control-request-method"), False, lambda: None
        )
        return Answer(200, decide([policy], request).headers)

    return browse(fetch, send).allowed
