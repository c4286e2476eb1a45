"""The tenants' policies and their origins.

A write through these models is recorded in the feed, by the transaction that makes it: every queryset method, save and
signal below comes to ``recording()``.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any, ClassVar

from django.apps import AppConfig
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models, router, transaction
from django.db.models.signals import post_migrate, post_save, pre_delete, pre_save
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
from django_cors_policy.feed import (
    EVERYTHING,
    MAX_NAMED,
    TENANT_LENGTH,
    PolicyChange,
    PolicyRevision,
    lock,
    record_everything,
    recording,
)

BATCH = 500  # primary keys in one statement; SQLite used to stop at 999 parameters
YEARS = range(1970, 9999)  # a moment of year 1 or 9999 may be one in UTC that Python cannot read back
NAMES_LENGTH = 4000  # characters of a list of names; servers and proxies refuse 8 KB of headers
PATTERN_LENGTH = 300  # characters, cors.patterns.MAX_PATTERN


def _write_alias(queryset: models.QuerySet[Any]) -> str:
    # The one private attribute of Django's here: a queryset says which database it would *write* to only when it is
    # marked so, and a router may send reads elsewhere. QuerySet.update() and delete() mark themselves the same way.
    queryset._for_write = True  # type: ignore[attr-defined]
    return queryset.db


def _parts(keys: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(keys), BATCH):
        yield keys[start : start + BATCH]


class RecordedQuerySet(models.QuerySet[Any]):
    """A queryset whose writes are recorded, each by one call of recording()."""

    def update(self, **kwargs: Any) -> int:
        using = _write_alias(self)
        super(RecordedQuerySet, self.none()).update(**kwargs)  # refuses what Django refuses, before any transaction
        with recording(using) as touched:
            rows = self.using(using)
            # Through the primary keys: an update may well change what the queryset filters by.
            keys = list(rows.order_by().values_list("pk", flat=True))
            touched.update(_tenants_of(self.model, keys, using))
            if len(keys) > BATCH or not kwargs.keys().isdisjoint({"pk", self.model._meta.pk.name}):
                # One statement, as Django's: the second of two would not find what the first has changed.
                touched.add(EVERYTHING)
                count = super().update(**kwargs)
            else:
                count = super(RecordedQuerySet, rows.filter(pk__in=keys)).update(**kwargs)
            touched.update(_tenants_of(self.model, keys, using))
        return count

    update.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> tuple[int, dict[str, int]]:
        using = _write_alias(self)
        super(RecordedQuerySet, self.none()).delete()  # as in update()
        with recording(using) as touched:
            keys = self.using(using).order_by().values_list("pk", flat=True)
            touched.update(_tenants_of(self.model, keys, using))
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        instances = list(objs)
        using = _write_alias(self)
        with recording(using) as touched:
            # With update_conflicts a row may be taken over from another tenant.
            touched.update(_tenants_of(self.model, [instance.pk for instance in instances], using))
            created = super().bulk_create(instances, *args, **kwargs)
            touched.update(self.model.tenants_of_instances(instances, using))
        return created

    def select_for_update(self, nowait: bool = False, *args: Any, **kwargs: Any) -> "RecordedQuerySet":
        # Who locks rows will save them. Two of whom one has the feed and waits for a row, and one has the row and waits
        # for the feed, would wait for each other: so the feed comes first here too. update_or_create() locks this way.
        rows = super().select_for_update(nowait, *args, **kwargs)
        if transaction.get_connection(rows.db).in_atomic_block:  # else it fails, or is not evaluated yet
            lock(rows.db, nowait=nowait)
        return rows


class RecordedModel(models.Model):
    """A model whose every save is recorded."""

    tenant_path: ClassVar[str]  # the lookup from a row to its tenant's key
    tenants_before: Collection[str] = ()  # between the two signals of a fixture's row

    class Meta:
        abstract = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Proxies and children too: a signal is sent in the name of the instance's own class.
        pre_delete.connect(_record_delete, sender=cls)
        pre_save.connect(_record_before_fixture, sender=cls)
        post_save.connect(_record_after_fixture, sender=cls)

    @classmethod
    def tenants_of_instances(cls, instances: Iterable[Any], using: str) -> set[str]:
        """Give the tenants that the instances belong to as they are now, written or not."""
        names = {instance.tenant for instance in instances}
        if not all(isinstance(name, str) for name in names):
            return {EVERYTHING}  # an expression
        for part in _parts(list(names)):  # a collation may have taken one key for another
            names.update(models.QuerySet(cls, using=using).filter(tenant__in=part).values_list("tenant", flat=True))
        return names

    def full_clean(self, exclude: Any = None, *args: Any, **kwargs: Any) -> None:
        """Validate; what is wrong with a field that a form leaves out is said of the whole."""
        try:
            super().full_clean(exclude, *args, **kwargs)
        except ValidationError as error:
            errors: dict[str, list[ValidationError]] = {}
            for field, found in error.error_dict.items():
                errors.setdefault(NON_FIELD_ERRORS if field in (exclude or ()) else field, []).extend(found)
            raise ValidationError(errors) from error

    # save(), create(), get_or_create() and the admin all come here.
    def save_base(
        self,
        raw: bool = False,
        force_insert: Any = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        using = using or router.db_for_write(type(self), instance=self)
        with recording(using) as touched:
            touched.update(_tenants_of(type(self), [self.pk], using))
            super().save_base(raw, force_insert, force_update, using, update_fields)
            touched.update(_tenants_of(type(self), [self.pk], using))

    save_base.alters_data = True  # type: ignore[attr-defined]

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        using = using or router.db_for_write(type(self), instance=self)
        # The signal records it, but is sent after the origins were collected: one may be another policy's by then.
        with transaction.atomic(using=using):  # a savepoint: what Django refuses to delete breaks no transaction
            lock(using)
            return super().delete(using, keep_parents)

    delete.alters_data = True  # type: ignore[attr-defined]


def _tenants_of(model: type[RecordedModel], keys: Iterable[Any], using: str) -> set[str]:
    """Give the tenants of the rows with these primary keys, as they are stored.

    Within a transaction the rows are locked, for its snapshot may be older than the feed's lock: a plain read would
    give the key that a tenant had before it was renamed, and the change would be told of a tenant that is no more.
    A locking read sees what is stored, or fails where the isolation level does not let it.
    """
    connection = transaction.get_connection(using)
    tenants: set[str] = set()
    for part in _parts([key for key in keys if key is not None]):
        stored: models.QuerySet[Any] = models.QuerySet(model, using=using).filter(pk__in=part)
        if connection.in_atomic_block:
            stored = stored.select_for_update(no_key=connection.features.has_select_for_no_key_update)
        tenants.update(stored.order_by().values_list(model.tenant_path, flat=True))
        if len(tenants) > MAX_NAMED:
            return {EVERYTHING}
    return tenants


# Writes that only signals see.


def _record_delete(
    sender: type[RecordedModel], instance: RecordedModel, using: str, origin: object = None, **_: object
) -> None:
    recorded_already = isinstance(origin, RecordedQuerySet)
    recorded_by_parent = issubclass(sender, AllowedOrigin) and isinstance(origin, TenantPolicy)
    if not (recorded_already or recorded_by_parent):
        with recording(using) as touched:
            touched.update(_tenants_of(type(instance), [instance.pk], using))


def _record_before_fixture(instance: RecordedModel, raw: bool, using: str, **_: object) -> None:
    # loaddata goes round save_base() of the model. Its transaction is what the lock is held in.
    if raw and transaction.get_connection(using).in_atomic_block:
        with recording(using) as touched:
            touched.update(_tenants_of(type(instance), [instance.pk], using))
    elif raw:
        # Nothing holds a lock until the row is written: what it was is told afterwards.
        instance.tenants_before = _tenants_of(type(instance), [instance.pk], using)


def _record_after_fixture(instance: RecordedModel, raw: bool, using: str, **_: object) -> None:
    if raw:
        # An origin that comes before its policy finds no tenant; the policy records itself when it comes.
        with recording(using) as touched:
            touched.update(_tenants_of(type(instance), [instance.pk], using))
            touched.update(instance.tenants_before)


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


class TenantPolicy(RecordedModel):
    """What one tenant's origins may do."""

    tenant_path = "tenant"

    tenant = models.CharField(
        _("tenant"),
        max_length=TENANT_LENGTH,
        unique=True,
        help_text=_("The key that CORS_TENANT_RESOLVER finds in a request: by default the host, without its port."),
    )
    enabled = models.BooleanField(_("enabled"), default=True, help_text=_("A disabled policy allows nothing."))
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

    def __str__(self) -> str:
        return self.tenant

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
                errors[name] = [gettext("A list of names has at most %d characters.") % NAMES_LENGTH]
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
                    errors.setdefault(field, []).append(error.message)
        if errors:
            raise ValidationError(errors)

    def _clean_tenant(self) -> str | None:
        """Bring the key into the form that the built-in resolvers give, and say what no request can have."""
        self.tenant = self.tenant or ""  # the field's own error has been said of None
        resolver = (conf.current().resolver_path or "").removeprefix("django_cors_policy.tenants.")
        if resolver in ("by_host", "by_subdomain"):
            self.tenant = self.tenant.lower().removesuffix(".")
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

    tenant_path = "policy__tenant"
    counted_by_form = False  # a form that sees all origins of the policy counts them itself

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
        return _tenants_of(TenantPolicy, {instance.policy_id for instance in instances}, using)

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
            raise ValidationError({"pattern": error.message}) from error
        self.pattern = str(pattern)


@receiver(post_migrate)
def _record_migration(app_config: AppConfig, using: str, **_: object) -> None:
    # Data migrations use models of their own, and a flush removes all: what anybody knows may be wrong.
    if app_config.name != "django_cors_policy" or not router.allow_migrate_model(using, PolicyChange):
        return
    tables = transaction.get_connection(using).introspection.table_names()
    if PolicyChange._meta.db_table in tables and PolicyRevision._meta.db_table in tables:
        record_everything(using)
