"""The path leads nowhere."""

from tests.audit_corpus.startproject import *

CORS_TENANT_RESOLVER = "django_cors_policy.tenants.by_hots"

EXPECTED = ["CORS417 high"]
