"""What is wrong with an answer: for Chromium's console, and for people."""

from collections.abc import Mapping
from typing import NamedTuple

from .answers import decoded, tokens
from .errors import quoted
from .preflights import Preflight, max_age
from .urls import URL, parse_url

_VALID = " Have the server send the header with a valid value."


class Refusal(NamedTuple):
    """Why an answer does not do: ``reason`` as Chromium says it, ``message`` with what to send instead."""

    reason: str
    message: str


def cors_check(headers: Mapping[str, str], origin: str, *, credentials: bool, tainted: bool) -> Refusal | None:
    """Check who may read an answer; ``headers`` are combined and by lower-case name, ``origin`` is as it was sent.

    Source: Fetch, "CORS check".
    """
    name, allowed = "The 'Access-Control-Allow-Origin' header", headers.get("access-control-allow-origin")
    advice = f"the server has to send 'Access-Control-Allow-Origin: {origin}'"
    if origin == "null" and not tainted:
        advice = "the page has to come from an address of its own, since null is everybody's"
    elif tainted:
        advice += ", since a redirect from one foreign origin to another hides the page's; better is no redirect"
    if allowed is None:
        return Refusal(
            "No 'Access-Control-Allow-Origin' header is present on the requested resource.",
            f"There is no Access-Control-Allow-Origin: {advice}.",
        )
    shown = _escaped(allowed)
    if allowed == "*":
        return _any_origin_with_credentials(advice) if credentials else None
    if allowed == origin:
        return _credentials_check(headers) if credentials else None
    if " " in allowed or "," in allowed:
        return Refusal(
            f"{name} contains multiple values '{shown}', but only one is allowed.{_VALID}",
            f"Access-Control-Allow-Origin holds several values, {quoted(allowed)}: {advice}, once. Often the "
            "application and a proxy add one each.",
        )
    if allowed != "null" and parse_url(decoded(allowed)) is None:
        return Refusal(
            f"{name} contains the invalid value '{shown}'.{_VALID}",
            f"Access-Control-Allow-Origin is {quoted(allowed)}, which is no origin: {advice}.",
        )
    return Refusal(
        f"{name} has a value '{shown}' that is not equal to the supplied origin.{_VALID}",
        f"Access-Control-Allow-Origin is {quoted(allowed)}, not letter for letter the origin that asks: {advice}.",
    )


def _any_origin_with_credentials(advice: str) -> Refusal:
    return Refusal(
        "The value of the 'Access-Control-Allow-Origin' header in the response must not be the wildcard '*' when the "
        "request's credentials mode is 'include'.",
        f"Access-Control-Allow-Origin is '*', which does not do with credentials: 'include': {advice} and "
        "'Access-Control-Allow-Credentials: true', or the script has to leave the credentials out.",
    )


def _credentials_check(headers: Mapping[str, str]) -> Refusal | None:
    value = headers.get("access-control-allow-credentials", "")
    if value == "true":
        return None
    return Refusal(
        f"The value of the 'Access-Control-Allow-Credentials' header in the response is '{_escaped(value)}' which must "
        "be 'true' when the request's credentials mode is 'include'.",
        f"Access-Control-Allow-Credentials is {quoted(value)}: the server has to send 'true', once and in lower case, "
        "to a fetch with credentials: 'include'.",
    )


def redirected(target: URL) -> Refusal:
    """Refuse a preflight's answer that is a redirect."""
    return Refusal(
        "Redirect is not allowed for a preflight request.",
        f"The preflight is redirected to {quoted(str(target))}: ask for that address at once, or let the server answer "
        "OPTIONS here. Common causes are a missing slash at the end, and http in place of https.",
    )


def status_check(status: int) -> Refusal | None:
    """Check the status of a preflight's answer."""
    if 200 <= status <= 299:
        return None
    return Refusal(
        "It does not have HTTP ok status.",
        f"The preflight is answered with status {status}: the server has to answer it with 204, or another from 200 to "
        "299, before authentication and routing see it.",
    )


def read_preflight(headers: Mapping[str, str], *, credentials: bool, now: float) -> Preflight | Refusal:
    """Read what a preflight allows."""
    lists = []
    for name in ("Access-Control-Allow-Methods", "Access-Control-Allow-Headers"):
        written = headers.get(name.lower(), "")
        values = tokens(written)
        if values is None:
            return Refusal(
                f"Cannot parse {name} response header field in preflight response.",
                f"{name} is {quoted(written)}: it has to be names with commas between them, and nothing else.",
            )
        lists.append(values)
    methods, names = lists
    expires = now + max_age(headers.get("access-control-max-age"))
    return Preflight(credentials, frozenset(methods), frozenset(map(str.lower, names)), expires)


def preflight_check(allowed: Preflight, headers: Mapping[str, str], method: str, names: list[str]) -> Refusal | None:
    """Check that a preflight allows a method and all of the unsafe header names.

    Of several that are refused Chromium's line names one, whichever its hash table has first: here it is the first.

    Source: Fetch, "CORS-preflight fetch", from the step on that asks for methods.
    """
    wildcard = "; with credentials: 'include', '*' stands for nothing else" if allowed.credentials else ""
    if allowed.refuses_method(method):
        case = f", or the script {quoted(method.upper())}" if method.upper() in allowed.methods else ""
        return Refusal(
            f"Method {method} is not allowed by Access-Control-Allow-Methods in preflight response.",
            f"Access-Control-Allow-Methods is {quoted(headers.get('access-control-allow-methods', ''))}: the server "
            f"has to name {quoted(method)}, letter for letter{case}{wildcard}.",
        )
    refused = allowed.refused_headers(names)
    if refused:
        return Refusal(
            f"Request header field {refused[0]} is not allowed by Access-Control-Allow-Headers in preflight response.",
            f"Access-Control-Allow-Headers is {quoted(headers.get('access-control-allow-headers', ''))}: the server "
            f"has to name {quoted(', '.join(refused))}{wildcard}.",
        )
    return None


def _escaped(value: str) -> str:
    # As Chromium's console shows what it quotes of a header.
    return "".join(char if " " <= char <= "~" else f"\\u{ord(char):04X}" for char in value)
