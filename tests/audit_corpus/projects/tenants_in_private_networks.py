"""Tenants with an origin of the office, and a sensitive header."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = [".platform.example"]
CORS_URLS_REGEX = r"^/api/"

TENANTS = [
    {
        "tenant": "acme.platform.example",
        "origins": ["https://10.1.2.3", "https://www.acme.com"],
        "allow_methods": "GET, POST, put",
        "expose_headers": "Authorization",
    },
]
EXPECTED = ["CORS109 medium", "CORS305 medium", "CORS309 medium"]
