"""Every order of events in small worlds, with the library's own code: no connect fails that could have succeeded."""

from __future__ import annotations

import pytest

from tests.exhaustive.__main__ import BOUNDED
from tests.exhaustive.explore import explore
from tests.exhaustive.world import Setup


@pytest.mark.parametrize("setup", BOUNDED, ids=str)
def test_every_order_of_events(setup: Setup) -> None:
    result = explore(setup)
    print(result)
    assert result.ends["succeeds"] > 50
    assert result.states > 300
