"""Added where there was room: below all that startproject writes."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = [*MIDDLEWARE[1:], MIDDLEWARE[0]]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]

EXPECTED = ["CORS402 high", "CORS403 low"]
