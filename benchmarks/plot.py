"""The cost of a request against the number of origins, as an SVG."""

from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import Any

from corsheaders.middleware import CorsMiddleware as Theirs

from benchmarks.cases import CALLS, Case, take, with_origins
from benchmarks.requests import listed, wsgi_request
from benchmarks.timing import added
from benchmarks.urls import view
from django_cors_policy.middleware import CorsMiddleware as Ours

COUNTS = (1, 10, 100, 1_000, 10_000)
FEW_CALLS = 5  # where one of theirs takes milliseconds
MAX_ROUNDS = 20

LABELS = {"ours": "django-cors-policy", "theirs": "django-cors-headers"}
LEAST = 0.1  # microseconds: of few rounds a difference may come out at nothing or less, which has no logarithm
Points = Mapping[str, Sequence[float]]  # side -> microseconds for each of COUNTS


def measure(rounds: int) -> Points:
    """Measure what each adds to a view, for a list of so many origins."""
    cases = {}
    for count in COUNTS:
        both: dict[str, Any] = {"request": wsgi_request, "origin": listed(count), "settings": with_origins(count)}
        cases["ours", count] = Case(**both, ours=Ours(view), reference=view)
        calls = CALLS if count <= 100 else FEW_CALLS
        cases["theirs", count] = Case(**both, theirs=Theirs(view), reference=view, calls=calls)
    costs = take(cases, min(rounds, MAX_ROUNDS))
    return {side: [added(costs[side, count], side) for count in COUNTS] for side in LABELS}


# --- drawing: both axes are logarithmic -------------------------------------------------------------------------------

WIDTH, HEIGHT = 720, 420
LEFT, RIGHT, TOP, BOTTOM = 84, 696, 64, 356  # the edges of the plot
STYLE = """
    text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #57606a }
    .title { font-size: 16px; font-weight: 600; fill: #1f2328 }
    .value { font-weight: 600 }
    .page { fill: #ffffff }
    .grid { stroke: #d8dee4; stroke-width: 1 }
    .line { fill: none; stroke-width: 2.5 }
    .ours { stroke: #0969da } .ours-fill { fill: #0969da }
    .theirs { stroke: #bc4c00 } .theirs-fill { fill: #bc4c00 }
    @media (prefers-color-scheme: dark) {
      text { fill: #9198a1 } .title { fill: #f0f6fc } .page { fill: #0d1117 } .grid { stroke: #2f363d }
      .ours { stroke: #58a6ff } .ours-fill { fill: #58a6ff }
      .theirs { stroke: #f0883e } .theirs-fill { fill: #f0883e }
    }"""


def draw(points: Points) -> str:
    """Draw the lines; the page is part of the picture, so that it can be read wherever it is shown."""
    points = {side: [max(cost, LEAST) for cost in costs] for side, costs in points.items()}
    decades = range(floor(log10(min(map(min, points.values())))), floor(log10(max(map(max, points.values())))) + 2)

    def x(count: float) -> float:
        return LEFT + (RIGHT - LEFT) * log10(count / COUNTS[0]) / log10(COUNTS[-1] / COUNTS[0])

    def y(cost: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (log10(cost) - decades[0]) / (decades[-1] - decades[0])

    shapes = [
        '<rect class="page" width="100%" height="100%" rx="6"/>',
        _text(LEFT, 26, "What an allowed request costs, by the number of origins in the list", "title"),
        _text(LEFT, 46, "the processor's time that is added to a view"),
        _text((LEFT + RIGHT) / 2, HEIGHT - 16, "origins", anchor="middle"),
    ]
    for decade in decades:
        shapes.append(_line(LEFT, y(10.0**decade), RIGHT, y(10.0**decade)))
        shapes.append(_text(LEFT - 10, y(10.0**decade) + 4, _time(10.0**decade), anchor="end"))
    for count in COUNTS:
        shapes.append(_line(x(count), TOP, x(count), BOTTOM))
        shapes.append(_text(x(count), BOTTOM + 22, f"{count:,}", anchor="middle"))
    for side, costs in points.items():
        corners = " ".join(f"{x(count):.1f},{y(cost):.1f}" for count, cost in zip(COUNTS, costs, strict=True))
        shapes.append(f'<polyline class="line {side}" points="{corners}"/>')
        for count, cost in zip(COUNTS, costs, strict=True):
            shapes.append(f'<circle class="{side}-fill" cx="{x(count):.1f}" cy="{y(cost):.1f}" r="4"/>')
        # The name stands over the line, the last cost at its end.
        shapes.append(_text(x(COUNTS[1]), y(costs[1]) - 14, LABELS[side], f"value {side}-fill", "middle"))
        shapes.append(_text(RIGHT, y(costs[-1]) - 12, _time(costs[-1]), f"value {side}-fill", "end"))
    body = "\n  ".join(shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img">\n  <title>Cost of a request against the number of origins, both axes logarithmic</title>\n'
        f"  <style>{STYLE}\n  </style>\n  {body}\n</svg>\n"
    )


def _time(microseconds: float) -> str:
    unit, amount = ("ms", microseconds / 1_000) if microseconds >= 1_000 else ("µs", microseconds)
    return f"{amount:.2g} {unit}" if amount < 100 else f"{amount:.0f} {unit}"


def _text(x: float, y: float, text: str, style: str = "", anchor: str = "start") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
