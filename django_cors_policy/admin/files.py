"""Policies as files: the pages that export and import them."""

import hashlib
import io
import re
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.db import Error, router, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_cors_policy.admin.access import tenants_of
from django_cors_policy.admin.forms import REASON_LENGTH
from django_cors_policy.cors import quoted
from django_cors_policy.feed import lock
from django_cors_policy.models import TenantPolicy
from django_cors_policy.transfer import FORMATS, Kind, Result, configs, export, import_policies

if TYPE_CHECKING:
    from django_cors_policy.admin.policies import TenantPolicyAdmin

MAX_KEPT = 500_000  # bytes of a file that the page carries from its check to its import
MAX_FILE = 50_000_000  # bytes; larger ones are for the command, which no request has to wait for

TYPES = {"csv": "text/csv", "json": "application/json", "s3": "application/json"}
TITLES = {
    "csv": _("CSV, for spreadsheets"),
    "json": _("JSON"),
    "nginx": _("configuration of nginx"),
    "apache": _("configuration of Apache"),
    "caddy": _("configuration of Caddy"),
    "s3": _("CORS of an Amazon S3 bucket"),
}
KINDS = {
    Kind.ADDED: _("added"),
    Kind.CHANGED: _("changed"),
    Kind.REMOVED: _("removed"),
    Kind.UNCHANGED: _("unchanged"),
    Kind.REFUSED: _("refused"),
}


# --- out -------------------------------------------------------------------------------------------------------------


def export_policy(page: "TenantPolicyAdmin", request: HttpRequest, policy: TenantPolicy) -> HttpResponseBase:
    """Offer one policy in every format, or give it in the one that is asked for."""
    # What answers beside the tenant's policy is the settings', which are not its staff's.
    kinds = [*FORMATS, *(configs.KINDS if tenants_of(request) is None else ())]
    kind = request.GET.get("format")
    if kind is None:
        return _offer(request, page.page_context(request, policy, gettext("Export")), kinds)
    if kind not in kinds:
        raise Http404
    pieces = export(kind, [policy.tenant]) if kind in FORMATS else _config(kind, policy)
    return _download(kind, pieces, "cors-" + re.sub(r"[^A-Za-z0-9.-]", "_", policy.tenant)[:100])


def may_export(page: "TenantPolicyAdmin", request: HttpRequest) -> bool:
    return page.has_view_permission(request)


def export_all(page: "TenantPolicyAdmin", request: HttpRequest) -> HttpResponseBase:
    """Offer the policies of all of the user's tenants, or give them in the format that is asked for."""
    kind = request.GET.get("format")
    if kind is None:
        return _offer(request, _list_context(page, request, gettext("Export")), list(FORMATS))
    if kind not in FORMATS:
        raise Http404
    return _download(kind, export(kind, tenants_of(request)), "cors-policies")


def _offer(request: HttpRequest, context: dict[str, Any], kinds: list[str]) -> HttpResponseBase:
    context["formats"] = [(kind, TITLES[kind]) for kind in kinds if kind in FORMATS]
    context["configs"] = [(kind, TITLES[kind]) for kind in kinds if kind not in FORMATS]
    return TemplateResponse(request, "admin/django_cors_policy/tenantpolicy/export.html", context)


def _list_context(page: "TenantPolicyAdmin", request: HttpRequest, title: str) -> dict[str, Any]:
    return {**page.admin_site.each_context(request), "opts": page.opts, "title": title, "media": page.media}


def _config(kind: str, policy: TenantPolicy) -> Iterator[str]:
    return (f"{line}\n" for line in configs.as_config(kind, configs.effective(policy.tenant)).lines)


def _download(kind: str, pieces: Iterator[str], name: str) -> HttpResponseBase:
    if kind == "csv":
        pieces = chain(("\ufeff",), pieces)  # else a spreadsheet takes it for another encoding
    response = StreamingHttpResponse(pieces, content_type=f"{TYPES.get(kind, 'text/plain')}; charset=utf-8")
    ending = kind if kind in FORMATS else "json" if kind == "s3" else f"{kind}.conf"
    response["Content-Disposition"] = f'attachment; filename="{name}.{ending}"'
    return response


# --- in --------------------------------------------------------------------------------------------------------------


