"""Documentation on loan; deeper names and the suffix's own host are nobody's loan."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://acme.github.io", "https://docs.acme.github.io", "https://example.co.uk"]

EXPECTED = ["CORS107 low"]
