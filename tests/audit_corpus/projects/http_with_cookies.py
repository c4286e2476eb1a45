"""The old front end without TLS still signs in."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["http://old.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["http://old.example.com"]

EXPECTED = ["CORS104 high"]
