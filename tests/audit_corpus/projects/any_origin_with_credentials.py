"""Made to work at last, by allowing everything."""

from tests.audit_corpus.startproject import *

CORS_ALLOW_ALL_ORIGINS = True
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/api/"

EXPECTED = ["CORS101 critical"]
