"""The tenant is looked up for every request."""

from tests.audit_corpus.startproject import *

CORS_TENANT_RESOLVER = "tests.audit_corpus.projects.resolver_by_query.tenants.resolve"

EXPECTED = ["CORS417 high"]
