"""Copied from an answer to another question: none of these does anything."""

from django_cors_policy.defaults import default_headers
from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_HEADERS = [
    *default_headers,
    "Cookie",
    "Host",
    "Sec-Fetch-Site",
    "Access-Control-Allow-Origin",
    "X Api Key",
    "x-api-key",
    "cache-control",
    "sentry-trace",
]

EXPECTED = ["CORS303 low"] * 5
