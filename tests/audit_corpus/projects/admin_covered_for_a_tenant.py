"""The settings allow nobody; one tenant has credentials, and the admin is covered."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = [".platform.example"]
CSRF_TRUSTED_ORIGINS = ["https://www.platform.example"]

TENANTS = [
    {"tenant": "acme.platform.example", "allow_credentials": True, "origins": ["https://www.platform.example"]},
]
EXPECTED = ["CORS416 medium"]
