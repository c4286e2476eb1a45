"""What else a list, a number and a regex may be."""

import re

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ("https://app.example.com",)
CORS_ALLOWED_ORIGIN_REGEXES = [re.compile(r"https://pr-\d+\.example\.com\Z")]
CORS_ALLOW_METHODS = ["get", "post", "PATCH", "PURGE"]
CORS_EXPOSE_HEADERS = {"content-disposition", "etag", "x-total-count"}
CORS_PREFLIGHT_MAX_AGE = 0
CORS_URLS_REGEX = re.compile(r"^/api/", re.IGNORECASE)

EXPECTED = []
