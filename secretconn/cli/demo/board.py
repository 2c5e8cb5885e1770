"""Board: everything the demo saw so far, written by workers and rotations, read by the screen and the summary.

There are two sides: connections opened by secretconn, and those opened without it, for comparison.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from secretconn.events import Event, Fetched, Recovered, Rejected, Rotated

__all__ = ["CELL", "FAILED", "OK", "OURS", "RECOVERED", "USUAL", "Board", "Counts", "Mark", "Outcome", "Side"]

Side: TypeAlias = Literal["secretconn", "without"]
OURS: Side = "secretconn"
USUAL: Side = "without"
SIDES: tuple[Side, ...] = (OURS, USUAL)

Outcome: TypeAlias = int
OK, RECOVERED, FAILED = 1, 2, 3
"""What a connect came to. The greater one is the worse one; a cell of the timeline shows the worst in it."""

CELL = 0.25
"""Seconds in one cell of the timeline."""


@dataclass(frozen=True, slots=True)
class Counts:
    """One side's counts at one moment.

    Attributes:
        opened: Connections opened.
        failed: Connects that raised.
        broken: Connections opened on which a query failed.
        rejected: Logins that were refused, or may have been.
        recovered: Connections opened after a refused login, in the same connect.
        median: Seconds an opened connection took in a thread; 0 before the first. Tasks are left out: the other side
            has none, and an event loop's times are another matter.
        slowest: The most seconds an opened connection took, in a thread or a task.
        failed_in: Failed connects by the strategy of the rotation they fell into; "" between rotations.
    """

    opened: int = 0
    failed: int = 0
    broken: int = 0
    rejected: int = 0
    recovered: int = 0
    median: float = 0.0
    slowest: float = 0.0
    failed_in: Mapping[str, int] = field(default_factory=dict)

    @property
    def connects(self) -> int:
        """Connects in all, opened or not."""
        return self.opened + self.failed

    def since(self, earlier: Counts) -> Counts:
        """What came between an earlier moment and this one; times are left as they are."""
        return Counts(
            self.opened - earlier.opened,
            self.failed - earlier.failed,
            self.broken - earlier.broken,
            self.rejected - earlier.rejected,
            self.recovered - earlier.recovered,
            self.median,
            self.slowest,
        )


@dataclass(frozen=True, slots=True)
class Mark:
    """A step of a rotation that is done.

    Attributes:
        at: Seconds since the board was made.
        number: Which rotation, from 1.
        strategy: "single-user" or "alternating-users".
        step: "createSecret", "setSecret", "testSecret" or "finishSecret".
        counts: Both sides' counts at that moment.
    """

    at: float
    number: int
    strategy: str
    step: str
    counts: Mapping[Side, Counts]


class Board:
    """The counts, the timeline, and who is connected as whom. Safe to use from any thread.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._begun = clock()
        self._tallies: dict[Side, Counter[str]] = {side: Counter() for side in SIDES}
        self._seconds: dict[Side, list[float]] = {side: [] for side in SIDES}
        self._slowest: dict[Side, float] = dict.fromkeys(SIDES, 0.0)
        self._failed_in: dict[Side, Counter[str]] = {side: Counter() for side in SIDES}
        self._cells: dict[Side, dict[int, Outcome]] = {side: {} for side in SIDES}
        self._errors: dict[Side, str] = {}
        self._marks: list[Mark] = []
        self._labels: dict[str, str] = {}
        self._user = ""
        self._version = ""

    @property
    def now(self) -> float:
        """Seconds since the board was made."""
        return self._clock() - self._begun

    @property
    def marks(self) -> tuple[Mark, ...]:
        with self._lock:
            return tuple(self._marks)

    @property
    def during(self) -> str:
        """The strategy of the rotation going on, "" between rotations."""
        with self._lock:
            newest = self._marks[-1] if self._marks else None
        return newest.strategy if newest is not None and newest.step != "finishSecret" else ""

    @property
    def login(self) -> tuple[str, str, str]:
        """The user of the newest connection, the version its login is from, and the stage of that version now."""
        with self._lock:
            return self._user, self._version, self._labels.get(self._version, "no stage")

    def counts(self, side: Side) -> Counts:
        with self._lock:
            return self._counts(side)

    def cells(self, side: Side) -> dict[int, Outcome]:
        """The worst outcome in each quarter of a second in which there was one."""
        with self._lock:
            return dict(self._cells[side])

    def first_error(self, side: Side) -> str | None:
        """The type and the text of the first failure; drivers put no password there."""
        return self._errors.get(side)

    # -- written by the workers and by the rotations ------------------------------------------------------------------

    def opened(self, side: Side, seconds: float, *, in_task: bool = False) -> None:
        with self._lock:
            self._tallies[side]["opened"] += 1
            self._slowest[side] = max(self._slowest[side], seconds)
            if not in_task:
                self._seconds[side].append(seconds)
            self._paint(side, OK)

    def rejected(self, side: Side) -> None:
        with self._lock:
            self._tallies[side]["rejected"] += 1

    def recovered(self, side: Side) -> None:
        with self._lock:
            self._tallies[side]["recovered"] += 1
            self._paint(side, RECOVERED)

    def failed(self, side: Side, error: BaseException, during: str = "") -> None:
        """A connect raised that began during a rotation of this strategy, or between rotations."""
        with self._lock:
            self._tallies[side]["failed"] += 1
            self._failed_in[side][during] += 1
            self._fault(side, error)

    def broke(self, side: Side, error: BaseException) -> None:
        """A query raised."""
        with self._lock:
            self._tallies[side]["broken"] += 1
            self._fault(side, error)

    def connected_as(self, user: str) -> None:
        """What the server says who we are."""
        self._user = user

    def saw(self, event: Event) -> None:
        """A subscriber for the secretconn side."""
        if isinstance(event, Rejected):
            self.rejected(OURS)
        elif isinstance(event, Recovered):
            self.recovered(OURS)
        if isinstance(event, Fetched | Rotated | Recovered):
            with self._lock:
                self._version = event.version_id
                if isinstance(event, Fetched):
                    self._labels.setdefault(event.version_id, "AWSCURRENT")

    def step(self, number: int, strategy: str, step: str, version_id: str, previous_version_id: str) -> None:
        """A rotation did a step."""
        with self._lock:
            counts = {side: self._counts(side) for side in SIDES}
            self._marks.append(Mark(self.now, number, strategy, step, counts))
            if step == "createSecret":
                self._labels[version_id] = "AWSPENDING"
            if step == "finishSecret":
                self._labels = {version_id: "AWSCURRENT", previous_version_id: "AWSPREVIOUS"}

    # -- with the lock held -------------------------------------------------------------------------------------------

    def _counts(self, side: Side) -> Counts:
        tally, seconds = self._tallies[side], self._seconds[side]
        return Counts(
            tally["opened"],
            tally["failed"],
            tally["broken"],
            tally["rejected"],
            tally["recovered"],
            statistics.median(seconds) if seconds else 0.0,
            self._slowest[side],
            dict(self._failed_in[side]),
        )

    def _fault(self, side: Side, error: BaseException) -> None:
        self._errors.setdefault(side, f"{type(error).__name__}: {error}")
        self._paint(side, FAILED)

    def _paint(self, side: Side, outcome: Outcome) -> None:
        cell = int(self.now / CELL)
        self._cells[side][cell] = max(outcome, self._cells[side].get(cell, OK))
