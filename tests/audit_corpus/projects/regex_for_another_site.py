"""Front ends of another site by a regex, with cookies that stay at home."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGIN_REGEXES = [r"^https://(app|shop)\.example\.net$"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://app.example.net", "https://shop.example.net"]

EXPECTED = ["CORS411 medium"]
