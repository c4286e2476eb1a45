"""Once from the template, once by hand."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = [*MIDDLEWARE, MIDDLEWARE[0]]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]

EXPECTED = ["CORS407 high"]
