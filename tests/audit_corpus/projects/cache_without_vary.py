"""The cache stands above, and what differs is not told to it."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = [
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
    "tests.audit_corpus.projects.vary_removed.middleware.StableHeadersMiddleware",
    *MIDDLEWARE,
]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://app.example.com"]

PROBE = 300
EXPECTED = ["CORS404 high", "CORS404 low", "CORS503 high", "CORS508 high"]
