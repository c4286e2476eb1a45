"""The page that tests a policy: what a browser would make of a fetch, by what the project really answers.

Edits that are not saved are tested as rows of a transaction that is always rolled back.
"""

import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.contrib.admin.widgets import AdminTextareaWidget, AdminTextInputWidget
from django.core.exceptions import ValidationError
from django.db import Error, models, transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_cors_policy import conf, reading
from django_cors_policy.admin import risk
from django_cors_policy.audit.tenants import UnknownTenant
from django_cors_policy.cors import FetchRequest, quoted
from django_cors_policy.explain import Explanation, ForeignUrl, Unanswerable, explain
from django_cors_policy.live import LiveStack
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.telling import after_revocation, steps
from django_cors_policy.tenants import allowed_hosts, by_host, by_path_prefix, by_subdomain

if TYPE_CHECKING:
    from django_cors_policy.admin.policies import TenantPolicyAdmin

logger = logging.getLogger("django_cors_policy")

TRY, EDIT = "_try", "_edit"  # the buttons: test what the form says, and show the form again
MAX_HEADERS = 20
MAX_LINE = 4096  # characters

_PREFIX = "try"  # the fields of a policy's form are sent along
_NOT_KEPT = {"csrfmiddlewaretoken", TRY, EDIT, "_save", "_addanother", "_continue"}
# Proxies set these, or keep visitors from setting them, and a project may believe them: here is no proxy.
_OF_PROXIES = re.compile(r"forwarded|x-forwarded-.*|(x-)?(remote|real|original)-.*|.*_.*", re.IGNORECASE)
_WIDE = AdminTextInputWidget({"class": "vLargeTextField"})
_PORT = re.compile(r":[0-9]+\Z")  # which may be one that no URL has
_BEGINNING = re.compile(r"\^?(/[a-z0-9/-]*)", re.IGNORECASE)


class FetchForm(forms.Form):
    """What a page's script would pass to fetch(); a path is one of ``address``, an origin."""

    required_css_class = "required"

    origin = forms.CharField(
        label=_("Origin"),
        max_length=300,
        widget=_WIDE,
        help_text=_("Where the page that calls was loaded from, without a path: https://app.example.com."),
    )
    method = forms.CharField(
        label=_("Method"),
        max_length=32,
        initial="GET",
        widget=AdminTextInputWidget,
        help_text=_("GET, POST, PUT, PATCH, DELETE: what the script passes to fetch()."),
    )
    url = forms.CharField(
        label=_("URL"),
        max_length=2000,
        widget=_WIDE,
        help_text=_("What is called: a full URL, or a path on the tenant's host such as /api/items/."),
    )
    headers = forms.CharField(
        label=_("Headers"),
        required=False,
        max_length=MAX_HEADERS * (MAX_LINE + 2),
        widget=AdminTextareaWidget({"rows": 3}),
        help_text=_("That the script sets, one on each line: X-Api-Key: 1. Cookies are not among them."),
    )
    credentials = forms.ChoiceField(
        label=_("Credentials"),
        initial="same-origin",
        choices=[
            ("same-origin", _("same-origin: cookies go to the page's own origin alone, as fetch() has it by itself")),
            ("include", _("include: cookies are sent, to other origins too")),
            ("omit", _("omit: cookies are never sent")),
        ],
    )
    as_if = forms.BooleanField(label=_("As if it were switched on"), required=False)

    def __init__(self, data: Any, *, address: str, initial: dict[str, str]) -> None:
        super().__init__(data, prefix=_PREFIX, initial=initial)
        self._address = address

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        if url.startswith("/"):
            return self._address + url
        if not url.lower().startswith(("http://", "https://")):
            raise ValidationError(_("Write a full URL, https://api.example.com/items/, or a path that begins with /."))
        return url

    def clean_headers(self) -> list[tuple[str, str]]:
        # Not splitlines(): it takes characters for ends of lines that a value may hold.
        lines = [line for line in self.cleaned_data["headers"].replace("\r\n", "\n").split("\n") if line.strip()]
        if len(lines) > MAX_HEADERS:
            raise ValidationError(_("At most %(most)d headers can be tested at once.") % {"most": MAX_HEADERS})
        return [_header(line) for line in lines]

    def fetch(self) -> FetchRequest:
        """Give what the form says, once it is valid."""
        data = self.cleaned_data
        return FetchRequest(data["origin"], data["url"], data["method"], data["headers"], data["credentials"])


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if len(line) > MAX_LINE:
        raise ValidationError(_("A header has at most %(most)d characters.") % {"most": MAX_LINE})
    if not colon:
        raise ValidationError(_("%(line)s has no colon: write it as X-Api-Key: 1.") % {"line": quoted(line)})
    if not line.replace("\t", " ").isprintable():
        raise ValidationError(_("%(line)s holds characters that no header has.") % {"line": quoted(line)})
    if _OF_PROXIES.fullmatch(name.strip()):
        said = _("%(name)s cannot be tested: what proxies and servers set or drop reaches no view from a page.")
        raise ValidationError(said % {"name": quoted(name.strip())})
    return name, value


