"""The pages of the origins that were blocked: to allow one of them, or to ignore it."""

from collections.abc import Iterator
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import quote, unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import router
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext, ngettext, override, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from django_cors_policy import history, wording
from django_cors_policy.admin import risk
from django_cors_policy.admin.access import manages, only_managed, tenants_of
from django_cors_policy.admin.allowing import Offer, not_live, offer, remedy
from django_cors_policy.admin.forms import PolicyForm
from django_cors_policy.admin.policies import BoundedPaginator
from django_cors_policy.admin.shadow import may_view
from django_cors_policy.cors import Reason
from django_cors_policy.feed import lock
from django_cors_policy.history import Action
from django_cors_policy.inbox import BATCH, BlockedOrigin, ignore, remove
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.selection import may_be_stored

# Of a denial; and of what the settings let in and a policy in shadow mode would answer otherwise.
_RECORDED = (
    *(Reason.NOT_ALLOWED, Reason.NULL_ORIGIN),
    *(Reason.ANY_ORIGIN, Reason.LISTED, Reason.WILDCARD, Reason.REGEX),
)
REASONS = {reason: wording.REASONS[reason] for reason in _RECORDED}
WOULD = {
    "allow": pgettext_lazy("in shadow mode", "let in"),
    "block": pgettext_lazy("in shadow mode", "blocked too"),
    "change": pgettext_lazy("in shadow mode", "answered otherwise"),
}
ALLOW = ("django_cors_policy.change_tenantpolicy", "django_cors_policy.add_allowedorigin")


class AllowForm(forms.Form):
    """Why an origin is allowed."""

    reason = PolicyForm.declared_fields["reason"]


class TenantFilter(admin.SimpleListFilter):
    """By the one tenant that a link names: there may be too many to offer."""

    title = _("tenant")
    parameter_name = "tenant"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        tenant = self.value()
        return [(tenant, tenant)] if tenant else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[BlockedOrigin]) -> QuerySet[BlockedOrigin]:  # noqa: ARG002
        tenant = self.value() or ""
        return queryset.filter(tenant=tenant) if may_be_stored(tenant) else queryset.none()


class IgnoredFilter(admin.SimpleListFilter):
    """Shows what is not ignored, unless something else is asked for."""

    title = _("ignored")
    parameter_name = "ignored"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        return [("yes", _("Ignored")), ("all", _("All"))]

    def choices(self, changelist: Any) -> Iterator[Any]:
        default, *others = super().choices(changelist)
        yield {**default, "display": _("Not ignored")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: QuerySet[BlockedOrigin]) -> QuerySet[BlockedOrigin]:  # noqa: ARG002
        if self.value() == "all":
            return queryset
        # Not ignored=False, which becomes a NOT: MariaDB looks for that in no index.
        return queryset.filter(ignored__in=[self.value() == "yes"])


class ReasonFilter(admin.SimpleListFilter):
    title = _("reason")
    parameter_name = "reason"
    labels: ClassVar[dict[Any, Any]] = REASONS

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:  # noqa: ARG002
        return [(str(value), label) for value, label in self.labels.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[BlockedOrigin]) -> QuerySet[BlockedOrigin]:  # noqa: ARG002
        value = self.value()
        return queryset.filter(**{self.parameter_name: value}) if value in self.labels else queryset


class WouldFilter(ReasonFilter):
    title = _("shadow mode")
    parameter_name = "would"
    labels: ClassVar[dict[Any, Any]] = WOULD


FILTERS = (IgnoredFilter, ReasonFilter, WouldFilter, TenantFilter)
FILTERED = {each.parameter_name for each in FILTERS}


