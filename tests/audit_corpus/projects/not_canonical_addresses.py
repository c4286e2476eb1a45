"""Addresses that browsers spell otherwise; a wildcard with a slash."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = [
    "https://8.8.2056",
    "https://[2001:0db8:0:0:0:0:0:1]",
    "https://*.Example.com",
    "https://*.example.net/",
    "https://*.example.org:443",
]

EXPECTED = ["CORS111 medium"] * 5
