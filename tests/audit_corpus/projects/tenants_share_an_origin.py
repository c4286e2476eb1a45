"""Two customers of a platform use one front end; a third has one of its own."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = [
    "django_cors_policy.middleware.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
ROOT_URLCONF = "tests.audit_corpus.projects.token_api.urls"
ALLOWED_HOSTS = [".platform.example"]

TENANTS = [
    {"tenant": "acme.platform.example", "origins": ["https://console.platform.example", "https://www.acme.com"]},
    {"tenant": "globex.platform.example", "origins": ["https://console.platform.example"]},
    {"tenant": "initech.platform.example", "origins": ["https://portal.initech.com"]},
]
PROBE = 800
EXPECTED = ["CORS605 info"]
