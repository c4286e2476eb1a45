"""Other schemes, half a scheme, and stars where none may stand."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = [
    "https://*",
    "https://*:*",
    "//app.example.com",
    "https:/app.example.com",
    "ws://app.example.com",
    "file://",
    "https://app.example.com:port",
    "https://",
]

EXPECTED = ["CORS110 medium"] * 8
