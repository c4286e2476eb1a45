"""A path was named, and the admin lies below it, under another name."""

from tests.audit_corpus.startproject import *

ROOT_URLCONF = "tests.audit_corpus.projects.admin_below_the_api.urls"
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"
CSRF_TRUSTED_ORIGINS = ["https://app.example.com"]

EXPECTED = ["CORS416 medium"]
