"""The front end has a domain of its own, and the cookies stay at home."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://app.example.net", "https://app.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://app.example.net", "https://app.example.com"]

EXPECTED = ["CORS411 medium"]
