"""The form of a policy and of its origins."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.formsets import DELETION_FIELD_NAME
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_cors_policy import conf
from django_cors_policy.admin.differences import ShownChange, shown
from django_cors_policy.admin.risk import ask_why, new_and_grave
from django_cors_policy.cors import LimitError, check_count
from django_cors_policy.history import changes_of
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.wording import said

REASON_LENGTH = 1000  # characters
JUDGED = {"allow_credentials", "allow_methods", "allow_headers", "expose_headers", "max_age"}  # by clean() and limits
MOST_SHOWN = 20  # changes of others that a conflict shows


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    """A policy's own fields, why it is changed, and the version that the change is of."""

    tenants: frozenset[str] | None = None  # the user's; None: all
    kept = True  # whether what is valid is saved: a test of it is not
    has_rows = False  # whether the page holds the origins too, which are judged with the policy then
    conflict: tuple[ShownChange, ...] = ()  # what others have changed since the page was opened, the newest first

    reason = forms.CharField(
        label=_("Reason for the change"),
        required=False,
        max_length=REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": 2, "class": "vLargeTextField"}),
        help_text=_("It is kept in the history. Needed where something of high severity is saved."),
    )
    version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = TenantPolicy
        fields = ("tenant", *TenantPolicy.told)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = self.instance.pk is not None
        self.stored = TenantPolicy.objects.filter(pk=self.instance.pk).first() if stored and self.is_bound else None
        self.initial["version"] = self.instance.version if stored else None
        if self.tenants is not None and "tenant" in self.fields:
            self._offer(self.tenants)

    def _offer(self, tenants: frozenset[str]) -> None:
        """Let the user choose among the tenants without a policy: of others nothing is told, not even that they are."""
        taken = TenantPolicy.objects.filter(tenant__in=tenants).exclude(pk=self.instance.pk)
        free = sorted(tenants - set(taken.values_list("tenant", flat=True)))
        field = self.fields["tenant"]
        self.fields["tenant"] = forms.ChoiceField(
            label=field.label, help_text=field.help_text, choices=[(tenant, tenant) for tenant in free]
        )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        self.instance.form = self
        stored = self.stored if self.kept else None
        if stored is not None and version_of(stored.tenant, locked=True) != cleaned.get("version"):
            self.conflict = changes_since(cleaned.get("version"), stored.tenant, sees_all=self.tenants is None)
            overtaken = gettext("This policy has been changed since you opened it, so nothing was saved.")
            raise ValidationError(overtaken, code="conflict")
        return cleaned

    def is_valid(self) -> bool:
        # What the admin finds to be wrong, it shows again and does not save.
        return super().is_valid() and self.kept

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.stored is not None:
            # What was stored before is not served if it is wrong, and must not keep anybody from switching it off.
            for name in {*self.errors} & JUDGED - {*self.changed_data}:
                del self.errors[name]
        if not self.has_rows and not self.errors:
            origins = [] if self.stored is None else list(self.stored.origins.all())
            if missing := self.missing_reason(origins):
                self.add_error("reason", missing)

    def missing_reason(self, origins: list[AllowedOrigin]) -> str | None:
        """Say what of high severity would be new, with these origins, where no reason is given for it."""
        if not self.kept or (self.cleaned_data.get("reason") or "").strip():
            return None
        grave = new_and_grave(self.instance, origins, self.stored)
        return None if not grave else ask_why(grave)


def version_of(tenant: str, *, locked: bool = False) -> int | None:
    """Give the number of a tenant's last change; ``locked``: as it is stored, which a snapshot may not show."""
    numbers = changes_of(tenant).values_list("pk", flat=True)
    return (numbers.select_for_update() if locked else numbers).first()


def changes_since(version: int | None, tenant: str, *, sees_all: bool) -> tuple[ShownChange, ...]:
    """Give the last of a tenant's changes after one, or after all that is kept; the newest first."""
    newer = changes_of(tenant).filter(pk__gt=version or 0)
    return tuple(shown(entry, sees_all=sees_all) for entry in newer[:MOST_SHOWN])


class OriginFormSet(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    """Checks what one origin's form cannot see: the others on the page, and the policy with all of them."""

    def add_fields(self, form: forms.ModelForm, index: int | None) -> None:  # type: ignore[type-arg]
        super().add_fields(form, index)
        form.instance.counted_by_form = True  # below, where those that are deleted on the same page are known
        form.instance.pattern_before = form.instance.pattern if form.instance.pk else None
        # The table's head alone says what a cell is about, which a screen reader does not tie to the field.
        for name, field in form.fields.items():
            for widget in getattr(field.widget, "widgets", [field.widget]):
                widget.attrs["aria-label"] = field.label or name

    def get_queryset(self) -> Any:
        # The admin shows as many of the forms that were sent as there are rows, each beside its row: where another has
        # deleted some meanwhile, what was typed would not all be shown.
        if self.is_bound and "forms" in vars(self):  # by now each form has its row, or an empty one
            return [form.instance for form in self.initial_forms]
        return super().get_queryset()

    def clean(self) -> None:
        super().clean()
        limits = conf.current().limits
        seen: set[str] = set()
        origins: list[AllowedOrigin] = []
        for form in self.forms:
            # The instance holds the canonical form, which two spellings may share; an empty extra row holds none.
            pattern = form.instance.pattern
            if form.errors or not pattern or form.cleaned_data.get(DELETION_FIELD_NAME):
                continue
            if pattern in seen:
                form.add_error("pattern", ValidationError(_("This policy lists the origin already."), code="unique"))
            seen.add(pattern)
            origins.append(form.instance)
            try:
                if pattern != form.instance.pattern_before:
                    check_count(len(seen), limits, pattern)
            except LimitError as error:
                form.add_error("pattern", said(error))
        policy_form: PolicyForm = self.instance.form
        if not policy_form.errors and not any(self.errors) and (missing := policy_form.missing_reason(origins)):
            policy_form.add_error("reason", missing)
            raise ValidationError(missing, code="reason")  # the policy's own form has been found valid by now
