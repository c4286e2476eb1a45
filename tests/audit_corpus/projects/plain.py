"""The app is installed, and nobody has said yet who may read what."""

from tests.audit_corpus.startproject import *

EXPECTED = []
