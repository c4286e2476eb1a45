"""Tenants by subdomain; one key is a whole host."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = [".platform.example"]
CORS_TENANT_RESOLVER = "django_cors_policy.tenants.by_subdomain"
CORS_URLS_REGEX = r"^/api/"

TENANTS = [
    {"tenant": "acme", "origins": ["https://www.acme.com"]},
    {"tenant": "globex.platform.example", "origins": ["https://www.globex.com"]},
]
EXPECTED = ["CORS604 low"]
