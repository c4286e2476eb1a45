"""What MIDDLEWARE, INSTALLED_APPS and the other settings tell about how a policy is served."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.conf import settings
from django.conf.urls.i18n import is_language_prefix_patterns_used
from django.middleware.cache import FetchFromCacheMiddleware, UpdateCacheMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.http import ConditionalGetMiddleware
from django.middleware.locale import LocaleMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.module_loading import import_string
from django.utils.translation import gettext_noop

from django_cors_policy import conf
from django_cors_policy.cors.lint import Finding, Rule, Severity
from django_cors_policy.middleware import CorsMiddleware

MIDDLEWARE_MISSING = Rule(
    "CORS401",
    "middleware-missing",
    (Severity.HIGH,),
    gettext_noop("The app is installed and its middleware is not, or the other way round."),
    None,
)
BELOW_REDIRECTING = Rule(
    "CORS402",
    "below-redirecting-middleware",
    (Severity.HIGH,),
    gettext_noop("A middleware that redirects stands above: a preflight must not be redirected."),
    None,
)
BELOW_AUTHENTICATION = Rule(
    "CORS403",
    "below-authentication",
    (Severity.HIGH, Severity.LOW),
    gettext_noop(
        "A middleware that may refuse a request without a session or token stands above: a preflight carries neither."
    ),
    None,
)
BELOW_CACHE = Rule(
    "CORS404",
    "below-cache",
    (Severity.HIGH, Severity.LOW),
    gettext_noop("A cache stands above and replays answers with the headers of an origin that may be revoked."),
    524,
)
BELOW_STATIC = Rule(
    "CORS405",
    "below-static",
    (Severity.LOW,),
    gettext_noop("WhiteNoise stands above and answers files with a * of its own."),
    None,
)
BELOW_CONDITIONAL_GET = Rule(
    "CORS406",
    "below-conditional-get",
    (Severity.LOW,),
    gettext_noop("ConditionalGetMiddleware stands above: its 304 loses the headers."),
    None,
)
SECOND_CORS = Rule(
    "CORS407", "second-cors", (Severity.HIGH,), gettext_noop("Another CORS package or middleware is active too."), None
)
ANY_HOST = Rule(
    "CORS414",
    "any-host-with-host-tenants",
    (Severity.HIGH,),
    gettext_noop("ALLOWED_HOSTS allows every host while the tenant is read from the host."),
    346,
)
RULES = (
    MIDDLEWARE_MISSING,
    BELOW_REDIRECTING,
    BELOW_AUTHENTICATION,
    BELOW_CACHE,
    BELOW_STATIC,
    BELOW_CONDITIONAL_GET,
    SECOND_CORS,
    ANY_HOST,
)

# By name: importing them imports django.contrib.auth's models, which a project may do without.
_AUTHENTICATION = frozenset({"AuthenticationMiddleware", "LoginRequiredMiddleware", "RemoteUserMiddleware"})
# What authenticating middleware of other packages and projects calls itself.
# Not the letters alone: an author, a processor and a tokenizer authenticate nobody.
_AUTHENTICATES = re.compile(
    r"(?i:auth(?!or(?!i))|login|jwt|oidc|saml|keycloak|okta|cognito|permission|api_?key)"
    r"|(?<![A-Za-z])(sso|tokens?)(?![a-z])|S(so|SO)(?![a-z])|T(oken|OKEN)s?(?![a-z])"
)
_CORS = re.compile(r"[._]cors([._]|headers|middleware|$)|C(ors|ORS)(?![a-z])")
_HOST_RESOLVERS = frozenset({"django_cors_policy.tenants.by_host", "django_cors_policy.tenants.by_subdomain"})
_FIRST = f'Move "{CorsMiddleware.__module__}.{CorsMiddleware.__qualname__}" to the top of MIDDLEWARE.'


@dataclass(frozen=True, slots=True)
class Layer:
    """One entry of MIDDLEWARE."""

    path: str
    middleware: Any  # a class, or a factory function

    def is_a(self, *classes: type) -> bool:
        return isinstance(self.middleware, type) and issubclass(self.middleware, classes)

    @property
    def bases(self) -> tuple[type, ...]:
        return self.middleware.__mro__ if isinstance(self.middleware, type) else ()

    @property
    def authenticates(self) -> bool:
        """Whether it is one of django.contrib.auth's, or made from one."""
        return any(
            base.__module__ == "django.contrib.auth.middleware" and base.__name__ in _AUTHENTICATION
            for base in self.bases
        )

    @property
    def serves_static_files(self) -> bool:
        """Whether it is WhiteNoise's, or made from it, and lets everyone read its files."""
        from_whitenoise = any(base.__module__.partition(".")[0] == "whitenoise" for base in self.bases)
        return from_whitenoise and getattr(settings, "WHITENOISE_ALLOW_ALL_ORIGINS", True)

    @property
    def may_refuse_early(self) -> bool:
        """Whether it has code of its own, not Django's, that runs before a view is chosen."""
        if not isinstance(self.middleware, type):
            return True
        own = [base for base in self.bases if not base.__module__.startswith("django.")]
        return any(name in vars(base) for base in own for name in ("__call__", "process_request"))


def findings() -> Iterator[Finding]:
    """Find what the stack tells of the settings' policy, and of where every policy is served."""
    layers = active_layers()
    own = [place for place, layer in enumerate(layers) if layer.is_a(CorsMiddleware)]
    yield from _missing(installed=apps.is_installed("django_cors_policy"), active=bool(own))
    yield from _second(layers, own)
    for layer in layers[: own[0]] if own else ():
        yield from _above(layer)
    yield from _any_host()


