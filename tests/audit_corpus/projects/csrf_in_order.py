"""Trusted by a wildcard; and hosts of the project's own, which CORS need not know."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = [".example.com"]
CORS_ALLOWED_ORIGINS = ["https://app.example.com", "https://shop.example.com:8443"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://app.example.com", "https://shop.example.com:8443", "https://www.example.com"]

EXPECTED = []
