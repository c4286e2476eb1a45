"""Regexes as people who know them write them."""

import re

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGIN_REGEXES = [
    r"^https://\w+\.example\.com$",
    r"^https://([a-z0-9-]+\.)*example\.net$",
    r"^https://.+\.example\.org$",
    r"^https://(www|app|shop)\.example\.(com|net|co\.uk)(:8443)?$",
    r"^https://pr-\d{1,5}--shop\.preview\.example\.dev\Z",
    r"^https://[^.]+[.]example[.]io$",
    re.compile(r"^https://status\.example\.com$", re.IGNORECASE),
]

EXPECTED = []
