"""Effects: what a flow asks for, and the two drivers that do it, in a thread and in an event loop.

A flow is a generator: it yields what is to be done and is sent what came of it. connect(), the first read and refresh()
are flows, written once; the simulator and the exhaustive tests drive the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, NamedTuple, TypeAlias, TypeVar

from secretconn._core.flight import Flight, Outcome
from secretconn.credentials import Credentials
from secretconn.runtime import Runtime

__all__ = ["Await", "Budget", "Effect", "Flow", "Opening", "Wait", "alog_in", "arun", "log_in", "run"]


class Wait(NamedTuple):
    """Wait some seconds; send None."""

    seconds: float


class Await(NamedTuple):
    """Wait for a read, at most some seconds; send its outcome, or None if it has none by then."""

    flight: Flight
    seconds: float


Effect: TypeAlias = Wait | Await
Returned = TypeVar("Returned")
Flow: TypeAlias = Generator[Effect, Outcome | None, Returned]
"""A flow that only waits, and what it returns."""

Opening: TypeAlias = Generator[Credentials | Effect | None, Any, None]
"""The flow of connect(). It also yields the credentials to log in with, and is sent the exception that came of that or
None; then it ends. It yields None when nothing is left to try, and the driver's exception goes to the caller."""


class Budget:
    """The seconds that one call may still wait for the source; logging in does not count.

    Attributes:
        left: Seconds.
        begun: Monotonic seconds when the call began to need the source.
    """

    def __init__(self, seconds: float, runtime: Runtime) -> None:
        self.left, self.begun = seconds, runtime.clock()
        self._clock = runtime.clock

    def wait(self, effect: Wait | Await) -> Flow[Outcome | None]:
        """Wait, and take the time off."""
        begun = self._clock()
        outcome = yield effect
        waited = self._clock() - begun
        self.left -= waited if outcome is not None else max(waited, effect.seconds)
        return outcome

    def sleep(self, seconds: float) -> Flow[None]:
        """Wait some seconds, or as many as are left."""
        yield from self.wait(Wait(min(seconds, max(self.left, 0.0))))


Call: TypeAlias = Callable[..., Any]
Keywords: TypeAlias = Callable[[Credentials], Mapping[str, Any]]


def run(flow: Flow[Returned], runtime: Runtime) -> Returned:
    """Run a flow in this thread."""
    try:
        effect = next(flow)
        while True:
            effect = flow.send(_perform(effect, runtime))
    except StopIteration as end:
        returned: Returned = end.value
        return returned


async def arun(flow: Flow[Returned], runtime: Runtime) -> Returned:
    """Run a flow in this task; the event loop goes on."""
    try:
        effect = next(flow)
        while True:
            effect = flow.send(await _aperform(effect, runtime))
    except StopIteration as end:
        returned: Returned = end.value
        return returned


def log_in(
    flow: Opening, call: Call, args: tuple[Any, ...], kwargs: Mapping[str, Any], keywords: Keywords, runtime: Runtime
) -> Any:
    """Open a connection in this thread.

    Args:
        flow: Says with which credentials.
        call: The driver's connect.
        args, kwargs: The caller's own arguments for it.
        keywords: The driver's keywords for a login. They are in no local variable: they hold the password.
        runtime: Clock and sleep.
    """
    step = next(flow)
    while True:
        while type(step) is not Credentials:
            step = flow.send(_perform(step, runtime))
        try:
            connection = call(*args, **{**kwargs, **keywords(step)})
        except Exception as error:
            step = flow.send(error)
            while isinstance(step, Wait | Await):
                step = flow.send(_perform(step, runtime))
            if step is None:
                raise
        else:
            next(flow, None)
            return connection


async def alog_in(
    flow: Opening, call: Call, args: tuple[Any, ...], kwargs: Mapping[str, Any], keywords: Keywords, runtime: Runtime
) -> Any:
    """The same in this task; the event loop goes on."""
    step = next(flow)
    while True:
        while type(step) is not Credentials:
            step = flow.send(await _aperform(step, runtime))
        try:
            connection = await call(*args, **{**kwargs, **keywords(step)})
        except Exception as error:
            step = flow.send(error)
            while isinstance(step, Wait | Await):
                step = flow.send(await _aperform(step, runtime))
            if step is None:
                raise
        else:
            next(flow, None)
            return connection


def _perform(effect: Credentials | Effect | None, runtime: Runtime) -> Outcome | None:
    if isinstance(effect, Await):
        return effect.flight.wait(effect.seconds)
    if isinstance(effect, Wait):
        runtime.sleep(effect.seconds)
    return None


async def _aperform(effect: Credentials | Effect | None, runtime: Runtime) -> Outcome | None:
    if isinstance(effect, Await):
        return await effect.flight.wait_async(effect.seconds)
    if isinstance(effect, Wait):
        await runtime.asleep(effect.seconds)
    return None
