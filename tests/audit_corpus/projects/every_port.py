"""A host of which every port is trusted."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://app.example.com:*", "https://www.example.com:8443"]

EXPECTED = ["CORS108 info"]
