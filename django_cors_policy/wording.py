"""What the protocol says, in the language of the admin's reader."""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from django_cors_policy.cors import LimitError, PolicyError, Reason

REASONS = {
    Reason.NOT_COVERED: _("No policy covers the path."),
    Reason.NO_ORIGIN: _("The request has no origin."),
    Reason.SAME_ORIGIN: _("It is the server's own origin."),
    Reason.ANY_ORIGIN: _("Any origin is allowed."),
    Reason.LISTED: _("The origin is listed."),
    Reason.WILDCARD: _("A wildcard stands for the origin."),
    Reason.REGEX: _("A regular expression matches the origin."),
    Reason.NULL_ORIGIN: _("The null origin is everybody's, and never allowed."),
    Reason.MALFORMED: _("No browser sends such an origin."),
    Reason.OTHER_SCHEME: _("It is the server's own host, by the other of http and https."),
    Reason.NOT_ALLOWED: _("No policy allows the origin."),
}


def said(error: PolicyError) -> str:
    """Say what is wrong with an entry and what to write instead and, of a limit, who can lift it."""
    sentence = error.said(gettext)
    if isinstance(error, LimitError):
        sentence += " " + gettext("Whoever runs this site can lift this limit, in its settings.")
    return sentence
