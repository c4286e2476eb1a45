"""Keys with a port, in upper case, and with a scheme: no host is read like that."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = [".platform.example"]

TENANTS = [
    {"tenant": "acme.platform.example:8000", "origins": ["https://www.acme.com"]},
    {"tenant": "Globex.platform.example", "origins": ["https://www.globex.com"]},
    {"tenant": "https://initech.platform.example", "origins": ["https://www.initech.com"]},
    {"tenant": "platform.example", "origins": ["https://www.platform.example"]},
]
EXPECTED = ["CORS604 low", "CORS604 low", "CORS604 low"]
