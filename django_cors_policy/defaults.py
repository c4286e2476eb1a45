"""The methods and headers that are allowed unless a setting says otherwise, to be extended in settings.

``CORS_ALLOW_HEADERS = [*default_headers, "x-request-id"]``
"""

from django_cors_policy.cors import DEFAULT_HEADERS as default_headers  # noqa: N811 -- the name people import
from django_cors_policy.cors import DEFAULT_METHODS as default_methods  # noqa: N811

__all__ = ["default_headers", "default_methods"]
