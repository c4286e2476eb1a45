"""Which tenant a request is for: all a preflight carries is the host and the path.

A resolver takes the request and gives the tenant's key, or None; it does no I/O, for it runs on every CORS request,
in the event loop too. CORS_TENANT_RESOLVER names the one in use.
"""

from collections.abc import Sequence

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import setting_changed
from django.http import HttpRequest

# What Django allows under DEBUG with an empty ALLOWED_HOSTS, said in the documentation of that setting.
_DEBUG_HOSTS = (".localhost", "127.0.0.1", "[::1]")


REMEMBERED = 1024  # hosts
_MAX_REMEMBERED = 600  # characters of one
_DJANGOS = (WSGIRequest, ASGIRequest, HttpRequest)

# What get_host() gave for these header fields, as written and as by_host() gives it: it matches a regular expression
# and walks ALLOWED_HOSTS in every call. What it refuses is not remembered.
_checked: dict[str | tuple[str, str], tuple[str, str]] = {}


def checked_host(request: HttpRequest) -> str | None:
    """Give the request's host and port as written, or None if ALLOWED_HOSTS refuses it."""
    checked = _check(request)
    return None if checked is None else checked[0]


def _check(request: HttpRequest) -> tuple[str, str] | None:
    if type(request) not in _DJANGOS:
        return _ask(request)  # a project's own may read other fields
    meta = request.META
    host: str = meta.get("HTTP_HOST", "")
    forwarded = meta.get("HTTP_X_FORWARDED_HOST")
    sent = host if forwarded is None else (host, forwarded)
    checked = _checked.get(sent)
    if checked is None:
        checked = _ask(request)
        # Without Host, it is the server's own name that counts.
        if checked is not None and host and len(host) + len(forwarded or "") <= _MAX_REMEMBERED:
            if len(_checked) >= REMEMBERED:
                _checked.clear()
            _checked[sent] = checked
    return checked


def _ask(request: HttpRequest) -> tuple[str, str] | None:
    try:
        host = request.get_host()
    except DisallowedHost:
        return None
    name, colon, port = host.rpartition(":")
    # The port follows the last colon, unless that colon stands inside an IPv6 address.
    if not colon or "]" in port:
        name = host
    return host, name.lower().removesuffix(".")


def _forget(*, setting: str, **_: object) -> None:
    if setting in ("ALLOWED_HOSTS", "DEBUG", "USE_X_FORWARDED_HOST"):
        _checked.clear()


setting_changed.connect(_forget, dispatch_uid="django_cors_policy.tenants")


def by_host(request: HttpRequest) -> str | None:
    """Give the host: checked against ALLOWED_HOSTS, without port, lower case, no trailing dot."""
    meta = request.META
    if "HTTP_X_FORWARDED_HOST" not in meta and type(request) in _DJANGOS:
        try:
            return _checked[meta["HTTP_HOST"]][1]  # as _check() does, for nearly every request at a tenth of the cost
        except KeyError:
            pass
    checked = _check(request)
    return None if checked is None else checked[1]


def by_subdomain(request: HttpRequest) -> str | None:
    """Give the one label in front of the domain: ``acme`` for ``acme.example.com``.

    The domain is the longest entry of ALLOWED_HOSTS with a leading dot (``.example.com``) that the host lies under. The
    domain itself, a deeper host and a host that only ``*`` allows are no tenant's.
    """
    host = by_host(request)
    if host is None:
        return None
    dotted = f".{host}"
    domains = [entry.lower() for entry in allowed_hosts() if entry.startswith(".") and dotted.endswith(entry.lower())]
    label = dotted.removesuffix(max(domains, key=len)).removeprefix(".") if domains else ""
    return label if label and "." not in label else None


def allowed_hosts() -> Sequence[str]:
    """Give the entries of ALLOWED_HOSTS that are in force."""
    return settings.ALLOWED_HOSTS or (_DEBUG_HOSTS if settings.DEBUG else ())


def by_path_prefix(request: HttpRequest) -> str | None:
    """Give the path's first segment: ``acme`` for ``/acme/api/``, in the very spelling that the URLconf sees."""
    segment, _, _ = request.path_info.removeprefix("/").partition("/")
    return segment or None
