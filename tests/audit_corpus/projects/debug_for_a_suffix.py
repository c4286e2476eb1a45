"""Tracebacks for every page of a hosting service, and for whoever registers a name."""

from tests.audit_corpus.startproject import *

DEBUG = True
CORS_ALLOWED_ORIGINS = ["https://*.netlify.app"]
CORS_ALLOWED_ORIGIN_REGEXES = [r"^https://.*example\.com$"]

EXPECTED = ["CORS105 medium", "CORS203 medium", "CORS415 high", "CORS415 high"]
