"""What is switched off, over, or of a policy that is off, is shared with nobody."""

from datetime import UTC, datetime

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = [".platform.example"]
CORS_URLS_REGEX = r"^/api/"

TENANTS = [
    {"tenant": "acme.platform.example", "origins": ["https://console.platform.example"]},
    {
        "tenant": "globex.platform.example",
        "origins": [{"pattern": "https://console.platform.example", "enabled": False}, "https://*.globex.com"],
    },
    {"tenant": "hooli.platform.example", "enabled": False, "origins": ["https://console.platform.example"]},
    {
        "tenant": "initech.platform.example",
        "origins": [
            {"pattern": "https://console.platform.example", "expires_at": datetime(2024, 1, 1, tzinfo=UTC)},
            "https://shop.globex.com",
        ],
    },
]
EXPECTED = ["CORS106 info", "CORS603 info"]
