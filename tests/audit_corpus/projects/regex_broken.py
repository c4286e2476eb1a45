"""A bracket is missing."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGIN_REGEXES = [r"^https://(app|www\.example\.com$", r"^https://app\.example\.com$"]

EXPECTED = ["CORS201 high"]
