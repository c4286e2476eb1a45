"""As the framework's views are called."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_METHODS = ["get", "head", "post", "put", "patch", "delete"]

EXPECTED = ["CORS305 medium", "CORS305 medium", "CORS305 medium"]
