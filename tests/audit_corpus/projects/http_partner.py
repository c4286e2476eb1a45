"""A partner's site without TLS may read what is public."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://shop.example.com", "http://shop.example.com"]

EXPECTED = ["CORS104 low"]
