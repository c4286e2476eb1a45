"""A star of headers stands for those that Django believes of its proxy, too."""

from tests.audit_corpus.startproject import *

USE_X_FORWARDED_HOST = True
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_HEADERS = ["*", "Authorization"]

EXPECTED = ["CORS306 medium"]
