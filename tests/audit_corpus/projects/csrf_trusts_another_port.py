"""Trusted at another port, by another scheme, and below, but not itself."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://app.example.com", "https://*.apps.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
ALLOWED_HOSTS = [".example.com"]
CSRF_TRUSTED_ORIGINS = ["https://app.example.com:8443", "https://*.www.example.com", "https://one.apps.example.com"]

EXPECTED = ["CORS106 medium", "CORS408 medium", "CORS408 medium"]
