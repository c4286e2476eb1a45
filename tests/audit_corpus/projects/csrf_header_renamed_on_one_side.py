"""Angular's name, and the default headers."""

from tests.audit_corpus.startproject import *

CSRF_HEADER_NAME = "HTTP_X_XSRF_TOKEN"
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://app.example.com"]

EXPECTED = ["CORS410 medium"]
