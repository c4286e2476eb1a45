"""Read from the environment as text, and never parsed."""

import os

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = os.environ.get("NO_SUCH_VARIABLE", "https://app.example.com,https://www.example.com")
CORS_ALLOW_CREDENTIALS = os.environ.get("NO_SUCH_VARIABLE", "False")
CORS_PREFLIGHT_MAX_AGE = os.environ.get("NO_SUCH_VARIABLE", "600")

EXPECTED = ["CORS116 high", "CORS116 high", "CORS116 high"]
