"""The tenant is the host's first label, whatever its case and port."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = [".platform.example"]
CORS_TENANT_RESOLVER = "tests.audit_corpus.projects.resolver_by_first_label.tenants.resolve"
CORS_URLS_REGEX = r"^/api/"

TENANTS = [
    {"tenant": "acme", "origins": ["https://www.acme.com"]},
    {"tenant": "globex", "origins": ["https://www.globex.com", "https://m.globex.com"]},
]
EXPECTED = []
