"""Tried with a slash at the end and without; the first stayed."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://app.example.com/", "https://app.example.com"]

EXPECTED = ["CORS111 medium"]
