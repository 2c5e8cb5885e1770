"""Watched: one RotatingCredentials as metrics see it, its counters and gauges, without keeping it alive."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable

from secretconn._core.rotating import RotatingCredentials
from secretconn._core.rules import Answer
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
        self._bulletin = rotating._bulletin
        self._pending: tuple[str | None, float] = (None, 0.0)

    @property
    def rotating(self) -> RotatingCredentials | None:
        return self._rotating()

    def stats(self) -> Stats:
        """The counters, the last ones where it is gone."""
        return self._bulletin.stats()

    def after_fork(self) -> bool:
        """In a forked child: take up its own counters. False where it is gone."""
        rotating = self.rotating
        if rotating is not None:
            self._bulletin = rotating._bulletin
        return rotating is not None

    def gauge(self, gauge: str, rotating: RotatingCredentials) -> float | None:
        """What is held now; None where there is nothing to tell of."""
        answer = rotating._ledger.answer
        if gauge == "ttl":
            return rotating._settings.ttl
        if gauge == "failing":
            return float(rotating._refresher._failures)
        if answer is None:
            return None
        if gauge == "age":
            return max(rotating._clock() - answer.requested_at, 0.0)
        return self._pending_for(answer, rotating)

    def _pending_for(self, answer: Answer, rotating: RotatingCredentials) -> float:
        """Seconds between the first and the last answer with the same version under AWSPENDING, not under AWSCURRENT.

        Not "since the first": the source is asked rarely, and a rotation that is over must not look like a stuck one.
        """
        pending = answer.stages.get(PENDING) if answer.rotation_visible(rotating._settings.policy) else None
        if pending != self._pending[0]:
            self._pending = (pending, answer.requested_at)
        return 0.0 if pending is None else answer.requested_at - self._pending[1]
