"""Python spells it True, and browsers do not."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = ["tests.audit_corpus.projects.python_spells_true.middleware.TrustedDevicesMiddleware", *MIDDLEWARE]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://app.example.com"]

PROBE = 100
EXPECTED = ["CORS502 high", "CORS504 high", "CORS509 medium"]
