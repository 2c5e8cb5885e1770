"""Progress of a long run, on standard error: a bar on a terminal where rich is installed, else a line now and then."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

FIRST = 2.0
EVERY = 10.0
"""Seconds until the first line, and between two."""


class Lines:
    """Tells the progress of ``what`` line by line."""

    def __init__(self, what: str, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._what, self._write, self._clock = what, write, clock
        self._begun = clock()
        self._next = self._begun + FIRST

    def __call__(self, share: float) -> None:
        now = self._clock()
        if now >= self._next and share < 1.0:
            self._next = now + EVERY
            self._write(f"{self._what}: {share:.0%} after {now - self._begun:.0f} s")


@contextmanager
def progress(what: str) -> Iterator[Callable[[float], object]]:
    """Yield a callable that is told the share that is done, from 0 to 1."""
    if not sys.stderr.isatty() or importlib.util.find_spec("rich") is None:
        yield Lines(what, lambda line: print(line, file=sys.stderr, flush=True))
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)
