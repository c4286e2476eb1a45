"""One is kept quiet about for a reason; the others gave none, are over, or match nothing."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["http://kiosk.example.com", "http://lobby.example.com", "http://till.example.com"]
CORS_AUDIT_SUPPRESS = [
    {"rule": "CORS104", "subject": "http://kiosk.example.com", "reason": "In the lobby's own network; no TLS there."},
    {"rule": "insecure-origin", "subject": "http://lobby.example.com"},
    {"rule": "CORS104", "subject": "http://till.example.com", "reason": "Until the move.", "until": "2020-02-29"},
    {"rule": "CORS104", "subject": "http://gone.example.com", "reason": "Was replaced."},
]

EXPECTED = ["CORS104 low", "CORS104 low", "CORS119 low", "CORS119 low", "CORS119 low"]
