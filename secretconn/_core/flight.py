"""Flight: one read of the source that many threads and tasks wait for.

It runs in a thread of its own and nobody who waits owns it: a waiter that is cancelled or interrupted leaves nothing
behind.
"""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TypeAlias

from secretconn._core.recovery import Unanswered
from secretconn._core.rules import Answer

__all__ = ["Flight", "Landing"]

Landing: TypeAlias = Answer | Unanswered
"""How a flight ends. Never by an exception: each waiter raises one of its own, or none."""


class Flight:
    """A read under way.

    Attributes:
        tick: Orders the begin of its request among all requests and rejections.
        begun: Monotonic seconds when the request began.
        landed: Whether it has ended. A plain flag: a forked child reads it, and must not wait for the parent's locks.
    """

    __slots__ = ("_future", "begun", "landed", "tick")

    def __init__(self, tick: int, begun: float) -> None:
        self.tick, self.begun = tick, begun
        self.landed = False
        self._future: Future[Landing] = Future()
        self._future.set_running_or_notify_cancel()  # a task that is cancelled must not cancel it for all others

    def land(self, landing: Landing) -> None:
        """Tell all who wait."""
        self.landed = True
        self._future.set_result(landing)

    def wait(self, timeout: float) -> Landing:
        """Block this thread until it has landed, at most ``timeout`` seconds."""
        try:
            return self._future.result(timeout)
        except FutureTimeout:
            return self._too_late(timeout)

    async def wait_async(self, timeout: float) -> Landing:  # noqa: ASYNC109  (a late answer is an answer here)
        """The same for a task; the event loop goes on."""
        import asyncio

        try:
            return await asyncio.wait_for(asyncio.wrap_future(self._future), timeout)
        except (TimeoutError, FutureTimeout):
            return self._too_late(timeout)

    def _too_late(self, timeout: float) -> Unanswered:
        return Unanswered(self.tick, TimeoutError(f"no answer within {timeout:g} s"))
