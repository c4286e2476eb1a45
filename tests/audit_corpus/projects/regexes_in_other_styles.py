"""Escaped slashes, groups, a lookahead, a class for a dot, letters of both cases: the domain is pinned in each."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGIN_REGEXES = [
    r"^https:\/\/(?:[a-z0-9-]+\.){1,2}example\.com$",
    r"^(https://app\.example\.net|https://www\.example\.net)$",
    r"^https://(?!old\.)[a-zA-Z0-9-]+\.example\.org$",
    r"^https://\S+\.(dev|staging)\.example\.io$",
    r"\Ahttps://(?P<shop>[^./]+)\.shops\.example\.co\.uk(:\d{2,5})?\Z",
    "^https://app[.]example[.]de$",
]

EXPECTED = []
