"""What would become of a policy that allows a blocked origin, and why it may not be one."""

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.utils.translation import gettext

from django_cors_policy import conf
from django_cors_policy.admin import risk
from django_cors_policy.admin.shadow import CHANGED, served
from django_cors_policy.cors import Policy, decide_actual
from django_cors_policy.cors.lint import Finding
from django_cors_policy.inbox import BlockedOrigin
from django_cors_policy.models import AllowedOrigin, TenantPolicy

NULL = "null"


@dataclass(frozen=True, slots=True)
class Offer:
    """A blocked origin in its tenant's policy.

    ``origin`` is what would be stored, None where it is refused; ``why`` says so then, and what to do instead.
    ``is_let_in``: nothing blocks it any more. ``new`` is what the audit would find besides ``known``; ``grave`` is what
    of it asks for a reason.
    """

    origin: AllowedOrigin | None = None
    why: str = ""
    is_let_in: bool = False
    new: tuple[Finding, ...] = ()
    known: tuple[Finding, ...] = ()
    grave: tuple[Finding, ...] = ()


def offer(row: BlockedOrigin, policy: TenantPolicy | None, note: str) -> Offer:
    """Look at an origin and its tenant's policy as they are stored now."""
    if row.origin == NULL:
        return Offer(why=null_sentence())
    settings = conf.current().policies[-1]
    origins = [] if policy is None else list(policy.origins.all())
    own = None if policy is None else served(policy, origins)
    answering = (settings,) if own is None or policy is None or not risk.is_live(policy) else (own, settings)
    if decision := _let_in(answering, row.origin):
        return Offer(why=decision, is_let_in=True)
    if policy is None or own is None:
        return Offer(why=_no_policy(row))
    if found := _let_in((own,), row.origin):
        return Offer(why=f"{found} {not_live(policy)}")
    if any(origin.pattern == row.origin for origin in origins):
        said = gettext("The policy lists it, but the entry is disabled, has expired or is beyond the limits.")
        return Offer(why=said + " " + gettext("Change the entry on the policy's page."))
    origin = AllowedOrigin(policy=policy, pattern=row.origin, note=note)
    try:
        origin.full_clean()
    except ValidationError as error:
        return Offer(why=" ".join(error.messages))
    known = risk.findings(policy, origins)
    before = {(found.rule.code, found.subject) for found in known}
    together = [*origins, origin]
    new = [found for found in risk.findings(policy, together) if (found.rule.code, found.subject) not in before]
    grave = risk.new_and_grave(policy, together, policy)
    return Offer(origin, new=tuple(new), known=tuple(known), grave=tuple(grave))


def _let_in(policies: tuple[Policy, ...], origin: str) -> str:
    """Say which entry allows an origin; nothing where none does."""
    decision = decide_actual(policies, origin)
    if decision.policy is None:
        return ""
    if decision.policy.tenant is None:
        return gettext("The settings allow it, by the entry %(entry)s.") % {"entry": decision.pattern}
    return gettext("The policy allows it, by the entry %(entry)s.") % {"entry": decision.pattern}


def null_sentence() -> str:
    return gettext("Serve the page from an http or https address: null is everybody's, and never allowed.")


def not_live(policy: TenantPolicy) -> str:
    """Say what keeps a policy from answering; nothing where it answers."""
    if not policy.enabled:
        return gettext("But the policy is disabled, and allows nothing until it is enabled.")
    if policy.shadow:
        return gettext("But the policy is in shadow mode, and the settings alone answer until that is ended.")
    return ""


def _no_policy(row: BlockedOrigin) -> str:
    setting = gettext("To allow it for all tenants, add %(origin)s to CORS_ALLOWED_ORIGINS in the settings.")
    said = setting % {"origin": f'"{row.origin}"'}
    if row.tenant:
        own = gettext("To allow it for %(tenant)s alone, make a policy for this tenant: it has none.")
        return own % {"tenant": row.tenant} + " " + said
    own = gettext("It was blocked where no tenant has a policy. To allow it for one tenant, make a policy for it.")
    return own + " " + said


def remedy(row: BlockedOrigin, policy: TenantPolicy | None) -> str:
    """Say in short what would let an origin in, by no more than its row and the policy's flags."""
    if row.origin == NULL:
        return null_sentence()
    if row.reason in CHANGED:
        return gettext("Nothing: the settings let it in. The policy in shadow mode would answer otherwise.")
    if policy is None:
        return gettext("Add it to CORS_ALLOWED_ORIGINS, or make a policy for the tenant.")
    if not policy.enabled:
        return gettext("Allow it in the policy, if it is not there yet, and enable the policy.")
    if policy.shadow and row.would == "allow":
        return gettext("End the policy's shadow mode.")
    if policy.shadow:
        return gettext("Allow it in the policy, and end the shadow mode.")
    return gettext("Allow it in the policy.")
