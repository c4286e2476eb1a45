"""Pages have their language in the path, and LocaleMiddleware redirects to it."""

from tests.audit_corpus.startproject import *

ROOT_URLCONF = "tests.audit_corpus.projects.below_language_prefixes.urls"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    *[name for name in MIDDLEWARE if not name.endswith(".SessionMiddleware")],
]
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]

EXPECTED = ["CORS402 high"]
