"""A debugging aid that stayed: whoever asks is let in."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = ["tests.audit_corpus.projects.reflects_every_origin.middleware.ApiHeadersMiddleware", *MIDDLEWARE]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://app.example.com"]

PROBE = 200
EXPECTED = ["CORS501 critical", "CORS501 low", "CORS503 medium", "CORS504 high"]
