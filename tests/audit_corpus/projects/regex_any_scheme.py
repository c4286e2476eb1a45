"""An s with a question mark, and http alone."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGIN_REGEXES = [r"^https?://app\.example\.com$", r"^http://old\.example\.com$"]

EXPECTED = ["CORS204 low", "CORS204 low"]
