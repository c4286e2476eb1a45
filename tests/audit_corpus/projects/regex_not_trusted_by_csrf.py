"""Any subdomain may sign in, and CSRF protection knows one of them."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGIN_REGEXES = [r"^https://\w+\.example\.com$"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://app.example.com"]

EXPECTED = ["CORS408 medium"]
