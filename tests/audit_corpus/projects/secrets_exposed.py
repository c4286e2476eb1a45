"""A front end that wants to read everything."""

from tests.audit_corpus.startproject import *

SESSION_COOKIE_NAME = "shop_session"
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_EXPOSE_HEADERS = ["Set-Cookie", "Authorization", "X-CSRFToken", "X-Total-Count", "Content-Disposition", "ETag"]

EXPECTED = ["CORS309 medium", "CORS309 medium", "CORS309 medium"]
