"""Wildcards over what anybody can register, beside some that only look like it."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = [
    "https://*.co.uk",
    "https://*.github.io",
    "https://*.example.org.uk",
    "https://*.intranet",
    "https://*.me.gitlab.io",
]

EXPECTED = ["CORS105 medium", "CORS105 medium", "CORS106 info", "CORS106 info", "CORS106 info"]
