"""A demonstration that was never switched off."""

from tests.audit_corpus.startproject import *

DEBUG = True
CORS_ALLOW_ALL_ORIGINS = True
CORS_TENANT_RESOLVER = None

EXPECTED = ["CORS102 info", "CORS415 high"]
