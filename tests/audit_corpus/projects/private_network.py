"""Devices in the office are set up from a page of the internet."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://setup.example.com"]
CORS_ALLOW_PRIVATE_NETWORK = True

EXPECTED = ["CORS310 info"]
