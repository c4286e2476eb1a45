"""The domain without a dot means the same, and the wildcard is a tenant's."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = ["api.example.com"]
SESSION_COOKIE_DOMAIN = "example.com"
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://*.example.com"]

TENANTS = [{"tenant": "api.example.com", "allow_credentials": True, "origins": ["https://*.example.com"]}]
EXPECTED = ["CORS106 medium", "CORS413 medium"]
