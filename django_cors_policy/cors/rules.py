"""What a rule and a finding are, and the catalogue of the rules over a policy."""

from dataclasses import dataclass
from enum import StrEnum

from .errors import gettext_noop as _


class Severity(StrEnum):
    """How grave a finding is; ``rank`` orders them, 4 for critical down to 0 for info."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"

    @property
    def rank(self) -> int:
        return len(Severity) - 1 - list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the catalogue. ``severities`` are those that a finding of it may have, the gravest first.

    ``summary`` says in one sentence when it is found. ``cwe`` is the number of the weakness it stands for, if any.
    """

    code: str
    slug: str
    severities: tuple[Severity, ...]
    summary: str
    cwe: int | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule found in one place of a policy.

    ``subject`` is the entry's own text, or the setting's (a tenant's: the field's) name; at most 300 printable
    characters. ``hint`` says what to do. ``tenant`` is None for the settings' policy.
    """

    rule: Rule
    severity: Severity
    subject: str
    message: str
    hint: str
    tenant: str | None = None


_CRITICAL, _HIGH, _MEDIUM, _LOW, _INFO = Severity

# Where two severities stand, the graver is that with credentials, unless the rule's code below says otherwise.
LINT_RULES: tuple[Rule, ...] = (
    Rule("CORS101", "any-origin-with-credentials", (_CRITICAL,), _("Every origin is allowed, with credentials."), 942),
    Rule("CORS102", "any-origin", (_MEDIUM, _INFO), _("Every origin is allowed, without credentials."), 942),
    Rule("CORS103", "null-origin", (_MEDIUM,), _("The null origin is listed, or a regex matches it."), 346),
    Rule("CORS104", "insecure-origin", (_HIGH, _LOW), _("An http origin is not the visitor's own machine."), 942),
    Rule("CORS105", "public-suffix-wildcard", (_CRITICAL, _MEDIUM), _("A wildcard is over a public suffix."), 942),
    Rule("CORS106", "subdomain-wildcard", (_MEDIUM, _INFO), _("A wildcard trusts every subdomain of a domain."), 942),
    Rule(
        "CORS107", "shared-hosting-origin", (_MEDIUM, _LOW), _("A host's name is on loan from a hosting service."), 346
    ),
    Rule("CORS108", "any-port", (_LOW, _INFO), _("Every port of a host that is not loopback is allowed."), 942),
    Rule("CORS109", "development-origin", (_MEDIUM,), _("An origin of development is allowed with DEBUG off."), 942),
    Rule("CORS110", "malformed-origin", (_MEDIUM,), _("An entry is no origin pattern, so it never matches."), None),
    Rule("CORS111", "non-canonical-origin", (_MEDIUM,), _("An origin is spelled as no browser sends it."), None),
    Rule("CORS112", "trailing-dot", (_MEDIUM,), _("A host ends in a dot: it is another origin than meant."), None),
    Rule("CORS113", "lookalike-host", (_LOW,), _("A host's name mixes scripts, as look-alikes do."), 346),
    Rule("CORS114", "shadowed-origin", (_INFO,), _("An entry is listed twice, or another one covers it."), None),
    Rule("CORS201", "regex-invalid", (_HIGH,), _("A regex does not compile."), None),
    Rule(
        "CORS202", "regex-unescaped-dot", (_HIGH, _LOW), _("An unescaped dot lets another owner's host through."), 183
    ),
    Rule("CORS203", "regex-open-domain", (_CRITICAL, _MEDIUM), _("A regex leaves the registrable domain open."), 183),
    Rule("CORS204", "regex-any-scheme", (_HIGH, _LOW), _("A regex matches http origins as well."), 942),
    Rule("CORS205", "regex-slow", (_HIGH, _MEDIUM), _("A regex's time grows faster than the origin."), 1333),
    Rule("CORS206", "regex-unanchored", (_INFO,), _("A regex without an end is matched whole here."), None),
    Rule("CORS301", "literal-star", (_MEDIUM,), _("A * with credentials: browsers read it literally."), None),
    Rule("CORS302", "star-misses-authorization", (_LOW,), _("The headers are *, without Authorization."), None),
    Rule("CORS303", "forbidden-header", (_LOW,), _("A header is one that no script can send, or no header."), None),
    Rule("CORS304", "forbidden-method", (_LOW,), _("A method is one that no script can send, or no method."), None),
    Rule("CORS305", "method-case", (_MEDIUM,), _("A method is not in upper case."), None),
    Rule("CORS307", "max-age-capped", (_INFO,), _("Preflights shall be kept longer than browsers keep them."), None),
    Rule("CORS309", "sensitive-header-exposed", (_MEDIUM,), _("A header that carries a secret is exposed."), 942),
    Rule("CORS310", "private-network", (_MEDIUM, _INFO), _("The obsolete private network header is on."), 942),
)
