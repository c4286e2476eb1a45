"""Rows from before the limits, and loopback, which they do not bind."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = [".platform.example"]
CORS_URLS_REGEX = r"^/api/"

TENANTS = [
    {
        "tenant": "acme.platform.example",
        "origins": ["http://www.acme.com", "https://www.acme.com:*", "https://*.github.io", "*"],
    },
    {"tenant": "globex.platform.example", "origins": ["http://localhost:*"]},
]
EXPECTED = ["CORS109 medium", "CORS602 high", "CORS602 high", "CORS602 high", "CORS602 high"]
