"""A view for fonts writes its own header, where no policy speaks."""

from tests.audit_corpus.startproject import *

ROOT_URLCONF = "tests.audit_corpus.projects.view_writes_a_star.urls"
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_URLS_REGEX = r"^/api/"

PROBE = 80
PATHS = ["/fonts/", "/api/orders/"]
EXPECTED = ["CORS501 low", "CORS501 medium", "CORS504 high"]
