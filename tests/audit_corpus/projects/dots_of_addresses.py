"""An address in a regex, its dots not escaped: nobody can register what else passes."""

from tests.audit_corpus.startproject import *

CORS_ALLOWED_ORIGIN_REGEXES = [r"^http://192.168.1.10:3000$"]

EXPECTED = ["CORS109 medium", "CORS204 low"]
