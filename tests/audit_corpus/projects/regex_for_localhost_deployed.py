"""The developers' regexes have gone live."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGIN_REGEXES = [
    r"^http://localhost:\d+$",
    r"^https?://(www\.example\.com|127\.0\.0\.1)(:3000)?$",
    r"^http://192\.168\.\d{1,3}\.\d{1,3}:8080$",
    r"^https://localhost\.example\.com$",
]

EXPECTED = ["CORS109 medium", "CORS109 medium", "CORS109 medium", "CORS204 low", "CORS204 low"]
