"""Costs: API calls and refused logins of a process in one rotation, and the most that the rules allow."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.exhaustive.world import Setup

__all__ = ["Costs", "TooMuch"]

CALLS = {"after 0": 1, "after 1": 1, "window 0": 2, "window 1": 4}
"""API calls for one rotation: noticed after its end, or in its window; and where a step (1) fell into a connect."""

REFUSALS = {0: 1, 1: 2}
"""Refused logins in one rotation, of connects that follow each other, by the steps that fell into one of them."""


class TooMuch(Exception):
    """More than the rules allow."""


@dataclass(frozen=True)
class Costs:
    """What one rotation has cost so far. Counts nothing where there is no bound: it would only multiply the states.

    Attributes:
        counted: True in a world with one endpoint and a role that may describe.
        in_window: A connect began between createSecret and finishSecret.
        rough: The most steps that fell into one connect; 2 also after a read that failed.
    """

    counted: bool
    alone: bool
    calls: int = 0
    refusals: int = 0
    in_window: bool = False
    rough: int = 0

    @classmethod
    def of(cls, setup: Setup) -> Costs:
        """Return those at the beginning."""
        return cls(len(setup.endpoints) == 1 and setup.describes, setup.connects == 1)

    @property
    def case(self) -> str:
        """What the bound on calls depends on."""
        return f"{'window' if self.in_window else 'after'} {self.rough}"

    def new_rotation(self, behind: bool, busy: bool) -> Costs:
        """A rotation begins. What a process that slept through the one before needs for that one does not count."""
        debt = -1 if behind else 0
        return replace(self, calls=debt, refusals=debt, in_window=busy, rough=0)._roughly(2 if busy else 0)

    def begin(self, in_window: bool) -> Costs:
        """A connect begins."""
        return replace(self, in_window=self.in_window or in_window) if self.counted else self

    def rougher(self, steps: int) -> Costs:
        """So many steps fell into one connect."""
        return self if steps <= self.rough else self._roughly(steps)

    def call(self, calls: int) -> Costs:
        """Some calls were made. TooMuch above the bound."""
        bound = CALLS.get(self.case)
        if not self.counted or bound is None:
            return self
        if self.calls + calls > bound:
            raise TooMuch(f"{self.calls + calls} calls in one rotation; at most {bound} are needed")
        return replace(self, calls=self.calls + calls)

    def refusal(self) -> Costs:
        """A login was refused. TooMuch above the bound, which holds where one connects at a time."""
        bound = REFUSALS.get(self.rough)
        if not self.counted or not self.alone or bound is None:
            return self
        if self.refusals >= bound:
            raise TooMuch(f"{self.refusals + 1} refused logins in one rotation; at most {bound} are needed")
        return replace(self, refusals=self.refusals + 1)

    def _roughly(self, steps: int) -> Costs:
        if not self.counted:
            return Costs(self.counted, self.alone)
        if steps > 1:
            return Costs(self.counted, self.alone, rough=2)
        return replace(self, rough=steps)
