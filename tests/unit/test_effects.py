"""The seconds that one call may still wait."""

from __future__ import annotations

from typing import Any

import pytest

from secretconn._core.effects import Await, Budget, Wait
from secretconn._core.flight import Flight, Unanswered
from tests.unit.fakes import Time

OUTCOME = Unanswered(1, 2, OSError())


@pytest.mark.parametrize(
    ("takes", "outcome", "left"),
    [(1.0, OUTCOME, 9.0), (0.0, OUTCOME, 10.0), (0.0, None, 7.0), (1.0, None, 7.0), (4.0, None, 6.0)],
)
def test_a_wait_that_brings_nothing_takes_its_seconds_also_where_the_clock_stands(
    takes: float, outcome: Any, left: float
) -> None:
    time = Time()
    budget = Budget(10.0, time.runtime())
    flow = budget.wait(Await(Flight("first", 0, 0.0, 15.0), 3.0))
    next(flow)
    time.now += takes
    with pytest.raises(StopIteration) as end:
        flow.send(outcome)
    assert end.value.value is outcome
    assert budget.left == left


def test_nobody_sleeps_longer_than_is_left() -> None:
    time = Time()
    budget = Budget(5.0, time.runtime())
    waits = []
    for _ in range(3):
        flow = budget.sleep(3.0)
        waits.append(next(flow))
        assert list(flow) == []
    assert waits == [Wait(3.0), Wait(2.0), Wait(0.0)]
