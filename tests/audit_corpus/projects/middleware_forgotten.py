"""Installed, and never switched on."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = MIDDLEWARE[1:]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]

EXPECTED = ["CORS401 high"]
