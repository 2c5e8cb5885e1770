"""A reading that is good for some seconds: it is read again before they end, and never used after."""

from __future__ import annotations

from collections.abc import Set

import pytest

from secretconn import SecretUnavailable
from secretconn.sources.base import Reading
from tests.unit.fakes import Bed, StageSource, login


class Leased(StageSource):
    """Each reading is good for a minute."""

    def _read(self, stages: tuple[str, ...], held: Set[str], *, whole: bool) -> Reading:
        return super()._read(stages, held, whole=whole)._replace(good_for=60.0)


@pytest.fixture
def bed() -> Bed:
    return Bed(Leased(login("p1")), read_patience=0.0)


def test_it_is_read_again_behind_a_caller_before_it_ends(bed: Bed) -> None:
    bed.connect()
    bed.time.now += 44  # jittered in [30, 60]; the middle, here
    bed.connect()
    assert len(bed.source.asked) == 1
    bed.time.waiting = []
    bed.time.now += 2
    bed.connect()
    assert len(bed.source.asked) == 1
    bed.time.land()
    assert len(bed.source.asked) == 2


def test_after_its_end_every_caller_waits_for_another(bed: Bed) -> None:
    bed.connect()
    bed.source.rotate("v2", login("p2"))
    bed.server.accepted = {("app", "p2")}
    bed.time.now += 61
    bed.connect()
    assert bed.server.sent == [("app", "p1"), ("app", "p2")]
    bed.time.now += 61
    assert bed.rotating.current().password == "p2"
    assert len(bed.source.asked) == 3


def test_without_another_nothing_is_sent_and_no_old_one_is_handed_out(bed: Bed) -> None:
    bed.connect()
    bed.source.error = OSError("gone")
    bed.time.now += 61
    for use in (bed.connect, bed.rotating.current):
        with pytest.raises(SecretUnavailable):
            use()
    assert len(bed.server.sent) == 1
    bed.source.error = None
    bed.connect()
    assert len(bed.server.sent) == 2
