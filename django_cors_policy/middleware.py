"""The middleware: a request in, a Decision from the protocol, its headers out."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

if not apps.is_installed("django_cors_policy"):  # before the models say it less clearly
    raise ImproperlyConfigured(
        'MIDDLEWARE holds "django_cors_policy.middleware.CorsMiddleware": add "django_cors_policy" to INSTALLED_APPS.'
    )

from django_cors_policy import conf
from django_cors_policy.blocked import record
from django_cors_policy.cors import (
    NOT_COVERED,
    Decision,
    Kind,
    Policy,
    Reason,
    compare_own,
    decide_actual,
    decide_options,
    quoted,
    remembered,
)
from django_cors_policy.selection import apolicies_for, covers, policies_for, tenant_of
from django_cors_policy.tenants import checked_host

logger = logging.getLogger("django_cors_policy")

# A member of an Enum takes longer to look up than a name.
_PREFLIGHT = Kind.PREFLIGHT
_VARY = ("Vary", "Origin")

Response = TypeVar("Response", bound=HttpResponseBase)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
# The request's own origin is nobody's blocked origin, and its other scheme is a proxy that is not declared.
_NOT_LOGGED = frozenset({Reason.SAME_ORIGIN, Reason.OTHER_SCHEME})


class CorsMiddleware:
    """Answers preflights and puts the CORS headers on every other response; ``request.cors`` holds the Decision.

    It stands first in MIDDLEWARE: what answers before it answers without CORS headers.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:  # a response, or a coroutine that gives one
        if self._is_async:
            return self.__acall__(request)
        configuration = conf.compiled or conf.current()
        if configuration.urls is not None and not covers(configuration, request):
            request.cors = NOT_COVERED  # type: ignore[attr-defined]
            return self.get_response(request)
        decision = configuration.without_origin
        if "HTTP_ORIGIN" in request.META:
            decision = _decide(configuration, request, policies_for(configuration, request))
        request.cors = decision  # type: ignore[attr-defined]
        if decision.kind is _PREFLIGHT:
            if not decision.allowed and settings.DEBUG:
                return _denied_aloud(configuration, request, decision)
            return _preflight(configuration, decision)
        return _finish(decision, self.get_response(request))

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        configuration = conf.compiled or conf.current()
        if configuration.urls is not None and not covers(configuration, request):
            request.cors = NOT_COVERED  # type: ignore[attr-defined]
            return await self.get_response(request)  # type: ignore[no-any-return]
        decision = configuration.without_origin
        if "HTTP_ORIGIN" in request.META:
            decision = _decide(configuration, request, await apolicies_for(configuration, request))
        request.cors = decision  # type: ignore[attr-defined]
        if decision.kind is _PREFLIGHT:
            if not decision.allowed and settings.DEBUG:
                return await sync_to_async(_denied_aloud)(configuration, request, decision)
            return _preflight(configuration, decision)
        response: HttpResponseBase = await self.get_response(request)
        return _finish(decision, response)


def _decide(configuration: conf.Configuration, request: HttpRequest, policies: tuple[Policy, ...]) -> Decision:
    """Do what decide() does; the CorsRequest that it takes would cost as much as the answer."""
    meta = request.META
    origin = meta["HTTP_ORIGIN"]
    if request.method == "OPTIONS":
        asked = meta.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD")
        private_network = meta.get("HTTP_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK") == "true"
        decision = decide_options(policies, origin, asked, private_network)
    else:
        decision = remembered.get((policies, origin)) or decide_actual(policies, origin)
    if decision.allowed:
        if policies[0].shadow is not None and configuration.record_blocked:
            record(configuration, request, policies, decision)
        return decision
    own = _own_origin(request, origin)
    if own is not None:
        decision = compare_own(decision, origin, own)
    if logger.isEnabledFor(logging.INFO) and decision.reason not in _NOT_LOGGED:
        _denials.log(configuration, request, decision)
    if configuration.record_blocked:
        record(configuration, request, policies, decision)
    return decision


