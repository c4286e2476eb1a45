"""Imports point one way, and every module has its place."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import django_cors_policy
from django_cors_policy import cors

PACKAGE = "django_cors_policy"
ROOT = Path(django_cors_policy.__file__).parent

# Inside the protocol: what each module may import. The package itself gathers what the edges use.
PROTOCOL = {
    "errors": set(),
    "origins": {"errors"},
    "names": {"errors"},
    "patterns": {"errors", "origins", "names"},
    "policy": {"errors", "origins", "names", "patterns"},
    "protocol": {"errors", "origins", "names", "patterns", "policy"},
    "growth": {"origins"},
    "regexes": {"growth", "origins", "patterns"},
    "rules": {"errors"},
    "lint": {"errors", "origins", "names", "patterns", "policy", "regexes", "rules"},
    # The browser's side judges the server by its headers, and shares none of its mistakes.
    "answers": {"names"},
    "safelists": {"names"},
    "urls": {"origins"},
    "blocking": {"origins", "urls"},
    "preflights": {"names"},
    "corscheck": {"errors", "answers", "preflights", "urls"},
    "browser": {"errors", "origins", "names", "answers", "blocking", "corscheck", "preflights", "safelists", "urls"},
    "": {"errors", "origins", "names", "patterns", "policy", "protocol", "browser"},
}
# Around it: each row may import the rows above, and nothing beside it.
ROWS = (
    {"cors"},
    {"conf", "defaults", "wording"},
    {"feed"},
    {"history", "inbox"},
    {"recorded"},
    {"models", "tenants", "decorators"},
    {"memory", "migrations"},
    {"reading"},
    {"store"},
    {"selection"},
    {"remedies", "blocked"},
    {"middleware", "csrf", "websocket"},
    {"audit"},
    {"status", "explain", "transfer"},
    {"telling", "live"},
    {"checks", "admin", "management"},
    {"apps"},
)
LINTERS = {"audit", "checks", "admin", "explain"}  # who may import the protocol's lint beside the protocol
PACKAGES = {"admin", "audit", "management", "migrations", "transfer"}  # whose modules may import each other
DEPENDENCIES = {"idna", "publicsuffixlist"}  # of the protocol


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name):
    path = ROOT.parent.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def imported(source, name, *, package=False):
    """Give the modules that a module's source imports, wherever in it, whole names and relative ones resolved."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = name.split(".")
            base = parents[: len(parents) - node.level + package] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                # `from package import module` imports the module.
                inner = f"{origin}.{alias.name}"
                yield inner if origin.split(".")[0] == PACKAGE and is_module(inner) else origin


def row_of(part):
    return next((number for number, row in enumerate(ROWS) if part in row), None)


def fault(importer, module):
    """Say what is wrong with an import, or give None."""
    if module.split(".")[0] != PACKAGE:
        inside = importer.startswith(f"{PACKAGE}.cors")
        known = module.split(".")[0] in sys.stdlib_module_names | DEPENDENCIES
        return "the protocol depends on nothing else" if inside and not known else None
    part, _, submodule = importer.removeprefix(PACKAGE).lstrip(".").partition(".")
    its_part, _, its_submodule = module.removeprefix(PACKAGE).lstrip(".").partition(".")
    if not part:
        return "importing the package imports nothing"
    if not its_part:
        return None  # it holds nothing
    if row_of(part) is None or row_of(its_part) is None:
        return "a module without a place"
    if part == its_part == "cors":
        if submodule not in PROTOCOL or its_submodule not in PROTOCOL:
            return "a module without a place"
        return None if its_submodule in PROTOCOL[submodule] else "against the direction of the protocol"
    if its_part == "cors":
        allowed = {"", "lint"} if part in LINTERS else {""}
        return None if its_submodule in allowed else "edges import from the protocol, not from its submodules"
    if part == its_part:
        return None if part in PACKAGES else "a module that imports itself"
    return None if row_of(its_part) < row_of(part) else "against the direction of the package"


FILES = sorted(ROOT.rglob("*.py"))


# --- (a) the direction -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_every_module_has_its_place(path):
    part, _, submodule = module_name(path).removeprefix(PACKAGE).lstrip(".").partition(".")
    assert not part or row_of(part) is not None
    assert part != "cors" or submodule in PROTOCOL


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_point_one_way(path):
    importer = module_name(path)
    modules = imported(path.read_text(encoding="utf-8"), importer, package=path.name == "__init__.py")
    faults = {module: fault(importer, module) for module in modules}
    assert {module: why for module, why in faults.items() if why} == {}


