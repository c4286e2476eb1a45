"""Without the attribute browsers decide; nothing is None without Secure."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://app.example.com"]
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = False

EXPECTED = []
