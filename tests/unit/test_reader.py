"""Who asks while an answer lands: nothing is asked twice, a failure is shared by all it concerns, none waits long."""

from __future__ import annotations

from typing import Any

import pytest

import secretconn
from secretconn._core.answer import Answer
from secretconn._core.effects import Await
from secretconn._core.flight import Unanswered
from secretconn._core.reader import Budget
from secretconn.credentials import CURRENT, PENDING, PREVIOUS
from tests.unit.fakes import DRIVER, Bed, Refused, StageSource, drive, login

ALL = (CURRENT, PENDING, PREVIOUS)


def asking(bed: Bed, since: int, stages: tuple[str, ...] = ALL, reason: str = "rejected", until: float = 0.0) -> Any:
    """The flow of one who needs an answer from after ``since``."""
    return bed.core.reader.ask(stages, since, reason, Budget(15.0, bed.core.runtime), until)


def ask(bed: Bed, since: int, **more: Any) -> Any:
    return drive(asking(bed, since, **more), bed.time)


# -- one read for all -------------------------------------------------------------------------------------------------


def test_an_answer_that_landed_since_the_look_is_not_asked_for_again() -> None:
    bed = Bed()
    bed.rotating.current()
    flow = asking(bed, bed.core.state.tick())
    bed.time.waiting = []
    waits = next(flow)
    assert isinstance(waits, Await)
    late = asking(bed, bed.core.state.tick())
    assert next(late).flight is waits.flight  # joins it
    bed.time.land()
    reads = bed.source.reads
    for waiting in (flow, late):
        with pytest.raises(StopIteration) as end:
            waiting.send(waits.flight.outcome)
        assert isinstance(end.value.value, Answer)
    assert bed.source.reads == reads


def test_an_answer_that_was_looked_at_already_is_asked_for_again() -> None:
    bed = Bed()
    bed.rotating.current()
    assert isinstance(ask(bed, bed.core.state.tick()), Answer)
    assert isinstance(ask(bed, bed.core.state.tick()), Answer)
    assert bed.source.reads == 3


def test_a_failed_read_that_began_after_the_rejection_concerns_it() -> None:
    bed = Bed()
    bed.rotating.current()
    rejected = bed.core.state.tick()
    bed.source.error = OSError("down")
    assert isinstance(ask(bed, rejected), Unanswered)
    reads = bed.source.reads
    assert isinstance(ask(bed, rejected), Unanswered)
    assert bed.source.reads == reads
    assert isinstance(ask(bed, bed.core.state.tick()), Unanswered)
    assert bed.source.reads == reads + 1


def test_one_flight_at_a_time() -> None:
    bed = Bed()
    bed.rotating.current()
    bed.time.waiting = []
    now = bed.core.state.tick()
    flights = {id(next(asking(bed, now)).flight) for _ in range(5)}
    assert len(flights) == len(bed.time.waiting) == 1
    bed.time.land()


def test_rule_2_a_first_answer_that_landed_since_the_look_is_not_fetched_again() -> None:
    bed = Bed()
    bed.time.waiting = []
    flows = [bed.core.reader.first() for _ in range(3)]
    flights = {id(next(flow).flight) for flow in flows}
    assert len(flights) == 1
    bed.time.land()
    for flow in flows:
        with pytest.raises(StopIteration) as end:
            flow.send(None)  # none of them was told in time; the answer is there
        assert isinstance(end.value.value, Answer)
    assert bed.source.reads == 1


def test_a_ttl_read_that_began_after_a_rejection_does_not_say_that_there_is_no_other_login() -> None:
    """It reads the current version only; the window's login is found by the inquiry that follows."""
    bed = Bed(ttl=100.0)
    bed.connect()
    bed.source.put("v2", login("p2"), PENDING)
    bed.server.accepted = {("app", "p2")}
    reader, real = bed.core.reader, bed.server.connect

    def expires_meanwhile(**arguments: Any) -> str:
        try:
            return real(**arguments)
        except Refused:
            reader.behind("ttl")
            raise

    assert secretconn.wrap(expires_meanwhile, bed.rotating, driver=DRIVER)() == "connection as app"


def test_a_ttl_read_tells_of_the_current_version_alone() -> None:
    bed = Bed(ttl=100.0)
    bed.rotating.current()
    bed.source.put("v2", login("p2"), PENDING)
    rejected = bed.core.state.tick()
    bed.core.reader.behind("ttl")
    answer = bed.core.state.answer
    assert answer is not None
    assert answer.whole < rejected < answer.tick
    assert not answer.knows(PENDING, rejected)
    bed.core.reader.behind("probation")
    answer = bed.core.state.answer
    assert answer is not None
    assert answer.whole > rejected
    assert answer.login(PENDING) is not None


@pytest.mark.parametrize("kind", [StageSource, secretconn.testing.MemorySource])
def test_a_source_that_leaves_a_wanted_stage_out_is_not_asked_without_end(kind: type[Any]) -> None:
    bed = Bed(kind(login("p1")))
    bed.connect()
    bed.source.stages[PENDING] = "v9"  # a label, and no content and no failure for it
    bed.source.put("v9", login("p9"))
    reads, real = bed.source.reads, bed.source.read

    def leaves_out(stages: tuple[str, ...], held: Any) -> Any:
        reading = real(stages, held)
        reading.payloads.pop("v9", None)
        return reading

    bed.source.read = leaves_out
    bed.server.accepted = set()
    with pytest.raises(Refused):
        bed.connect()
    assert bed.source.reads <= reads + 12  # again for a second, as a rotation seems to be under way
    assert sum(bed.time.slept) <= 1.2
