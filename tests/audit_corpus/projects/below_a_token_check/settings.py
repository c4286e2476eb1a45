"""The company's own middleware asks for a token on every request, preflights too."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = ["tests.audit_corpus.projects.below_a_token_check.middleware.TokenAuthenticationMiddleware", *MIDDLEWARE]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]

EXPECTED = ["CORS403 high"]
