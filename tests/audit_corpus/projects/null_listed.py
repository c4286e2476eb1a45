"""For a widget in a sandboxed frame, and for a page that is opened from a file."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://widget.example.com", "null"]
CORS_ALLOWED_ORIGIN_REGEXES = [r"^(null|https://app\.example\.com)$"]

EXPECTED = ["CORS103 medium", "CORS103 medium"]
