"""A script imported what the customers had written in a form."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = [".platform.example"]
CORS_URLS_REGEX = r"^/api/"

TENANTS = [
    {
        "tenant": "acme.platform.example",
        "origins": ["https://www.acme.com", "www.acme.com", "https://Acme.com/", "https://shop.acme.com."],
    },
]
EXPECTED = ["CORS601 high", "CORS601 high", "CORS601 high"]
