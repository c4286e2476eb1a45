"""All that a server may understand."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PROPFIND", "TRACE", "CONNECT", "PUT, DELETE"]

EXPECTED = ["CORS304 low", "CORS304 low", "CORS304 low"]
