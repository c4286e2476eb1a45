"""Walls of other makes: by a password, by a key, by the company's login."""

from tests.audit_corpus.startproject import *

_OWN = "tests.audit_corpus.projects.below_other_walls.middleware"

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.RemoteUserMiddleware",
    f"{_OWN}.BasicAuthMiddleware",
    f"{_OWN}.ApiKeyMiddleware",
    f"{_OWN}.KeycloakMiddleware",
    f"{_OWN}.jwt_required",
    *[name for name in MIDDLEWARE if not name.endswith(".SessionMiddleware")],
]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]

EXPECTED = ["CORS403 high", "CORS403 high", "CORS403 high", "CORS403 high", "CORS403 low"]
