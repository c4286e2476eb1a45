"""Written from memory: none of these ever matches."""

from tests.audit_corpus.startproject import *

# The comma that is missing is the point of the first.
CORS_ALLOWED_ORIGINS = [
    "https://app.example.com"  # noqa: ISC004
    "https://www.example.com",
    "app.example.com",
    "https://*example.com",
    "https://app.*.example.com",
    "https://user@app.example.com",
    "https://app.example.com:99999",
    "https://app example.com",
    "*.example.com",
    "",
]

EXPECTED = ["CORS110 medium"] * 9
