"""What the cookies, CSRF and the admin tell of a policy: what travels with credentials, and who may send it."""

import re
from collections.abc import Callable, Iterable, Iterator

from django.apps import apps
from django.conf import settings
from django.contrib.sessions.middleware import SessionMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.urls import get_script_prefix, reverse
from django.utils.http import is_same_domain
from django.utils.translation import gettext_noop

from django_cors_policy import conf
from django_cors_policy.audit.report import one_line
from django_cors_policy.audit.stack import active_layers
from django_cors_policy.cors import (
    OriginPattern,
    PatternError,
    PolicySpec,
    RegexError,
    compile_regex,
    parse_pattern,
    quoted,
    site_of,
)
from django_cors_policy.cors.lint import Finding, Rule, Severity, regex_samples
from django_cors_policy.tenants import allowed_hosts

PROXY_HEADER_ALLOWED = Rule(
    "CORS306",
    "proxy-header-allowed",
    (Severity.MEDIUM,),
    gettext_noop("A page may set a header that Django believes of the proxy in front."),
    346,
)
CSRF_ORIGIN_MISSING = Rule(
    "CORS408",
    "csrf-origin-missing",
    (Severity.MEDIUM,),
    gettext_noop("An origin with credentials and unsafe methods that CSRF_TRUSTED_ORIGINS does not hold."),
    None,
)
CSRF_WIDER = Rule(
    "CORS409",
    "csrf-wider-than-cors",
    (Severity.LOW,),
    gettext_noop("CSRF_TRUSTED_ORIGINS holds an origin that CORS does not allow."),
    346,
)
CSRF_HEADER_MISSING = Rule(
    "CORS410",
    "csrf-header-missing",
    (Severity.MEDIUM,),
    gettext_noop("Credentials and unsafe methods are allowed, and the header of the CSRF token is not."),
    None,
)
SAMESITE_BLOCKS = Rule(
    "CORS411",
    "samesite-blocks-cookies",
    (Severity.MEDIUM,),
    gettext_noop("Credentials are allowed to another site, and SameSite keeps the cookies back."),
    None,
)
SAMESITE_NONE_INSECURE = Rule(
    "CORS412",
    "samesite-none-insecure",
    (Severity.HIGH,),
    gettext_noop("A cookie is SameSite=None without Secure."),
    None,
)
COOKIE_DOMAIN = Rule(
    "CORS413",
    "cookie-domain-wildcard",
    (Severity.MEDIUM,),
    gettext_noop("The session cookie goes to every subdomain that a wildcard with credentials allows."),
    942,
)
ADMIN_COVERED = Rule(
    "CORS416",
    "admin-covered",
    (Severity.MEDIUM,),
    gettext_noop("The admin's pages lie under a policy with credentials."),
    942,
)
RULES = (
    PROXY_HEADER_ALLOWED,
    CSRF_ORIGIN_MISSING,
    CSRF_WIDER,
    CSRF_HEADER_MISSING,
    SAMESITE_BLOCKS,
    SAMESITE_NONE_INSECURE,
    COOKIE_DOMAIN,
    ADMIN_COVERED,
)

_UNSAFE_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def findings() -> Iterator[Finding]:
    """Find what the cookies' own settings tell, and what CSRF trusts beyond the settings' policy."""
    yield from _samesite_none()
    if conf.current().resolver is None:  # else a tenant may allow what the settings do not
        yield from csrf_wider(lambda _: False)


def policy_findings(spec: PolicySpec) -> Iterator[Finding]:
    """Find what one policy, the settings' or a tenant's, means for cookies, CSRF and trusted headers.

    ``spec`` is the policy as it is served: credentials that are dropped send no cookie.
    """
    yield from _proxy_headers(spec)
    if not spec.allow_credentials:
        return
    patterns = list(_patterns(spec.allowed_origins))
    entries = [(str(pattern), [pattern]) for pattern in patterns] + list(_regexes(spec))
    if _is_active(CsrfViewMiddleware) and not _UNSAFE_METHODS.isdisjoint(map(str, spec.allow_methods)):
        yield from _csrf_origins(spec, entries)
        if patterns or spec.allowed_origin_regexes:
            yield from _csrf_header(spec)
    yield from _samesite(spec, entries)
    yield from _cookie_domain(spec, patterns)


# An entry's own text, and what it stands for: itself, or of a regex some origins that pass.
_Entry = tuple[str, list[OriginPattern]]


def _patterns(entries: Iterable[object]) -> Iterator[OriginPattern]:
    for written in entries:
        try:
            pattern = parse_pattern(written)
        except PatternError:
            continue  # another rule's
        if pattern.scheme in ("http", "https"):
            yield pattern


def _regexes(spec: PolicySpec) -> Iterator[_Entry]:
    for written in spec.allowed_origin_regexes:
        try:
            regex = compile_regex(written)
        except (RegexError, Warning):
            continue  # another rule's
        samples, _ = regex_samples(regex)
        if meant := list(_patterns(samples)):
            yield regex.pattern, meant


