"""The example project's settings: what startproject writes, the CORS settings, and values from the environment.

Every value that differs from place to place is read by django-environ, from the environment or from a file ``.env``
beside this one; ``.env.example`` lists them all.
"""

from pathlib import Path

import environ
from django.core.management.utils import get_random_secret_key

HERE = Path(__file__).resolve().parent

env = environ.Env()
env.read_env(HERE / ".env")  # a file that is not there is no error; the environment wins over the file

# Off, although this runs on your own machine: with DEBUG on, Django answers 404 and 500 with its technical pages, and
# any origin that is let in can read them.
DEBUG = env.bool("DEBUG", default=False)

# A new one each time unless one is given: sessions then end with the process, and no key is ever committed.
SECRET_KEY = env.str("SECRET_KEY", default="") or get_random_secret_key()

# The tenant is read from the host, so the hosts are worth listing. ".localhost" is localhost and all names below it.
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[".localhost", "127.0.0.1", "[::1]"])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_cors_policy",
]

MIDDLEWARE = [
    # First: it answers preflights, which carry no cookie, before anything can ask for a login or redirect; and it
    # adds its headers to whatever the others answer, so that a front end can read a 403 or a 500 too.
    "django_cors_policy.middleware.CorsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"
ASGI_APPLICATION = "example_project.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{(HERE / 'db.sqlite3').as_posix()}")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A transaction takes SQLite's write lock when it begins; one that begins by reading cannot always get it later.
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("transaction_mode", "IMMEDIATE")

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"

# Where LoginRequiredMiddleware sends those who are not logged in: to a view that says so in JSON. It lies below /api/,
# so a front end may follow the redirect. The admin has a login page of its own.
LOGIN_URL = "login"

# --- CORS ----------------------------------------------------------------------------------------------------------

# The API alone. The admin is for people who open it, not for other sites' scripts.
CORS_URLS_REGEX = r"^/api/"

# The tenants' origins are rows in the database, edited in the admin. What is listed here is allowed on every host.
CORS_ALLOWED_ORIGINS = env.list("CORS_ALLOWED_ORIGINS", default=[])
CORS_ALLOW_CREDENTIALS = env.bool("CORS_ALLOW_CREDENTIALS", default=False)

# Each tenant's own staff see its policy in the admin, and no other's.
CORS_ADMIN_TENANTS_FOR_USER = "example_project.staff.tenants_of"

# What a tenant's policy may never exceed.
CORS_TENANT_LIMITS = env.json("CORS_TENANT_LIMITS", default={})

# CORS says who may read an answer; CSRF who may change something with a visitor's cookie. A front end that sends PUT
# with a cookie has to be in both.
CSRF_TRUSTED_ORIGINS = env.list(
    "CSRF_TRUSTED_ORIGINS",
    default=["http://app.acme.localhost:8001", "http://app.globex.localhost:8002"],
)
