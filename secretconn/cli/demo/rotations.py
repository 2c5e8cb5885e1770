"""The rotations of a demo: which, when, and what each step means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secretconn.testing import Strategy

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
AT = (0.2, 0.3, 0.5, 0.65)
"""When the steps are due, as shares of the time that a rotation has."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """``each`` rotations of either strategy, in ``seconds``."""

    seconds: float
    each: int

    @property
    def strategies(self) -> tuple[Strategy, ...]:
        both: tuple[Strategy, ...] = ("single-user", "alternating-users")
        return tuple(strategy for strategy in both for _ in range(self.each))

    def times(self) -> Iterator[float]:
        """Yield the seconds at which the steps are due."""
        period = self.seconds / (2 * self.each)
        return ((number + share) * period for number in range(2 * self.each) for share in AT)


def meaning(strategy: str, step: str) -> str:
    """Return what a step means for those who connect, in one sentence."""
    if step == "createSecret":
        return "The new login waits under AWSPENDING. Nothing has changed in the database."
    if step == "finishSecret":
        return "The new login is AWSCURRENT now."
    if strategy == "single-user":
        return "The database takes the new password only; AWSCURRENT holds the old one."
    return "The other of the two users has a new password; AWSCURRENT's still works."
