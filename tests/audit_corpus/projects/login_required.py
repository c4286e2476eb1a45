"""Django's own wall, below: preflights get past it, and so does what the wall answers."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = [
    *MIDDLEWARE[:6],
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    *MIDDLEWARE[6:],
]
LOGIN_URL = "admin:login"
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://app.example.com"]

PROBE = 80
EXPECTED = []
