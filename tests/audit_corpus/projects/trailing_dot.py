"""Copied from a zone file."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://app.example.com."]

EXPECTED = ["CORS112 medium"]
