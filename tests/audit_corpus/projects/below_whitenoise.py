"""WhiteNoise above, as its documentation asks for the place after SecurityMiddleware."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    *[name for name in MIDDLEWARE if not name.endswith(".SecurityMiddleware")],
]
CORS_ALLOWED_ORIGINS = ["https://app.example.com"]

EXPECTED = ["CORS405 low"]
