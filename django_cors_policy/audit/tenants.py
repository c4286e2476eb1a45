"""What the stored policies tell, in one pass over them with bounded memory."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches

from django.conf import settings as django_settings
from django.db.models import Count, Max, Min, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_noop

from django_cors_policy import conf, tenants
from django_cors_policy.audit import cookies
from django_cors_policy.audit.report import one_line
from django_cors_policy.audit.settings import is_development, while_debugging
from django_cors_policy.cors import (
    CredentialsError,
    LimitError,
    OriginPattern,
    PatternError,
    Policy,
    PolicyError,
    PolicySpec,
    compile_policy,
    parse_pattern,
    quoted,
)
from django_cors_policy.cors.lint import Finding, Rule, Severity, lint
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.reading import MAX_ROWS, database

STORED_ORIGIN_INVALID = Rule(
    "CORS601",
    "stored-origin-invalid",
    (Severity.HIGH,),
    gettext_noop("A stored entry that does not compile: it is not served."),
    None,
)
EXCEEDS_LIMITS = Rule(
    "CORS602",
    "exceeds-limits",
    (Severity.HIGH,),
    gettext_noop("A stored entry beyond CORS_TENANT_LIMITS: it is not served."),
    None,
)
MAX_AGE_DELAYS = Rule(
    "CORS308",
    "max-age-delays-revocation",
    (Severity.LOW,),
    gettext_noop("A stored policy's preflights outlive a revocation for long."),
    None,
)
EXPIRED_ORIGIN = Rule(
    "CORS603",
    "expired-origin",
    (Severity.INFO,),
    gettext_noop("A stored entry has expired and is enabled still."),
    None,
)
UNREACHABLE_TENANT = Rule(
    "CORS604", "unreachable-tenant", (Severity.LOW,), gettext_noop("No request can be for this tenant."), None
)
SHARED_ORIGIN = Rule(
    "CORS605",
    "shared-origin",
    (Severity.INFO,),
    gettext_noop("The policies of several tenants hold the same origin."),
    None,
)
STORE_UNREADABLE = Rule(
    "CORS606", "store-unreadable", (Severity.HIGH,), gettext_noop("The stored policies cannot be read."), None
)
RULES = (
    MAX_AGE_DELAYS,
    STORED_ORIGIN_INVALID,
    EXCEEDS_LIMITS,
    EXPIRED_ORIGIN,
    UNREACHABLE_TENANT,
    SHARED_ORIGIN,
    STORE_UNREADABLE,
)

PROMPT = 600  # seconds that a tenant's preflights may live: the default of a stored policy

BATCH = 500  # policies in memory at a time


class UnknownTenant(ValueError):  # noqa: N818 -- it is the tenant that is unknown
    """A tenant without a policy, and the nearest that has one."""


def findings(only: Collection[str] | None) -> Iterator[Finding]:
    """Find what the enabled policies tell, or those of some tenants. Raises UnknownTenant, django.db.Error."""
    alias = database()
    if only is not None:
        known(*only)
    about_the_admin: list[Finding] = []
    for policy, origins in in_pages(alias, only):
        yield from findings_of(policy, origins)
        yield from _unreachable(policy.tenant)
        if policy.allow_credentials and not about_the_admin:
            # There is one admin: it is said once and not for every tenant.
            about_the_admin = list(cookies.admin_findings(_with_served_credentials(*_served(policy, origins))))
            yield from about_the_admin
    yield from _shared(only, alias)
    if only is None:
        yield from _csrf_wider(alias)


def known(*tenants: str, using: str | None = None) -> None:
    """See that each has a policy, in one query. Raises UnknownTenant, django.db.Error."""
    alias = using or database()
    # What is not printable is nobody's key, and a driver may fail on it: NUL, half a character of a command line.
    named = TenantPolicy.objects.using(alias).filter(tenant__in=[key for key in tenants if key.isprintable()])
    stored = set(named.values_list("tenant", flat=True))
    for tenant in tenants:
        if tenant not in stored:
            raise _unknown(tenant, alias)


def in_pages(
    alias: str, only: Collection[str] | None = None, *, whole: bool = False
) -> Iterator[tuple[TenantPolicy, Sequence[AllowedOrigin]]]:
    """Give the enabled policies by tenant, all or some, each with its origins. Raises django.db.Error.

    ``whole``: disabled policies too, with notes, and every origin. No more than BATCH policies and MAX_ROWS origins are
    in memory, or one policy's. Each page is a query of its own: of one cursor over all, MariaDB's driver reads every
    row at once, and PostgreSQL's does where server-side cursors are off.
    """
    policies = TenantPolicy.objects.using(alias).order_by("tenant")
    if not whole:
        policies = policies.filter(enabled=True).defer("note")
    for page in _all_pages(policies) if only is None else _pages_of(policies, sorted(only)):
        yield from with_origins(page, alias, whole=whole)


def _all_pages(policies: QuerySet[TenantPolicy]) -> Iterator[list[TenantPolicy]]:
    page = list(policies[:BATCH])
    while page:
        yield page
        page = list(policies.filter(tenant__gt=page[-1].tenant)[:BATCH]) if len(page) == BATCH else []


def _pages_of(policies: QuerySet[TenantPolicy], tenants: Sequence[str]) -> Iterator[list[TenantPolicy]]:
    for start in range(0, len(tenants), BATCH):  # a statement holds a bounded number of parameters
        part = tenants[start : start + BATCH]
        # A collation may take Acme for acme, who is somebody else.
        yield [policy for policy in policies.filter(tenant__in=part) if policy.tenant in part]


def with_origins(
    page: list[TenantPolicy], alias: str, *, whole: bool = False
) -> Iterator[tuple[TenantPolicy, Sequence[AllowedOrigin]]]:
    """Give some policies, each with its origins; no more than MAX_ROWS of these are in memory, or one policy's."""
    # From the same database: a router may send other reads to a replica.
    stored = AllowedOrigin.objects.using(alias).order_by("pk")
    if not whole:
        stored = stored.defer("note")
    parts = [page]
    while parts:
        part = parts.pop()
        # Of one policy as many are read as the store reads, unless all are wanted.
        most = MAX_ROWS + 1 if len(part) > 1 else None if whole else MAX_ROWS
        found = list(stored.filter(policy__in=part)[:most])
        if len(part) > 1 and len(found) > MAX_ROWS:
            half = len(part) // 2
            parts += [part[half:], part[:half]]
            continue
        origins: dict[int, list[AllowedOrigin]] = {policy.pk: [] for policy in part}
        for origin in found:
            origins[origin.policy_id].append(origin)
        for policy in part:
            yield policy, origins[policy.pk]


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


