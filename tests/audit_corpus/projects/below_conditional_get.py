"""Answers with a 304 from above."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = ["django.middleware.http.ConditionalGetMiddleware", *MIDDLEWARE]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]

EXPECTED = ["CORS406 low"]
