"""What was blocked at a policy's tenant lately, and what would change if a policy in shadow mode were switched on."""

from collections.abc import Collection, Iterable
from datetime import timedelta

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext

from django_cors_policy import conf
from django_cors_policy.cors import SAFELISTED_METHODS, Policy, compile_policy, decide_actual
from django_cors_policy.inbox import KEPT, BlockedOrigin
from django_cors_policy.models import AllowedOrigin, TenantPolicy

DAYS = 7
MAX_NAMED = 20  # origins of a list; the others are counted
MAX_READ = 4 * KEPT  # rows of a tenant: twice what is left of them when they are trimmed

CHANGED = frozenset({"any-origin", "listed", "wildcard", "regex"})  # reasons of what the settings let in

# What a page may set without asking, as far as its values are plain.
_SAFELISTED_HEADERS = frozenset({"accept", "accept-language", "content-language"})


def may_view(request: HttpRequest) -> bool:
    """Tell whether the user has a permission to look at blocked origins, whosesoever they are."""
    user = request.user
    return any(user.has_perm(f"django_cors_policy.{verb}_blockedorigin") for verb in ("view", "change"))


def served(policy: TenantPolicy, origins: Iterable[AllowedOrigin]) -> Policy:
    """Compile a policy with these origins, as it would be served, whether it is switched on or not."""
    now = timezone.now()
    patterns = [
        origin.pattern
        for origin in origins
        if origin.enabled and (origin.expires_at is None or origin.expires_at > now)
    ]
    return compile_policy(policy.spec(patterns), limits=conf.current().limits, strict=False)


def context(request: HttpRequest, policy: TenantPolicy) -> dict[str, object]:
    """Give what shadow.html shows of a stored policy."""
    if not may_view(request):
        return {}
    since = timezone.now() - timedelta(days=DAYS)
    rows = BlockedOrigin.objects.filter(tenant=policy.tenant, last_seen__gte=since).order_by("-last_seen")[:MAX_READ]
    seen = [row for row in rows if row.tenant == policy.tenant]  # a collation may take Acme for acme
    query = urlencode({"tenant": policy.tenant})
    return {
        "blocked_count": sum(not row.ignored and row.reason not in CHANGED for row in seen),
        "blocked_url": f"{reverse('admin:django_cors_policy_blockedorigin_changelist')}?{query}",
        "blocked_days": DAYS,
        "is_recorded": conf.current().record_blocked,
        "in_shadow": policy.enabled and policy.shadow and _outlook(policy, seen),
    }


def _outlook(policy: TenantPolicy, seen: Iterable[BlockedOrigin]) -> dict[str, object]:
    """Judge anew what was seen, as the policy and the settings are now."""
    settings = conf.current().policies[-1]
    switched_on = served(policy, policy.origins.all())
    differs = differences(settings, switched_on)
    let_in, blocked, changed = [], [], []
    for row in seen:
        # The order in which they are asked: switched on, a policy takes nothing away but by its own flags.
        answers = decide_actual((switched_on, settings), row.origin)
        if not answers.allowed:
            if not row.ignored:
                blocked.append(row.origin)
        elif not decide_actual((settings,), row.origin).allowed:
            let_in.append(row.origin)
        elif answers.policy is switched_on and differs:
            changed.append(row.origin)
    return {
        "let_in": _named(let_in),
        "blocked": _named(blocked),
        "changed": _named(changed),
        "differences": differs,
    }


def _named(origins: Collection[str]) -> dict[str, object]:
    named = sorted(origins)[:MAX_NAMED]
    return {"count": len(origins), "named": named, "more": len(origins) - len(named)}


# --- the flags -------------------------------------------------------------------------------------------------------


def differences(now: Policy, then: Policy) -> list[str]:
    """Say what pages that one policy answers now lose and gain where another answers them."""
    said = []
    if now.allow_credentials and not then.allow_credentials:
        said.append(gettext("Without credentials: what a page fetches with cookies works now, and would be blocked."))
    elif then.allow_credentials and not now.allow_credentials:
        said.append(gettext("With credentials: a page could send cookies, and read the answers made for the visitor."))
    texts = {
        "Access-Control-Allow-Methods": (
            gettext("Without these methods, which work now and would be blocked: %(names)s."),
            gettext("With these methods, which are blocked now: %(names)s."),
        ),
        "Access-Control-Allow-Headers": (
            gettext("Without these request headers: what sends them works now, and would be blocked: %(names)s."),
            gettext("With these request headers: what sends them is blocked now: %(names)s."),
        ),
        "Access-Control-Expose-Headers": (
            gettext("Without these response headers, which a page can read now: %(names)s."),
            gettext("With these response headers, which a page cannot read now: %(names)s."),
        ),
    }
    for field, (lost, gained) in texts.items():
        for text, names in ((lost, _beyond(field, now, then)), (gained, _beyond(field, then, now))):
            if names:
                said.append(text % {"names": ", ".join(names)})
    old, new = _value("Access-Control-Max-Age", now), _value("Access-Control-Max-Age", then)
    if old != new:
        lifetimes = {"now": old, "then": new}
        said.append(gettext("Preflights would be kept for %(then)s seconds, not for %(now)s.") % lifetimes)
    return said


def _value(field: str, policy: Policy) -> str:
    return dict(policy.preflight_headers + policy.actual_headers).get(field, "")


def _beyond(field: str, policy: Policy, other: Policy) -> list[str]:
    """Give the names that a policy lists and another does not let through."""
    listed, others = _names(field, policy), _names(field, other)
    # Fetch: without credentials, * stands for every name but that of the Authorization request header.
    if "*" in others and not other.allow_credentials:
        listed &= {"authorization"} if field == "Access-Control-Allow-Headers" else set()
    return sorted(listed - others)


def _names(field: str, policy: Policy) -> set[str]:
    names = {name for name in _value(field, policy).split(", ") if name}
    if field == "Access-Control-Allow-Methods":
        return names - SAFELISTED_METHODS
    return {name.lower() for name in names} - _SAFELISTED_HEADERS
