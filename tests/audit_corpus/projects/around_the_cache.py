"""As Django's documentation has it: what fills the cache first, what reads it last."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = [
    "django.middleware.cache.UpdateCacheMiddleware",
    *MIDDLEWARE,
    "django.middleware.cache.FetchFromCacheMiddleware",
]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]

EXPECTED = ["CORS404 low"]
