"""The front end never got a domain of its own, and signs in."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://shop-frontend.herokuapp.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://shop-frontend.herokuapp.com"]
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "None"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True

EXPECTED = ["CORS107 medium"]
