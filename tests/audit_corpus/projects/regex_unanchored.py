"""Written for a library that matches the beginning alone."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGIN_REGEXES = [r"https://app\.example\.com", r"^https://www\.example\.com"]

EXPECTED = ["CORS206 info", "CORS206 info"]
