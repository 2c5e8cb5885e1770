"""Fleet: one application in 10 to 100,000 processes, and what it asks of Secrets Manager in each phase of its life.

Every process is simulated; nothing is scaled up from a sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from secretconn.cli.bench.result import QUOTA, Measured
from secretconn.cli.bench.workload import Workload

__all__ = ["FLEET", "PHASES", "SIZES", "Phase", "growth", "of_size", "phase"]

SIZES = (10, 100, 1_000, 10_000, 100_000)

FLEET = Workload(
    seconds=9000.0, processes=10, workers=1, rate=0.1, start_over=60.0, ttl=3600.0, rotate_every=7200.0, window=10.0
)
"""A fleet that is rolled out within a minute, whose processes open a connection in ten seconds each; one rotation."""

PHASES = ("start-up", "TTL", "rotation")
AROUND = 60
"""Seconds that a phase has after its cause."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Calls in one phase.

    Attributes:
        begin, end: Seconds of the run.
        calls: Of all processes.
        busiest: In its busiest second.
    """

    name: str
    begin: int
    end: int
    calls: int
    busiest: int

    @property
    def quota_share(self) -> float:
        """The busiest second as a share of the quota."""
        return self.busiest / QUOTA


def phase(name: str, workload: Workload, measured: Measured) -> Phase:
    """One phase of a run."""
    begin, end = _spans(workload)[name]
    calls = [count for second, count in measured.calls_by_second.items() if begin <= second < end]
    return Phase(name, begin, end, sum(calls), max(calls, default=0))


def growth(smaller: Phase, larger: Phase) -> float:
    """How many times as busy the busiest second of the larger fleet is."""
    return larger.busiest / max(smaller.busiest, 1)


def of_size(processes: int, **changes: object) -> Workload:
    """The fleet with so many processes."""
    return replace(FLEET, processes=processes, **changes)  # type: ignore[arg-type]


def _spans(workload: Workload) -> Mapping[str, tuple[int, int]]:
    started = int(workload.start_over) + AROUND
    changed = int(workload.next_change(0.0)) if workload.rotates else int(workload.seconds)
    return {
        "start-up": (0, started),
        "TTL": (started, changed),
        "rotation": (changed, changed + int(workload.window + 1 / workload.rate) + AROUND),
    }
