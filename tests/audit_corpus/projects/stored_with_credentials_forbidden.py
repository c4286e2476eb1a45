"""Credentials were given, and are no tenant's any more; a preflight may be kept for an hour."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = [".platform.example"]
CORS_URLS_REGEX = r"^/api/"

CORS_TENANT_LIMITS = {"credentials": False, "max_age": 3600}

TENANTS = [
    {
        "tenant": "acme.platform.example",
        "allow_credentials": True,
        "max_age": 7200,
        "origins": ["https://www.acme.com"],
    },
    {"tenant": "globex.platform.example", "max_age": 3600, "origins": ["https://www.globex.com"]},
    {"tenant": "initech.platform.example", "max_age": 600, "origins": ["https://www.initech.com"]},
]
EXPECTED = ["CORS308 low", "CORS308 low", "CORS602 high", "CORS602 high"]
