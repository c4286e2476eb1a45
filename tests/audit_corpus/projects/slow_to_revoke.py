"""The database is to be spared."""

from tests.audit_corpus.startproject import *

CORS_POLICY_REFRESH_SECONDS = 120
CORS_POLICY_MAX_STALE_SECONDS = 900

EXPECTED = ["CORS418 medium"]
