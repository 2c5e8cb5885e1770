"""Watched: RotatingCredentials as metrics see them, their counters and gauges, without keeping them alive."""

from __future__ import annotations

import threading
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial

from secretconn._core.answer import Answer
from secretconn._core.rotating import RotatingCredentials, core_of
from secretconn.credentials import PENDING
from secretconn.events import Event, Stats

__all__ = ["WatchedSecrets"]


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


class WatchedSecrets:
    """Those that some caller of instrument() claims, and the last counters of those that are gone.

    Args:
        told: Called with the name and each event of a secret.
    """

    def __init__(self, told: Callable[[str, Event], None]) -> None:
        self._told = told
        self._claims: set[object] = set()
        self._watched: dict[int, Watched] = {}
        self._gone: deque[Watched] = deque()
        self._past: dict[str, Counter[str]] = {}
        self._lock = threading.RLock()

    def claim(self) -> object:
        """Return what a caller of instrument() watches secrets with, and leaves them by."""
        with self._lock:
            self._claims.add(claim := object())
        return claim

    def watch(self, rotating: RotatingCredentials, name: Callable[[str], str], claim: object) -> None:
        """Tell of it from now on; once, however many claims there are."""
        called = name(rotating.secret_id)
        with self._settled():
            if claim not in self._claims:  # left while a new secret was being made
                return
            watched = self._watched.get(id(rotating))
            if watched is None:
                watched = self._watched[id(rotating)] = Watched(rotating, called, self._gone)
                watched.claims.add(claim)
                watched.stop = rotating.subscribe(partial(self._heard, watched))
            watched.claims.add(claim)

    def leave(self, claim: object) -> None:
        """Take a claim back; what nobody else claims is told of no more."""
        with self._settled():
            self._claims.discard(claim)
            if not self._claims:
                self._past = {}
            for key, watched in list(self._watched.items()):
                watched.claims.discard(claim)
                if not watched.claims:
                    watched.stop()
                    del self._watched[key]

    def after_fork(self) -> None:
        """In a forked child: a new lock, and nothing of what the parent counted."""
        self._lock = threading.RLock()
        self._past = {}
        self._gone.clear()
        self._watched = {key: one for key, one in self._watched.items() if one.rotating is not None}

    def total(self, field: str) -> dict[str, int]:
        """Return one counter by name, of secrets that are gone too: a counter never falls."""
        with self._settled():
            total = {name: counts[field] for name, counts in self._past.items()}
            for watched in self._watched.values():
                total[watched.name] = total.get(watched.name, 0) + getattr(watched.stats(), field)
        return total

    def worst(self, gauge: str) -> dict[str, float]:
        """Return one gauge by name, the worst of those that share a name."""
        worst: dict[str, float] = {}
        with self._settled():
            for watched in self._watched.values():
                value = watched.gauge(gauge) if watched.rotating is not None else None
                if value is not None:
                    worst[watched.name] = max(value, worst.get(watched.name, value))
        return worst

    def _heard(self, watched: Watched, event: Event) -> None:
        if watched.claims:  # else a subscription that ended after a fork
            self._told(watched.name, event)

    @contextmanager
    def _settled(self) -> Iterator[None]:
        """Hold the lock, with the last counters of those that are gone kept."""
        with self._lock:
            while self._gone:
                watched = self._gone.popleft()
                for key in [key for key, other in self._watched.items() if other is watched]:
                    self._past.setdefault(watched.name, Counter()).update(asdict(watched.stats()))
                    del self._watched[key]
            yield
