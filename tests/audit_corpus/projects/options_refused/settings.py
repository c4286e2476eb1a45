"""A hardening guide said that OPTIONS is not needed."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = ["tests.audit_corpus.projects.options_refused.middleware.KnownMethodsMiddleware", *MIDDLEWARE]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://app.example.com"]

PROBE = 100
EXPECTED = ["CORS502 high"]
