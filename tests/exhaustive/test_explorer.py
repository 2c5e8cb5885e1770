"""Every order of events in small worlds, with the library's own code: no connect fails that could have succeeded."""

from __future__ import annotations

import pytest

from tests.exhaustive.__main__ import ALTERNATING, BOUNDED, SINGLE
from tests.exhaustive.explore import explore
from tests.exhaustive.promise import CLOSED, COOLING_DOWN, HIDDEN, NOTHING_ACCEPTED, SWITCHED, TWO_STEPS
from tests.exhaustive.world import Setup

MOST = 8000
"""States, breadth first; `python -m tests.exhaustive` explores the larger worlds to their end."""


@pytest.mark.parametrize("setup", BOUNDED, ids=str)
def test_every_order_of_events(setup: Setup) -> None:
    result = explore(setup, most=MOST)
    print(result)
    assert result.ends["succeeds"] > 50
    assert result.ends.keys() <= {"succeeds", *CLOSED}


def test_alternating_users_have_no_window() -> None:
    assert explore(Setup(ALTERNATING)).ends.keys() == {"succeeds"}


EXCEPTIONS = {
    NOTHING_ACCEPTED: Setup(SINGLE, rotations=1, rejecter=True),
    TWO_STEPS: Setup(SINGLE),
    COOLING_DOWN: Setup(SINGLE),
    SWITCHED: Setup(SINGLE, rotations=1, lagging=True),
    HIDDEN: Setup(SINGLE, rotations=1, failures=3, describes=False),
}


@pytest.mark.parametrize("exception", CLOSED)
def test_what_can_still_fail(exception: str) -> None:
    """The closed list of docs/rules.md: each of them happens, as in this story."""
    result = explore(EXCEPTIONS[exception], until=exception)
    assert exception in result.examples, str(result)
    print(result.examples[exception])
