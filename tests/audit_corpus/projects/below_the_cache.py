"""The whole site is cached, and the cache stands above."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = [
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
    *MIDDLEWARE,
]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]


EXPECTED = ["CORS404 high", "CORS404 low"]