class ImportForm(forms.Form):
    """A file, or the text of one that was checked before, and why."""

    file = forms.FileField(label=_("File"), required=False, help_text=_("CSV or JSON, as the export gives it."))
    text = forms.CharField(required=False, widget=forms.HiddenInput, strip=False)
    kind = forms.CharField(required=False, widget=forms.HiddenInput)
    checked = forms.CharField(required=False, widget=forms.HiddenInput)
    remove_missing = forms.BooleanField(
        label=_("Remove the policies that the file does not name"),
        required=False,
        help_text=_("Of the tenants that you manage. Else these stay as they are."),
    )
    reason = forms.CharField(
        label=_("Reason for the change"),
        required=False,
        max_length=REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": 2, "class": "vLargeTextField"}),
        help_text=_("It is kept in the history of each policy. Needed for the import itself."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        file = cleaned.get("file")
        if "_import" in self.data and not (cleaned.get("reason") or "").strip():
            self.add_error("reason", gettext("Say why, for the history of each policy."))
        if file is not None:
            cleaned["kind"] = file.name.rpartition(".")[2].lower()
            if file.size > MAX_FILE:
                self.add_error("file", gettext("It is too large for a page: use manage.py cors_import."))
            elif cleaned["kind"] not in FORMATS:
                said = gettext("%(name)s is neither .csv nor .json: save the table as CSV.")
                self.add_error("file", said % {"name": quoted(file.name)})
        elif not cleaned.get("text"):
            self.add_error("file", gettext("Choose a file."))
        else:
            try:
                cleaned["text"] = b64decode(cleaned["text"], validate=True)
            except ValueError:
                cleaned["kind"] = ""
            if cleaned.get("kind") not in FORMATS:
                self.add_error("file", gettext("Choose the file anew."))
        return cleaned


def import_all(page: "TenantPolicyAdmin", request: HttpRequest) -> HttpResponseBase:
    """Show what a file would change, then change it: all of it, or nothing."""
    form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
    context = {**_list_context(page, request, gettext("Import policies")), "form": form}
    if form.is_bound and form.is_valid():
        response = _import(page, request, form, context)
        if response is not None:
            return response
    return TemplateResponse(request, "admin/django_cors_policy/tenantpolicy/import.html", context)


def _import(
    page: "TenantPolicyAdmin", request: HttpRequest, form: ImportForm, context: dict[str, Any]
) -> HttpResponse | None:
    given = form.cleaned_data
    file = given["file"] or io.BytesIO(given["text"])
    read = partial(
        import_policies,
        kind=given["kind"],
        actor=request.user.get_username(),
        reason=given["reason"].strip(),
        tenants_allowed=tenants_of(request),
        remove_missing=given["remove_missing"],
    )
    wanted = "_import" in request.POST
    try:
        # Nothing is imported that nobody has looked at: where a file, a tick or what is stored is another than was
        # checked, so is what would change, and it is shown first.
        with transaction.atomic(using=router.db_for_write(TenantPolicy)) if wanted else nullcontext():
            if wanted:
                lock(router.db_for_write(TenantPolicy))
            result, checked = _checked(file, read)
            if wanted and given["checked"] == checked:
                result = read(file, dry_run=False)
    except (Error, OSError, sqlite3.Error) as error:
        form.add_error(None, gettext("Nothing was imported: %(why)s") % {"why": quoted(str(error))})
        return None
    context["is_new"] = wanted
    counts = result.counts
    if result.written:
        page.message_user(request, _imported(counts), messages.SUCCESS)
        name = f"{page.admin_site.name}:{page.opts.app_label}_{page.opts.model_name}_changelist"
        return HttpResponseRedirect(reverse(name))
    context["result"] = result
    context["counts"] = [(label, counts.get(kind, 0)) for kind, label in KINDS.items()]
    context["rows"] = [(KINDS[row.kind], row) for row in result.rows]
    context["refused"] = bool(counts.get(Kind.REFUSED))
    if not context["refused"]:
        context["form"] = _carrying(form, file, checked)
    return None


def _imported(counts: Mapping[Kind, int]) -> str:
    said = gettext("Imported: %(added)d added, %(changed)d changed, %(removed)d removed.")
    return said % {str(kind): counts.get(kind, 0) for kind in (Kind.ADDED, Kind.CHANGED, Kind.REMOVED)}


def _checked(file: Any, read: Callable[..., Result]) -> tuple[Result, str]:
    """Give what a file would change, and what tells both from anything else: a row as it is shown may be cut."""
    found = hashlib.sha256()
    while part := file.read(2**16):
        found.update(part)
    file.seek(0)
    result = read(file, dry_run=True, show=lambda row: found.update(f"{row.as_text()}\n".encode()))
    file.seek(0)
    return result, found.hexdigest()


def _carrying(form: ImportForm, file: Any, checked: str) -> ImportForm:
    """Give the form for the import itself: with the file's text where that is short, else the file is chosen again."""
    file.seek(0)
    text = file.read(MAX_KEPT + 1)
    initial = {name: form.cleaned_data[name] for name in ("remove_missing", "reason", "kind")}
    initial["checked"] = checked
    if len(text) <= MAX_KEPT:
        initial["text"] = b64encode(text).decode()  # browsers change the ends of lines
    return ImportForm(initial=initial)


def may_import(page: "TenantPolicyAdmin", request: HttpRequest) -> bool:
    """Tell whether a user may add, change and delete policies and origins, all of which a file may ask for."""
    rights = [
        page.has_add_permission(request),
        page.has_change_permission(request),
        page.has_delete_permission(request),
    ]
    for inline in page.get_inline_instances(request):
        rights += [
            inline.has_add_permission(request, None),
            inline.has_change_permission(request),
            inline.has_delete_permission(request),
        ]
    return all(rights)
