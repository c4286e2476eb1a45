"""What startproject gives, without the admin.

A module, since settings.configure() and override_settings() make a missing setting cost one more function call, and
django-cors-headers looks for several of those in every request.
"""

import os
from typing import Any

# Set by benchmarks.database, for this process and the servers that it starts: libpq's parameters.
_OWN_DATABASE = os.environ.get("BENCHMARK_DATABASE")


def _postgresql(parameters: str) -> dict[str, Any]:
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 -- not needed without

    options = conninfo_to_dict(parameters)
    # Connections are kept, as who looks for speed does: a signal that connects for every request is another matter.
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": options.pop("dbname"),
        "OPTIONS": options,
        "CONN_MAX_AGE": None,
    }


SECRET_KEY = "benchmarks"
DEBUG = False
ALLOWED_HOSTS = ["api.example.com", ".tenants.example"]
DATABASES = {
    "default": _postgresql(_OWN_DATABASE)
    if _OWN_DATABASE
    else {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
}
INSTALLED_APPS = [
    "benchmarks",  # for the command load_tenants
    "django_cors_policy",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "benchmarks.urls"
USE_TZ = True
