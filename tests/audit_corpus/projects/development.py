"""On a developer's own machine all of it is right."""

from tests.audit_corpus.startproject import *

DEBUG = True
ALLOWED_HOSTS = []
CORS_ALLOWED_ORIGINS = [
    "http://localhost:3000",
    "http://127.0.0.1:*",
    "http://[::1]:5173",
    "http://*.localhost:*",
    "https://frontend.test",
]
CORS_ALLOWED_ORIGIN_REGEXES = [r"^http://127\.0\.0\.2:51\d\d$"]
CORS_ALLOW_CREDENTIALS = True
CORS_ALLOW_METHODS = ["GET", "HEAD", "OPTIONS"]
CORS_URLS_REGEX = r"^/api/"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "None"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True

EXPECTED = []