# --- the page --------------------------------------------------------------------------------------------------------


def view(model_admin: "TenantPolicyAdmin", request: HttpRequest, policy: TenantPolicy) -> HttpResponse:
    """Test a policy as it is stored."""
    return _page(model_admin, request, policy, None)


def is_kept(request: HttpRequest) -> bool:
    """Tell whether what a policy's form is sent is to be saved."""
    return not (TRY in request.POST or EDIT in request.POST)


def unsaved(model_admin: "TenantPolicyAdmin", request: HttpRequest, context: Any) -> HttpResponse | None:
    """Test what a policy's form says, by the context of its page; None where the form is to be shown again."""
    if EDIT in request.POST:
        model_admin.message_user(request, _("Nothing of this has been saved yet."), messages.WARNING)
    if TRY not in request.POST:
        return None
    edited = context["adminform"].form
    formsets = [inline.formset for inline in context["inline_admin_formsets"]]
    if edited.errors or not forms.all_valid(formsets):
        return None
    origins = [formset for formset in formsets if formset.model is AllowedOrigin]
    return _page(model_admin, request, edited.instance, origins)


def _page(
    model_admin: "TenantPolicyAdmin", request: HttpRequest, policy: TenantPolicy, edits: Sequence[Any] | None
) -> HttpResponse:
    origin, path = address_of(policy.tenant, request)
    given = {name: request.GET[name] for name in FetchForm.base_fields if name in request.GET}
    initial = {"origin": _first_origin(policy, edits), "url": origin + path, **given}
    # The button of the policy's form sends none of these fields yet.
    asked = request.POST if f"{_PREFIX}-url" in request.POST else None
    form = FetchForm(asked, address=origin, initial=initial)
    if risk.is_live(policy):
        del form.fields["as_if"]
    context = {
        **model_admin.page_context(request, policy, gettext("Test")),
        "form": form,
        "is_live": risk.is_live(policy),
        "in_shadow": policy.enabled and policy.shadow,
        "unsaved": edits is not None,
        "kept": [] if edits is None else _kept(request),
    }
    if form.is_valid():
        context |= _answer(form.fetch(), policy, edits, as_if=form.cleaned_data.get("as_if", False))
    return TemplateResponse(request, "admin/django_cors_policy/tenantpolicy/try.html", context)


def _kept(request: HttpRequest) -> list[tuple[str, str]]:
    """Give the fields of the policy's form, so that nothing that was written there is lost."""
    names = [name for name in request.POST if name not in _NOT_KEPT and not name.startswith(f"{_PREFIX}-")]
    return [(name, value) for name in names for value in request.POST.getlist(name)]


def _answer(
    fetch: FetchRequest, policy: TenantPolicy, edits: Sequence[Any] | None, *, as_if: bool
) -> dict[str, object]:
    try:
        explanation = _explain(fetch, policy, edits, as_if=as_if)
    except ForeignUrl as error:
        # Whose it is, and whether that tenant exists, is nothing for this tenant's staff.
        said = _("%(url)s is no URL of tenant %(tenant)s: this page tests those alone.")
        return {"refused": said % {"url": quoted(error.url), "tenant": quoted(policy.tenant)}}
    except UnknownTenant:  # whose text names a tenant that is alike
        return {"refused": _("The policy is not stored, or not yet where policies are read from.")}
    except Unanswerable as error:
        return {"refused": str(error), "is_english": True}
    except Error as error:
        logger.warning("CORS: a test of unsaved edits failed (%s)", quoted(f"{type(error).__name__}: {error}"))
        return {"refused": _("Edits cannot be tested now: the database does not take them. Try again, or save first.")}
    suggestion, exchanges = explanation.suggestion, explanation.exchanges
    by_policy = bool(exchanges) and exchanges[-1].decision.policy is not None
    goes_on = explanation.verdict.allowed or explanation.outlives_revocation is not None
    return {
        "explanation": explanation,
        "steps": [(exchange.is_preflight, step) for exchange, step in zip(exchanges, steps(explanation), strict=True)],
        "risks": [risk.shown([found]) for found in suggestion.risks] if suggestion else [],
        "revocation": after_revocation(explanation) if by_policy and goes_on else "",
        "as_if": as_if,
    }


