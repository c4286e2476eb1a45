"""The same, where each subdomain is listed."""

from tests.audit_corpus.startproject import *

SESSION_COOKIE_DOMAIN = ".example.com"
CORS_ALLOWED_ORIGINS = ["https://app.example.com", "https://www.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://app.example.com", "https://www.example.com"]

EXPECTED = []
