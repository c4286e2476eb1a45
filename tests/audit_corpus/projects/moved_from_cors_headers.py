"""Settings that django-cors-headers read years ago: renamed there since, and its default headers copied out."""

from tests.audit_corpus.startproject import *

CORS_ORIGIN_ALLOW_ALL = False
CORS_ORIGIN_WHITELIST = ["https://app.example.com"]
CORS_ORIGIN_REGEX_WHITELIST = [r"^https://\w+\.example\.com$"]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_METHODS = ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT")
CORS_ALLOW_HEADERS = (
    "accept",
    "accept-encoding",
    "authorization",
    "content-type",
    "dnt",
    "origin",
    "user-agent",
    "x-csrftoken",
    "x-requested-with",
)
CORS_PREFLIGHT_MAX_AGE = 86400
CORS_URLS_REGEX = r"^/api/.*$"
CORS_TENANT_RESOLVER = None

EXPECTED = [
    "CORS115 high",
    "CORS115 high",
    "CORS115 high",
    "CORS303 low",
    "CORS303 low",
    "CORS303 low",
    "CORS307 info",
]
