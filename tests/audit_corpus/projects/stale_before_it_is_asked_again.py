"""Stale before the database is asked again."""

from tests.audit_corpus.startproject import *

CORS_POLICY_REFRESH_SECONDS = 60
CORS_POLICY_MAX_STALE_SECONDS = 30

EXPECTED = ["CORS418 medium"]
