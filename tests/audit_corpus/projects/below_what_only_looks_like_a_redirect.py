"""Below three that redirect if they are told to, and are not."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    *[
        name
        for name in MIDDLEWARE
        if not name.endswith((".SecurityMiddleware", ".SessionMiddleware", ".CommonMiddleware"))
    ],
]
APPEND_SLASH = False
SECURE_HSTS_SECONDS = 31536000
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]

EXPECTED = []