def _own_origin(request: HttpRequest, origin: str) -> str | None:
    """Give the request's own origin; None also where its host is not the origin's, which is told much faster."""
    host = checked_host(request)
    if host is None or not host.lower().startswith(origin.partition("://")[2]):
        return None
    scheme = request.scheme or "http"
    return f"{scheme}://{host.lower().removesuffix(_DEFAULT_PORTS.get(scheme, ''))}"


def _preflight(configuration: conf.Configuration, decision: Decision) -> HttpResponse:
    response = HttpResponse(content_type="text/plain")  # given, since Django takes long to find it
    response.status_code = configuration.preflight_status if decision.allowed else 403
    headers = response.headers
    del headers["Content-Type"]  # there is no content
    if response.status_code != 204:  # RFC 9110 section 8.6: a 204 has no Content-Length
        headers["Content-Length"] = "0"
    return _finish(decision, response)


def _denied_aloud(configuration: conf.Configuration, request: HttpRequest, decision: Decision) -> HttpResponse:
    """Say why in the body, which a browser's tools show: for development alone."""
    from django_cors_policy.remedies import denial  # noqa: PLC0415 -- nobody else needs it

    text = f"{denial(configuration, request, decision)}\n"
    return _finish(decision, HttpResponse(text, content_type="text/plain; charset=utf-8", status=403))


class _Lower(dict[str, str]):
    """Names in lower case, by the name: the few that decisions have, each of which is hashed once."""

    def __missing__(self, name: str) -> str:
        lower = self[name] = name.lower()
        return lower


_lower = _Lower()


def _finish(decision: Decision, response: Response) -> Response:
    """Make the response's Access-Control-* fields the decision's, whatever a view wrote, and its Vary complete.

    Where the response holds nothing of the kind yet, as most, this goes to the private mapping behind Django's headers,
    lower-case name to (name, value): the public interface encodes and checks every text again, which is 2 us of a
    request. Where there is no such mapping, nothing is written to it.
    """
    try:
        fields = response.headers._store
    except AttributeError:
        return _rewrite(decision, response)
    # Before "b" come access-control-*, and a few others for which the other way is no harm.
    if "vary" in fields or (fields and min(fields) < "b"):
        return _rewrite(decision, response)
    for field in decision.headers:
        fields[_lower[field[0]]] = field
    if decision.vary:
        fields["vary"] = _VARY
    return response


def _rewrite(decision: Decision, response: Response) -> Response:
    """Do it by Django's public interface, which takes any response."""
    headers = response.headers
    for name in [name for name in headers if name.lower().startswith("access-control-")]:
        del headers[name]
    for name, value in decision.headers:
        headers[name] = value
    if decision.vary:
        patch_vary_headers(response, decision.vary)
    return response


class _Denials:
    """One INFO line for a denied origin, at most once a second for the same tenant and origin.

    At most ``SIZE`` different ones are logged in a second; an attacker's origins are free.
    """

    SIZE = 1000

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._logged: dict[tuple[str | None, str], float] = {}
        self._pruned_at = float("-inf")

    def log(self, configuration: conf.Configuration, request: HttpRequest, decision: Decision) -> None:
        tenant, origin = tenant_of(configuration, request), quoted(request.META["HTTP_ORIGIN"])
        if not self._is_due((tenant, origin)):
            return
        logger.info(
            "CORS denied %s: %s %s %s for %s",
            origin,
            decision.reason,
            quoted(request.method),
            quoted(request.path_info),
            f"tenant {quoted(tenant)}" if tenant else "no tenant",
        )

    def _is_due(self, key: tuple[str | None, str]) -> bool:
        now = self._clock()
        with self._lock:
            if now - self._logged.get(key, float("-inf")) < 1.0:
                return False
            if len(self._logged) >= self.SIZE:
                if now - self._pruned_at < 1.0:
                    return False
                self._pruned_at = now
                self._logged = {known: at for known, at in self._logged.items() if now - at < 1.0}
                if len(self._logged) >= self.SIZE:
                    return False
            self._logged[key] = now
            return True


_denials = _Denials()
