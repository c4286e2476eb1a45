"""Made to travel, and dropped by every browser."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://app.example.net"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://app.example.net"]
SESSION_COOKIE_SAMESITE = "None"
CSRF_COOKIE_SAMESITE = "None"

EXPECTED = ["CORS412 high", "CORS412 high"]
