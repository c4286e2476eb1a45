"""A repeat within a repeat, and four that share what they match."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGIN_REGEXES = [
    r"^https://([a-z]+)+\.example\.com$",
    r"^https://[a-z0-9]*[a-z0-9-]*[a-z0-9]*[a-z0-9-]*\.example\.net$",
]

EXPECTED = ["CORS205 high", "CORS205 medium"]
