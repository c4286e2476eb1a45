"""The Fetch standard's tokens, methods and header names."""

import re

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2

SAFELISTED_METHODS = frozenset({"GET", "HEAD", "POST"})  # Fetch, "CORS-safelisted method"
FORBIDDEN_METHODS = frozenset({"CONNECT", "TRACE", "TRACK"})  # Fetch, "forbidden method"
# Fetch, "normalize a method": what a script writes in lower case, the browser sends in upper case.
NORMALIZED_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"})

# Fetch, "forbidden request-header".
FORBIDDEN_REQUEST_HEADERS = frozenset(
    {
        "accept-charset",
        "accept-encoding",
        "access-control-request-headers",
        "access-control-request-method",
        "access-control-request-private-network",
        "connection",
        "content-length",
        "cookie",
        "cookie2",
        "date",
        "dnt",
        "expect",
        "host",
        "keep-alive",
        "origin",
        "referer",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    }
)
FORBIDDEN_REQUEST_HEADER_PREFIXES = ("proxy-", "sec-")
FORBIDDEN_RESPONSE_HEADERS = frozenset({"set-cookie", "set-cookie2"})  # Fetch, "forbidden response-header name"
# Names that only ever stand in a response; allowing a request to send them is a misunderstanding.
RESPONSE_ONLY_HEADERS = frozenset(
    {
        "access-control-allow-credentials",
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-allow-origin",
        "access-control-allow-private-network",
        "access-control-expose-headers",
        "access-control-max-age",
        "age",
        "etag",
        "location",
        "server",
        "vary",
        "www-authenticate",
    }
)


def is_token(text: object) -> bool:
    """Tell whether a value is a token: a method or a header name (RFC 9110 section 5.6.2)."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


def is_forbidden_request_header(name: str) -> bool:
    """Tell whether no script can set this request header. Source: Fetch, "forbidden request-header"."""
    lower = name.lower()
    return lower in FORBIDDEN_REQUEST_HEADERS or lower.startswith(FORBIDDEN_REQUEST_HEADER_PREFIXES)
