"""The tenants' lists are kept with care, and the settings allow everybody."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = ["acme.platform.example", "globex.platform.example"]
CORS_ALLOW_ALL_ORIGINS = True
CORS_URLS_REGEX = r"^/api/"

TENANTS = [
    {"tenant": "acme.platform.example", "origins": ["https://www.acme.com"]},
    {"tenant": "globex.platform.example", "origins": ["https://www.globex.com"]},
]
EXPECTED = ["CORS102 medium"]
