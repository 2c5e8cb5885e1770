"""A fleet of one application's processes: what it asks of Secrets Manager in each phase, and what a quota does to it.

Every process is simulated; nothing is scaled up from a sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from secretconn import Runtime
from secretconn.cli.bench.result import QUOTA, Measured
from secretconn.cli.bench.simulated import CountedSecret, Scene, Times, play
from secretconn.cli.bench.workload import Workload
from secretconn.events import Event, Fetched, Recovered
from secretconn.sources.base import Reading
from secretconn.testing.simulation import SimulatedSecret

__all__ = ["FLEET", "PHASES", "SIZES", "Outcome", "Phase", "growth", "of_size", "phase", "simulate"]

SIZES = (10, 100, 1_000, 10_000, 100_000)

FLEET = Workload(
    seconds=9000.0, processes=10, workers=1, rate=0.1, start_over=60.0, ttl=3600.0, rotate_every=7200.0, window=10.0
)
"""A fleet that is rolled out within a minute, whose processes open a connection in ten seconds each; one rotation."""

PHASES = ("start-up", "TTL", "rotation")
AROUND = 60
"""Seconds that a phase has after its cause."""

NO_JITTER = 0.999
"""The library's random numbers where they are taken away: everything lasts its full time."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Calls of all processes from second ``begin`` to ``end`` of the run, and those in the busiest second."""

    name: str
    begin: int
    end: int
    calls: int
    busiest: int

    @property
    def quota_share(self) -> float:
        """The busiest second as a share of the quota."""
        return self.busiest / QUOTA


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run, its calls that were refused, and the second at which the last process was served, and recovered."""

    measured: Measured
    throttled: int
    served_by: float | None
    recovered_by: float | None


class Fleet(Scene):
    """A scene with a quota of calls a second, after which reads fail; the SDK's own second try is not played."""

    def __init__(self, workload: Workload, quota: int | None, jitter: bool) -> None:
        self.throttled = 0
        self.served_by: float | None = None
        self.recovered_by: float | None = None
        self._quota, self._jitter = quota, jitter
        self.admitted: Counter[int] = Counter()
        super().__init__(workload, Times())

    def source(self) -> SimulatedSecret:
        return QuotaSecret(self)

    def runtime(self, source: SimulatedSecret) -> Runtime:
        runtime = super().runtime(source)
        return runtime if self._jitter else replace(runtime, random=lambda: NO_JITTER)

    def refuses(self) -> bool:
        """True if a read that begins now fails."""
        second = int(self.clock.now)
        if self._quota is not None and self.admitted[second] >= self._quota:
            return True
        self.admitted[second] += 1
        return False

    def saw(self, event: Event) -> None:
        super().saw(event)
        if isinstance(event, Recovered):
            self.recovered_by = self.clock.now
        elif isinstance(event, Fetched):
            self.served_by = self.clock.now


class QuotaSecret(CountedSecret):
    """A secret whose reads fail beyond the fleet's quota."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(fleet)
        self.fails, self._fleet = fleet.refuses, fleet

    def answer(self, stages: tuple[str, ...], held: Set[str], *, by_stage: bool) -> Reading:
        before = self.api_calls
        try:
            reading = super().answer(stages, held, by_stage=by_stage)
        except Exception:
            self._fleet.throttled += self.api_calls - before
            raise
        self._fleet.admitted[int(self.clock.now)] += self.api_calls - before - 1
        return reading


def simulate(
    workload: Workload,
    *,
    quota: int | None = None,
    jitter: bool = True,
    progress: Callable[[float], object] = lambda _: None,
) -> Outcome:
    """Play a workload.

    Args:
        workload: What is played.
        quota: Calls a second after which reads fail, as Secrets Manager's throttling makes them. None: no limit.
        jitter: False takes the library's random numbers away, to see what they are for.
        progress: Told the share that is done, from 0 to 1.
    """
    fleet = Fleet(workload, quota, jitter)
    measured = play(fleet, progress=progress)
    return Outcome(measured, fleet.throttled, fleet.served_by, fleet.recovered_by)


def phase(name: str, workload: Workload, measured: Measured) -> Phase:
    """Return one phase of a run."""
    begin, end = _spans(workload)[name]
    calls = [count for second, count in measured.calls_by_second.items() if begin <= second < end]
    return Phase(name, begin, end, sum(calls), max(calls, default=0))


def growth(smaller: Phase, larger: Phase) -> float:
    """Return how many times as busy the busiest second of the larger fleet is."""
    return larger.busiest / max(smaller.busiest, 1)


def of_size(processes: int, **changes: Any) -> Workload:
    """Return the fleet with so many processes."""
    return replace(FLEET, processes=processes, **changes)


def _spans(workload: Workload) -> Mapping[str, tuple[int, int]]:
    started = int(workload.start_over) + AROUND
    changed = int(workload.next_change(0.0)) if workload.rotates else int(workload.seconds)
    return {
        "start-up": (0, started),
        "TTL": (started, changed),
        "rotation": (changed, changed + int(workload.window + 1 / workload.rate) + AROUND),
    }
