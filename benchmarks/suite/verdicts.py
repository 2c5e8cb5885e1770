"""Criteria: what has to be true of the numbers, and whether it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["count", "time"]


@dataclass(frozen=True, slots=True)
class Criterion:
    """One number with its limit.

    Attributes:
        name: ``benchmark.what``, the same in every run.
        says: What is measured, for the table.
        value: What was measured.
        limit: The most it may be; the least where ``at_least``.
        unit: After the numbers: "us", "ms", "times", "calls".
        kind: "count" for what does not depend on how fast or how busy the machine is; a quick run fails by these alone.
        at_least: The limit is a floor.
        engine: The engine it was measured on, where it depends on one.
    """

    name: str
    says: str
    value: float
    limit: float
    unit: str
    kind: Kind = "time"
    at_least: bool = False
    engine: str = ""

    @property
    def met(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"met": self.met}


def failing(criteria: list[Criterion], *, quick: bool) -> list[Criterion]:
    """Those that make the run fail: all that are missed; in a quick run, which times too little, the counts."""
    return [one for one in criteria if not one.met and (one.kind == "count" or not quick)]
