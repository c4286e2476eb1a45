"""Grown over the years: a duplicate, and what a wildcard and a regex cover already."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = [
    "https://*.example.com",
    "https://app.example.com",
    "https://www.example.net",
    "https://www.example.net",
    "https://pr-7.preview.example.org",
    # None of these is covered.
    "https://example.com",
    "https://app.example.com:8443",
    "https://pr-seven.preview.example.org",
]
CORS_ALLOWED_ORIGIN_REGEXES = [r"^https://pr-\d+\.preview\.example\.org$"]

EXPECTED = ["CORS106 info", "CORS114 info", "CORS114 info", "CORS114 info"]
