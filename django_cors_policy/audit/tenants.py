"""What the stored policies tell, in one pass over them with bounded memory."""

from collections.abc import Collection, Iterator
from difflib import get_close_matches

from django.conf import settings
from django.db import router
from django.utils import timezone

from django_cors_policy import conf
from django_cors_policy.audit.settings import while_debugging
from django_cors_policy.audit.stack import csrf_findings
from django_cors_policy.cors import LimitError, compile_policy, quoted
from django_cors_policy.cors.lint import Finding, Rule, Severity, lint
from django_cors_policy.models import TenantPolicy

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


def findings(only: Collection[str] | None) -> Iterator[Finding]:
    alias = conf.current().database or router.db_for_write(TenantPolicy)
    policies = TenantPolicy.objects.using(alias).order_by("tenant")
    if only is not None:
        _refuse_unknown(only, set(policies.filter(tenant__in=only).values_list("tenant", flat=True)), alias)
        policies = policies.filter(tenant__in=only)
    for policy in policies.filter(enabled=True).prefetch_related("origins").iterator(chunk_size=BATCH):
        yield from _findings_of(policy)


def _refuse_unknown(only: Collection[str], known: Collection[str], alias: str) -> None:
    for tenant in only:
        if tenant not in known:
            # A near miss shares the beginning; all keys are not read for one that is wrong.
            candidates = TenantPolicy.objects.using(alias).filter(tenant__istartswith=tenant[:1])
            near = get_close_matches(tenant, candidates.values_list("tenant", flat=True)[:10_000], 1)
            raise UnknownTenant(f"no policy is stored for tenant {quoted(tenant)}" + (f"; {near[0]}?" if near else ""))


def _findings_of(policy: TenantPolicy) -> Iterator[Finding]:
    now = timezone.now()
    served = [
        origin.pattern
        for origin in policy.origins.all()
        if origin.enabled and (origin.expires_at is None or origin.expires_at > now)
    ]
    spec = policy.spec(served)
    found = lint(spec, debug=settings.DEBUG, tenants=True)
    yield from found
    yield from while_debugging(found)
    yield from csrf_findings(spec)
    for error in compile_policy(spec, limits=conf.current().limits, strict=False).errors:
        beyond = isinstance(error, LimitError)
        yield Finding(
            EXCEEDS_LIMITS if beyond else STORED_ORIGIN_INVALID,
            Severity.HIGH,
            error.value if isinstance(error.value, str) and error.value.isprintable() else quoted(error.value),
            f"{error.message} It is not served.",
            "Lift the limit in CORS_TENANT_LIMITS, or change the entry." if beyond else "Correct it in the admin.",
            policy.tenant,
        )
