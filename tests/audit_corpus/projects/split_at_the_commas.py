"""Split from the environment at the commas, with what stood around them."""

import os

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = os.environ.get("NO_SUCH_VARIABLE", " https://app.example.com, https://www.example.com,").split(
    ","
)

EXPECTED = ["CORS110 medium", "CORS110 medium", "CORS110 medium"]
