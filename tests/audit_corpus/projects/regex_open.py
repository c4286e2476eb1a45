"""Each leaves open what somebody registers: by the front, by the end, by the top level, on a hosting service."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGIN_REGEXES = [
    r"^https://.*example\.com$",
    r"^https://app\.example\.com.*$",
    r"^https://app\.example\.[a-z]+$",
    r"^https://shop-[a-z0-9-]+\.vercel\.app$",
]

EXPECTED = ["CORS203 medium"] * 4
