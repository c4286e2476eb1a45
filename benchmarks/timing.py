"""What a call costs, how costs are compared, and what is asked of them."""

import gc
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from time import process_time
from typing import Any

Call = Callable[[Any], Any]
Costs = Mapping[str, Sequence[float]]  # side -> microseconds of one call, by round


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: ``value``, in ``unit``, is to be at most the ``gate``, or at least where ``at_least``.

    ``ours``, ``theirs`` and ``reference`` are the microseconds of a request that it comes from, where there are any;
    between the ``quartiles`` lies the middle half of the rounds. A row without a gate is there to be read.
    """

    case: str
    value: float
    gate: float | None = None
    aim: float | None = None
    at_least: bool = False
    unit: str = "x"
    ours: float | None = None
    theirs: float | None = None
    reference: float | None = None
    quartiles: tuple[float, float] | None = None

    def is_missed(self, *, short: bool = False) -> bool:
        """Tell whether the gate is missed; ``short`` lets pass a ratio that is half as good.

        Half of 12x faster is 6x. Next to 1, where 1.06x asks that no more than 0.06 be added and 0.97x that no more
        than 0.03 be lost, twice as much passes, 1.12x and 0.94x. A count is no ratio, nor is a time that is promised.
        """
        if self.gate is None:
            return False
        gate = self.gate
        if short and self.unit == "x":
            gate = gate / 2 if self.at_least and gate > 1 else 2 * gate - 1
        return self.value < gate if self.at_least else self.value > gate


# --- taking costs -----------------------------------------------------------------------------------------------------


def time_calls(call: Call, arguments: Sequence[Any], clock: Callable[[], float] = process_time) -> float:
    """Give the microseconds of one call, with the garbage collector off.

    The processor's time: other programs interrupt a slow call more often than a fast one, so that by the clock on the
    wall a busy machine would flatter the fast one. Where a call waits for another process, that clock it has to be.
    """
    gc.disable()
    try:
        start = clock()
        for argument in arguments:
            call(argument)
        return (clock() - start) / len(arguments) * 1e6
    finally:
        gc.enable()


def time_awaits(call: Call, arguments: Sequence[Any]) -> float:
    """Do the same for a coroutine function that never waits for anything."""

    async def run() -> float:
        start = process_time()
        for argument in arguments:
            await call(argument)
        return (process_time() - start) / len(arguments) * 1e6

    gc.disable()
    try:
        cost: float = run_at_once(run())
    finally:
        gc.enable()
    return cost


def run_at_once(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Give a coroutine's result without an event loop; raises RuntimeError if it waits, as for a thread."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    coroutine.close()
    raise RuntimeError("this was to be answered without waiting")


# --- comparing them ---------------------------------------------------------------------------------------------------


def added(costs: Costs, side: str) -> float:
    """Give the median of what each round cost beyond the same round of the reference, if there is one."""
    reference = costs.get("reference")
    if reference is None:
        return median(costs[side])
    return median(cost - other for cost, other in zip(costs[side], reference, strict=True))


def faster(case: str, costs: Costs, gate: float, aim: float) -> Row:
    """Compare what is added by ours and by theirs."""
    ours, theirs = added(costs, "ours"), added(costs, "theirs")
    return Row(case, theirs / ours, gate, aim, at_least=True, ours=ours, theirs=theirs)


def slower(case: str, costs: Costs, gate: float | None = None, aim: float | None = None, side: str = "ours") -> Row:
    """Compare one side as a whole with the reference."""
    reference = median(costs["reference"])
    total = reference + added(costs, side)
    ours, theirs = (total, None) if side == "ours" else (None, total)
    return Row(case, total / reference, gate, aim, ours=ours, theirs=theirs, reference=reference)
