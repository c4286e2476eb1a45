"""Django's own wall, above."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    *[name for name in MIDDLEWARE if not name.endswith((".SessionMiddleware", ".AuthenticationMiddleware"))],
]
LOGIN_URL = "admin:login"
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]

EXPECTED = ["CORS403 low", "CORS403 low"]
