"""Every branch gets a preview on a hosting service, where everybody else's are too."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://*.vercel.app"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://*.vercel.app"]
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "None"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True

EXPECTED = ["CORS105 critical"]
