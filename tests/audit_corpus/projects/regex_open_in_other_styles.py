"""A dot that may be missing, a class that holds the dot, an end that may go on, a lookahead alone."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGIN_REGEXES = [
    r"^https://.*\.?example\.com$",
    r"^https://[\w.-]*example\.net$",
    r"^https://app\.example\.org(\..*)?$",
    r"^https://(?=.*example\.io).*$",
    r"^https://(app|[a-z]+)\.(example\.de|[a-z]+\.dev)$",
]

EXPECTED = ["CORS203 medium"] * 5