def _such_as(entry: _Entry, pattern: OriginPattern) -> str:
    return entry[0] if entry[0] == str(pattern) else f"{quoted(entry[0])}, such as {pattern},"


def _is_active(middleware: type) -> bool:
    return any(layer.is_a(middleware) for layer in active_layers())


# --- headers -------------------------------------------------------------------------------------------------------


def _proxy_headers(spec: PolicySpec) -> Iterator[Finding]:
    if not (spec.allowed_origins or spec.allowed_origin_regexes or spec.allow_all_origins):
        return  # nobody is allowed anything
    believed = dict(_believed())
    for written in map(str, spec.allow_headers):
        any_header = written == "*" and not spec.allow_credentials  # with them it is read literally
        names = [name for name in believed if any_header or name == written.lower()]
        if names:
            yield Finding(
                PROXY_HEADER_ALLOWED,
                Severity.MEDIUM,
                written,
                f"Pages of the allowed origins may send {' and '.join(names)}, and Django believes it "
                f"({', '.join(believed[name] for name in names)}): unless the proxy overwrites it, a page chooses the "
                "host or scheme that its request is judged by.",
                "List the headers that pages need, and none of those: a proxy sets them.",
                spec.tenant,
            )


def _believed() -> Iterator[tuple[str, str]]:
    """Give each header that Django believes of a proxy, in lower case, with the setting that says so."""
    if settings.USE_X_FORWARDED_HOST:
        yield "x-forwarded-host", "USE_X_FORWARDED_HOST"
    if settings.USE_X_FORWARDED_PORT:
        yield "x-forwarded-port", "USE_X_FORWARDED_PORT"
    match settings.SECURE_PROXY_SSL_HEADER:
        case (str(name), _):
            yield name.removeprefix("HTTP_").replace("_", "-").lower(), "SECURE_PROXY_SSL_HEADER"


# --- CSRF ----------------------------------------------------------------------------------------------------------


def _csrf_origins(spec: PolicySpec, entries: list[_Entry]) -> Iterator[Finding]:
    for entry in entries:
        pattern = next((pattern for pattern in entry[1] if not _csrf_trusts(pattern)), None)
        if pattern is not None:
            yield Finding(
                CSRF_ORIGIN_MISSING,
                Severity.MEDIUM,
                one_line(entry[0])[:300],
                f"{_such_as(entry, pattern)} may send credentials and unsafe methods, but CSRF_TRUSTED_ORIGINS does "
                "not hold it: where a view is protected by CsrfViewMiddleware, its POST gets a 403.",
                ("List its ports one by one in" if pattern.any_port else f'Add "{pattern}" to')
                + " CSRF_TRUSTED_ORIGINS, or take the unsafe methods out of the policy.",
                spec.tenant,
            )


def _csrf_trusts(pattern: OriginPattern) -> bool:
    host = str(pattern).partition("://")[2].removeprefix("*").removesuffix(":*")
    for origin in settings.CSRF_TRUSTED_ORIGINS:
        # As CsrfViewMiddleware compares: https://*.example.com is example.com and all below it.
        scheme, _, trusted = origin.partition("://")
        if pattern.any_port:
            # A port has no wildcard there, and which ones are needed is not known here: any that is listed will do.
            trusted = re.sub(":[0-9]+$", "", trusted)
        same = is_same_domain(host, trusted.lstrip("*")) if "*" in trusted else host == trusted
        if same and scheme == pattern.scheme:
            return True
    return False


def csrf_wider(is_stored: Callable[[OriginPattern], bool]) -> Iterator[Finding]:
    """Find what CSRF trusts and neither the settings' policy nor a stored one allows."""
    if not _is_active(CsrfViewMiddleware):
        return
    allowed = conf.current().policies[-1].origins
    for written in map(str, settings.CSRF_TRUSTED_ORIGINS):
        try:
            pattern = parse_pattern(written.lower())
        except PatternError:
            continue  # nothing is trusted by it
        if pattern.any_port or _is_own(pattern) or allowed.match(pattern.sample) or is_stored(pattern):
            continue  # to Django a * for the port is no wildcard
        yield Finding(
            CSRF_WIDER,
            Severity.LOW,
            str(pattern),
            f"CSRF_TRUSTED_ORIGINS trusts {pattern}, and no policy allows it: its pages may send forms with the "
            "visitor's cookies, though they can read nothing.",
            "Take it out of CSRF_TRUSTED_ORIGINS, or allow it where its pages shall read the answers.",
        )


def _is_own(pattern: OriginPattern) -> bool:
    host = f"any.{pattern.host}" if pattern.subdomains else pattern.host
    return any(entry == "*" or is_same_domain(host, entry.lower()) for entry in allowed_hosts())


