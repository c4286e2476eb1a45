"""Every subdomain may read, without cookies; the apexes are listed beside their wildcards, which do not cover them."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = [
    "https://example.com",
    "https://*.example.com",
    "https://*.example.co.uk",
    "https://*.apps.example.net",
]
CORS_URLS_REGEX = r"^/api/"

PROBE = 80
EXPECTED = ["CORS106 info", "CORS106 info", "CORS106 info"]
