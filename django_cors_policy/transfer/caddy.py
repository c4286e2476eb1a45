"""An effective policy for Caddy."""

from collections.abc import Iterator, Sequence

from django_cors_policy.transfer.plan import FIELDS, NOBODY, PRIVATE_NETWORK, Plan, Rule

INCLUDE = "Import this file in a route block of the site, before what proxies to Django in the same block."
_ORIGIN = "{http.request.header.Origin}"


def write(plan: Plan, notes: list[str]) -> Iterator[str]:  # noqa: ARG001 -- nothing is left out
    """Give the lines after the introduction."""
    name = f"cors_{plan.name}"
    yield from _policy(plan, name)
    yield from _matcher(f"{name}_denied", _asked(name, NOBODY))
    # What stands first has the last word: a response passes these from the last to the first.
    for number, policy, any_origin in plan.numbered():
        allowed = [(FIELDS[0], "*" if any_origin else _ORIGIN)]
        preflight = f"{name}_preflight{number}"
        yield from _matcher(preflight, _asked(name, number))
        yield from _header(preflight, [*allowed, *policy.preflight_headers], "defer")
        if policy.allow_private_network:
            yield from _matcher(
                f"{name}_private{number}",
                [*_asked(name, number), "header Access-Control-Request-Private-Network true"],
            )
            yield from _header(f"{name}_private{number}", [(PRIVATE_NETWORK, "true")], "defer")
        yield from _matcher(
            f"{name}_actual{number}",
            [f"vars {{{name}_policy}} {_number(number)}", "not {", *(f"\t{line}" for line in _genuine()), "}"],
        )
        yield from _header(f"{name}_actual{number}", [*allowed, *policy.actual_headers], "defer")
    yield from _header(None, [], "-Access-Control-*", "defer")
    # Once more and at once, for the errors that Caddy answers itself: what is deferred is not for them.
    for number, policy, any_origin in plan.numbered():
        allowed = [(FIELDS[0], "*" if any_origin else _ORIGIN)]
        yield from _header(f"{name}_actual{number}", [*allowed, *policy.actual_headers])
    if plan.varies:
        yield from _vary(name)
    for number, _, _ in plan.numbered():
        yield f"respond @{name}_preflight{number} {plan.preflight_status}"
    yield f"respond @{name}_denied 403"


def _vary(name: str) -> Iterator[str]:
    present = r"(?:.*[\s,])?(?:(?i:origin)|\*)(?:[\s,].*)?"
    rows = [
        ('"Origin"', '"Origin"'),
        (f'"~^(?:Origin,)?({present})$"', '"${1}"'),
        ('"~^(?:Origin,)?(.+)$"', '"${1}, Origin"'),
        ("default", '"Origin"'),
    ]
    yield from _map("{http.response.header.Vary}", f"{name}_vary", rows)
    yield from _header(None, [("Vary", f"{{{name}_vary}}")], "defer")
    yield from _header(None, [("Vary", "Origin")])


def _policy(plan: Plan, name: str) -> Iterator[str]:
    otherwise = _number(plan.otherwise)
    if plan.regexes:
        gate = [(_key(rule), '"${0}"' if rule.policy else '""') for rule in plan.gate]
        yield from _map(_ORIGIN, f"{name}_gated", [*gate, ("default", '""')])
        regexes = _rows(plan.regexes)
        yield from _map(f"{{{name}_gated}}", f"{name}_regex", [*regexes, ("default", otherwise)])
        otherwise = f"{{{name}_regex}}"
    without = [] if plan.constant else [('"~^$"', _number(NOBODY))]
    yield from _map(_ORIGIN, f"{name}_policy", [*without, *_rows(plan.rules), ("default", otherwise)])


def _rows(rules: Sequence[Rule]) -> list[tuple[str, str]]:
    return [(_key(rule), _number(rule.policy)) for rule in rules]


def _key(rule: Rule) -> str:
    return f'"~^{rule.regex}$"'


def _genuine() -> list[str]:
    return ["method OPTIONS", "header Origin *", "header Access-Control-Request-Method *"]


def _asked(name: str, number: int) -> list[str]:
    return [*_genuine(), f"vars {{{name}_policy}} {_number(number)}"]


def _number(policy: int) -> str:
    return "denied" if policy == NOBODY else f"policy{policy}"


def _map(source: str, target: str, rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    yield f"map {source} {{{target}}} {{"
    for key, value in rows:
        yield f"\t{key} {value}"
    yield "}"


def _matcher(name: str, lines: Sequence[str]) -> Iterator[str]:
    yield f"@{name} {{"
    for line in lines:
        yield f"\t{line}"
    yield "}"


def _header(matcher: str | None, fields: Sequence[tuple[str, str]], *lines: str) -> Iterator[str]:
    yield f"header @{matcher} {{" if matcher else "header {"
    for field, value in fields:
        yield f'\t{field} "{value}"'
    for line in lines:
        yield f"\t{line}"
    yield "}"
