"""Policies are read where nobody writes them."""

from tests.audit_corpus.startproject import *

DATABASES = {**DATABASES, "replica": {"ENGINE": "django.db.backends.sqlite3", "NAME": "replica.sqlite3"}}
CORS_POLICY_DATABASE = "replica"

FOR_REAL = True
EXPECTED = ["CORS419 high", "CORS606 high"]
