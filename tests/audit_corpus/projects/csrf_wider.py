"""A front end that is gone is trusted still."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CSRF_TRUSTED_ORIGINS = ["https://app.example.com", "https://old.example.net", "https://api.example.com"]

EXPECTED = ["CORS409 low"]
