"""Who manages which tenants in the admin: CORS_ADMIN_TENANTS_FOR_USER."""

from django.contrib.auth.models import AbstractUser


def tenants_of(user: AbstractUser) -> set[str] | None:
    """Give the keys of the tenants that a user manages, None for all: a tenant's staff are in a group of its name."""
    return None if user.is_superuser else set(user.groups.values_list("name", flat=True))
