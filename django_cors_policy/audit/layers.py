"""Which middleware or view is to blame, found by leaving out one layer at a time."""

from collections.abc import Callable, Iterator, Sequence

from django.utils.module_loading import import_string

from django_cors_policy.audit.judge import (
    BAD_CREDENTIALS,
    CROSS_TENANT,
    DUPLICATE_HEADER,
    HAND_SET,
    HOSTILE_SERVED,
    PATH_VARIANT,
    Answer,
    Ask,
    Hit,
)
from django_cors_policy.audit.sandbox import REAL, Sandbox
from django_cors_policy.cors.lint import Finding, Severity
from django_cors_policy.middleware import CorsMiddleware

# The faults that are gone, with everything else, where nobody answers CORS: ours is named where no other is to blame.
_OURS_TOO = (HOSTILE_SERVED, CROSS_TENANT, DUPLICATE_HEADER, BAD_CREDENTIALS)

Send = Callable[[Ask], Answer]


class Layers:
    """The project's middleware, by their dotted paths, of which one after the other is left out."""

    def __init__(self, box: Sandbox, paths: Sequence[str], send: Send) -> None:
        self._box = box
        self._send = send
        self._all = list(paths)
        self._ours = [path for path in paths if _is_ours(path)]
        self._others = [path for path in paths if path not in self._ours]
        # WhiteNoise's * on static files has a rule of its own.
        self._writing = [path for path in self._others if path.partition(".")[0] != "whitenoise"]
        above = self._all[: self._all.index(self._ours[0])] if self._ours else []
        self._above = [path for path in above if path in self._writing]
        self._told: set[str] = set()

    def blame(self, hit: Hit) -> None:
        """Name the layer without which a fault is gone, if one is enough; ours only where no other is."""
        for layer in (*self._others, *(self._ours if hit.fault.rule in _OURS_TOO else ())):
            with self._box.middleware([path for path in self._all if path != layer]):
                answer, persists = hit.persists()
            rewrites = hit.fault.rule is PATH_VARIANT and answer.status == 404
            if not persists and (rewrites or _comparable(answer, hit.answer)):
                hit.layer = layer
                return

    def hand_set(self, asks: Sequence[Ask]) -> Iterator[Finding]:
        """Find who writes CORS headers beside ours, each once. A writer that ours overrules everywhere is milder."""
        first = list({ask.path: ask for ask in reversed(asks)}.values())  # of each path
        for ask in asks:
            for found in (self._writers(self._writing, ask), self._changers(ask) if ask in first else ()):
                for writer in found:
                    if writer not in self._told:
                        self._told.add(writer)
                        yield self._finding(writer, ask, first)

    def _writers(self, chain: list[str], ask: Ask) -> Iterator[str]:
        answer = self._through(chain, ask)
        while answer.cors:
            writers = [layer for layer in chain if self._wrote(layer, chain, ask, answer)]
            if not writers:
                # Several write the same: the last that is left when they go one after the other.
                rest = chain
                for layer in chain:
                    if self._wrote(layer, rest, ask, answer):
                        writers = [layer]
                        break
                    without = [path for path in rest if path != layer]
                    if _comparable(self._through(without, ask), answer):
                        rest = without
            if not writers:
                break
            yield from writers
            chain = [path for path in chain if path not in writers]
            answer = self._through(chain, ask)
        if answer.cors and ask.outcome == REAL and answer.reached is not None:
            yield _name(answer.reached[0])

    def _changers(self, ask: Ask) -> Iterator[str]:
        """Give who stands above ours and changes what it wrote; by themselves they write nothing."""
        if not self._above:
            return
        answer = self._through(self._all, ask)
        for layer in self._above:
            without = self._through([path for path in self._all if path != layer], ask)
            before = dict(without.cors)
            # What rewrites the request is another matter: it leads to another view, or to another policy's headers.
            if answer.reached == without.reached and any(
                before.get(name, value) != value for name, value in answer.cors
            ):
                yield layer

    def _wrote(self, layer: str, chain: list[str], ask: Ask, answer: Answer) -> bool:
        without = self._through([path for path in chain if path != layer], ask)
        return without.cors != answer.cors and _comparable(without, answer)

    def _through(self, chain: list[str], ask: Ask) -> Answer:
        with self._box.middleware(chain):
            return self._send(ask)

    def _finding(self, writer: str, ask: Ask, others: Sequence[Ask]) -> Finding:
        asks = others if writer in self._all else [ask]
        wins = writer in self._above or any(self._wins(writer, other) for other in asks)
        return Finding(
            HAND_SET,
            Severity.HIGH if wins else Severity.MEDIUM,
            writer[:300],
            f"{writer} writes Access-Control-* headers itself, seen at {ask.method} https://{ask.host}{ask.path}; "
            + ("they reach the browser." if wins else "CorsMiddleware replaces them, as long as it stands above."),
            "Take them out there, and let the policies say who may read the answer.",
        )

    def _wins(self, writer: str, ask: Ask) -> bool:
        final = self._through(self._all, ask)
        if writer in self._all:
            without = self._through([path for path in self._all if path != writer], ask)
        else:
            without = self._through(self._all, ask._replace(outcome="200"))
        return final.cors != without.cors


def _comparable(answer: Answer, before: Answer) -> bool:
    """Tell whether no more has changed than a header: a layer that others need takes the view away too."""
    if before.reached is not None and answer.reached is None:
        return False
    return answer.status == before.status or answer.status < 400


def _is_ours(path: str) -> bool:
    middleware = import_string(path)
    return isinstance(middleware, type) and issubclass(middleware, CorsMiddleware)


def _name(view: object) -> str:
    view = getattr(view, "view_class", view)
    return f"{view.__module__}.{getattr(view, '__qualname__', type(view).__qualname__)}"
