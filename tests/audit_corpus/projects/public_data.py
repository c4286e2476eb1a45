"""Open data for everybody, with no tenant anywhere."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = ["data.example.org"]
CORS_ALLOW_ALL_ORIGINS = True
CORS_ALLOW_METHODS = ["GET", "HEAD", "OPTIONS"]
CORS_URLS_REGEX = r"^/api/"
CORS_TENANT_RESOLVER = None

PROBE = 80
EXPECTED = ["CORS102 info"]
