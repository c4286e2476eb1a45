"""The same headers, which Django does not read."""

from django_cors_policy.defaults import default_headers
from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_HEADERS = [*default_headers, "x-forwarded-host", "x-forwarded-proto", "x-request-id"]

EXPECTED = []
