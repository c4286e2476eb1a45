"""Nobody writes here, so CSRF protection has nothing to say."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_ALLOW_METHODS = ["GET", "HEAD", "OPTIONS"]
CORS_ALLOW_HEADERS = ["accept-language", "if-none-match"]
CORS_URLS_REGEX = r"^/api/"

EXPECTED = []
