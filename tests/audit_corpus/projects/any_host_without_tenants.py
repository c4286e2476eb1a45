"""Every host is served behind a load balancer, and there are no tenants."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = ["*"]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_TENANT_RESOLVER = None

EXPECTED = []
