"""A wildcard over a top level, and over one that nobody sells."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://*.com", "https://*.test", "https://null.example.org"]

EXPECTED = ["CORS105 medium", "CORS106 info", "CORS109 medium"]
