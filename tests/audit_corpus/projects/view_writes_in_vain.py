"""A view writes its own header below a policy, which replaces it."""

from tests.audit_corpus.startproject import *

ROOT_URLCONF = "tests.audit_corpus.projects.view_writes_a_star.urls"
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]

PROBE = 80
PATHS = ["/fonts/"]
EXPECTED = ["CORS504 medium"]
