"""Two customers of a platform use one front end; a third has one of its own."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = [".platform.example"]
CORS_URLS_REGEX = r"^/api/"

TENANTS = [
    {"tenant": "acme.platform.example", "origins": ["https://console.platform.example", "https://www.acme.com"]},
    {"tenant": "globex.platform.example", "origins": ["https://console.platform.example"]},
    {"tenant": "initech.platform.example", "origins": ["https://portal.initech.com"]},
]
PROBE = True
EXPECTED = ["CORS605 info"]
