"""The admin: where people edit their tenants' policies."""

from django.contrib import admin

from django_cors_policy.admin.policies import TenantPolicyAdmin
from django_cors_policy.models import TenantPolicy

__all__ = ["TenantPolicyAdmin"]

admin.site.register(TenantPolicy, TenantPolicyAdmin)
