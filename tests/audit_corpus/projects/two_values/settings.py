"""Somebody adds a star to what is there already."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = ["tests.audit_corpus.projects.two_values.middleware.FontsMiddleware", *MIDDLEWARE]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://app.example.com"]

PROBE = 100
EXPECTED = ["CORS502 high", "CORS504 high", "CORS505 medium"]
