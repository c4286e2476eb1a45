"""The pages of the tenants' policies."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.contrib.admin.utils import quote, unquote
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import router
from django.db.models import Count, OuterRef, QuerySet, Subquery, TextField
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext, pgettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from django_cors_policy import history
from django_cors_policy.admin import files, risk, shadow, trying, versions
from django_cors_policy.admin.access import manages, only_managed, tenants_of
from django_cors_policy.admin.forms import REASON_LENGTH, OriginFormSet, PolicyForm, version_of
from django_cors_policy.cors.lint import Finding, Severity
from django_cors_policy.feed import lock
from django_cors_policy.history import Action
from django_cors_policy.models import AllowedOrigin, TenantPolicy

MAX_NAMED = 3  # further origins that a message names


@dataclass(frozen=True, slots=True)
class Page:
    """A page of one policy: its name in the URL, its title, and its view, for those who may see the policy.

    ``item`` is the view of one of the things that the page lists, by its number.
    """

    name: str
    title: Any
    view: Callable[["TenantPolicyAdmin", HttpRequest, TenantPolicy], HttpResponseBase]
    item: Callable[["TenantPolicyAdmin", HttpRequest, TenantPolicy, int], HttpResponseBase] | None = None


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page of all policies: its name in the URL, its title, who sees it, its view, and that of what it lists."""

    name: str
    title: Any
    is_shown: Callable[["TenantPolicyAdmin", HttpRequest], bool]
    view: Callable[["TenantPolicyAdmin", HttpRequest], HttpResponseBase]
    item: Callable[["TenantPolicyAdmin", HttpRequest, int], HttpResponseBase] | None = None


