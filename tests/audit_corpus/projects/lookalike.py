"""A Cyrillic letter among Latin ones."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://xn--pple-43d.com"]

EXPECTED = ["CORS113 low"]
