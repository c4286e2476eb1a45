"""An effective policy for Amazon S3, as far as S3 can say it.

Source: the S3 user guide, "Elements of a CORS configuration" and "Troubleshooting CORS".
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from django_cors_policy.cors import OriginPattern, Policy, parse_pattern
from django_cors_policy.transfer.plan import shown

INCLUDE = (
    "Apply it with: aws s3api put-bucket-cors --bucket BUCKET --cors-configuration file://FILE (the console takes the "
    "list in it)."
)
_METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD")
# What S3 does in its own way, whatever the policy.
_DIFFERENT = (
    "S3 says Access-Control-Allow-Credentials: true to every origin it names, whatever the policy says.",
    "S3 sends CORS headers for the allowed methods alone, safelisted or not.",
    "S3 answers an allowed preflight with 200, and sends of the allowed headers those that were asked for.",
)


def write(policies: Sequence[Policy], notes: list[str]) -> Iterator[str]:
    """Give the lines; add to ``notes`` what S3 does in its own way, and what is left out."""
    notes += _DIFFERENT
    rules = []
    before: list[Policy] = []
    for policy in policies:
        rule = _rule(policy, before, notes)
        if rule is not None:
            rules.append(rule)
        before.append(policy)
    if not rules:
        notes.append("Nothing is left, and S3 takes no empty list: run aws s3api delete-bucket-cors --bucket BUCKET.")
    yield from json.dumps({"CORSRules": rules}, indent=4).splitlines()


def _rule(policy: Policy, before: Sequence[Policy], notes: list[str]) -> dict[str, Any] | None:
    origins = [text for entry in policy.origins for text in _origins(entry, before, notes)]
    headers = dict(policy.preflight_headers)
    methods = [name for name in _names(headers, "Access-Control-Allow-Methods") if _may(name in _METHODS, name, notes)]
    if not origins or not methods:
        return None
    if policy.allow_private_network:
        notes.append("S3 knows nothing of private networks.")
    wildcard_works = not policy.allow_credentials
    # What holds a * beside others is a wildcard to S3, and a name to browsers.
    allowed = [
        name
        for name in _names(headers, "Access-Control-Allow-Headers")
        if _may("*" not in name or (name == "*" and wildcard_works), name, notes)
    ]
    exposed = [
        name
        for name in _names(dict(policy.actual_headers), "Access-Control-Expose-Headers")
        if _may("*" not in name, name, notes)
    ]
    rule: dict[str, Any] = {"AllowedOrigins": list(dict.fromkeys(origins)), "AllowedMethods": methods}
    if allowed:
        rule["AllowedHeaders"] = allowed
    if exposed:
        rule["ExposeHeaders"] = exposed
    if "Access-Control-Max-Age" in headers:
        rule["MaxAgeSeconds"] = int(headers["Access-Control-Max-Age"])
    return rule


def _names(headers: dict[str, str], field: str) -> list[str]:
    return headers[field].split(", ") if field in headers else []


def _may(can_be_said: bool, name: str, notes: list[str]) -> bool:
    if not can_be_said:
        notes.append(f"{shown(name)} is left out: S3 has no word for it.")
    return can_be_said


def _origins(entry: OriginPattern | re.Pattern[str] | str, before: Sequence[Policy], notes: list[str]) -> Iterator[str]:
    if isinstance(entry, re.Pattern):
        notes.append(f"The regex {shown(entry.pattern)} is left out: S3 knows none.")
    elif isinstance(entry, str):
        # Another policy has it first: S3 would go on to this one for what the first does not allow.
        if not any(policy.origins.match(entry) for policy in before):
            yield entry
    elif any(_overlap(entry, other) for policy in before for other in policy.origins):
        notes.append(
            f"{shown(str(entry))} is left out: the tenant's own policy comes before it, and S3 would join the two."
        )
    elif entry.subdomains and entry.any_port and not entry.any_origin:
        notes.append(f"{shown(str(entry))} is left out: S3 takes one * in an origin.")
    else:
        yield str(entry)
        if entry.any_port and not entry.any_origin:
            yield str(entry).removesuffix(":*")


def _overlap(entry: OriginPattern, other: OriginPattern | re.Pattern[str] | str) -> bool:
    """Tell whether there may be an origin that both stand for."""
    if isinstance(other, re.Pattern):
        return True
    if isinstance(other, str):
        other = parse_pattern(other)
    if entry.any_origin or other.any_origin:
        return True
    if entry.scheme != other.scheme or not (entry.any_port or other.any_port or entry.port == other.port):
        return False
    if entry.host == other.host:
        return entry.subdomains == other.subdomains
    return (entry.subdomains and other.host.endswith(f".{entry.host}")) or (
        other.subdomains and entry.host.endswith(f".{other.host}")
    )
