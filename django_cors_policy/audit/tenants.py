"""What the stored policies tell, in one pass over them with bounded memory."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from difflib import get_close_matches

from django.conf import settings
from django.db import router
from django.db.models import Prefetch
from django.utils import timezone

from django_cors_policy import conf
from django_cors_policy.audit.report import one_line
from django_cors_policy.audit.settings import while_debugging
from django_cors_policy.audit.stack import csrf_findings
from django_cors_policy.cors import CredentialsError, LimitError, PolicyError, PolicySpec, compile_policy, quoted
from django_cors_policy.cors.lint import Finding, Rule, Severity, lint
from django_cors_policy.models import AllowedOrigin, TenantPolicy

STORED_ORIGIN_INVALID = Rule(
    "CORS601",
    "stored-origin-invalid",
    (Severity.HIGH,),
    "A stored entry that does not compile: it is not served.",
    None,
)
EXCEEDS_LIMITS = Rule(
    "CORS602",
    "exceeds-limits",
    (Severity.HIGH,),
    "A stored entry beyond CORS_TENANT_LIMITS: it is not served.",
    None,
)
RULES = (STORED_ORIGIN_INVALID, EXCEEDS_LIMITS)

BATCH = 500  # policies in memory at a time


class UnknownTenant(ValueError):  # noqa: N818 -- it is the tenant that is unknown
    """A tenant without a policy, and the nearest that has one."""


def database() -> str:
    """Give the alias of the database that the policies are served from."""
    return conf.current().database or router.db_for_write(TenantPolicy)


def findings(only: Collection[str] | None) -> Iterator[Finding]:
    """Find what the enabled policies tell, or those of some tenants. Raises UnknownTenant, django.db.Error."""
    alias = database()
    policies = TenantPolicy.objects.using(alias).order_by("tenant")
    if only is not None:
        # What is not printable is nobody's key, and a driver may fail on it: NUL, half a character of a command line.
        policies = policies.filter(tenant__in=[tenant for tenant in only if tenant.isprintable()])
        known = set(policies.values_list("tenant", flat=True))
        for tenant in only:
            if tenant not in known:
                raise _unknown(tenant, alias)
    # From the same database: a router may send other reads to a replica.
    origins = Prefetch("origins", AllowedOrigin.objects.using(alias))
    for policy in policies.filter(enabled=True).prefetch_related(origins).iterator(chunk_size=BATCH):
        yield from findings_of(policy)


def count(only: Collection[str] | None, *, enabled: bool = True) -> int:
    """Give how many policies findings() looks at, or how many it leaves out since they are disabled."""
    policies = TenantPolicy.objects.using(database()).filter(enabled=enabled)
    return (policies if only is None else policies.filter(tenant__in=only)).count()


def _unknown(tenant: str, alias: str) -> UnknownTenant:
    near: list[str] = []
    if tenant.isprintable():
        # A near miss shares the beginning; all keys are not read for one that is wrong.
        candidates = TenantPolicy.objects.using(alias).filter(tenant__istartswith=tenant[:1])
        near = get_close_matches(tenant, candidates.values_list("tenant", flat=True)[:10_000], 1)
    meant = f"; did you mean {quoted(near[0])}?" if near else ""
    return UnknownTenant(f"no policy is stored for tenant {quoted(tenant)}{meant}")


def findings_of(policy: TenantPolicy) -> Iterator[Finding]:
    """Find what one stored policy tells, enabled or not; its disabled and expired origins are not looked at."""
    now = timezone.now()
    served = [
        origin.pattern
        for origin in policy.origins.all()
        if origin.enabled and (origin.expires_at is None or origin.expires_at > now)
    ]
    written = policy.spec(served)
    errors = compile_policy(written, limits=conf.current().limits, strict=False).errors
    spec = _as_served(written, errors)
    found = lint(spec, debug=settings.DEBUG, tenants=True)
    yield from found
    yield from while_debugging(found)
    yield from csrf_findings(spec)
    for error in errors:
        if isinstance(error, CredentialsError):
            continue  # it is well formed, and CORS101 says what is wrong with it
        beyond = isinstance(error, LimitError)
        yield Finding(
            EXCEEDS_LIMITS if beyond else STORED_ORIGIN_INVALID,
            Severity.HIGH,
            _subject(error),
            f"{error.message} "
            + ("The limit is served instead." if error.field == "preflight_max_age" else "It is not served."),
            "Lift the limit in CORS_TENANT_LIMITS, or change the entry." if beyond else "Correct it in the admin.",
            policy.tenant,
        )


def _as_served(written: PolicySpec, errors: Collection[PolicyError]) -> PolicySpec:
    """Leave out what is not served: whatever else is wrong with it harms nobody."""
    dropped = {(error.field, error.value) for error in errors if isinstance(error.value, str)}

    def served(field: str) -> tuple[object, ...]:
        return tuple(entry for entry in getattr(written, field) if (field, entry) not in dropped)

    return replace(
        written,
        allowed_origins=served("allowed_origins"),
        allow_methods=served("allow_methods"),
        allow_headers=served("allow_headers"),
        expose_headers=served("expose_headers"),
    )


def _subject(error: PolicyError) -> str:
    """Give the entry's own text, or the name of the field that holds no text."""
    if isinstance(error.value, str):
        return one_line(error.value)[:300]
    return "max_age" if error.field == "preflight_max_age" else error.field
