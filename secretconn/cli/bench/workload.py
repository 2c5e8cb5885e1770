"""Workload: who connects how often, what rotates when. The real run and the simulated one take the same."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

PENDING_PAUSES = 2
"""Pauses between setSecret and finishSecret: testSecret lies between them."""


class Starts(NamedTuple):
    """When one process connects: each worker at ``begin``, then at its phase after that and every interval."""

    begin: float
    phases: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is played, for so many seconds; the defaults are those of a simulated run. See docs/bench.md."""

    seconds: float
    processes: int = 4
    workers: int = 4  # threads of each process, or tasks
    tasks: bool = False
    rate: float = 10.0  # connects a second, of each process
    start_over: float = 1.0
    ttl: float = 3600.0
    strategy: Literal["single-user", "alternating-users", "none"] = "single-user"
    rotate_every: float = 86400.0  # from one finishSecret to the next; the first comes after as many
    window: float = 10.0  # between setSecret and finishSecret
    retries: int = 1
    patience: float = 0.0
    fallback_stages: tuple[str, ...] = ("AWSPENDING", "AWSPREVIOUS")
    seed: int = 1

    @property
    def interval(self) -> float:
        """Seconds between two connects of one worker."""
        return self.workers / self.rate

    @property
    def pause(self) -> float:
        """Seconds between two steps of a rotation."""
        return self.window / PENDING_PAUSES

    @property
    def between(self) -> float:
        """Seconds from a finishSecret to the next createSecret."""
        return self.rotate_every - self.window - self.pause

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments of RotatingCredentials."""
        return {name: getattr(self, name) for name in ("ttl", "retries", "patience", "fallback_stages")}

    @property
    def users(self) -> tuple[str, ...]:
        """The users that take turns."""
        return ("app", "app_clone") if self.strategy == "alternating-users" else ("app",)

    @property
    def rotates(self) -> bool:
        return self.strategy != "none"

    def next_change(self, now: float) -> float:
        """Return when the next setSecret after ``now`` is."""
        if not self.rotates:
            return math.inf
        number = max(1, math.floor((now + self.window) / self.rotate_every) + 1)
        return number * self.rotate_every - self.window

    def starts(self) -> Iterator[Starts]:
        """Yield the starts of each process; the same for the same seed."""
        dice = random.Random(self.seed)  # noqa: S311  (dice, not a secret)
        for _ in range(self.processes):
            begin = dice.uniform(0.0, self.start_over)
            first = dice.uniform(0.0, self.interval)
            spread = (first + number * self.interval / self.workers for number in range(self.workers))
            yield Starts(begin, tuple(phase % self.interval for phase in spread))
