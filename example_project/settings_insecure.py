"""The same project, broken on purpose: what cors_audit finds in it is the point. Serve it to nobody.

::

    python -m django cors_audit --settings example_project.settings_insecure
"""

from example_project.settings import *  # noqa: F403
from example_project.settings import MIDDLEWARE

# Anyone who causes an error reads settings and local variables off the page that Django shows then.
DEBUG = True

CORS_ALLOW_CREDENTIALS = True
CORS_ALLOWED_ORIGINS = [
    "https://*.github.io",  # anyone can have a page there
    "http://app.example.com",  # and the cafe's network can rewrite this one
    "https://App.example.com/",  # which no browser sends, so it never matches
    "null",
]
CORS_ALLOWED_ORIGIN_REGEXES = [
    r"^https://.*example\.com$",  # https://evilexample.com
    r"^https://api.example.com$",  # https://apiaexample.com
    r"^https?://([a-z]+)+\.example\.org$",  # takes minutes for a name that is long enough
]
CORS_ALLOW_METHODS = ["GET", "POST", "put"]
CORS_ALLOW_HEADERS = ["*"]
CORS_EXPOSE_HEADERS = ["Set-Cookie"]
CORS_ALLOWED_ORIGN = ["https://app.example.com"]  # a slip of the pen

# The admin too.
CORS_URLS_REGEX = r"^/"

# A preflight is redirected, or refused for its missing cookie, before CorsMiddleware sees it.
MIDDLEWARE = [*MIDDLEWARE[1:], MIDDLEWARE[0]]

SESSION_COOKIE_SAMESITE = "None"  # without SESSION_COOKIE_SECURE

# What the tenants have in the database is beyond it.
CORS_TENANT_LIMITS = {"credentials": False, "max_age": 60}
