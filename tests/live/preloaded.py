"""The application of a server that loads it before it forks, and reads tenants ahead in the process that forks."""

import os

from django.core.wsgi import get_wsgi_application
from django.db import connections

application = get_wsgi_application()

from django_cors_policy.store import store  # noqa: E402 -- it needs Django set up

for tenant in os.environ["TENANTS"].split(","):
    assert store.get(tenant) is not None

if "CLOSE_AT_THE_END" in os.environ:
    connections.close_all()
