"""Dots without a backslash."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGIN_REGEXES = [r"^https://api.example.com$", r"^https://(app|www).example\.net$"]

EXPECTED = ["CORS202 low", "CORS202 low"]
