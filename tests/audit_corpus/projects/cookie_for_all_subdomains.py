"""The session goes to every subdomain that may read."""

from tests.audit_corpus.startproject import *

SESSION_COOKIE_DOMAIN = ".example.com"
CORS_ALLOWED_ORIGINS = ["https://*.apps.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://*.apps.example.com"]

EXPECTED = ["CORS106 medium", "CORS413 medium"]
