"""An effective policy for nginx: maps for its http block, and what goes into a location."""

from collections.abc import Iterator

from django_cors_policy.transfer.plan import FIELDS, NOBODY, PRIVATE_NETWORK, Plan

INCLUDE = (
    'Include this file in the http block, and put the lines under "In the location" below into each location '
    "that proxies to Django, without their #."
)
_LONGEST = 4000  # characters of a value: nginx reads no token of more than 4 KB


def write(plan: Plan, notes: list[str]) -> Iterator[str]:
    """Give the lines after the introduction; add to ``notes`` what is left out."""
    prefix = f"$cors_{plan.name}"
    yield "# In the location:"
    yield "#"
    for line in _location(plan, prefix):
        yield f"#     {line}"
    yield ""
    yield from _policy(plan, prefix)
    # An absent header and an empty one are the same to nginx.
    yield from _map(
        "$http_origin",
        f"{prefix}_asked",
        [("default", '"$request_method $http_access_control_request_method"'), ('""', '""')],
    )
    yield from _map(f"{prefix}_asked", f"{prefix}_kind", [("default", "actual"), ('"~^OPTIONS ."', "preflight")])
    numbers = [number for number, _, _ in plan.numbered()]
    answer = f'"{prefix}_kind{prefix}_policy"'
    allowed = [(f'"preflight{number}"', "allowed") for number in numbers]
    yield from _map(answer, f"{prefix}_preflight", [("default", '""'), ('"preflight"', "denied"), *allowed])
    if plan.varies:
        present = r'"~*(?:^|[\s,])(?:origin|\*)(?:[\s,]|\z)"'
        yield from _map("$upstream_http_vary", f"{prefix}_vary", [("default", "Origin"), (present, '""')])
    yield from _fields(plan, prefix, answer, notes)


def _location(plan: Plan, prefix: str) -> Iterator[str]:
    yield f"if ({prefix}_preflight = allowed) {{ return {plan.preflight_status}; }}"
    yield f"if ({prefix}_preflight = denied) {{ return 403; }}"
    for name in FIELDS:
        yield f"proxy_hide_header {name};"
        yield f"add_header {name} {prefix}_{_variable(name)} always;"
    if plan.varies:
        yield f"add_header Vary {prefix}_vary always;"


def _policy(plan: Plan, prefix: str) -> Iterator[str]:
    otherwise = _number(plan.otherwise)
    rules = [(f'"~^{rule.regex}\\z"', _number(rule.policy)) for rule in plan.rules]
    if plan.regexes:
        gate = [(f'"~^{rule.regex}\\z"', "$http_origin" if rule.policy else '""') for rule in plan.gate]
        yield from _map("$http_origin", f"{prefix}_gated", [("default", '""'), *gate])
        regexes = [(f'"~^{rule.regex}\\z"', _number(rule.policy)) for rule in plan.regexes]
        yield from _map(f"{prefix}_gated", f"{prefix}_regex", [("default", otherwise), *regexes])
        otherwise = f"{prefix}_regex"
    without = [] if plan.constant else [('""', '""')]
    # Only regexes: nginx compares texts in a map without regard to case.
    yield from _map("$http_origin", f"{prefix}_policy", [("default", otherwise), *without, *rules])


def _fields(plan: Plan, prefix: str, answer: str, notes: list[str]) -> Iterator[str]:
    values: dict[str, list[tuple[str, str]]] = {name: [] for name in FIELDS}
    for number, policy, any_origin in plan.numbered():
        allowed = '"*"' if any_origin else "$http_origin"
        values[FIELDS[0]] += [(f'"{kind}{number}"', allowed) for kind in ("actual", "preflight")]
        for kind, fields in (("actual", policy.actual_headers), ("preflight", policy.preflight_headers)):
            for name, value in fields:
                # A $ stands for a variable, whatever is done to escape it.
                written = value.replace("$", f"${{cors_{plan.name}_dollar}}")
                if len(written) > _LONGEST:
                    notes.append(f"{name} is left out: nginx reads no value of more than {_LONGEST} characters.")
                else:
                    values[name].append((f'"{kind}{number}"', f'"{written}"'))
    if any("_dollar}" in value for rows in values.values() for _, value in rows):
        yield from ("", f"geo {prefix}_dollar {{", '    default "$";', "}")
    private = [
        (f'"~^preflight{number} true\\z"', '"true"')
        for number, policy, _ in plan.numbered()
        if policy.allow_private_network
    ]
    for name in FIELDS:
        source = answer
        if name == PRIVATE_NETWORK:
            source = f'{answer[:-1]} $http_access_control_request_private_network"'
            values[name] = private
        yield from _map(source, f"{prefix}_{_variable(name)}", [("default", '""'), *values[name]])


def _map(source: str, target: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    yield f"map {source} {target} {{"
    for key, value in rows:
        yield f"    {key} {value};"
    yield "}"


def _number(policy: int) -> str:
    return '""' if policy == NOBODY else f'"{policy}"'


def _variable(name: str) -> str:
    return name.removeprefix("Access-Control-").lower().replace("-", "_")
