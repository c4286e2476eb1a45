"""The tenants' policies and their origins."""

from collections.abc import Collection, Iterable
from typing import Any

from django.apps import AppConfig
from django.core.exceptions import ValidationError
from django.db import models, router, transaction
from django.db.models.signals import post_migrate
from django.dispatch import receiver
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_cors_policy import conf
from django_cors_policy.cors import (
    DEFAULT_HEADERS,
    DEFAULT_METHODS,
    InvalidPolicy,
    LimitError,
    PatternError,
    PolicySpec,
    check_count,
    check_limits,
    compile_policy,
    parse_origin,
    parse_pattern,
)
from django_cors_policy.feed import EVERYTHING, TENANT_LENGTH, PolicyChange, PolicyRevision, record_everything
from django_cors_policy.history import ORIGIN, POLICY, PolicyHistory, Row, State
from django_cors_policy.inbox import BlockedOrigin
from django_cors_policy.recorded import TOLD, RecordedModel, RecordedQuerySet, parts, rows_of, tenants_of
from django_cors_policy.wording import said

__all__ = [
    "AllowedOrigin",
    "BlockedOrigin",
    "PolicyChange",
    "PolicyHistory",
    "PolicyRevision",
    "TenantPolicy",
    "split_names",
]

YEARS = range(1970, 9999)  # a moment of year 1 or 9999 may be one in UTC that Python cannot read back
NAMES_LENGTH = 4000  # characters of a list of names; servers and proxies refuse 8 KB of headers
PATTERN_LENGTH = 300  # characters, cors.patterns.MAX_PATTERN
_RESOLVERS_OF_HOSTS = ("django_cors_policy.tenants.by_host", "django_cors_policy.tenants.by_subdomain")


class TenantPolicyQuerySet(RecordedQuerySet):
    def get_by_natural_key(self, tenant: str) -> "TenantPolicy":
        return self.get(tenant=tenant)  # type: ignore[no-any-return]


class AllowedOriginQuerySet(RecordedQuerySet):
    def get_by_natural_key(self, tenant: str, pattern: str) -> "AllowedOrigin":
        return self.get(policy__tenant=tenant, pattern=pattern)  # type: ignore[no-any-return]


# --- the models ----------------------------------------------------------------------------------------------------


def split_names(text: str) -> tuple[str, ...]:
    """Read a list of methods or header names as people write it: one on each line, or with commas between."""
    return tuple(name for line in (text or "").splitlines() for name in map(str.strip, line.split(",")) if name)


def canonical_tenant(tenant: str) -> str:
    """Bring a tenant's key into the form that the built-in resolvers give."""
    if conf.current().resolver_path in _RESOLVERS_OF_HOSTS:
        return tenant.lower().removesuffix(".")
    return tenant


