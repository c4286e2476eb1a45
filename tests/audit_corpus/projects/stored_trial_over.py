"""A trial has ended; another goes on, and one is switched off already."""

from datetime import UTC, datetime

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = [".platform.example"]
CORS_URLS_REGEX = r"^/api/"

TENANTS = [
    {
        "tenant": "acme.platform.example",
        "origins": [
            {"pattern": "https://trial.acme.com", "expires_at": datetime(2024, 1, 1, tzinfo=UTC)},
            {"pattern": "https://later.acme.com", "expires_at": datetime(2999, 1, 1, tzinfo=UTC)},
            {"pattern": "https://off.acme.com", "expires_at": datetime(2024, 1, 1, tzinfo=UTC), "enabled": False},
        ],
    },
]
EXPECTED = ["CORS603 info"]
