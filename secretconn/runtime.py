"""Runtime: the clock, sleep, randomness, threads and environment that all else is handed; tests hand in others.

And what all rooms need to know of the process: that it forked, and what is installed.
"""

from __future__ import annotations

import contextvars
import os
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

__all__ = ["Runtime", "at_fork", "version_of"]


def at_fork(renew: Callable[[], None]) -> None:
    """Call ``renew`` in each forked child: other threads of the parent may have held our locks."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=renew)


def version_of(package: str = "secretconn") -> str:
    """Return the version of an installed package; "" where it runs from a source tree, or is not there."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _spawn(work: Callable[[], None]) -> None:
    """Run ``work`` in a short-lived daemon thread.

    It sees the caller's context variables, so that traces and log lines know on whose behalf it runs.
    """
    inside = contextvars.copy_context().run
    threading.Thread(target=inside, args=(work,), name="secretconn-refresh", daemon=True).start()


async def _asleep(seconds: float) -> None:
    import asyncio

    await asyncio.sleep(seconds)


def _random() -> float:
    import random  # one of the larger modules; like asyncio, not for those who only import secretconn

    return random.random()  # noqa: S311  (for jitter)


@dataclass(frozen=True, slots=True)
class Runtime:
    """Effects that tests replace.

    Attributes:
        clock: Monotonic seconds.
        sleep: Waits some seconds, in a thread.
        asleep: Waits some seconds, in a task.
        random: A float in [0, 1).
        spawn: Starts some work in the background and returns at once. Raises RuntimeError where no thread can be
            started: at the interpreter's end, at a limit of the process.
        environ: The environment variables.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    asleep: Callable[[float], Awaitable[None]] = _asleep
    random: Callable[[], float] = _random
    spawn: Callable[[Callable[[], None]], None] = _spawn
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
