"""Board: everything the demo saw so far, written by workers and rotations, read by the screen and the summary.

There are two sides: connections opened by secretconn, and those opened without it, for comparison.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, TypeAlias

from secretconn.events import Event, Fetched, Recovered, Rejected, Rotated

Side: TypeAlias = Literal["secretconn", "without"]
OURS: Side = "secretconn"
USUAL: Side = "without"
SIDES: tuple[Side, ...] = (OURS, USUAL)

OK, RECOVERED, FAILED = 1, 2, 3
"""Outcomes of a connect. The greater one is the worse one; a cell of the timeline shows the worst in it."""

CELL = 0.25
"""Seconds in one cell of the timeline."""


@dataclass
class Counts:
    """One side's counts.

    Attributes:
        broken: Opened connections on which a query failed.
        rejected: Logins that were refused, or may have been.
        recovered: Connections opened after a refused login, in the same connect.
        seconds: To open a connection, in threads: an event loop's times are another matter.
        failed_in: Failed connects by the strategy of the rotation they began in; "" between rotations.
        cells: The worst outcome in each cell of the timeline in which there was one.
    """

    opened: int = 0
    failed: int = 0
    broken: int = 0
    rejected: int = 0
    recovered: int = 0
    slowest: float = 0.0
    seconds: list[float] = field(default_factory=list)
    failed_in: Counter[str] = field(default_factory=Counter)
    cells: dict[int, int] = field(default_factory=dict)
    first_error: str | None = None

    @property
    def connects(self) -> int:
        return self.opened + self.failed

    @property
    def median(self) -> float:
        return statistics.median(self.seconds) if self.seconds else 0.0

    @property
    def row(self) -> tuple[int, int, int]:
        """Connects, and how many of them recovered and failed."""
        return self.connects, self.recovered, self.failed


class Mark(NamedTuple):
    """A step of rotation ``number`` that was done after ``at`` seconds, and both sides' ``Counts.row`` then."""

    at: float
    number: int
    strategy: str
    step: str
    rows: Mapping[Side, tuple[int, int, int]]


class Board:
    """The counts, the marks, and who is connected as whom. Safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._begun = clock, clock()
        self._lock = threading.Lock()
        self._counts: dict[Side, Counts] = {side: Counts() for side in SIDES}
        self._labels: dict[str, str] = {}
        self._version = ""
        self.marks: tuple[Mark, ...] = ()
        self.user = ""

    @property
    def now(self) -> float:
        """Seconds since the board was made."""
        return self._clock() - self._begun

    @property
    def during(self) -> str:
        """The strategy of the rotation under way, "" between rotations."""
        newest = self.marks[-1] if self.marks else None
        return newest.strategy if newest is not None and newest.step != "finishSecret" else ""

    @property
    def login(self) -> tuple[str, str, str]:
        """The user of the newest connection, its login's version, and the stage of that version now."""
        with self._lock:
            return self.user, self._version, self._labels.get(self._version, "no stage")

    def counts(self, side: Side) -> Counts:
        """Return a copy of one side's counts."""
        with self._lock:
            one = self._counts[side]
            return replace(one, seconds=one.seconds[:], failed_in=Counter(one.failed_in), cells=dict(one.cells))

    @contextmanager
    def turn(self, side: Side, *, in_task: bool = False) -> Iterator[Callable[[], None]]:
        """Watch one connect; what this yields is called when the connection is open. No error escapes."""
        begun, during, is_open = self._clock(), self.during, False

        def opened() -> None:
            nonlocal is_open
            is_open = True
            self.opened(side, self._clock() - begun, in_task=in_task)

        try:
            yield opened
        except Exception as error:  # noqa: BLE001  (whatever it is, it is counted)
            self.broke(side, error) if is_open else self.failed(side, error, during)

    def opened(self, side: Side, seconds: float, *, in_task: bool = False) -> None:
        with self._counting(side, OK) as counts:
            counts.opened += 1
            counts.slowest = max(counts.slowest, seconds)
            counts.seconds += [] if in_task else [seconds]

    def rejected(self, side: Side) -> None:
        with self._lock:
            self._counts[side].rejected += 1

    def recovered(self, side: Side) -> None:
        with self._counting(side, RECOVERED) as counts:
            counts.recovered += 1

    def failed(self, side: Side, error: BaseException, during: str = "") -> None:
        """Count a connect that raised and began during a rotation of this strategy, or between rotations."""
        with self._counting(side, FAILED, error) as counts:
            counts.failed += 1
            counts.failed_in[during] += 1

    def broke(self, side: Side, error: BaseException) -> None:
        """Count an opened connection on which a query raised."""
        with self._counting(side, FAILED, error) as counts:
            counts.broken += 1

    def saw(self, event: Event) -> None:
        """Count an event of secretconn."""
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
        """Note a step that a rotation did."""
        with self._lock:
            rows = {side: counts.row for side, counts in self._counts.items()}
            self.marks += (Mark(self.now, number, strategy, step, rows),)
            if step == "createSecret":
                self._labels[version_id] = "AWSPENDING"
            if step == "finishSecret":
                self._labels = {version_id: "AWSCURRENT", previous_version_id: "AWSPREVIOUS"}

    @contextmanager
    def _counting(self, side: Side, outcome: int, error: BaseException | None = None) -> Iterator[Counts]:
        with self._lock:
            counts, cell = self._counts[side], int(self.now / CELL)
            counts.cells[cell] = max(outcome, counts.cells.get(cell, OK))
            if error is not None and counts.first_error is None:
                counts.first_error = f"{type(error).__name__}: {error}"  # drivers put no password there
            yield counts