def _csrf_header(spec: PolicySpec) -> Iterator[Finding]:
    name = settings.CSRF_HEADER_NAME.removeprefix("HTTP_").replace("_", "-").lower()
    # With credentials a * among the headers is read literally.
    if name not in {str(header).lower() for header in spec.allow_headers}:
        yield Finding(
            CSRF_HEADER_MISSING,
            Severity.MEDIUM,
            "CORS_ALLOW_HEADERS" if spec.tenant is None else "allow_headers",
            f"Credentials and unsafe methods are allowed, but not the header {name}, which carries the CSRF token: "
            "where a view is protected by CsrfViewMiddleware, all but the POST of a form gets a 403.",
            f'Add "{name}" to the allowed headers.',
            spec.tenant,
        )


# --- cookies -------------------------------------------------------------------------------------------------------


def _cookies() -> Iterator[tuple[str, object, object]]:
    """Give each cookie's setting prefix with its SameSite and Secure."""
    if _is_active(SessionMiddleware):
        yield "SESSION_COOKIE", settings.SESSION_COOKIE_SAMESITE, settings.SESSION_COOKIE_SECURE
    if _is_active(CsrfViewMiddleware) and not settings.CSRF_USE_SESSIONS:
        yield "CSRF_COOKIE", settings.CSRF_COOKIE_SAMESITE, settings.CSRF_COOKIE_SECURE


def _samesite_none() -> Iterator[Finding]:
    for name, samesite, secure in _cookies():
        if isinstance(samesite, str) and samesite.lower() == "none" and not secure:
            yield Finding(
                SAMESITE_NONE_INSECURE,
                Severity.HIGH,
                f"{name}_SAMESITE",
                f'{name}_SAMESITE is "None" and {name}_SECURE is off: browsers drop such a cookie altogether.',
                f"Set {name}_SECURE = True and serve the site over https.",
            )


def _samesite(spec: PolicySpec, entries: list[_Entry]) -> Iterator[Finding]:
    kept_back = [f"{name}_SAMESITE" for name, samesite, _ in _cookies() if str(samesite).lower() in ("lax", "strict")]
    hosts = [entry.lower() for entry in settings.ALLOWED_HOSTS]
    if not kept_back or not hosts or "*" in hosts:
        return  # or it is not known which sites there are
    sites = {site_of(host.removeprefix(".")) for host in hosts}
    for entry in entries:
        # Of a regex that is too wide some are foreign; it is not said to be meant for them.
        foreign = [
            pattern
            for pattern in entry[1]
            if site_of(pattern.host) not in sites and not any(is_same_domain(pattern.host, host) for host in hosts)
        ]
        if foreign == entry[1]:
            yield Finding(
                SAMESITE_BLOCKS,
                Severity.MEDIUM,
                one_line(entry[0])[:300],
                f"{_such_as(entry, foreign[0])} may send credentials, but is of another site than all of "
                f"ALLOWED_HOSTS: by {' and '.join(kept_back)} browsers send no cookie with its requests.",
                'Set SameSite to "None" with Secure, serve both from one site, or switch credentials off.',
                spec.tenant,
            )


def _cookie_domain(spec: PolicySpec, patterns: list[OriginPattern]) -> Iterator[Finding]:
    domain = (settings.SESSION_COOKIE_DOMAIN or "").removeprefix(".").lower()
    if not domain or not _is_active(SessionMiddleware):
        return
    for pattern in patterns:
        if pattern.subdomains and is_same_domain(pattern.host, f".{domain}"):
            yield Finding(
                COOKIE_DOMAIN,
                Severity.MEDIUM,
                str(pattern),
                f"{pattern} may send credentials, and SESSION_COOKIE_DOMAIN gives the session cookie to every one of "
                f"those hosts, such as {pattern.sample}: one that is taken over has both.",
                "Leave SESSION_COOKIE_DOMAIN empty, or list the subdomains one by one.",
                spec.tenant,
            )


# --- the admin -----------------------------------------------------------------------------------------------------


def admin_findings(spec: PolicySpec) -> Iterator[Finding]:
    """Find whether pages of a policy's origins may read the admin as the visitor."""
    if not spec.allow_credentials or not (spec.allowed_origins or spec.allowed_origin_regexes):
        return
    path = _admin_path()
    urls = conf.current().urls
    if path is not None and (urls is None or urls.match(path)):
        whose = "The settings' policy" if spec.tenant is None else f"The policy of tenant {spec.tenant}, for one,"
        yield Finding(
            ADMIN_COVERED,
            Severity.MEDIUM,
            path,
            f"{whose} allows credentials on every path that CORS_URLS_REGEX covers, and the admin at {path} is one: "
            "a page of an allowed origin reads what a visiting administrator may see.",
            'Name the paths that other sites need, as in CORS_URLS_REGEX = r"^/api/".',
            spec.tenant,
        )


def _admin_path() -> str | None:
    """Give the path of the admin, as request.path_info has it."""
    if not apps.is_installed("django.contrib.admin"):
        return None
    try:
        path = reverse("admin:index")
    except Exception:  # noqa: BLE001 -- it has no place in the URLconf, which may also fail in any way
        return None
    return f"/{path.removeprefix(get_script_prefix())}"
