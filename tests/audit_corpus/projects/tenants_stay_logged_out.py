"""The customers' front ends have domains of their own, and cookies stay at home."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = [".platform.example"]
CORS_URLS_REGEX = r"^/api/"

CSRF_TRUSTED_ORIGINS = ["https://www.acme.com"]

TENANTS = [
    {"tenant": "acme.platform.example", "allow_credentials": True, "origins": ["https://www.acme.com"]},
    {"tenant": "globex.platform.example", "origins": ["https://www.globex.com"]},
]
EXPECTED = ["CORS411 medium"]
