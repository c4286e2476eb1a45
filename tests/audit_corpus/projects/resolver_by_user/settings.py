"""The tenant is the user's, whom no preflight names."""

from tests.audit_corpus.startproject import *

CORS_TENANT_RESOLVER = "tests.audit_corpus.projects.resolver_by_user.tenants.resolve"

EXPECTED = ["CORS417 high"]