class BlockedOrigins(ChangeList):
    """Brings each row of a page its tenant's policy, all by one query, and what the user may do with it."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        self.result_list = rows
        policies = TenantPolicy.objects.in_bulk({row.tenant for row in rows}, field_name="tenant")
        model_admin: BlockedOriginAdmin = self.model_admin  # type: ignore[assignment]
        filters = model_admin.get_preserved_filters(request)
        for row in rows:
            model_admin.prepare(request, row, policies.get(row.tenant), filters)


class BlockedOriginAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    # What is decided, and by what, comes first: on a narrow page the others are scrolled to.
    list_display = ("origin", "tenant_shown", "decisions", "count", "last_seen", "fix", "why", "sample", "first_seen")
    list_filter = FILTERS
    search_fields = ("tenant", "origin")
    search_help_text = _("Search by tenant or origin.")
    ordering = ("-last_seen", "-pk")
    actions = ("ignore_selected", "show_selected")
    list_per_page = 50
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count without bounds
    change_list_template = "admin/django_cors_policy/blockedorigin/change_list.html"
    change_form_template = "admin/django_cors_policy/blockedorigin/change_form.html"
    fields = ("tenant_shown", "why", "fix", "count", "first_seen", "last_seen", "sample")
    readonly_fields = fields

    class Media:
        css: ClassVar = {"all": ("django_cors_policy/admin.css",)}

    # --- whose

    def get_queryset(self, request: HttpRequest) -> QuerySet[BlockedOrigin]:
        rows: QuerySet[BlockedOrigin] = BlockedOrigin.objects.order_by(*self.ordering)  # the default manager is empty
        return only_managed(request, rows)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:  # noqa: ARG002
        return lookup in FILTERED  # each is answered by an index, and no value is an error of the database

    def get_sortable_by(self, request: HttpRequest) -> tuple[str, ...]:
        # Of one tenant there are few; in all of them only what was last seen is found by an index.
        is_bounded = tenants_of(request) is not None or request.GET.get(TenantFilter.parameter_name)
        return ("origin", "tenant_shown", "count", "last_seen", "first_seen") if is_bounded else ("last_seen",)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # To ignore rows; what was recorded of one is nobody's to edit.
        return obj is None and super().has_change_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_view(request) and (obj is None or manages(request, obj.tenant))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request) and (obj is None or manages(request, obj.tenant))

    # --- the list, and the page of one row

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        return BlockedOrigins

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return super().changelist_view(request, {"title": gettext("Blocked origins"), **(extra_context or {})})

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> BlockedOrigin | None:
        row: BlockedOrigin | None = super().get_object(request, object_id, from_field)
        if row is not None:
            policy = TenantPolicy.objects.filter(tenant=row.tenant).first()
            self.prepare(request, row, policy, self.get_preserved_filters(request))
        return row

    def prepare(self, request: HttpRequest, row: Any, policy: TenantPolicy | None, filters: str) -> None:
        """Give a row its policy, and the addresses of what the user may do with it."""
        # A collation may take Acme for acme.
        row.policy = policy if policy is not None and policy.tenant == row.tenant else None
        row.policy_url = row.allow_url = row.ignore_url = ""
        if row.policy is not None and request.user.has_perm("django_cors_policy.view_tenantpolicy"):
            row.policy_url = reverse("admin:django_cors_policy_tenantpolicy_change", args=[quote(row.policy.pk)])
        if row.reason == Reason.NOT_ALLOWED and _may_allow(request):
            row.allow_url = self._address("allow", row, filters)
        if self.has_change_permission(request):
            row.ignore_url = self._address("show" if row.ignored else "ignore", row, filters)

    def _address(self, page: str, row: BlockedOrigin, filters: str) -> str:
        url = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}", args=[quote(row.pk)])
        return add_preserved_filters({"preserved_filters": filters, "opts": self.opts}, url)

    @admin.display(description=_("tenant"), ordering="tenant")
    def tenant_shown(self, row: Any) -> Any:
        if not row.tenant:
            return _("none that has a policy")
        return format_html('<a href="{}">{}</a>', row.policy_url, row.tenant) if row.policy_url else row.tenant

    @admin.display(description=_("why it was blocked"))
    def why(self, row: BlockedOrigin) -> Any:
        said = REASONS.get(row.reason, row.reason)  # type: ignore[call-overload]
        if row.would not in WOULD:
            return said
        return format_html("{} {}", said, gettext("In shadow mode: %(would)s.") % {"would": WOULD[row.would]})

    @admin.display(description=_("one of the requests"))
    def sample(self, row: BlockedOrigin) -> Any:
        return format_html("<code>{} {}</code>", row.method, row.path)

    @admin.display(description=_("what would let it in"))
    def fix(self, row: Any) -> str:
        return remedy(row, row.policy)

    @admin.display(description=_("decide"))
    def decisions(self, row: Any) -> Any:
        # Buttons of the list's own form, which holds the token against CSRF; a form cannot stand in another.
        button = '<button type="submit" class="cors-link" formaction="{}">{}</button>'
        shown = []
        if row.allow_url:
            label = gettext("How to allow it") if row.policy is None else gettext("Allow…")
            shown.append(format_html('<a href="{}">{}</a>', row.allow_url, label))
        if row.ignore_url:
            label = gettext("Show again") if row.ignored else gettext("Ignore")
            shown.append(format_html(button, row.ignore_url, label))
        return format_html('<div class="cors-decisions">{}</div>', format_html_join(" ", "{}", ((it,) for it in shown)))

    # --- to ignore

    @admin.action(description=_("Ignore the selected"), permissions=["change"])
    def ignore_selected(self, request: HttpRequest, queryset: QuerySet[BlockedOrigin]) -> None:
        self._ignore(request, queryset, ignored=True)

    @admin.action(description=_("Show the selected again"), permissions=["change"])
    def show_selected(self, request: HttpRequest, queryset: QuerySet[BlockedOrigin]) -> None:
        self._ignore(request, queryset, ignored=False)

    def _ignore(self, request: HttpRequest, queryset: QuerySet[BlockedOrigin], *, ignored: bool) -> None:
        using = router.db_for_write(BlockedOrigin)
        count = sum(ignore(queryset, keys, using, ignored=ignored) for keys in _keys(queryset))
        if ignored:
            said = ngettext("%(count)d origin is ignored.", "%(count)d origins are ignored.", count)
        else:
            said = ngettext("%(count)d origin is shown again.", "%(count)d origins are shown again.", count)
        self.message_user(request, said % {"count": count}, messages.SUCCESS)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[BlockedOrigin]) -> None:  # noqa: ARG002
        for keys in _keys(queryset):
            remove(queryset, keys, router.db_for_write(BlockedOrigin))

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        view = self.admin_site.admin_view
        return [
            path("<path:object_id>/allow/", view(self.allow_view), name=f"{name}_allow"),
            path("<path:object_id>/ignore/", view(self.ignore_view), {"ignored": True}, name=f"{name}_ignore"),
            path("<path:object_id>/show/", view(self.ignore_view), {"ignored": False}, name=f"{name}_show"),
            *super().get_urls(),
        ]

    def ignore_view(self, request: HttpRequest, object_id: str, *, ignored: bool) -> HttpResponseBase:
        """Ignore a row, or show it again."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self._gone(request)
        self._ignore(request, self.get_queryset(request).filter(pk=row.pk), ignored=ignored)
        return self._to_list(request)

    def _gone(self, request: HttpRequest) -> HttpResponseRedirect:
        said = gettext("The origin is not among the blocked ones any more: somebody has allowed or removed it.")
        self.message_user(request, said, messages.WARNING)
        return self._to_list(request)

    def _to_list(self, request: HttpRequest) -> HttpResponseRedirect:
        return HttpResponseRedirect(self._list_url(request))

    def _list_url(self, request: HttpRequest) -> str:
        url = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
        return add_preserved_filters({"preserved_filters": self.get_preserved_filters(request), "opts": self.opts}, url)

    # --- to allow

    def allow_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Show what a policy would be with an origin, and add it: one at a time, for anybody can send any Origin."""
        if not (_may_allow(request) and self.has_view_permission(request)):
            raise PermissionDenied
        if request.method != "POST":
            return self._allow_view(request, object_id, None)
        using = router.db_for_write(TenantPolicy)
        actor = request.user.get_username()
        with history.change(actor=actor, action=Action.ALLOWED, using=using) as made:
            lock(using)  # what is judged is what is saved
            return self._allow_view(request, object_id, made)

    def _allow_view(self, request: HttpRequest, object_id: str, made: history.Change | None) -> HttpResponseBase:
        row: Any = self.get_object(request, unquote(object_id))
        if row is None:
            return self._gone(request)
        actor = {"user": request.user.get_username()}
        found = offer(row, row.policy, gettext("Allowed from the blocked origins by %(user)s.") % actor)
        form = AllowForm()
        origin = found.origin
        if made is not None and origin is not None:
            form = AllowForm(request.POST)
            if form.is_valid():
                made.reason = form.cleaned_data["reason"].strip()
                if made.reason or not found.grave:
                    return self._allow(request, row, origin)
                form.add_error("reason", risk.ask_why(list(found.grave)))
        return self._page(request, row, found, form)

    def _allow(self, request: HttpRequest, row: Any, origin: AllowedOrigin) -> HttpResponse:
        policy = row.policy
        origin.save()
        BlockedOrigin.objects.filter(pk=row.pk).delete()
        with override(None):  # it is kept in English, and said to each reader in their language
            added = {"name": str(origin._meta.verbose_name), "object": str(origin)}
        self.log_change(request, policy, [{"added": added}])
        names = {"origin": origin.pattern, "tenant": policy.tenant}
        said = gettext("The origin %(origin)s was added to the policy of %(tenant)s.") % names
        link = format_html(' <a href="{}">{}</a>', row.policy_url, gettext("Open the policy")) if row.policy_url else ""
        self.message_user(request, format_html("{} {}{}", said, not_live(policy), link), messages.SUCCESS)
        return self._to_list(request)

    def _page(self, request: HttpRequest, row: Any, found: Offer, form: AllowForm) -> HttpResponseBase:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": row,
            "title": gettext("Allow a blocked origin"),
            "subtitle": row.origin,
            "has_view_permission": True,
            "media": self.media,
            "sample": self.sample(row),
            "offer": found,
            "not_live": "" if row.policy is None else not_live(row.policy),
            "new": risk.context(list(found.new)),
            "known": risk.context(list(found.known)),
            "form": form,
            "list_url": self._list_url(request),
            "delete_url": self._address("delete", row, "") if self.has_delete_permission(request, row) else "",
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/django_cors_policy/blockedorigin/allow.html", context)


def _may_allow(request: HttpRequest) -> bool:
    return all(request.user.has_perm(permission) for permission in ALLOW)


def _keys(queryset: QuerySet[BlockedOrigin]) -> Iterator[list[int]]:
    keys = list(queryset.values_list("pk", flat=True))
    for start in range(0, len(keys), BATCH):
        yield keys[start : start + BATCH]
