"""An effective policy for the Apache HTTP Server."""

from collections.abc import Iterator

from django_cors_policy.transfer.plan import FIELDS, NOBODY, PRIVATE_NETWORK, Plan, Rule

INCLUDE = (
    "Include this file in the <VirtualHost> that proxies to Django; it needs mod_setenvif, mod_headers and mod_rewrite."
)


def write(plan: Plan, notes: list[str]) -> Iterator[str]:  # noqa: ARG001 -- nothing is left out
    """Give the lines after the introduction."""
    name = f"CORS_{plan.name}"
    yield from _policy(plan, name)
    asked = (
        "%{REQUEST_METHOD} == 'OPTIONS' && -n req_novary('Origin') && -n req_novary('Access-Control-Request-Method')"
    )
    yield f'SetEnvIfExpr "{asked}" {name}_kind=preflight'
    yield ""
    yield "RewriteEngine On"
    # "^" alone matches any path, and "-" changes nothing of it.
    for test, flags in (("=preflight", "F"), ("^preflight.", f"R={plan.preflight_status},L")):
        yield f'RewriteCond "%{{ENV:{name}_kind}}%{{ENV:{name}}}" "{test}"'
        yield f"RewriteRule ^ - [{flags}]"
    yield ""
    for field in FIELDS:
        yield f"Header unset {field}"
        yield f"Header always unset {field}"
    for number, policy, any_origin in plan.numbered():
        serves = f"reqenv('{name}') == '{number}'"
        actual = f"{serves} && reqenv('{name}_kind') != 'preflight'"
        preflight = f"{serves} && reqenv('{name}_kind') == 'preflight'"
        yield _set(FIELDS[0], "*" if any_origin else "expr=%{req_novary:Origin}", serves)
        for condition, fields in ((actual, policy.actual_headers), (preflight, policy.preflight_headers)):
            for field, value in fields:
                yield _set(field, value.replace("%", "%%"), condition)
        if policy.allow_private_network:
            asked = "req_novary('Access-Control-Request-Private-Network') == 'true'"
            yield _set(PRIVATE_NETWORK, "true", f"{preflight} && {asked}")
    if plan.varies:
        present = r"%{resp:Vary} =~ m#(?:^|[\s,])(?:origin|\*)(?:[\s,]|\z)#i"
        yield f'Header always merge Vary Origin "expr=!({present})"'


def _policy(plan: Plan, name: str) -> Iterator[str]:
    """Give the rules from the last to the first: each overwrites what the one before has set."""
    if plan.otherwise != NOBODY:
        # Any header field that a request may lack is matched as empty.
        yield f'SetEnvIf Origin "{"^" if plan.constant else "^."}" {name}={plan.otherwise}'
    for rule in reversed(plan.gate):
        yield _rule(rule, f"{name}_gate")
    for rule in reversed(plan.regexes):
        # Not SetEnvIf: it would take a request's header of the variable's name for the variable.
        asked = f"reqenv('{name}_gate') == '1' && req_novary('Origin') =~ m#^{rule.regex}\\z#"
        yield f'SetEnvIfExpr "{asked}" {name}={rule.policy}'
    for rule in reversed(plan.rules):
        yield _rule(rule, name)


def _rule(rule: Rule, variable: str) -> str:
    outcome = f"!{variable}" if rule.policy == NOBODY else f"{variable}={rule.policy}"
    return f'SetEnvIf Origin "^{rule.regex}\\z" {outcome}'


def _set(field: str, value: str, condition: str) -> str:
    return f'Header always set {field} "{value}" "expr={condition}"'
