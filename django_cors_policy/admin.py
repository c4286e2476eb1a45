"""The admin: where people edit their tenants' policies."""

import logging
from itertools import groupby
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import ValidationError
from django.db.models import Count, OuterRef, QuerySet, Subquery, TextField
from django.db.models.functions import Coalesce
from django.forms import BaseInlineFormSet, ModelForm
from django.forms.formsets import DELETION_FIELD_NAME
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from django_cors_policy import conf
from django_cors_policy.audit import Report, policy_findings
from django_cors_policy.cors import LimitError, check_count, quoted
from django_cors_policy.cors.lint import Severity
from django_cors_policy.models import AllowedOrigin, TenantPolicy

logger = logging.getLogger("django_cors_policy")

MAX_NAMED = 3  # further origins that a message names


class OriginFormSet(BaseInlineFormSet):  # type: ignore[type-arg]
    """Checks what one origin's form cannot see: the others on the page."""

    def add_fields(self, form: ModelForm, index: int | None) -> None:  # type: ignore[type-arg]
        super().add_fields(form, index)
        form.instance.counted_by_form = True  # below, where those that are deleted on the same page are known

    def clean(self) -> None:
        super().clean()
        limits = conf.current().limits
        seen: set[str] = set()
        for form in self.forms:
            # The instance holds the canonical form, which two spellings may share; an empty extra row holds none.
            pattern = form.instance.pattern
            if form.errors or not pattern or form.cleaned_data.get(DELETION_FIELD_NAME):
                continue
            if pattern in seen:
                form.add_error("pattern", ValidationError(_("This policy lists the origin already."), code="unique"))
            seen.add(pattern)
            try:
                check_count(len(seen), limits, pattern)
            except LimitError as error:
                form.add_error("pattern", error.message)


class OriginInline(admin.TabularInline):  # type: ignore[type-arg]
    model = AllowedOrigin
    formset = OriginFormSet
    fields = ("pattern", "enabled", "expires_at", "note")
    extra = 1
    # A row has to fit the page's width, its Delete box included.
    formfield_overrides: ClassVar = {TextField: {"widget": AdminTextareaWidget({"rows": 2, "class": "vTextField"})}}


@admin.register(TenantPolicy)
class TenantPolicyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("tenant", "enabled", "origin_count", "allow_credentials", "updated_at")
    list_filter = ("enabled", "allow_credentials")
    search_fields = ("tenant", "origins__pattern")
    search_help_text = _("Search by tenant or origin.")
    readonly_fields = ("created_at", "updated_at")
    inlines = (OriginInline,)
    actions = ("enable", "disable")
    list_per_page = 50
    formfield_overrides: ClassVar = {TextField: {"widget": AdminTextareaWidget({"rows": 3})}}
    fieldsets = (
        (None, {"fields": ("tenant", "enabled", "note")}),
        (
            _("What the origins may do"),
            {"fields": ("allow_credentials", "allow_methods", "allow_headers", "expose_headers", "max_age")},
        ),
        (_("More"), {"classes": ("collapse",), "fields": ("allow_private_network", "created_at", "updated_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[TenantPolicy]:
        # A subquery is counted for the rows of the page alone; a join would group the whole table.
        origins = AllowedOrigin.objects.filter(policy=OuterRef("pk"), enabled=True).order_by()
        counted = Subquery(origins.values("policy").annotate(count=Count("pk")).values("count"))
        policies: QuerySet[TenantPolicy] = super().get_queryset(request)
        return policies.annotate(enabled_origins=Coalesce(counted, 0))

    @admin.display(description=_("origins"), ordering="enabled_origins")
    def origin_count(self, policy: Any) -> int:
        return int(policy.enabled_origins)

    @admin.action(description=_("Enable the selected policies"), permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[TenantPolicy]) -> None:
        self._switch(request, queryset, enabled=True)

    @admin.action(description=_("Disable the selected policies"), permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[TenantPolicy]) -> None:
        self._switch(request, queryset, enabled=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[TenantPolicy], *, enabled: bool) -> None:
        policies = list(queryset.exclude(enabled=enabled))
        changed = TenantPolicy.objects.filter(pk__in=[policy.pk for policy in policies])
        changed.update(enabled=enabled, updated_at=timezone.now())  # as a save would
        for policy in policies:
            self.log_change(request, policy, "Enabled." if enabled else "Disabled.")
        count = len(policies)
        if enabled:
            message = ngettext("%d policy was enabled.", "%d policies were enabled.", count) % count
        else:
            message = ngettext("%d policy was disabled.", "%d policies were disabled.", count) % count
        self.message_user(request, message, messages.SUCCESS)

    def response_add(self, request: HttpRequest, obj: TenantPolicy, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().response_add(request, obj, *args, **kwargs)
        self._tell_findings(request, obj)
        return response

    def response_change(self, request: HttpRequest, obj: TenantPolicy) -> HttpResponse:
        response = super().response_change(request, obj)
        self._tell_findings(request, obj)
        return response

    def _tell_findings(self, request: HttpRequest, policy: TenantPolicy) -> None:
        """Say what is unwise, one message for each rule: what is malformed was refused, and the rest is saved."""
        try:
            report = Report(policy_findings(policy))
        except Exception:  # advice that cannot be given must not undo the save
            logger.exception("CORS: the findings of %s cannot be told", quoted(policy.tenant))
            return
        unwise = [found for found in report.findings if found.severity is not Severity.INFO]
        for _code, group in groupby(unwise, key=lambda found: found.rule.code):
            first, *others = group
            text = f"{first.rule.code} ({first.severity}): {first.message} {first.hint}"
            if others:
                named = ", ".join(found.subject for found in others[:MAX_NAMED])
                more = len(others) - MAX_NAMED
                text += " " + gettext("The same: %(named)s") % {"named": named}
                text += " " + gettext("and %(more)d more.") % {"more": more} if more > 0 else "."
            self.message_user(request, text, messages.WARNING)
