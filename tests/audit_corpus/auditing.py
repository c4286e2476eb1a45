"""Small projects as people write them, each with what the audit must find in it, and nothing else.

A project is a module of ``projects`` that holds settings, or a package whose ``settings`` does, beside its URLconf,
views and middleware. It also says:

- ``EXPECTED``: the code and the severity of each finding, sorted; what is found twice stands there twice.
- ``TENANTS``: the stored policies as they lie in the tables: a policy's fields, and ``origins``: patterns, or rows.
- ``PROBE``: how many requests are sent at most, if any are; ``PATHS``: whose views may answer.
- ``FOR_REAL = True``: it has to be a process of its own, for its databases are not the tests' own.
"""

import io
import json
import pkgutil
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.test import override_settings

from django_cors_policy.models import AllowedOrigin, TenantPolicy
from tests.audit_corpus import projects

NO_SETTINGS = {"DATABASES", "EXPECTED", "TENANTS", "PROBE", "PATHS", "FOR_REAL"}
NAMES = sorted(module.name for module in pkgutil.iter_modules(projects.__path__))


def settings_module(name: str) -> str:
    path = f"{projects.__name__}.{name}"
    return f"{path}.settings" if hasattr(import_module(path), "__path__") else path


def project(name: str) -> ModuleType:
    return import_module(settings_module(name))


def expected(name: str) -> list[str]:
    return list(project(name).EXPECTED)


def arguments(name: str) -> list[str]:
    """Give what cors_audit is called with."""
    module = project(name)
    probe = ["--probe", f"--max-requests={module.PROBE}"] if hasattr(module, "PROBE") else []
    return ["--format=json", *probe, *(f"--path={path}" for path in getattr(module, "PATHS", ()))]


def settings_of(module: ModuleType) -> dict[str, Any]:
    """Give a project's settings, without its databases: those are the tests' own."""
    return {name: value for name, value in vars(module).items() if name.isupper() and name not in NO_SETTINGS}


def audited(name: str) -> dict[str, Any]:
    """Audit a project in this process, where startproject's settings are in force; give the report."""
    values = settings_of(project(name))
    out = io.StringIO()
    # Only what differs: each setting that changes is told to all of Django.
    with override_settings(**{key: value for key, value in values.items() if getattr(settings, key, ...) != value}):
        store_tenants(name)
        with suppress(SystemExit):
            call_command("cors_audit", *arguments(name), stdout=out)
    report: dict[str, Any] = json.loads(out.getvalue())
    return report


def store_tenants(name: str) -> None:
    """Write a project's stored policies past all validation, as a script or raw SQL does."""
    for row in getattr(project(name), "TENANTS", ()):
        fields = {**row}
        origins = fields.pop("origins", ())
        [policy] = TenantPolicy.objects.bulk_create([TenantPolicy(**fields)])
        rows = [origin if isinstance(origin, dict) else {"pattern": origin} for origin in origins]
        AllowedOrigin.objects.bulk_create(AllowedOrigin(policy=policy, **row) for row in rows)


def findings(report: dict[str, Any]) -> list[str]:
    """Give a report's findings in EXPECTED's words."""
    return sorted(f"{found['code']} {found['severity']}" for found in report["findings"])
