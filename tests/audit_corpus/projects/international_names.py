"""Bücher, a Russian name as a whole, and Japanese, which needs three scripts: none imitates another."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = [
    "https://xn--bcher-kva.example",
    "https://xn--e1afmkfd.xn--p1ai",
    "https://xn--zckzah9945czlbtz6h.example",
    "https://xn--e1afmkfd.example.com",
]

EXPECTED = []
