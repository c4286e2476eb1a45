"""The tenants' own wildcards: over a domain of theirs, and with credentials."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = [".platform.example"]
CORS_URLS_REGEX = r"^/api/"

CSRF_TRUSTED_ORIGINS = ["https://*.acme.com"]
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "None"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True

TENANTS = [
    {"tenant": "acme.platform.example", "allow_credentials": True, "origins": ["https://*.acme.com"]},
    {"tenant": "globex.platform.example", "origins": ["https://*.globex.com", "https://www.globex.com"]},
    {"tenant": "initech.platform.example", "origins": ["https://initech.github.io"]},
]
EXPECTED = ["CORS106 info", "CORS106 medium", "CORS107 low", "CORS114 info"]
