"""The resolver reads the host too, and one of the hosts is any."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = [".platform.example", "*"]
CORS_TENANT_RESOLVER = "tests.audit_corpus.projects.resolver_by_first_label.tenants.resolve"

EXPECTED = ["CORS414 high"]
