"""The same, from any page."""

from tests.audit_corpus.startproject import *

CORS_ALLOW_ALL_ORIGINS = True
CORS_ALLOW_PRIVATE_NETWORK = True
CORS_TENANT_RESOLVER = None

EXPECTED = ["CORS102 info", "CORS310 medium"]
