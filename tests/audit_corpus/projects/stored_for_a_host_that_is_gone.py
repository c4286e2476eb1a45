"""One customer left, and one was misspelled."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = [".platform.example"]
CORS_URLS_REGEX = r"^/api/"

TENANTS = [
    {"tenant": "acme.platform.example", "origins": ["https://www.acme.com"]},
    {"tenant": "globex.old-platform.example", "origins": ["https://www.globex.com"]},
    {"tenant": "initech.platfrom.example", "origins": ["https://www.initech.com"]},
]
EXPECTED = ["CORS604 low", "CORS604 low"]
