"""The pages of a policy's versions, of one version with the form that restores it, and of the policies deleted."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import quote
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.db import router
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext

from django_cors_policy import history
from django_cors_policy.admin import risk
from django_cors_policy.admin.access import manages, only_managed, tenants_of
from django_cors_policy.admin.differences import differences, label_of, shown, worded
from django_cors_policy.admin.forms import PolicyForm, changes_since, version_of
from django_cors_policy.admin.restoring import Restoration, restoration, state_after, state_of
from django_cors_policy.feed import EVERYTHING, lock
from django_cors_policy.history import Action, Change, PolicyHistory, Unknown, changes_of, of_tenants
from django_cors_policy.models import AllowedOrigin, TenantPolicy

if TYPE_CHECKING:
    from django_cors_policy.admin.policies import TenantPolicyAdmin

PER_PAGE = 25
LOOKED_AT = 100_000  # the last changes of all tenants, among which deletions are listed
MOST_TEXT = 10_000  # characters of a value on a version's own page
PAGE_NUMBER = "p"  # as in Django's own history


class RestoreForm(forms.Form):
    """Why a version is restored, and the version of the policy that it replaces."""

    reason = PolicyForm.declared_fields["reason"]
    version = PolicyForm.declared_fields["version"]


# --- what changed


def listing(modeladmin: "TenantPolicyAdmin", request: HttpRequest, policy: TenantPolicy) -> HttpResponseBase:
    """List a policy's changes, the newest first."""
    context = modeladmin.page_context(request, policy, gettext("Versions"))
    return _listed(modeladmin, request, changes_of(policy.tenant), context)


def _listed(
    modeladmin: "TenantPolicyAdmin", request: HttpRequest, entries: QuerySet[PolicyHistory], context: dict[str, Any]
) -> HttpResponseBase:
    sees_all = tenants_of(request) is None
    page = _page(modeladmin, request, entries)
    context |= page | {"changes": [shown(entry, sees_all=sees_all) for entry in page["page"]]}
    return _answer(modeladmin, request, "versions", context)


def _page(modeladmin: "TenantPolicyAdmin", request: HttpRequest, rows: QuerySet[PolicyHistory]) -> dict[str, Any]:
    paginator = modeladmin.get_paginator(request, rows, PER_PAGE)
    page = paginator.get_page(request.GET.get(PAGE_NUMBER))
    return {"page": page, "numbers": list(paginator.get_elided_page_range(page.number))}


def _answer(
    modeladmin: "TenantPolicyAdmin", request: HttpRequest, template: str, context: dict[str, Any]
) -> TemplateResponse:
    request.current_app = modeladmin.admin_site.name
    return TemplateResponse(request, f"admin/django_cors_policy/{template}.html", context)


# --- one version


def version(
    modeladmin: "TenantPolicyAdmin", request: HttpRequest, policy: TenantPolicy, number: int
) -> HttpResponseBase:
    """Show the policy as it was right after a change, and restore it."""
    if request.method != "POST":
        return _version(modeladmin, request, policy, changes_of(policy.tenant), number)
    if not modeladmin.has_change_permission(request, policy):
        raise PermissionDenied
    using = router.db_for_write(TenantPolicy)
    with history.change(actor=request.user.get_username(), action=Action.RESTORED, using=using) as made:
        lock(using)
        live = modeladmin.get_object(request, str(policy.pk))
        if live is None:
            raise Http404
        return _version(modeladmin, request, live, changes_of(live.tenant), number, made)


def _version(
    modeladmin: "TenantPolicyAdmin",
    request: HttpRequest,
    policy: TenantPolicy,
    entries: QuerySet[PolicyHistory],
    number: int,
    made: Change | None = None,
) -> HttpResponseBase:
    """Show a version; where a change is given, under the writers' lock, restore it as its form asks.

    A policy that is not stored stands for one that was deleted.
    """
    entry = get_object_or_404(entries, pk=number)
    sees_all = tenants_of(request) is None
    change = shown(entry, sees_all=sees_all)
    if policy._state.adding:
        context = modeladmin.list_page_context(request, gettext("Version of a deleted policy"), policy.tenant)
    else:
        context = modeladmin.page_context(request, policy, gettext("Version"))
    context |= {"change": change, "changes": [change], "policy": policy}
    present = state_of(policy)
    try:
        state = state_after(entry, policy.tenant, present)
    except Unknown:
        return _answer(modeladmin, request, "version", context | {"is_unknown": True})
    plan = restoration(policy, state)
    may = _may_restore(modeladmin, request, policy, plan)
    form = RestoreForm()
    if made is not None:
        if not may:
            raise PermissionDenied
        form = RestoreForm(request.POST)
        current = version_of(policy.tenant, locked=True)
        if form.is_valid() and form.cleaned_data["version"] != current:
            context["conflict"] = changes_since(form.cleaned_data["version"], policy.tenant, sees_all=sees_all)
            said = gettext("This policy has been changed since you opened this page, so nothing was restored.")
            form.add_error(None, said)
        elif form.is_valid() and not plan.faults and not _asks_why(form, policy, plan):
            made.reason = form.cleaned_data["reason"].strip()
            plan.write()
            return _restored(modeladmin, request, plan, change.number, is_new=policy._state.adding)
    labels = {name: label_of(AllowedOrigin, name) for name in AllowedOrigin.told if name != "pattern"}
    context |= {
        "form": form,
        "version": policy.version,  # type: ignore[attr-defined]
        "fields": [
            (label_of(TenantPolicy, name), worded(name, state[name], MOST_TEXT))
            for name in TenantPolicy.told
            if name in state
        ],
        "origin_labels": list(labels.values()),
        "origins": [
            (pattern, [(label, worded(name, fields.get(name))) for name, label in labels.items()])
            for pattern, fields in sorted(state.get("origins", {}).items())
        ],
        "is_deleted": policy._state.adding,
        "is_deletion": entry.before is not None and entry.after is None,
        "differences": None if present is None else differences(present, state),
        "faults": plan.faults,
        "may_restore": may,
        **risk.context(risk.findings(plan.policy, plan.origins)),
    }
    return _answer(modeladmin, request, "version", context)


