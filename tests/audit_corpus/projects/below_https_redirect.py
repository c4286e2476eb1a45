"""Below SecurityMiddleware, as many guides have it, with the redirect to https."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = [MIDDLEWARE[1], MIDDLEWARE[0], *MIDDLEWARE[2:]]
SECURE_SSL_REDIRECT = True
SECURE_HSTS_SECONDS = 31536000
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]

EXPECTED = ["CORS402 high"]
