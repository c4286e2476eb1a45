"""A large site in order: WhiteNoise, languages, a cache and conditional answers, all of them below."""

from tests.audit_corpus.startproject import *

MIDDLEWARE = [
    MIDDLEWARE[0],
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
]
ROOT_URLCONF = "tests.audit_corpus.projects.below_language_prefixes.urls"
SECURE_SSL_REDIRECT = True
PREPEND_WWW = False
CORS_ALLOWED_ORIGINS = ["https://app.example.com", "https://shop.example.com"]
CORS_URLS_REGEX = r"^/(api|[a-z]{2}/catalogue)/"

EXPECTED = []
