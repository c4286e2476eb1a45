"""Whose tenants a user of the admin may see: CORS_ADMIN_TENANTS_FOR_USER."""

import logging
from collections.abc import Iterable

from django.db.models import QuerySet
from django.http import HttpRequest

from django_cors_policy import conf
from django_cors_policy.cors import quoted
from django_cors_policy.history import of_tenants

logger = logging.getLogger("django_cors_policy")

NOBODYS: frozenset[str] = frozenset()


def tenants_of(request: HttpRequest) -> frozenset[str] | None:
    """Give the keys of the tenants that the user manages, None for all; none where the function fails.

    It is asked once for each request: it may well query.
    """
    try:
        return request.cors_policy_tenants  # type: ignore[attr-defined,no-any-return]
    except AttributeError:
        tenants = request.cors_policy_tenants = _ask(request)  # type: ignore[attr-defined]
        return tenants


def _ask(request: HttpRequest) -> frozenset[str] | None:
    function = conf.current().tenants_for_user
    if function is None:
        return None
    try:
        given = function(request.user)
        if given is None:
            return None
        if isinstance(given, Iterable) and not isinstance(given, str):
            tenants = frozenset(given)
            if all(isinstance(tenant, str) and tenant for tenant in tenants):
                return tenants
    except Exception:  # a project's own code; the user then has none
        logger.exception("CORS_ADMIN_TENANTS_FOR_USER failed: the user manages no tenant")
        return NOBODYS
    said = "CORS_ADMIN_TENANTS_FOR_USER gave %s, not a set of tenant keys or None: the user manages no tenant"
    logger.error(said, quoted(given))
    return NOBODYS


def manages(request: HttpRequest, tenant: str) -> bool:
    """Tell whether a tenant is one of the user's; the empty key, which is no tenant's, is for those who have all."""
    tenants = tenants_of(request)
    return tenants is None or tenant in tenants


def only_managed(request: HttpRequest, rows: QuerySet, field: str = "tenant") -> QuerySet:  # type: ignore[type-arg]
    """Leave out the rows of tenants that are not the user's."""
    tenants = tenants_of(request)
    return rows if tenants is None else of_tenants(rows, tenants, field)
