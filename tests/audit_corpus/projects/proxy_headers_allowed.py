"""Pages may set what Django believes of its proxy."""

from django_cors_policy.defaults import default_headers
from tests.audit_corpus.startproject import *

USE_X_FORWARDED_HOST = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_HEADERS = [*default_headers, "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-For"]

EXPECTED = ["CORS306 medium", "CORS306 medium"]
