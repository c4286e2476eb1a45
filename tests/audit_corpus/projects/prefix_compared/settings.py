"""The home-made comparison looks at the beginning alone."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = ["tests.audit_corpus.projects.prefix_compared.middleware.PartnerMiddleware", *MIDDLEWARE]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://app.example.com"]

PROBE = 200
EXPECTED = ["CORS501 critical", "CORS501 low", "CORS503 medium", "CORS504 high"]
