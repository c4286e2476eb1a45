"""The admin: where people edit their tenants' policies."""

from django.contrib import admin

from django_cors_policy.admin.inbox import BlockedOriginAdmin
from django_cors_policy.admin.policies import TenantPolicyAdmin
from django_cors_policy.models import BlockedOrigin, TenantPolicy

__all__ = ["BlockedOriginAdmin", "TenantPolicyAdmin"]

admin.site.register(TenantPolicy, TenantPolicyAdmin)
admin.site.register(BlockedOrigin, BlockedOriginAdmin)
