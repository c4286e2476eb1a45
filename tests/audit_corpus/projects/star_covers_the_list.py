"""The list was left behind when everybody was let in."""

from tests.audit_corpus.startproject import *

CORS_ALLOW_ALL_ORIGINS = True
CORS_ALLOWED_ORIGINS = ["https://app.example.com", "https://www.example.com"]
CORS_TENANT_RESOLVER = None

EXPECTED = ["CORS102 info", "CORS114 info", "CORS114 info"]
