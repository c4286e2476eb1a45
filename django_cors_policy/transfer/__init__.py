"""What goes out of the stored policies and into them: files, and configuration of other servers."""

from django_cors_policy.transfer.exporting import FORMATS, export
from django_cors_policy.transfer.importing import import_policies
from django_cors_policy.transfer.outcome import Change, Kind, Result, Row

__all__ = ["FORMATS", "Change", "Kind", "Result", "Row", "export", "import_policies"]