def test_the_walk_reaches_every_part():
    assert {"cors", "conf", "models", "store", "middleware"} <= {
        path.relative_to(ROOT).parts[0].removesuffix(".py") for path in FILES
    }


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("cors.errors", "from .origins import Origin"),
        ("cors.origins", "from .patterns import parse_pattern"),
        ("cors.origins", "from .names import is_token"),
        ("cors.patterns", "from . import policy"),
        ("cors.protocol", "from .lint import lint"),
        ("cors.lint", "from .protocol import decide"),
        ("cors.regexes", "from .lint import lint"),
        ("cors.browser", "from .policy import Policy"),
        ("cors.corscheck", "from .protocol import Reason"),
        ("cors.policy", "def late():\n    from django_cors_policy.cors.protocol import decide"),
        ("cors.policy", "from django_cors_policy.cors import decide"),
        ("cors.policy", "from django_cors_policy import conf"),
        ("cors.policy", "import django.conf"),
        ("cors.policy", "from asgiref.sync import sync_to_async"),
        ("cors.policy", "if TYPE_CHECKING:\n    from ..models import TenantPolicy"),
        ("conf", "import django_cors_policy.store"),
        ("conf", "from .models import TenantPolicy"),
        ("conf", "from django_cors_policy.cors.origins import parse_origin"),
        ("conf", "from django_cors_policy.cors import origins"),
        ("conf", "from django_cors_policy.cors.lint import lint"),
        ("middleware", "from django_cors_policy.cors import lint"),
        ("audit.stack", "from django_cors_policy.cors.regexes import examine"),
        ("models", "from django_cors_policy.tenants import by_host"),
        ("models", "def late():\n    async def later():\n        from django_cors_policy import store"),
        ("store", "from django_cors_policy.selection import policies_for"),
        ("middleware", "from . import csrf\nfrom .websocket import x"),
        ("middleware", "from django_cors_policy.audit import audit"),
        ("audit.stack", "from django_cors_policy.checks import x"),
        ("audit", "from ..admin import x"),
        ("checks", "from django_cors_policy.admin import x"),
        ("management.commands.cors_audit", "from django_cors_policy.apps import x"),
        ("management.commands.cors_audit", "from django_cors_policy.cors.lint import x"),
        ("utils", "from django_cors_policy.cors import x"),
        ("conf", "from django_cors_policy.utils import x"),
        ("cors.utils", "from .errors import x"),
        ("cors.policy", "from .utils import x"),
        ("", "from django_cors_policy import conf"),
    ],
)
def test_a_wrong_import_is_found(importer, source):
    name = f"{PACKAGE}.{importer}".rstrip(".")
    assert any(fault(name, module) for module in imported(source, name, package=importer in ("", "cors", "audit")))


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        (
            "cors.patterns",
            "import re\nimport idna\nfrom publicsuffixlist import PublicSuffixList\nfrom .errors import x",
        ),
        ("cors.lint", "from .regexes import examine"),
        ("conf", "from django.conf import settings\nfrom django_cors_policy.cors import decide"),
        ("models", "from django_cors_policy import conf\nfrom .cors import decide"),
        ("audit.stack", "from django_cors_policy.cors.lint import lint\nfrom .report import Report"),
        ("audit", "from . import stack\nfrom ..middleware import CorsMiddleware"),
        ("admin", "from django_cors_policy.cors.lint import lint"),
        ("apps", "def ready():\n    from django_cors_policy import checks"),
    ],
)
def test_a_right_import_is_let_through(importer, source):
    name = f"{PACKAGE}.{importer}"
    assert not any(fault(name, module) for module in imported(source, name, package=importer == "audit"))


# --- (b) without Django ----------------------------------------------------------------------------------------------

WITHOUT_DJANGO = """
import sys

class NoDjango:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("django", "asgiref", "sqlparse"):
            raise ImportError(f"{name} is not to be imported")

sys.meta_path.insert(0, NoDjango())
try:
    import django
except ImportError:
    import MODULE
    assert not any(name.partition(".")[0] == "django" for name in sys.modules)
    print("imported")
"""


@pytest.mark.parametrize("module", [PACKAGE, f"{PACKAGE}.cors", f"{PACKAGE}.cors.lint"])
def test_it_is_imported_where_django_cannot_be(module):
    command = [sys.executable, "-W", "error", "-c", WITHOUT_DJANGO.replace("MODULE", module)]
    done = subprocess.run(command, cwd=ROOT.parent, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("imported\n", "", 0)


# --- (c) what it exports ---------------------------------------------------------------------------------------------


def test_the_protocol_exports_what_it_always_did():
    assert sorted(cors.__all__) == sorted(
        [
            *("DEFAULT_HEADERS", "DEFAULT_MAX_AGE", "DEFAULT_METHODS", "NOT_COVERED", "CorsRequest"),
            *("CredentialsError", "CredentialsReason", "Decision", "ExposedHeaderNameError", "HeaderNameError"),
            *("HeaderNameReason", "InvalidPolicy", "Kind", "LimitError", "LimitReason", "Limits", "MaxAgeError"),
            *("MaxAgeReason", "MethodError", "MethodReason", "Origin", "OriginPattern", "PatternError"),
            *("PatternReason", "PatternSet", "Policy", "PolicyError", "PolicySpec", "Reason", "RegexError"),
            *("RegexReason", "check_count", "check_limits", "compare_own", "compile_policy", "decide"),
            *("Answer", "FetchRequest", "PreflightCache", "Verdict", "WireRequest", "browse"),
            *("is_dropped", "remembered_for"),
            *(
                "decide_actual",
                "decide_options",
                "remembered",
                "is_forbidden_request_header",
                "is_loopback",
                "is_public_suffix",
                "parse_origin",
                "parse_pattern",
                "quoted",
                "site_of",
                "registrable_domain",
                "compile_regex",
                "SAFELISTED_METHODS",
                "MAX_HOST",
                "MAX_ORIGIN",
                "NEVER_ORIGINS",
            ),
        ]
    )


@pytest.mark.parametrize("name", cors.__all__)
def test_what_is_exported_is_there(name):
    assert getattr(cors, name) is not None
