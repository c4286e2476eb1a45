"""The same, where it signs in."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGIN_REGEXES = [r"^https://(.+\.)?example.*$"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_METHODS = ["GET", "HEAD", "OPTIONS"]
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "None"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True

EXPECTED = ["CORS203 critical"]
