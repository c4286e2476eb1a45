"""Routes match in any case, and the policy is bound by one."""

from tests.audit_corpus.startproject import *

ROOT_URLCONF = "tests.audit_corpus.projects.any_case.urls"
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_URLS_REGEX = r"^/api/"

PROBE = 200
EXPECTED = ["CORS510 high"]
