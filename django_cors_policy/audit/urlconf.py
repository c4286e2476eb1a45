"""The project's URLconf, which some rules need."""

from django.urls import get_resolver

from django_cors_policy.cors import quoted

# 115: django-cors-headers' signal is connected where a project's modules are imported. 402: i18n_patterns.
NEEDED_BY = ("CORS115", "CORS402", "CORS416")


def failure() -> str | None:
    """Say why the URLconf cannot be used, or None."""
    resolver = get_resolver()
    try:
        _ = resolver.url_patterns
    except Exception as error:  # noqa: BLE001 -- a project's own modules, which may fail in any way
        why = quoted(f"{type(error).__name__}: {error}")
        return f"the URLconf {quoted(resolver.urlconf_name)} cannot be imported: {why}"
    return None
