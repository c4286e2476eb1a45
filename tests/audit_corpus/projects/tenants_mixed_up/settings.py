"""Whatever any customer has listed is let in everywhere."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = [
    "tests.audit_corpus.projects.tenants_mixed_up.middleware.CustomersMiddleware",
    "django_cors_policy.middleware.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
ROOT_URLCONF = "tests.audit_corpus.projects.token_api.urls"
ALLOWED_HOSTS = ["acme.platform.example", "globex.platform.example"]

TENANTS = [
    {"tenant": "acme.platform.example", "allow_credentials": True, "origins": ["https://www.acme.com"]},
    {"tenant": "globex.platform.example", "allow_credentials": True, "origins": ["https://www.globex.com"]},
]
PROBE = 800
EXPECTED = ["CORS504 high", "CORS507 critical", "CORS507 critical"]
