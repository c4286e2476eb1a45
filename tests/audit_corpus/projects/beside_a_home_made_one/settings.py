"""An older middleware of the company's own does the same."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = [*MIDDLEWARE, "tests.audit_corpus.projects.beside_a_home_made_one.middleware.CorsMiddleware"]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]

EXPECTED = ["CORS407 high"]
