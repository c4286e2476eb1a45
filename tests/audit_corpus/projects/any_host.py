"""Every host is served, and the tenant is read from it."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = ["*"]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]

EXPECTED = ["CORS414 high"]
