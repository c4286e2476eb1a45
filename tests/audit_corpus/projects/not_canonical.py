"""Pasted from the address bar, or typed as one speaks."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = [
    "https://App.example.com",
    "HTTPS://www.example.com",
    "https://shop.example.com:443",
    "https://blog.example.com/",
    "https://docs.example.com/latest/",
    "https://help.example.com?from=app",
    "https://bücher.example.com",
    "https://0x08.8.8.8",
]

EXPECTED = ["CORS111 medium"] * 8