def findings_of(policy: TenantPolicy, origins: Iterable[AllowedOrigin] | None = None) -> Iterator[Finding]:
    """Find what one stored policy tells, enabled or not; its disabled and expired origins are not looked at."""
    found_at = policy.origins.all() if origins is None else origins
    spec, compiled = _served(policy, found_at)
    for origin in found_at:
        if origin.enabled and _is_expired(origin):
            yield _expired(policy, origin)
    found = lint(spec, development=is_development(), tenants=True)
    yield from found
    yield from while_debugging(found)
    yield from cookies.policy_findings(_with_served_credentials(spec, compiled))
    yield from _max_age(policy)
    for error in compiled.errors:
        if isinstance(error, CredentialsError):
            continue  # it is well formed, and CORS101 says what is wrong with it
        beyond = isinstance(error, LimitError)
        yield Finding(
            EXCEEDS_LIMITS if beyond else STORED_ORIGIN_INVALID,
            Severity.HIGH,
            subject(error),
            f"{error.message} "
            + ("The limit is served instead." if error.field == "preflight_max_age" else "It is not served."),
            "Lift the limit in CORS_TENANT_LIMITS, or change the entry." if beyond else "Correct it in the admin.",
            policy.tenant,
        )


def written_and_compiled(policy: TenantPolicy, origins: Iterable[AllowedOrigin]) -> tuple[PolicySpec, Policy]:
    """Give what a stored policy says now, without disabled and expired origins, and what is served of it."""
    written = policy.spec(origin.pattern for origin in origins if origin.enabled and not _is_expired(origin))
    return written, compile_policy(written, limits=conf.current().limits, strict=False)


def _served(policy: TenantPolicy, origins: Iterable[AllowedOrigin]) -> tuple[PolicySpec, Policy]:
    """Give a policy without the entries that are not served: whatever else is wrong with them harms nobody."""
    written, compiled = written_and_compiled(policy, origins)
    dropped = {(error.field, error.value) for error in compiled.errors if isinstance(error.value, str)}

    def served(field: str) -> tuple[object, ...]:
        return tuple(entry for entry in getattr(written, field) if (field, entry) not in dropped)

    spec = replace(
        written,
        allowed_origins=served("allowed_origins"),
        allow_methods=served("allow_methods"),
        allow_headers=served("allow_headers"),
        expose_headers=served("expose_headers"),
    )
    return spec, compiled


def _with_served_credentials(spec: PolicySpec, compiled: Policy) -> PolicySpec:
    return replace(spec, allow_credentials=compiled.allow_credentials)


