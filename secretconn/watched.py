"""Watched: one RotatingCredentials as metrics see it, its counters and gauges, without keeping it alive."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable

from secretconn._core.answer import Answer
from secretconn._core.rotating import RotatingCredentials, core_of
from secretconn.credentials import PENDING
from secretconn.events import Stats

__all__ = ["Watched"]


class Watched:
    """One RotatingCredentials under watch, until it is gone.

    Attributes:
        name: How it is called in attributes.
        claims: Whose calls of instrument() want it.
        stop: Ends the subscription to its events.
    """

    def __init__(self, rotating: RotatingCredentials, name: str, gone: deque[Watched]) -> None:
        self.name = name
        self.claims: set[object] = set()
        self.stop: Callable[[], object] = lambda: None
        self._rotating = weakref.ref(rotating, lambda _: gone.append(self))  # may run anywhere: takes no lock
        self._core = core_of(rotating)
        self._rotation: tuple[str | None, float] = (None, 0.0)

    @property
    def rotating(self) -> RotatingCredentials | None:
        return self._rotating()

    def stats(self) -> Stats:
        """Return the counters, the last ones where it is gone."""
        return self._core.observers.counters.stats()

    def gauge(self, gauge: str) -> float | None:
        """Return what is held now; None where there is nothing to tell of."""
        answer = self._core.state.answer
        if gauge == "ttl":
            return self._core.settings.ttl
        if gauge == "failing":
            return float(self._core.reader.failures)
        if answer is None:
            return None
        if gauge == "age":
            return max(self._core.runtime.clock() - answer.requested_at, 0.0)
        return self._rotation_seconds(answer)

    def _rotation_seconds(self, answer: Answer) -> float:
        """Seconds between the first and the last answer with the same version under AWSPENDING, not under AWSCURRENT.

        Not "since the first": the source is asked rarely, and a rotation that is over must not look like a stuck one.
        """
        pending = answer.labels[PENDING].version if answer.rotation_at is not None else None
        if pending != self._rotation[0]:
            self._rotation = (pending, answer.requested_at)
        return 0.0 if pending is None else answer.requested_at - self._rotation[1]
