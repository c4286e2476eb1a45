"""The same, by an entry of the list."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["*"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CORS_TENANT_RESOLVER = None

EXPECTED = ["CORS101 critical"]
