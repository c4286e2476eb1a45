"""Which tenant a request is for: all a preflight carries is the host and the path.

A resolver takes the request and gives the tenant's key, or None; it does no I/O, for it runs on every CORS request,
in the event loop too. CORS_TENANT_RESOLVER names the one in use.
"""

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest

# What Django allows under DEBUG with an empty ALLOWED_HOSTS, said in the documentation of that setting.
_DEBUG_HOSTS = (".localhost", "127.0.0.1", "[::1]")


def checked_host(request: HttpRequest) -> str | None:
    """Give the request's host and port as written, or None if ALLOWED_HOSTS refuses it."""
    try:
        return request.get_host()
    except DisallowedHost:
        return None


def by_host(request: HttpRequest) -> str | None:
    """Give the host: checked against ALLOWED_HOSTS, without port, lower case, no trailing dot."""
    host = checked_host(request)
    if host is None:
        return None
    # The port follows the last colon, unless that colon stands inside an IPv6 address.
    name, colon, port = host.rpartition(":")
    return (name if colon and "]" not in port else host).lower().removesuffix(".")


def by_subdomain(request: HttpRequest) -> str | None:
    """Give the one label in front of the domain: ``acme`` for ``acme.example.com``.

    The domain is the longest entry of ALLOWED_HOSTS with a leading dot (``.example.com``) that the host lies under. The
    domain itself, a deeper host and a host that only ``*`` allows are no tenant's.
    """
    host = by_host(request)
    if host is None:
        return None
    allowed = settings.ALLOWED_HOSTS or (_DEBUG_HOSTS if settings.DEBUG else ())
    dotted = f".{host}"
    domains = [entry.lower() for entry in allowed if entry.startswith(".") and dotted.endswith(entry.lower())]
    label = dotted.removesuffix(max(domains, key=len)).removeprefix(".") if domains else ""
    return label if label and "." not in label else None


def by_path_prefix(request: HttpRequest) -> str | None:
    """Give the path's first segment: ``acme`` for ``/acme/api/``, in the very spelling that the URLconf sees."""
    segment, _, _ = request.path_info.removeprefix("/").partition("/")
    return segment or None
