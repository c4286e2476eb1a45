"""Names that django-cors-headers gave up long ago, beside one that replaced them."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
CORS_ORIGIN_REGEX_WHITELIST = []
CORS_REPLACE_HTTPS_REFERER = True
CORS_MODEL = "shop.CorsOrigin"

EXPECTED = ["CORS115 high", "CORS115 high", "CORS115 high"]
