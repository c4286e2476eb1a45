"""The settings of a server process under test: the tests' own, and what LIVE_SETTINGS holds, as JSON."""

import json
import os

from tests.settings import *  # noqa: F403

globals().update(json.loads(os.environ["LIVE_SETTINGS"]))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s %(process)d %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "django_cors_policy.store": {"handlers": ["stderr"], "propagate": False},
        "django.request": {"handlers": ["stderr"], "level": "ERROR", "propagate": False},
    },
}