PAGES: tuple[Page, ...] = (
    Page("try", _("Test"), trying.view),
    Page("versions", _("Versions"), versions.listing, versions.version),
    Page("export", _("Export"), files.export_policy),
)
LIST_PAGES: tuple[ListPage, ...] = (
    ListPage("export", _("Export"), files.may_export, files.export_all),
    ListPage("import", _("Import"), files.may_import, files.import_all),
    ListPage(
        "deleted",
        _("Deleted policies"),
        versions.sees_deleted,
        versions.deleted_listing,
        versions.deleted_version,
    ),
)


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than people turn pages: of a large table the whole count is a scan."""

    MOST = 10_000

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.values("pk")[: self.MOST].count()


class RiskFilter(admin.SimpleListFilter):
    """By what was found when a policy was last changed, or rated."""

    title = _("risk")
    parameter_name = "risk"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        graded = [(str(severity.rank + 1), label) for severity, label in risk.SEVERITIES.items()]
        return [*graded, ("0", pgettext_lazy("risk", "none")), ("unknown", _("not looked at"))]

    def queryset(
        self,
        request: HttpRequest,  # noqa: ARG002
        queryset: QuerySet[TenantPolicy],
    ) -> QuerySet[TenantPolicy]:
        value = self.value()
        if value == "unknown":
            return queryset.filter(risk__isnull=True)
        return queryset.filter(risk=int(value)) if value in {"0", "1", "2", "3", "4", "5"} else queryset


FILTERED = {RiskFilter.parameter_name, *(f"{name}__exact" for name in ("enabled", "shadow", "allow_credentials"))}


class ReasonedActionForm(ActionForm):
    reason = forms.CharField(label=_("Reason:"), required=False, max_length=REASON_LENGTH)


class OriginInline(admin.TabularInline):  # type: ignore[type-arg]
    model = AllowedOrigin
    formset = OriginFormSet
    fields = ("pattern", "enabled", "expires_at", "note")
    extra = 1
    # A row has to fit the page's width, its Delete box included.
    formfield_overrides: ClassVar = {TextField: {"widget": AdminTextareaWidget({"rows": 2, "class": "vTextField"})}}


class TenantPolicyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = PolicyForm
    list_display = ("tenant", "state", "origin_count", "credentials", "risk_shown", "updated_at")
    list_filter = ("enabled", "shadow", "allow_credentials", RiskFilter)
    search_fields = ("tenant", "origins__pattern")
    search_help_text = _("Search by tenant or origin.")
    readonly_fields = ("created_at", "updated_at")
    inlines = (OriginInline,)
    actions = ("enable", "disable")
    action_form = ReasonedActionForm
    list_per_page = 50
    paginator = BoundedPaginator
    show_full_result_count = False
    formfield_overrides: ClassVar = {TextField: {"widget": AdminTextareaWidget({"rows": 3})}}
    change_list_template = "admin/django_cors_policy/tenantpolicy/change_list.html"
    change_form_template = "admin/django_cors_policy/tenantpolicy/change_form.html"
    fieldsets = (
        (None, {"fields": ("tenant", ("enabled", "shadow"), "allow_credentials", "note")}),
        (
            _("What the origins' pages may send and read"),
            {"classes": ("collapse",), "fields": ("allow_methods", "allow_headers", "expose_headers", "max_age")},
        ),
        (_("More"), {"classes": ("collapse",), "fields": ("allow_private_network", "created_at", "updated_at")}),
    )

    class Media:
        css: ClassVar = {"all": ("django_cors_policy/admin.css",)}

    # --- whose policies

    def get_queryset(self, request: HttpRequest) -> QuerySet[TenantPolicy]:
        # A subquery is counted for the rows of the page alone; a join would group the whole table.
        origins = AllowedOrigin.objects.filter(policy=OuterRef("pk"), enabled=True).order_by()
        counted = Subquery(origins.values("policy").annotate(count=Count("pk")).values("count"))
        policies: QuerySet[TenantPolicy] = super().get_queryset(request)
        managed: QuerySet[TenantPolicy] = only_managed(request, policies)
        return managed.annotate(enabled_origins=Coalesce(counted, 0))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _is_managed(request, obj)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) and _is_managed(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and _is_managed(request, obj)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.tenants = tenants_of(request)  # type: ignore[attr-defined]
        form.kept = trying.is_kept(request)  # type: ignore[attr-defined]
        form.has_rows = any(True for _ in self.get_formsets_with_inlines(request, obj))  # type: ignore[attr-defined]
        return form

    # --- the pages of one policy, beside its form

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        view = self.admin_site.admin_view
        pages = []
        for listed in LIST_PAGES:
            of_list = view(partial(self._list_page, listed, listed.view))
            pages.append(path(f"{listed.name}/", of_list, name=f"{name}_{listed.name}"))
            if listed.item is not None:
                of_item = view(partial(self._list_page, listed, listed.item))
                pages.append(path(f"{listed.name}/<int:number>/", of_item, name=f"{name}_{listed.name}_item"))
        for page in PAGES:
            route = f"<path:object_id>/{page.name}/"
            pages.append(path(route, view(partial(self._page, page.view)), name=f"{name}_{page.name}"))
            if page.item is not None:
                of_item = view(partial(self._page, page.item))
                pages.append(path(f"{route}<int:number>/", of_item, name=f"{name}_{page.name}_item"))
        return [*pages, *super().get_urls()]

    def _list_page(
        self, page: ListPage, view: Callable[..., HttpResponseBase], request: HttpRequest, **kwargs: int
    ) -> HttpResponseBase:
        if not page.is_shown(self, request):
            raise PermissionDenied
        return view(self, request, **kwargs)

    def _page(
        self, view: Callable[..., HttpResponseBase], request: HttpRequest, object_id: str, **kwargs: int
    ) -> HttpResponseBase:
        policy = self.get_object(request, unquote(object_id))
        if policy is None:
            raise Http404
        if not self.has_view_permission(request, policy):
            raise PermissionDenied
        return view(self, request, policy, **kwargs)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> TenantPolicy | None:
        """Give a policy with the ``version`` that it is of, or of an older one: what comes in between is a conflict."""
        found: TenantPolicy | None = super().get_object(request, object_id, from_field)
        if found is None:
            return None
        version = version_of(found.tenant)
        policy: TenantPolicy | None = super().get_object(request, object_id, from_field)  # after its version was read
        if policy is not None:
            policy.version = version  # type: ignore[attr-defined]
        return policy

    def page_context(self, request: HttpRequest, policy: TenantPolicy, title: str) -> dict[str, Any]:
        """Give what the template of a policy's page needs of the admin's."""
        return {
            **self.list_page_context(request, title, str(policy)),
            "original": policy,
            "policy_pages": self._addresses(policy),
        }

    def list_page_context(self, request: HttpRequest, title: str, subtitle: str | None = None) -> dict[str, Any]:
        """Give what the template of a page of all policies needs of the admin's."""
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "subtitle": subtitle,
            "has_view_permission": True,
        }

    def _addresses(self, policy: TenantPolicy) -> list[dict[str, object]]:
        if policy._state.adding:
            return []
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}"
        return [{"url": reverse(f"{name}_{page.name}", args=[quote(policy.pk)]), "title": page.title} for page in PAGES]

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        if (tested := trying.unsaved(self, request, context)) is not None:
            return tested
        policy = context.get("original")
        if policy is not None:
            stored = self.model.objects.get(pk=policy.pk)  # not what the form has made of it
            context |= {"policy_pages": self._addresses(policy), **risk.context(risk.findings(stored))}
            context |= shadow.context(request, stored)
        return super().render_change_form(request, context, *args, **kwargs)

    # --- the list

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:  # noqa: ARG002
        return (
            lookup in FILTERED
        )  # no value of these is an error of the database, or a pattern that it searches for long

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}"
        shown = [page for page in LIST_PAGES if page.is_shown(self, request)]
        pages = [{"url": reverse(f"{name}_{page.name}"), "title": page.title} for page in shown]
        return super().changelist_view(request, {"list_pages": pages, **(extra_context or {})})

    @admin.display(description=_("origins"), ordering="enabled_origins")
    def origin_count(self, policy: Any) -> int:
        return int(policy.enabled_origins)

    @admin.display(description=_("state"), ordering="enabled")
    def state(self, policy: TenantPolicy) -> Any:
        if not policy.enabled:
            return _("disabled")
        return _("in shadow mode") if policy.shadow else _("enabled")

    @admin.display(description=_("allow credentials"), ordering="allow_credentials")
    def credentials(self, policy: TenantPolicy) -> Any:
        # In words: a green tick would praise what is the riskier of the two.
        return pgettext("credentials", "yes") if policy.allow_credentials else pgettext("credentials", "no")

    @admin.display(description=_("risk"), ordering="risk")
    def risk_shown(self, policy: TenantPolicy) -> Any:
        return risk.badge(policy.risk)

    @admin.action(description=_("Enable the selected policies"), permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[TenantPolicy]) -> None:
        self._switch(request, queryset, enabled=True)

    @admin.action(description=_("Disable the selected policies"), permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[TenantPolicy]) -> None:
        self._switch(request, queryset, enabled=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[TenantPolicy], *, enabled: bool) -> None:
        reason = request.POST.get("reason", "").strip()[:REASON_LENGTH]
        using = router.db_for_write(TenantPolicy)
        with history.change(actor=request.user.get_username(), action=Action.ADMIN, reason=reason, using=using):
            lock(using)  # what is judged is what is switched
            policies = list(queryset.exclude(enabled=enabled))
            if enabled and not reason and (refused := self._grave_if_enabled(policies)):
                self.message_user(request, refused, messages.ERROR)
                return
            changed = TenantPolicy.objects.filter(pk__in=[policy.pk for policy in policies])
            changed.update(enabled=enabled, updated_at=timezone.now())  # as a save would
        for policy in policies:
            self.log_change(request, policy, gettext("Enabled.") if enabled else gettext("Disabled."))
        count = len(policies)
        if enabled:
            message = ngettext("%(count)d policy was enabled.", "%(count)d policies were enabled.", count)
        else:
            message = ngettext("%(count)d policy was disabled.", "%(count)d policies were disabled.", count)
        self.message_user(request, message % {"count": count}, messages.SUCCESS)

    def _grave_if_enabled(self, policies: list[TenantPolicy]) -> str | None:
        """Say of the first of these policies for which enabling it needs a reason, why."""
        for policy in policies:
            live = TenantPolicy.objects.get(pk=policy.pk)
            live.enabled = True
            if grave := risk.new_and_grave(live, list(policy.origins.all()), policy):
                refused = gettext("Nothing was enabled, because of %(tenant)s.") % {"tenant": policy}
                return format_html("{} {}", refused, risk.ask_why(grave))
        return None

    # --- a change, with its history

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        if request.method != "POST" or not trying.is_kept(request):
            return super().changeform_view(request, object_id, form_url, extra_context)
        using = router.db_for_write(TenantPolicy)
        with history.change(actor=request.user.get_username(), action=Action.ADMIN, using=using) as made:
            lock(using)  # before the form is judged: nobody else changes the policy until it is saved
            request.cors_policy_change = made  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        request.cors_policy_change.reason = form.cleaned_data.get("reason", "").strip()  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        if request.method != "POST":
            return super().delete_view(request, object_id, extra_context)
        using = router.db_for_write(TenantPolicy)
        with history.change(actor=request.user.get_username(), action=Action.ADMIN, using=using):
            lock(using)  # before anything is read: an origin that another adds goes with the policy
            return super().delete_view(request, object_id, extra_context)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[TenantPolicy]) -> None:
        with history.change(actor=request.user.get_username(), action=Action.ADMIN):
            super().delete_queryset(request, queryset)

    # --- what is unwise

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
        if policy.enabled and policy.shadow:
            text = gettext("This policy lets nobody in while it is in shadow mode: the settings alone answer.")
            self.message_user(request, text, messages.WARNING)
        unwise = [found for found in risk.findings(policy) if found.severity is not Severity.INFO]
        for _code, group in groupby(unwise, key=lambda found: found.rule.code):
            first, *others = group
            text = format_html(
                '{} ({}): <span lang="en">{} {}</span>{}',
                first.rule.code,
                risk.SEVERITIES[first.severity],
                first.message,
                first.hint,
                f" {_the_same(others)}" if others else "",
            )
            level = messages.ERROR if first.severity.rank >= risk.GRAVE else messages.WARNING
            self.message_user(request, text, level)


def _the_same(others: list[Finding]) -> str:
    named = ", ".join(found.subject for found in others[:MAX_NAMED])
    more = len(others) - MAX_NAMED
    if more <= 0:
        return gettext("The same: %(named)s.") % {"named": named}
    said = ngettext("The same: %(named)s and %(more)d more.", "The same: %(named)s and %(more)d more.", more)
    return said % {"named": named, "more": more}


def _is_managed(request: HttpRequest, policy: TenantPolicy | None) -> bool:
    return policy is None or manages(request, policy.tenant)
