"""Exactly at the bounds."""

from tests.audit_corpus.startproject import *

CORS_POLICY_REFRESH_SECONDS = 60
CORS_POLICY_MAX_STALE_SECONDS = 60
CORS_PREFLIGHT_MAX_AGE = 7200
ALLOWED_HOSTS = ["acme.platform.example"]

TENANTS = [{"tenant": "acme.platform.example", "max_age": 600, "origins": ["https://www.acme.com"]}]
EXPECTED = []
