"""An API without cookies: no sessions, no CSRF protection, and credentials for the client's certificates."""

from tests.audit_corpus.startproject import *

INSTALLED_APPS = ["django_cors_policy", "django.contrib.contenttypes", "django.contrib.auth"]
MIDDLEWARE = [
    "django_cors_policy.middleware.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
ROOT_URLCONF = "tests.audit_corpus.projects.token_api.urls"
TEMPLATES = []
CORS_ALLOWED_ORIGINS = ["https://app.example.net"]
CORS_ALLOW_CREDENTIALS = True
CORS_ALLOW_HEADERS = ["authorization", "content-type"]
CORS_EXPOSE_HEADERS = ["link", "x-ratelimit-remaining"]
CORS_URLS_REGEX = r"^/orders/"
CORS_TENANT_RESOLVER = None

EXPECTED = []