def _is_expired(origin: AllowedOrigin) -> bool:
    return origin.expires_at is not None and origin.expires_at <= timezone.now()


def _expired(policy: TenantPolicy, origin: AllowedOrigin) -> Finding:
    return Finding(
        EXPIRED_ORIGIN,
        Severity.INFO,
        one_line(origin.pattern)[:300],
        f"It expired at {origin.expires_at:%Y-%m-%d %H:%M %Z} and is not served, though it is enabled.",
        "Delete it, or give it a later date.",
        policy.tenant,
    )


def _max_age(policy: TenantPolicy) -> Iterator[Finding]:
    served = min(policy.max_age, conf.current().limits.max_age)
    if served > PROMPT:
        yield Finding(
            MAX_AGE_DELAYS,
            Severity.LOW,
            "max_age",
            f"A browser that holds a preflight's answer goes on for up to {served} seconds after an origin, a method "
            "or a header has been taken out.",
            f"Set it to {PROMPT} or less.",
            policy.tenant,
        )


def _unreachable(tenant: str) -> Iterator[Finding]:
    resolver = conf.current().resolver
    if resolver is tenants.by_host:
        hosts = [tenant]
    elif resolver is tenants.by_subdomain:
        hosts = [f"{tenant}{entry}" for entry in django_settings.ALLOWED_HOSTS if entry.startswith(".")]
    else:
        return  # a path's first segment may be anything, and a project's own resolver too
    if django_settings.ALLOWED_HOSTS and not any(_resolves(resolver, host, tenant) for host in hosts):
        yield Finding(
            UNREACHABLE_TENANT,
            Severity.LOW,
            one_line(tenant)[:300],
            "No Host that ALLOWED_HOSTS accepts leads to this tenant: its policy is never asked.",
            "Add its host to ALLOWED_HOSTS, or correct the tenant's key.",
            tenant,
        )


def _resolves(resolver: conf.Resolver, host: str, tenant: str) -> bool:
    request = HttpRequest()
    request.META = {"HTTP_HOST": host}
    return resolver(request) == tenant


def _shared(only: Collection[str] | None, alias: str) -> Iterator[Finding]:
    """Find origins that several policies hold, by one query."""
    origins = _origins_served(alias)
    shared = (
        origins.order_by("pattern")
        .values("pattern")
        .annotate(policies=Count("policy"), first=Min("policy__tenant"), last=Max("policy__tenant"))
    )
    if only is not None:
        shared = shared.filter(pattern__in=origins.filter(policy__tenant__in=only).values("pattern"))
    for row in shared.filter(policies__gt=1).iterator(chunk_size=BATCH):
        try:
            parse_pattern(row["pattern"])
        except PatternError:
            continue  # it is served for nobody
        yield Finding(
            SHARED_ORIGIN,
            Severity.INFO,
            row["pattern"],
            f"The policies of {row['policies']} tenants hold it, among them {quoted(row['first'])} and "
            f"{quoted(row['last'])}: its pages may read the answers of each.",
            "See that it is no mistake: an origin is one owner's.",
        )


def _csrf_wider(alias: str) -> Iterator[Finding]:
    """Find what CSRF trusts and no policy allows, by one query at most for each entry of CSRF_TRUSTED_ORIGINS."""
    origins = _origins_served(alias)

    def is_stored(trusted: OriginPattern) -> bool:
        allows = Q(pattern__in=[str(trusted), *map(str, trusted.wider())])
        if trusted.subdomains:
            # It is there for tenants that come and go: one of them is reason enough.
            _, _, below = str(trusted).partition("*")
            allows |= Q(pattern__startswith=f"{trusted.scheme}://", pattern__endswith=below)
        return origins.filter(allows).exists()

    yield from cookies.csrf_wider(is_stored)


def _origins_served(alias: str) -> QuerySet[AllowedOrigin]:
    still = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return AllowedOrigin.objects.using(alias).filter(still, enabled=True, policy__enabled=True, policy__shadow=False)


def unreadable(why: str) -> Finding:
    """Give the finding that the stored policies could not be read."""
    return Finding(
        STORE_UNREADABLE,
        Severity.HIGH,
        database(),
        f"The stored policies cannot be read: {why}. What a process knows is served for up to "
        f"{conf.current().max_stale_seconds:g} seconds, then no tenant's; the settings' policy is served always.",
        "See that the database answers, and run manage.py migrate django_cors_policy.",
    )


def subject(error: PolicyError) -> str:
    """Give the entry's own text, cut, or the name of the field that holds no text."""
    if isinstance(error.value, str):
        return one_line(error.value[:300])[:300]
    return "max_age" if error.field == "preflight_max_age" else error.field
