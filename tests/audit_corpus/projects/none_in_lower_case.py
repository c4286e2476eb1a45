"""Django takes either case, and so do browsers."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://app.example.net"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://app.example.net"]
SESSION_COOKIE_SAMESITE = "none"
CSRF_COOKIE_SAMESITE = "none"
CSRF_COOKIE_SECURE = True

EXPECTED = ["CORS412 high"]