# --- what is tested --------------------------------------------------------------------------------------------------


def _explain(fetch: FetchRequest, policy: TenantPolicy, edits: Sequence[Any] | None, *, as_if: bool) -> Explanation:
    stack = LiveStack()
    if edits is None and not as_if:
        return explain(fetch, policy.tenant, stack)
    if as_if:
        policy.enabled, policy.shadow = True, False
    using = reading.database()  # where a replica is read from, it refuses
    with transaction.atomic(using=using):
        _write(policy, edits or (), using)
        try:
            return explain(fetch, policy.tenant, stack)
        finally:
            transaction.set_rollback(True, using=using)


def _write(policy: TenantPolicy, edits: Sequence[Any], using: str) -> None:
    """Write a policy and its origins past the feed and the history: no other writer waits for a test.

    So the querysets are Django's own, and the rows are updated where deleting them would send signals.
    """
    policies: models.QuerySet[TenantPolicy] = models.QuerySet(TenantPolicy, using=using)
    fields = {name: getattr(policy, name) for name in ("tenant", *TenantPolicy.told)}
    if policy._state.adding:
        policies.bulk_create([TenantPolicy(**fields)])
    else:
        policies.filter(pk=policy.pk).update(**fields)
    origins: models.QuerySet[AllowedOrigin] = models.QuerySet(AllowedOrigin, using=using)
    for formset in edits:
        formset.save(commit=False)
        origins.filter(pk__in=[origin.pk for origin in formset.deleted_objects]).update(enabled=False)
        changed = [origin for origin, _fields in formset.changed_objects]
        origins.bulk_update(changed, AllowedOrigin.told)
        stored = policies.get(tenant=policy.tenant)  # not every database tells the key of a row that it is given
        for origin in formset.new_objects:
            origin.policy = stored
        origins.bulk_create(formset.new_objects)


# --- what is filled in already ---------------------------------------------------------------------------------------


def address_of(tenant: str, request: HttpRequest) -> tuple[str, str]:
    """Give an origin and a path that are the tenant's, as far as the resolver lets it be known."""
    configuration = conf.current()
    host = request.get_host()
    name, port = by_host(request) or "", _PORT.search(host)
    after = "" if port is None else port[0]
    resolver, path = configuration.resolver, "/"
    if resolver is by_host:
        host = tenant + after
    elif resolver is by_subdomain:
        domains = [entry for entry in allowed_hosts() if entry.startswith(".")]
        # The one that the admin is below, if any: it is where people are.
        domains.sort(key=lambda entry: not f".{name}".endswith(entry.lower()))
        host = f"{tenant}{domains[0]}{after}" if domains else host
    elif resolver is by_path_prefix:
        path = f"/{tenant}/"
    if configuration.urls is not None and not configuration.urls.match(path):
        # The plain beginning of an expression such as ^/api/, if it is a path that it covers.
        beginning = _BEGINNING.match(configuration.urls.pattern)
        if beginning is not None and configuration.urls.match(beginning[1]) and path == "/":
            path = beginning[1]
    return f"{request.scheme}://{host}", path


def _first_origin(policy: TenantPolicy, edits: Sequence[Any] | None) -> str:
    """Give the first origin that is no family of origins, of what has been edited where anything has."""
    if edits is None:
        exact = policy.origins.filter(enabled=True).exclude(pattern__contains="*")
        return str(exact.order_by("pk").values_list("pattern", flat=True).first() or "")
    rows = [form for formset in edits for form in formset.forms if form not in formset.deleted_forms]
    rows.sort(key=lambda form: not form.has_changed())
    patterns = [form.instance.pattern for form in rows if form.instance.enabled]
    return next((pattern for pattern in patterns if pattern and "*" not in pattern), "")