class TenantPolicy(RecordedModel):
    """What one tenant's origins may do."""

    kind = POLICY
    tenant_path = "tenant"
    told = (
        "enabled",
        "shadow",
        "allow_credentials",
        "allow_methods",
        "allow_headers",
        "expose_headers",
        "max_age",
        "allow_private_network",
        "note",
    )

    tenant = models.CharField(
        _("tenant"),
        max_length=TENANT_LENGTH,
        unique=True,
        help_text=_("The key that CORS_TENANT_RESOLVER finds in a request: by default the host, without its port."),
    )
    enabled = models.BooleanField(_("enabled"), default=True, help_text=_("A disabled policy allows nothing."))
    shadow = models.BooleanField(
        _("shadow mode"),
        default=False,
        help_text=_(
            "From saving on this policy lets nobody in: the settings alone answer, and what it would do is recorded."
        ),
    )
    allow_credentials = models.BooleanField(
        _("allow credentials"),
        default=False,
        help_text=_("Let these origins' pages send cookies and read the answers made for the visitor."),
    )
    allow_methods = models.TextField(
        _("allowed methods"),
        default=", ".join(DEFAULT_METHODS),
        blank=True,
        help_text=_("In upper case, one on each line or separated by commas. GET, HEAD and POST need no listing."),
    )
    allow_headers = models.TextField(
        _("allowed headers"),
        default=", ".join(DEFAULT_HEADERS),
        blank=True,
        help_text=_("Request headers that a page may set, one on each line or separated by commas."),
    )
    expose_headers = models.TextField(
        _("exposed headers"),
        default="",
        blank=True,
        help_text=_("Response headers that a page may read, one on each line or separated by commas."),
    )
    max_age = models.PositiveIntegerField(
        _("preflight lifetime"),
        default=600,
        help_text=_("Seconds for which a browser keeps the answer to a preflight, and acts by it."),
    )
    allow_private_network = models.BooleanField(
        _("allow private network"),
        default=False,
        help_text=_("Answer the private network preflight that some browsers used to send."),
    )
    note = models.TextField(_("note"), default="", blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)
    # One more than the rank of the gravest finding, 0 where there is none; None where nobody has looked. It is for the
    # admin's filter, and written anew after each change of the policy or its origins.
    risk = models.PositiveSmallIntegerField(_("risk"), null=True, default=None, editable=False)

    objects = models.Manager.from_queryset(TenantPolicyQuerySet)()

    class Meta:
        verbose_name = _("tenant policy")
        verbose_name_plural = _("tenant policies")
        ordering = ("tenant",)
        base_manager_name = "objects"
        constraints = (
            # The empty key stands for every tenant in the feed.
            models.CheckConstraint(condition=~models.Q(tenant=""), name="cors_policy_tenant_not_empty"),
        )
        # What the admin's list is filtered by, in its order.
        indexes = tuple(
            models.Index(fields=(name, "tenant"), name=f"cors_policy_{name}")
            for name in ("enabled", "shadow", "allow_credentials", "risk")
        )

    def __str__(self) -> str:
        return self.tenant

    @classmethod
    def tenants_of_instances(cls, instances: Iterable[Any], using: str) -> set[str]:
        names = {instance.tenant for instance in instances}
        if not all(isinstance(name, str) for name in names):
            return {EVERYTHING}  # an expression
        for part in parts(list(names)):  # a collation may have taken one key for another
            names.update(models.QuerySet(cls, using=using).filter(tenant__in=part).values_list("tenant", flat=True))
        return names

    @classmethod
    def alike(cls, instances: Collection[Any]) -> Collection[models.Q]:
        return (models.Q(tenant__in=[instance.tenant for instance in instances]),)

    @classmethod
    def children_of(cls, keys: list[Any], using: str) -> dict[Row, State]:
        rows: dict[Row, State] = {}
        for part in parts(keys):
            if len(rows) <= TOLD:
                rows |= rows_of(AllowedOrigin, models.Q(policy__in=part), using)
        return rows

    def natural_key(self) -> tuple[str]:
        return (self.tenant,)

    def spec(self, patterns: Iterable[str] = ()) -> PolicySpec:
        """Give the policy as written, with these origins."""
        return PolicySpec(
            name=self.tenant,
            tenant=self.tenant,
            allowed_origins=tuple(patterns),
            allow_credentials=self.allow_credentials,
            allow_methods=split_names(self.allow_methods),
            allow_headers=split_names(self.allow_headers),
            expose_headers=split_names(self.expose_headers),
            preflight_max_age=self.max_age,
            allow_private_network=self.allow_private_network,
        )

    def clean(self) -> None:
        """Bring the tenant's key into the form that requests have, and check all but the origins."""
        super().clean()
        errors: dict[str, list[str]] = {}
        for name in ("allow_methods", "allow_headers", "expose_headers"):
            if len(getattr(self, name) or "") > NAMES_LENGTH:
                errors[name] = [gettext("A list of names has at most %(most)d characters.") % {"most": NAMES_LENGTH}]
        if errors:
            raise ValidationError(errors)  # before work is done on each name
        if fault := self._clean_tenant():
            errors["tenant"] = [fault]
        if self.max_age is not None:  # the field's own error has been said
            try:
                compile_policy(self.spec(), limits=conf.current().limits)
            except InvalidPolicy as invalid:
                for error in invalid.errors:
                    field = "max_age" if error.field == "preflight_max_age" else error.field
                    errors.setdefault(field, []).append(said(error))
        if errors:
            raise ValidationError(errors)

    def _clean_tenant(self) -> str | None:
        """Bring the key into the form that the built-in resolvers give, and say what no request can have."""
        self.tenant = canonical_tenant(self.tenant or "")  # the field's own error has been said of None
        resolver = (conf.current().resolver_path or "").removeprefix("django_cors_policy.tenants.")
        if not self.tenant:
            return None
        origin = parse_origin(f"https://{self.tenant}")
        if resolver == "by_host" and (origin is None or origin.port is not None):
            return gettext("Write the host alone, in ASCII, without scheme, port and path: api.acme.example.")
        if resolver == "by_subdomain" and (origin is None or origin.port is not None or "." in self.tenant):
            return gettext("Write the one label in front of the domain: acme for acme.example.com.")
        if resolver == "by_path_prefix" and "/" in self.tenant:
            return gettext("Write the path's first segment alone, without slashes: acme for /acme/api/.")
        return None if self.tenant.isprintable() else gettext("No request has a key with unprintable characters.")


