"""What the developers needed has gone live, beside names that only sound like it."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = [
    "http://localhost:3000",
    "http://127.0.0.1:5173",
    "http://[::1]:5173",
    "http://app.localhost:3000",
    "https://192.168.1.20",
    "https://172.16.0.9:8443",
    "https://nas.local",
    "https://frontend.test",
    "https://localhost.example.com",
    "https://test.example.com",
    "https://172.32.0.9",
    "https://8.8.8.8",
    "https://app.local.example.com",
    "https://frontend.testing",
]

EXPECTED = ["CORS109 medium"] * 8
