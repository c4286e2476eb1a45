"""The tenant is the path's first part, on any host."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "tests.audit_corpus.projects.tenants_by_path.urls"
CORS_TENANT_RESOLVER = "django_cors_policy.tenants.by_path_prefix"

TENANTS = [
    {"tenant": "acme", "origins": ["https://www.acme.com"]},
    {"tenant": "globex", "origins": ["https://www.globex.com"]},
]
PROBE = 80
EXPECTED = []
