"""Two customers were allowed more; one of them lists more than anybody may."""

from tests.audit_corpus.startproject import *

ALLOWED_HOSTS = [".platform.example"]
CORS_URLS_REGEX = r"^/api/"
CORS_TENANT_LIMITS = {"any_origin": True, "insecure_origins": True, "any_port": True, "max_origins": 3}

TENANTS = [
    {"tenant": "acme.platform.example", "origins": ["*"]},
    {"tenant": "globex.platform.example", "origins": ["http://www.globex.com", "https://www.globex.com:*"]},
    {"tenant": "initech.platform.example", "origins": [f"https://shop-{number}.initech.com" for number in range(4)]},
]
EXPECTED = ["CORS102 info", "CORS104 low", "CORS108 info", "CORS602 high"]
