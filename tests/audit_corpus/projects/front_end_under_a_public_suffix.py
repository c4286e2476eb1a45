"""Both end in co.uk, which makes no site."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = ["api.acme.co.uk"]
CORS_ALLOWED_ORIGINS = ["https://shop.globex.co.uk", "https://shop.acme.co.uk:8443"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://shop.globex.co.uk", "https://shop.acme.co.uk:8443"]
SESSION_COOKIE_SAMESITE = "Strict"

EXPECTED = ["CORS411 medium"]
