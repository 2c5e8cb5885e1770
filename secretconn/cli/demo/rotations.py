"""The rotations of a demo: which, when, and how long the windows between their steps are."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from secretconn.cli.demo.board import Board

if TYPE_CHECKING:
    from secretconn.testing import Strategy

BEFORE = 0.2
AFTER = {"createSecret": 0.1, "setSecret": 0.2, "testSecret": 0.15, "finishSecret": 0.35}
"""How a rotation's share of the time is divided: the rest before it, and after each of its steps."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """``each`` rotations of either strategy, in ``seconds``."""

    seconds: float
    each: int

    @property
    def strategies(self) -> tuple[Strategy, ...]:
        both: tuple[Strategy, ...] = ("single-user", "alternating-users")
        return tuple(strategy for strategy in both for _ in range(self.each))

    @property
    def period(self) -> float:
        """Seconds for one rotation and the rest around it."""
        return self.seconds / (2 * self.each)


class Rotations:
    """Rotates by the schedule, in a thread of its own; ``trouble`` says why it ended early, if it did."""

    def __init__(self, rotator: Callable[[Strategy], Any], schedule: Schedule, board: Board) -> None:
        self._rotator, self._schedule, self._board = rotator, schedule, board
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="secretconn-demo-rotations", daemon=True)
        self.trouble: str | None = None

    @property
    def over(self) -> bool:
        return not self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """End now; a rotation that has begun stays as it is."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            for number, strategy in enumerate(self._schedule.strategies, start=1):
                if self._stop.wait(self._schedule.period * BEFORE):
                    return
                for done in self._rotator(strategy).steps():
                    self._board.step(number, strategy, done.step, done.version_id, done.previous_version_id)
                    if self._stop.wait(self._schedule.period * AFTER[done.step]):
                        return
        except Exception as error:  # noqa: BLE001  (the summary tells it)
            self.trouble = f"{type(error).__name__}: {error}"


def meaning(strategy: str, step: str) -> str:
    """Return what a step means for those who connect, in one sentence."""
    if step == "createSecret":
        return "The new login waits under AWSPENDING. Nothing has changed in the database."
    if step == "finishSecret":
        return "The new login is AWSCURRENT now."
    if strategy == "single-user":
        return "The database takes the new password only; AWSCURRENT holds the old one."
    return "The other of the two users has a new password; AWSCURRENT's still works."
