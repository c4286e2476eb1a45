"""The front end says whose it is, in a header."""

from tests.audit_corpus.startproject import *

CORS_TENANT_RESOLVER = "tests.audit_corpus.projects.resolver_by_header.tenants.resolve"

EXPECTED = ["CORS417 high"]
