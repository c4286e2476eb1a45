"""What gunicorn serves: one side, with startproject's middleware behind it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import django
from django.core.handlers.wsgi import WSGIHandler


@dataclass(frozen=True, slots=True)
class Side:
    """The middleware in front, by the name that benchmarks.cases has for it."""

    middleware: str
    settings: Mapping[str, Any]
    signal: bool = False


HOST, ORIGIN = "customer7.tenants.example", "https://app3.customer7.example"

# One request is for all; the settings list its origin among ten, the database among 50,000.
_LISTED = {"CORS_ALLOWED_ORIGINS": [*(f"https://app{number}.example.com" for number in range(9)), ORIGIN]}
_STORED: dict[str, Any] = {"CORS_ALLOWED_ORIGINS": []}
REFRESH_SECONDS = 1.0
_RESOLVER = {
    "CORS_TENANT_RESOLVER": "django_cors_policy.tenants.by_host",
    "CORS_POLICY_REFRESH_SECONDS": REFRESH_SECONDS,
}
SIDES = {
    "no-op": Side("Noop", {}),
    "ours": Side("Ours", _LISTED),
    "ours, tenant": Side("Ours", _STORED | _RESOLVER),
    "theirs": Side("Theirs", _LISTED),
    "theirs, signal": Side("Theirs", _STORED, signal=True),
}


def application(name: str) -> WSGIHandler:
    """Set Django up for one of the SIDES."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    django.setup()
    from corsheaders.signals import check_request_enabled  # noqa: PLC0415 -- these need Django set up
    from django.conf import settings  # noqa: PLC0415

    from benchmarks import cases, tenants  # noqa: PLC0415

    side = SIDES[name]
    middleware = getattr(cases, side.middleware)
    settings.MIDDLEWARE = [f"{middleware.__module__}.{middleware.__qualname__}", *settings.MIDDLEWARE]
    cases.apply(side.settings)
    if side.signal:
        check_request_enabled.connect(tenants.allow_stored)
    return WSGIHandler()
