"""Writing the stored policies, a policy at a time."""

import csv
import io
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from django_cors_policy.audit.tenants import in_pages
from django_cors_policy.models import AllowedOrigin, TenantPolicy
from django_cors_policy.reading import database
from django_cors_policy.transfer.rows import ORIGIN, ORIGINS, PATTERN, POLICY, TENANT, as_cell, values_of

_Stored = Iterable[tuple[TenantPolicy, Sequence[AllowedOrigin]]]


def export(kind: str, tenants: Collection[str] | None = None, *, using: str | None = None) -> Iterator[str]:
    """Give the stored policies, all or some, disabled ones too, as the pieces of a file in one of FORMATS.

    Pages of policies are in memory, never all. Raises django.db.Error.
    """
    return FORMATS[kind](in_pages(using or database(), tenants, whole=True))


def _as_csv(stored: _Stored) -> Iterator[str]:
    text = io.StringIO()
    rows = csv.writer(text)  # with CRLF: only then is a lone CR in a cell put in quotation marks

    def written() -> str:
        piece = text.getvalue()
        text.seek(0)
        text.truncate()
        return piece

    rows.writerow([TENANT, *(column.name for column in POLICY), PATTERN, *(column.name for column in ORIGIN)])
    yield written()
    for policy, origins in stored:
        own = [as_cell(value) for value in (policy.tenant, *values_of(policy, POLICY).values())]
        for origin in origins:
            rows.writerow(own + [as_cell(value) for value in (origin.pattern, *values_of(origin, ORIGIN).values())])
        if not origins:
            rows.writerow([*own, "", *("" for _ in ORIGIN)])
        yield written()


def _as_json(stored: _Stored) -> Iterator[str]:
    before = "["
    for policy, origins in stored:
        found = {
            TENANT: policy.tenant,
            **values_of(policy, POLICY),
            ORIGINS: [{PATTERN: origin.pattern, **values_of(origin, ORIGIN)} for origin in origins],
        }
        yield f"{before}\n{json.dumps(found)}"
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


FORMATS: Mapping[str, Callable[[_Stored], Iterator[str]]] = {"csv": _as_csv, "json": _as_json}
