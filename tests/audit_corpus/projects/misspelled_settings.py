"""Slips of the pen, a setting of somebody's own, and one of another app."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGIN = ["https://app.example.com"]
CORS_ALLOW_CREDENTIAL = True
CORS_URL_REGEX = r"^/api/"
CORS_DASHBOARD_COLOUR = "green"
CORSAIR_KEYBOARD = True

EXPECTED = ["CORS115 high", "CORS115 high", "CORS115 high", "CORS115 low"]