class AllowedOrigin(RecordedModel):
    """One origin, or one family of origins, that a tenant's policy allows."""

    kind = ORIGIN
    tenant_path = "policy__tenant"
    told = ("pattern", "enabled", "expires_at", "note")
    counted_by_form = False  # a form that sees all origins of the policy counts them itself
    pattern_before: str | None = None  # as a form has shown it: what is not changed is not judged anew

    policy = models.ForeignKey(
        TenantPolicy, on_delete=models.CASCADE, related_name="origins", verbose_name=_("tenant policy")
    )
    pattern = models.CharField(
        _("origin"),
        max_length=PATTERN_LENGTH,
        help_text=_(
            "https://app.example.com; https://*.example.com for all below it; http://localhost:* for any port."
        ),
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    expires_at = models.DateTimeField(
        _("expires at"), null=True, blank=True, help_text=_("From then on the origin is not allowed any more.")
    )
    note = models.TextField(_("note"), default="", blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = models.Manager.from_queryset(AllowedOriginQuerySet)()

    class Meta:
        verbose_name = _("allowed origin")
        verbose_name_plural = _("allowed origins")
        ordering = ("pk",)
        base_manager_name = "objects"
        constraints = (
            models.UniqueConstraint(
                fields=("policy", "pattern"),
                name="cors_policy_origin_unique",
                violation_error_message=_("This policy lists the origin already."),
            ),
        )

    def __str__(self) -> str:
        return self.pattern

    @classmethod
    def tenants_of_instances(cls, instances: Iterable[Any], using: str) -> set[str]:
        return tenants_of(TenantPolicy, {instance.policy_id for instance in instances}, using)

    @classmethod
    def alike(cls, instances: Collection[Any]) -> Collection[models.Q]:
        policies = {instance.policy_id for instance in instances}
        return models.Q(policy__in=policies), models.Q(pattern__in=[instance.pattern for instance in instances])

    def natural_key(self) -> tuple[str, str]:
        return (*self.policy.natural_key(), self.pattern)

    natural_key.dependencies = ("django_cors_policy.tenantpolicy",)  # type: ignore[attr-defined]

    def clean(self) -> None:
        """Bring the pattern into its canonical form, and check it against the tenants' limits."""
        super().clean()
        if self.expires_at is not None and self.expires_at.year not in YEARS:
            raise ValidationError({"expires_at": gettext("Write a year from 1970 to 9998, or leave it empty.")})
        if not self.pattern or len(self.pattern) > PATTERN_LENGTH:
            return  # the field's own error has been said
        if self.pattern == self.pattern_before:
            return  # it is not served if it is wrong, and must not keep anybody from switching the policy off
        try:
            try:
                pattern = parse_pattern(self.pattern)
            except PatternError as error:
                if not error.correctable:
                    raise
                pattern = parse_pattern(error.canonical)
            check_limits(pattern, conf.current().limits)
            if self._state.adding and not self.counted_by_form and self.policy_id is not None:
                others = AllowedOrigin.objects.filter(policy_id=self.policy_id).count()
                check_count(others + 1, conf.current().limits, pattern)
        except (PatternError, LimitError) as error:
            raise ValidationError({"pattern": said(error)}) from error
        self.pattern = str(pattern)


@receiver(post_migrate)
def _record_migration(app_config: AppConfig, using: str, **_: object) -> None:
    # Data migrations use models of their own, and a flush removes all: what anybody knows may be wrong.
    if app_config.name != "django_cors_policy" or not router.allow_migrate_model(using, PolicyChange):
        return
    tables = transaction.get_connection(using).introspection.table_names()
    if PolicyChange._meta.db_table in tables and PolicyRevision._meta.db_table in tables:
        record_everything(using)
