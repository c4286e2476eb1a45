"""Which tenant a request is for: all a preflight carries is the host and the path.

A resolver takes the request and gives the tenant's key, or None; it does no I/O, for it runs on every CORS request,
in the event loop too. CORS_TENANT_RESOLVER names the one in use.
"""

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.signals import setting_changed
from django.http import HttpRequest

# What Django allows under DEBUG with an empty ALLOWED_HOSTS, said in the documentation of that setting.
_DEBUG_HOSTS = (".localhost", "127.0.0.1", "[::1]")


REMEMBERED = 1024  # hosts
_MAX_REMEMBERED = 600  # characters of one

# What get_host() gave for these header fields: it matches a regular expression and walks ALLOWED_HOSTS in every call.
# What it refuses is not remembered.
_checked: dict[tuple[str, str | None], str] = {}


def checked_host(request: HttpRequest) -> str | None:
    """Give the request's host and port as written, or None if ALLOWED_HOSTS refuses it."""
    if type(request).get_host is not HttpRequest.get_host:
        return _asked_host(request)  # a project's own may read other fields
    meta = request.META
    sent = meta.get("HTTP_HOST", ""), meta.get("HTTP_X_FORWARDED_HOST")
    host = _checked.get(sent)
    if host is None:
        host = _asked_host(request)
        # Without Host, it is the server's own name that counts.
        if host is not None and sent[0] and len(sent[0]) + len(sent[1] or "") <= _MAX_REMEMBERED:
            if len(_checked) >= REMEMBERED:
                _checked.clear()
            _checked[sent] = host
    return host


def _asked_host(request: HttpRequest) -> str | None:
    try:
        return request.get_host()
    except DisallowedHost:
        return None


def _forget(*, setting: str, **_: object) -> None:
    if setting in ("ALLOWED_HOSTS", "DEBUG", "USE_X_FORWARDED_HOST"):
        _checked.clear()


setting_changed.connect(_forget, dispatch_uid="django_cors_policy.tenants")


def by_host(request: HttpRequest) -> str | None:
    """Give the host: checked against ALLOWED_HOSTS, without port, lower case, no trailing dot."""
    host = checked_host(request)
    if host is None:
        return None
    if ":" in host:
        # The port follows the last colon, unless that colon stands inside an IPv6 address.
        name, _, port = host.rpartition(":")
        host = host if "]" in port else name
    return host.lower().removesuffix(".")


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
