"""Angular's name for the token's header, on both sides."""

from tests.audit_corpus.startproject import *

CSRF_COOKIE_NAME = "XSRF-TOKEN"
CSRF_HEADER_NAME = "HTTP_X_XSRF_TOKEN"
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_ALLOW_HEADERS = ["content-type", "X-XSRF-TOKEN"]
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://app.example.com"]

EXPECTED = []
