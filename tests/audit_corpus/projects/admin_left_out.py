"""All but the admin is covered."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/(?!admin/)"
CSRF_TRUSTED_ORIGINS = ["https://app.example.com"]

EXPECTED = []