def _may_restore(
    modeladmin: "TenantPolicyAdmin", request: HttpRequest, policy: TenantPolicy, plan: Restoration
) -> bool:
    if policy._state.adding:
        may = modeladmin.has_add_permission(request) and manages(request, policy.tenant)
    else:
        may = modeladmin.has_change_permission(request, policy)
    needed = {"add": plan.added, "change": plan.changed, "delete": plan.removed}
    names = [get_permission_codename(action, AllowedOrigin._meta) for action, origins in needed.items() if origins]
    return may and request.user.has_perms([f"{AllowedOrigin._meta.app_label}.{name}" for name in names])


def _asks_why(form: RestoreForm, policy: TenantPolicy, plan: Restoration) -> bool:
    if form.cleaned_data["reason"].strip():
        return False
    grave = risk.new_and_grave(plan.policy, plan.origins, None if policy._state.adding else policy)
    if grave:
        form.add_error("reason", risk.ask_why(grave))
    return bool(grave)


def _restored(
    modeladmin: "TenantPolicyAdmin", request: HttpRequest, plan: Restoration, number: int, *, is_new: bool
) -> HttpResponseBase:
    log = modeladmin.log_addition if is_new else modeladmin.log_change
    log(request, plan.policy, gettext("Restored version %(number)d.") % {"number": number})
    modeladmin.message_user(request, gettext("The version was restored."), messages.SUCCESS)
    return HttpResponseRedirect(_address(modeladmin, "change", plan.policy.pk))


def _address(modeladmin: "TenantPolicyAdmin", page: str, key: int, *more: int) -> str:
    opts = modeladmin.opts
    name = f"{modeladmin.admin_site.name}:{opts.app_label}_{opts.model_name}_{page}"
    return reverse(name, args=[quote(key), *more])


# --- policies that are no more


def sees_deleted(modeladmin: "TenantPolicyAdmin", request: HttpRequest) -> bool:
    """Tell whether the user sees the policies that were deleted: who may add them again."""
    return modeladmin.has_view_or_change_permission(request) and modeladmin.has_add_permission(request)


def deleted_listing(modeladmin: "TenantPolicyAdmin", request: HttpRequest) -> HttpResponseBase:
    """List the policies that were deleted, the last first; or the changes of the one whose key is asked for."""
    tenant = request.GET.get("tenant", "").replace("\0", "").strip()  # PostgreSQL takes no NUL
    context = modeladmin.list_page_context(request, gettext("Deleted policies")) | {"tenant": tenant}
    entries = _of_deleted(request)
    if tenant:
        context |= {"is_deleted": True, "subtitle": tenant}
        return _listed(modeladmin, request, of_tenants(entries, [tenant]), context)
    last = PolicyHistory.objects.values_list("pk", flat=True).first() or 0
    newer = PolicyHistory.objects.filter(tenant=OuterRef("tenant"), pk__gt=OuterRef("pk"))
    deletions = entries.filter(~Exists(newer), pk__gt=last - LOOKED_AT, before__isnull=False, after__isnull=True)
    page = _page(modeladmin, request, deletions)
    rows = [(entry.tenant, shown(entry, sees_all=True)) for entry in page["page"]]
    return _answer(modeladmin, request, "deleted", context | page | {"rows": rows, "looked_at": LOOKED_AT})


def _of_deleted(request: HttpRequest) -> QuerySet[PolicyHistory]:
    """Give the changes of the user's tenants that have no policy."""
    policies = TenantPolicy.objects.filter(tenant=OuterRef("tenant"))
    return only_managed(request, PolicyHistory.objects.exclude(tenant=EVERYTHING).filter(~Exists(policies)))


def deleted_version(modeladmin: "TenantPolicyAdmin", request: HttpRequest, number: int) -> HttpResponseBase:
    """Show a version of a policy that was deleted, and restore it."""
    if request.method != "POST":
        return _deleted_version(modeladmin, request, number)
    using = router.db_for_write(TenantPolicy)
    with history.change(actor=request.user.get_username(), action=Action.RESTORED, using=using) as made:
        lock(using)
        return _deleted_version(modeladmin, request, number, made)


def _deleted_version(
    modeladmin: "TenantPolicyAdmin", request: HttpRequest, number: int, made: Change | None = None
) -> HttpResponseBase:
    entries = only_managed(request, PolicyHistory.objects.exclude(tenant=EVERYTHING))
    tenant = get_object_or_404(entries, pk=number).tenant
    stored = of_tenants(TenantPolicy.objects.all(), [tenant]).first()
    if stored is not None:
        said = gettext("This tenant has a policy again: here is the version among the policy's own.")
        modeladmin.message_user(request, said, messages.WARNING)
        return HttpResponseRedirect(_address(modeladmin, "versions_item", stored.pk, number))
    policy = TenantPolicy(tenant=tenant)
    policy.version = version_of(tenant)  # type: ignore[attr-defined]
    return _version(modeladmin, request, policy, entries, number, made)
