"""Django's wall made stricter: it no longer waits for the view."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "tests.audit_corpus.projects.below_a_login_wall.middleware.StaffOnly",
    *[name for name in MIDDLEWARE if not name.endswith((".SessionMiddleware", ".AuthenticationMiddleware"))],
]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]

EXPECTED = ["CORS403 high"]
