"""Progress of a long run, on standard error: a bar on a terminal where rich is installed, else a line now and then."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

__all__ = ["Lines", "progress"]

FIRST = 2.0
EVERY = 10.0
"""Seconds until the first line, and between two."""


class Lines:
    """Line by line, for a run that takes long.

    Args:
        what: What is going on.
        write: Writes a line.
        clock: Monotonic seconds.
    """

    def __init__(self, what: str, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._what, self._write, self._clock = what, write, clock
        self._begun = clock()
        self._next = self._begun + FIRST

    def __call__(self, share: float) -> None:
        """This share is done."""
        now = self._clock()
        if now >= self._next and share < 1.0:
            self._next = now + EVERY
            self._write(f"{self._what}: {share:.0%} after {now - self._begun:.0f} s")


@contextmanager
def progress(what: str, stream: TextIO | None = None) -> Iterator[Callable[[float], object]]:
    """What tells the share that is done, from 0 to 1.

    Args:
        what: What is going on.
        stream: Where that is shown. Default: standard error.
    """
    stream = stream or sys.stderr
    if not stream.isatty() or importlib.util.find_spec("rich") is None:
        yield Lines(what, lambda line: print(line, file=stream, flush=True))
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(file=stream)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task(what, total=1.0)
        yield lambda share: shown.update(task, completed=share)
