"""Both were left installed on the day of the move."""

from tests.audit_corpus.startproject import *

INSTALLED_APPS = ["corsheaders", *INSTALLED_APPS]
MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware", *MIDDLEWARE]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]

EXPECTED = ["CORS407 high", "CORS407 high"]
