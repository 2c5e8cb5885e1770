"""Readiness: whether the database takes the application's login, asked seldom however often others ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["Readiness"]

KEPT = 1.0
"""Seconds a result is good for."""


class Readiness:
    """Keep the last result of a check that logs in, so that strangers cannot make the application log in for them.

    One thread at a time checks. Others get the last result meanwhile, and False before there is one.

    Args:
        check: Return whether the database is usable; called once for each `KEPT` at most.
        now: A monotonic clock, in seconds.
    """

    def __init__(self, check: Callable[[], bool], now: Callable[[], float] = time.monotonic) -> None:
        self._check, self._now = check, now
        self._checking = threading.Lock()
        self._ready, self._until = False, float("-inf")

    def __call__(self) -> bool:
        if self._now() >= self._until and self._checking.acquire(blocking=False):
            try:
                if self._now() >= self._until:  # another thread may have checked between the two lines above
                    self._ready = self._check()
                    self._until = self._now() + KEPT
            finally:
                self._checking.release()
        return self._ready
