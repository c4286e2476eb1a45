"""How the time of a regex grows with the length of an origin that nearly matches: measured, within a bound."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import log

from .origins import MAX_HOST, parse_origin

Timer = Callable[[], float]

# What re raises at a text that is no regex, or that warns while warnings are errors.
UNREADABLE = (re.error, OverflowError, RecursionError, Warning)


@dataclass(frozen=True, slots=True)
class Growth:
    """How the time of one match grows: ``shape`` is the origin as a Python expression of ``n``.

    ``shorter`` and ``longer`` are two measurements, each n and seconds. ``askable`` is the length in characters up to
    which an origin of this shape is matched within a millisecond. ``origin`` is the longest that was measured.
    """

    shape: str
    exponential: bool
    shorter: tuple[int, float]
    longer: tuple[int, float]
    askable: int
    origin: str


_UNITS = ("a", "a-", "a.", "1")
# Valid ends that make a match fail: an underscore is in few classes, and a port in none that is meant for a host.
_ENDS = ("_", ":1")
_MOST_SHAPES = 1000
_SHORTEST = 4
# Seconds. A match that is never slower than _NOTICED is fast enough. No longer origin is tried after _TOO_LONG: it is
# about what a busy machine lets a process run without a pause, so that the least of several tries is still true.
_BUDGET = 0.3
_TOO_LONG = 0.002
_NOTICED = 0.001
_NEARLY = 0.0001
_MEASURABLE = 0.00002
_TRIES = 5
_MOST_TRIES = 15
# The exponent of n between a measurement and one of ten times its duration: about 10 if the growth is exponential,
# whatever its base, and up to 5 for the polynomials that people write.
_SUPERLINEAR = 1.5
_EXPONENTIAL = 6.0


def measured_growth(regex: re.Pattern[str], skeletons: Sequence[tuple[str, ...]], timer: Timer) -> Growth | None:
    """Measure ever longer origins that nearly match, and give the gravest growth that is faster than linear."""
    if not re.search(r"[*+?{|]", regex.pattern):
        return None  # one way to match, one way to fail
    regex = _without_least_length(regex)
    worst = None
    end = timer() + _BUDGET
    scheme = "http" if "http:" in regex.pattern else "https"
    for before, unit, after in islice(_shapes(skeletons), _MOST_SHAPES):
        if timer() > end:
            break
        growth = _grown(regex, (f"{scheme}://{before}", unit, after), timer)
        if growth is not None and growth.exponential:
            return growth
        worst = worst or growth
    return worst


def _without_least_length(regex: re.Pattern[str]) -> re.Pattern[str]:
    """Give a regex that takes as long and also tries what is too short to match.

    ``re`` refuses that at once, so that the time of a regex with a long literal end would not grow: it would leap.
    """
    try:
        return re.compile(f"{regex.pattern}{chr(10) if regex.flags & re.VERBOSE else ''}|(?!)", regex.flags)
    except UNREADABLE:
        return regex


def _shapes(skeletons: Sequence[tuple[str, ...]]) -> Iterator[tuple[str, str, str]]:
    """Give (before, unit, after) for hosts with the unit repeated, those within variable parts first."""
    found: dict[tuple[str, str, str], None] = {}
    rows = sorted(skeletons or [("",)], key=lambda row: len(row) == 1)
    for row in rows:
        host = row[0].partition(":")[0]
        fixed = next((i for i, chars in enumerate(zip(host, row[-1], strict=False)) if len(set(chars)) > 1), 0)
        for place in range(fixed, len(host) + 1):
            units = dict.fromkeys((*(host[max(place - back, 0) : place] for back in (1, 2, 3)), *_UNITS))
            for unit, after in product(filter(None, units), _ENDS):
                shape = (host[:place], unit, after)
                if shape not in found:
                    found[shape] = None
                    yield shape


def _grown(regex: re.Pattern[str], shape: tuple[str, str, str], timer: Timer) -> Growth | None:
    before, unit, after = shape
    count = max(_SHORTEST // len(unit), 2)
    most = (MAX_HOST - len(before.rpartition("://")[2] + after)) // len(unit)
    points: list[tuple[int, float]] = []
    while not points or (points[-1][1] <= _TOO_LONG and points[-1][0] < most):
        origin = before + unit * count + after
        if parse_origin(origin) is None:
            return None
        seconds = _duration(regex, origin, timer)
        points.append((count, seconds))
        # The slower it is, the smaller the step, lest the next one takes for ever.
        factor = 1.5 if seconds < _MEASURABLE else 1.2 if seconds < _NEARLY else 1.07
        count = max(min(int(count * factor), most), count + 1)
    (fewer, quick), (more, slow) = _decade(points)
    exponent = log(slow / quick) / log(more / fewer) if more > fewer else 0.0
    if slow < _NOTICED or exponent < _SUPERLINEAR:
        return None
    askable = max((count for count, seconds in points if seconds <= _NOTICED), default=0)
    return Growth(
        shape=f"{before!r} + {unit!r} * n + {after!r}",
        exponential=exponent >= _EXPONENTIAL,
        shorter=(fewer, quick),
        longer=(more, slow),
        askable=len(before + unit * askable + after),
        origin=before + unit * more + after,
    )


def _decade(points: list[tuple[int, float]]) -> tuple[tuple[int, float], tuple[int, float]]:
    """Give the last point and the nearest before it that took at most a tenth, or the first; none takes no time."""
    last = points[-1]
    before = next((point for point in reversed(points) if point[1] * 10 <= last[1]), points[0])
    return (before[0], max(before[1], 1e-9)), (last[0], max(last[1], 1e-9))


def _duration(regex: re.Pattern[str], origin: str, timer: Timer) -> float:
    """Give the seconds of one match, the least of several: others use the machine too."""
    best = float("inf")
    for tries in range(1, _MOST_TRIES + 1):
        start = timer()
        regex.fullmatch(origin)
        best = min(best, timer() - start)
        if best < _MEASURABLE or (best <= _TOO_LONG and tries >= _TRIES):
            break
    return best
