"""The front end may read, and its first POST gets a 403."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"

EXPECTED = ["CORS408 medium"]
