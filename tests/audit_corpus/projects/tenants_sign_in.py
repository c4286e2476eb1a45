"""A platform where each customer's front end signs in: cookies that travel, CSRF told, the admin left out."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = [".platform.example"]
CORS_URLS_REGEX = r"^/api/"

CSRF_TRUSTED_ORIGINS = ["https://www.acme.com", "https://*.globex.com", "https://shop.globex.com:8443"]
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "None"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True

TENANTS = [
    {"tenant": "acme.platform.example", "allow_credentials": True, "origins": ["https://www.acme.com"]},
    {
        "tenant": "globex.platform.example",
        "allow_credentials": True,
        "expose_headers": "x-total-count, link",
        "origins": ["https://app.globex.com", "https://shop.globex.com:8443"],
    },
]
EXPECTED = []
