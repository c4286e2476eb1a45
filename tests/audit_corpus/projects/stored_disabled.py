"""What is switched off is nobody's business: a policy, and a row."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = [".platform.example"]
CORS_URLS_REGEX = r"^/api/"

TENANTS = [
    {"tenant": "acme.elsewhere.example", "enabled": False, "origins": ["no origin", "http://www.acme.com"]},
    {
        "tenant": "globex.platform.example",
        "origins": ["https://www.globex.com", {"pattern": "http://old.globex.com", "enabled": False}],
    },
]
EXPECTED = []
