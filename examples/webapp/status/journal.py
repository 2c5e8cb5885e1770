"""Journal: what secretconn told this process. A subscriber must be quick: it takes notes, and reporter.py writes."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from secretconn import Event, Recovered, Refreshed, RefreshFailed, Rejected, Rotated

__all__ = ["Journal", "Note", "Use"]

CURRENT = "AWSCURRENT"
MOST = 1000
"""Notes kept while the database cannot be reached."""


@dataclass(frozen=True, slots=True)
class Note:
    """One event, and when it happened."""

    at: datetime
    event: Event

    @property
    def kind(self) -> str:
        return type(self.event).__name__


@dataclass(frozen=True, slots=True)
class Use:
    """Which version the next login is made with.

    Attributes:
        version_id: The version.
        stage: AWSCURRENT, or what it was accepted under in a rotation's window.
        since: When this process first had it.
    """

    version_id: str
    stage: str
    since: datetime


class Journal:
    """The notes of one process.

    Args:
        noted: Called after each note, in the thread where the event happened.
        now: The time.
    """

    def __init__(
        self, noted: Callable[[], object] = lambda: None, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._noted, self._now = noted, now
        self._lock = threading.Lock()
        self._notes: deque[Note] = deque(maxlen=MOST)
        self._use: Use | None = None
        self._statuses: Counter[str] = Counter()

    def saw(self, event: Event) -> None:
        """A subscriber for ``RotatingCredentials.subscribe``."""
        if isinstance(event, Refreshed) and event.reason == "ttl":
            return  # every few seconds, and nothing to tell
        if not isinstance(event, (Refreshed, Rotated, Rejected, Recovered, RefreshFailed)):
            return
        with self._lock:
            self._notes.append(Note(self._now(), event))
            if isinstance(event, Rotated):
                known = self._use is not None and self._use.version_id == event.version_id
                since = self._use.since if known and self._use is not None else self._now()
                self._use = Use(event.version_id, CURRENT, since)
            elif isinstance(event, Recovered):
                stage = CURRENT if CURRENT in event.stages else next(iter(event.stages), "no stage")
                self._use = Use(event.version_id, stage, self._now())
            elif isinstance(event, Rejected) and self._use is not None and self._use.version_id == event.version_id:
                self._use = None
        self._noted()

    def use(self, current_version: str) -> Use:
        """Which version logins are made with, given the one that is held as AWSCURRENT."""
        with self._lock:
            if self._use is None or (self._use.stage == CURRENT and self._use.version_id != current_version):
                self._use = Use(current_version, CURRENT, self._now())
            return self._use

    def served(self, status: int) -> None:
        """Count a response."""
        with self._lock:
            self._statuses.update(requests=1, failures=int(status >= 500))

    def counts(self) -> tuple[int, int]:
        """Requests answered, and how many of them with a 5xx."""
        with self._lock:
            return self._statuses["requests"], self._statuses["failures"]

    def take(self) -> list[Note]:
        """The notes so far; they are the caller's now."""
        with self._lock:
            notes, self._notes = list(self._notes), deque(maxlen=MOST)
            return notes

    def give_back(self, notes: list[Note]) -> None:
        """Notes that could not be written."""
        with self._lock:
            self._notes = deque([*notes, *self._notes], maxlen=MOST)
