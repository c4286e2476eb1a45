"""On Android, applications send https://localhost, and so does whatever runs on a visitor's machine."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["capacitor://localhost", "https://localhost"]

EXPECTED = ["CORS109 medium"]
