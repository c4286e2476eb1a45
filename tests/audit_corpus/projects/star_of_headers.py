"""Tokens travel in Authorization, and the headers are a star."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_HEADERS = ["*"]

EXPECTED = ["CORS302 low"]
