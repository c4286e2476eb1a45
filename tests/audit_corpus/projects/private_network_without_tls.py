"""A dashboard in the office, by its address: private, and without TLS."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["http://10.0.0.5:8080"]

EXPECTED = ["CORS104 low", "CORS109 medium"]