def active_layers() -> list[Layer]:
    """Give the middleware that can be imported, the outermost first."""
    layers = []
    for path in settings.MIDDLEWARE:
        try:
            layers.append(Layer(path, import_string(path)))
        except Exception:  # noqa: BLE001, S112 -- Django itself says so when it starts, and better
            continue
    return layers


def _missing(*, installed: bool, active: bool) -> Iterator[Finding]:
    if installed and not active:
        yield Finding(
            MIDDLEWARE_MISSING,
            Severity.HIGH,
            "MIDDLEWARE",
            "django_cors_policy is installed, but no CorsMiddleware is active: no CORS header is ever sent.",
            'Put "django_cors_policy.middleware.CorsMiddleware" first in MIDDLEWARE.',
        )
    if active and not installed:
        yield Finding(
            MIDDLEWARE_MISSING,
            Severity.HIGH,
            "INSTALLED_APPS",
            "CorsMiddleware is active, but the app is not installed: tenants have no policies and nothing is checked.",
            'Add "django_cors_policy" to INSTALLED_APPS.',
        )


def _second(layers: list[Layer], own: list[int]) -> Iterator[Finding]:
    others = [layer.path for place, layer in enumerate(layers) if place not in own and _is_cors(layer.path)]
    others += [layers[place].path for place in own[1:]]
    others += [app for app in settings.INSTALLED_APPS if app.partition(".")[0] == "corsheaders"]
    for other in others:
        yield Finding(
            SECOND_CORS,
            Severity.HIGH,
            other,
            f"{other} answers CORS too: the two overwrite or double each other's headers.",
            "Remove it; this app answers every CORS request by itself.",
        )


def _is_cors(path: str) -> bool:
    package, dot, rest = path.partition(".")
    # A project may be named after CORS, and what its middleware does is another thing.
    return package != "django_cors_policy" and _CORS.search(dot + rest) is not None


def _above(layer: Layer) -> Iterator[Finding]:
    if why := _redirects(layer):
        yield Finding(
            BELOW_REDIRECTING,
            Severity.HIGH,
            layer.path,
            f"{layer.path} stands above CorsMiddleware and redirects ({why}): a preflight fails on any redirect, and a "
            "redirect from up there carries no CORS headers.",
            _FIRST,
        )
    authenticates = layer.authenticates
    if layer.may_refuse_early and (authenticates or _AUTHENTICATES.search(layer.path)):
        yield Finding(
            BELOW_AUTHENTICATION,
            Severity.HIGH,
            layer.path,
            f"{layer.path} stands above CorsMiddleware and may refuse a preflight, which carries no session or token.",
            _FIRST,
        )
    elif authenticates:
        yield Finding(
            BELOW_AUTHENTICATION,
            Severity.LOW,
            layer.path,
            f"{layer.path} stands above CorsMiddleware: it waits until a view is chosen, but nothing keeps it so.",
            _FIRST,
        )
    if layer.is_a(FetchFromCacheMiddleware, UpdateCacheMiddleware):
        fetches = layer.is_a(FetchFromCacheMiddleware)
        yield Finding(
            BELOW_CACHE,
            Severity.HIGH if fetches else Severity.LOW,
            layer.path,
            f"{layer.path} stands above CorsMiddleware: it "
            + ("answers from the cache, also an origin that has been revoked." if fetches else "stores CORS headers."),
            _FIRST,
        )
    if layer.serves_static_files:
        yield Finding(
            BELOW_STATIC,
            Severity.LOW,
            layer.path,
            f"{layer.path} stands above CorsMiddleware: it answers static files itself, with Access-Control-Allow-"
            "Origin: * for everyone, whatever the policies say.",
            f"{_FIRST} Files that shall keep their * are left out of CORS_URLS_REGEX.",
        )
    if layer.is_a(ConditionalGetMiddleware):
        yield Finding(
            BELOW_CONDITIONAL_GET,
            Severity.LOW,
            layer.path,
            f"{layer.path} stands above CorsMiddleware: the 304 that it makes of an answer has no CORS headers.",
            _FIRST,
        )


def _redirects(layer: Layer) -> str | None:
    if layer.is_a(SecurityMiddleware) and settings.SECURE_SSL_REDIRECT:
        return "SECURE_SSL_REDIRECT"
    if layer.is_a(CommonMiddleware) and settings.PREPEND_WWW:
        return "PREPEND_WWW"
    if layer.is_a(CommonMiddleware) and settings.APPEND_SLASH:
        return "APPEND_SLASH"
    if layer.is_a(LocaleMiddleware) and _has_language_prefixes():
        return "i18n_patterns"
    return None


def _has_language_prefixes() -> bool:
    try:
        prefixed, _ = is_language_prefix_patterns_used(settings.ROOT_URLCONF)
    except Exception:  # noqa: BLE001 -- a URLconf that cannot be imported may hold them
        return True
    return prefixed


def _any_host() -> Iterator[Finding]:
    if is_known_to_read_the_host(conf.current().resolver_path):
        yield from any_host()


def any_host() -> Iterator[Finding]:
    """Find whether any host is accepted, where the tenant is read from it."""
    if "*" in settings.ALLOWED_HOSTS:
        yield Finding(
            ANY_HOST,
            Severity.HIGH,
            "ALLOWED_HOSTS",
            "Any Host header is accepted and the tenant is read from it: a request chooses what it is judged by.",
            "List the hosts that the project serves, with a leading dot for all subdomains.",
        )


def is_known_to_read_the_host(resolver: str | None) -> bool:
    """Tell whether a resolver's path alone says that the tenant is read from the host."""
    return resolver in _HOST_RESOLVERS
