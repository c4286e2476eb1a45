"""Every subdomain signs in."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://*.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://*.example.com"]

EXPECTED = ["CORS106 medium"]
