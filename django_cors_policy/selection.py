"""Which policies a request is answered by, in their order."""

import logging
import time

from django.http import HttpRequest

from django_cors_policy import conf
from django_cors_policy.cors import Policy, quoted
from django_cors_policy.store import MISS, store

logger = logging.getLogger("django_cors_policy")


def covers(configuration: conf.Configuration, request: HttpRequest) -> bool:
    """Tell whether any policy covers the request's path."""
    return configuration.urls is None or configuration.urls.match(request.path_info) is not None


def policies_for(configuration: conf.Configuration, request: HttpRequest) -> tuple[Policy, ...]:
    """Give the policies of a covered request: its tenant's, then the settings'. May query once for a cold tenant."""
    resolver = configuration.resolver
    if resolver is None:
        return configuration.policies
    try:  # what tenant_of() does, a call the less for each request
        tenant: object = resolver(request)
    except Exception as error:  # noqa: BLE001 -- a project's own code, run for every request
        _complain_of(configuration, error)
        return configuration.policies
    if not isinstance(tenant, str):
        _refuse(configuration, tenant)
        return configuration.policies
    policy = store.peek(tenant)
    if policy is MISS:
        policy = store.get(tenant) if may_be_stored(tenant) else None
    return configuration.policies if policy is None else (policy, configuration.policies[-1])


async def apolicies_for(configuration: conf.Configuration, request: HttpRequest) -> tuple[Policy, ...]:
    """Do the same without blocking the event loop; in a thread only when the store has to query."""
    tenant = tenant_of(configuration, request)
    if tenant is None:
        return configuration.policies
    policy = store.peek(tenant)
    if policy is MISS:
        policy = await store.aget(tenant) if may_be_stored(tenant) else None
    return configuration.policies if policy is None else (policy, configuration.policies[-1])


def tenant_of(configuration: conf.Configuration, request: HttpRequest) -> str | None:
    """Give the key that the resolver finds in a request, or None; it may be one that no tenant can have."""
    if configuration.resolver is None:
        return None
    try:
        tenant: object = configuration.resolver(request)
    except Exception as error:  # noqa: BLE001 -- a project's own code, run for every request
        _complain_of(configuration, error)
        return None
    if isinstance(tenant, str):
        return tenant
    _refuse(configuration, tenant)
    return None


def stored_tenant(configuration: conf.Configuration, request: HttpRequest) -> str | None:
    """Give the key of a request's tenant, "" where no such tenant is stored, or None where memory does not tell."""
    tenant = tenant_of(configuration, request)
    if tenant is None or not may_be_stored(tenant):
        return ""
    is_stored = store.is_stored(tenant)
    return None if is_stored is None else tenant * is_stored


def _refuse(configuration: conf.Configuration, tenant: object) -> None:
    """Complain of what is no key, unless it is None."""
    if tenant is not None:
        _complain(configuration, f"gave {type(tenant).__name__}, not a string or None")


def _complain_of(configuration: conf.Configuration, error: Exception) -> None:
    # Called while the error is handled, and never kept in a variable of the caller: with its traceback, that would be a
    # cycle, which holds the request until the garbage collector comes by.
    try:
        said = str(error)
    except Exception:  # noqa: BLE001 -- of a project's own too
        said = "its text cannot be had"
    _complain(configuration, f"raised {type(error).__name__}: {said}")


def may_be_stored(tenant: str) -> bool:
    # What no key can be is not looked up: a NUL byte from a path would be an error of the database.
    return 0 < len(tenant) <= conf.MAX_TENANT and tenant.isprintable()


_complained_at = float("-inf")


def _complain(configuration: conf.Configuration, why: str) -> None:
    global _complained_at  # noqa: PLW0603 -- at most one line a second, whoever the request is from
    now = time.monotonic()
    if now - _complained_at >= 1.0:
        _complained_at = now
        logger.warning(
            "CORS_TENANT_RESOLVER %s: %s; the request has no tenant (it runs before all other middleware: there is no "
            "session and no user yet)",
            configuration.resolver_path,
            quoted(why),  # no traceback: its last line may hold what a client sent, line breaks and all
        )
