"""Flight: one read of the source that many threads and tasks wait for.

It runs in a thread of its own and no waiter owns it: one that is cancelled or interrupted leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import NamedTuple, TypeAlias

from secretconn._core.answer import Answer

__all__ = ["Flight", "Outcome", "Unanswered"]


class Unanswered(NamedTuple):
    """A read that brought no answer.

    Attributes:
        tick: The read's own tick; all who waited for it are told the same.
        ended: The tick at which it ended.
        error: Why.
    """

    tick: int
    ended: int
    error: BaseException


Outcome: TypeAlias = Answer | Unanswered
"""How a flight ends. Never by an exception: each waiter raises one of its own, or none."""


class Flight:
    """A read under way.

    Attributes:
        reason: Why it was begun, as in the events.
        tick: Orders the begin of its request among all requests and rejections.
        begun: Monotonic seconds when the request began.
        deadline: Monotonic seconds after which it is abandoned: nobody joins it any more.
        landed: True once it has ended. A plain flag: a forked child reads it, and must not wait for the parent's locks.
        over: True once its failure has been counted.
        here: The work, for the first thread that waits to do, where no thread could be started for it.
        at_once: True where none was wanted: the work waits for nothing.
    """

    __slots__ = ("_future", "at_once", "begun", "deadline", "here", "landed", "over", "reason", "tick")

    def __init__(self, reason: str, tick: int, begun: float, deadline: float) -> None:
        self.reason, self.tick, self.begun, self.deadline = reason, tick, begun, deadline
        self.landed = self.over = self.at_once = False
        self.here: list[Callable[[], None]] = []
        self._future: Future[Outcome] = Future()
        self._future.set_running_or_notify_cancel()  # a task that is cancelled must not cancel it for all others

    @property
    def outcome(self) -> Outcome | None:
        """How it ended, or None while it has not."""
        return self._future.result() if self.landed else None

    def is_late(self, now: float) -> bool:
        """True past its deadline."""
        return now >= self.deadline

    def land(self, outcome: Outcome) -> bool:
        """Tell all who wait. False if it had ended already."""
        if self.landed:
            return False
        self.landed = True
        self._future.set_result(outcome)
        return True

    def wait(self, seconds: float) -> Outcome | None:
        """Block this thread until it has landed, at most some seconds; None if it has not by then."""
        if self.here:
            self.do_here()
        try:
            return self._future.result(max(seconds, 0.0))
        except FutureTimeout:
            return None

    async def wait_async(self, seconds: float) -> Outcome | None:
        """The same for a task; the event loop goes on, or, where no thread can be started, it says so at once."""
        import asyncio

        if self.at_once:
            self.do_here()
        elif self.here:
            return Unanswered(self.tick, self.tick, RuntimeError("no thread can be started to read the secret"))
        try:
            async with asyncio.timeout(seconds):  # wait_for() would swallow a cancellation before Python 3.12
                return await asyncio.wrap_future(self._future)
        except TimeoutError:
            return self.outcome

    def when_landed(self, call: Callable[[], object]) -> None:
        """Call this once it has landed; for a driver with a clock of its own."""
        self._future.add_done_callback(lambda _: call())

    def do_here(self) -> None:
        """Do the work, unless another thread was quicker."""
        try:
            work = self.here.pop()
        except IndexError:
            return
        work()
