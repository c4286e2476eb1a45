"""Metrics, an id for the logs, who wrote what: none of them answers, whatever it is called."""

from tests.audit_corpus.startproject import *

_OWN = "tests.audit_corpus.projects.what_may_stand_above.middleware"

MIDDLEWARE = [
    f"{_OWN}.PrometheusBeforeMiddleware",
    f"{_OWN}.RequestIdMiddleware",
    f"{_OWN}.HistoryRequestMiddleware",
    f"{_OWN}.AuthorMiddleware",
    f"{_OWN}.cachet_status",
    "django.middleware.gzip.GZipMiddleware",
    *MIDDLEWARE,
]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_URLS_REGEX = r"^/api/"

EXPECTED = []
