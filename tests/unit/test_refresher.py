"""Who asks while an answer lands: nothing is asked twice, and a failure is shared by all whom it concerns."""

from __future__ import annotations

from typing import Any

import pytest

import secretconn
from secretconn._core.answer import Answer
from secretconn._core.flight import Flight
from secretconn._core.recovery import Unanswered
from tests.unit.fakes import DRIVER, Bed, Refused, login


def test_an_answer_that_landed_since_the_look_is_not_asked_for_again() -> None:
    bed = Bed()
    bed.rotating.current()
    seen = bed.rotating._ledger.tick()
    bed.rotating.refresh()
    reads = bed.source.reads
    found = bed.rotating._refresher.newer(seen, bed.rotating._ledger.tick(), "rejected")
    assert isinstance(found, Answer)
    assert bed.source.reads == reads


def test_an_answer_that_was_looked_at_already_is() -> None:
    bed = Bed()
    bed.rotating.current()
    answer = bed.rotating._ledger.answer
    assert answer is not None
    bed.rotating._refresher.newer(answer.tick, answer.tick, "rejected")
    assert bed.source.reads == 2


def test_a_failed_read_that_began_after_the_rejection_concerns_it() -> None:
    bed = Bed()
    bed.rotating.current()
    rejected = bed.rotating._ledger.tick()
    bed.source.error = OSError("down")
    refresher = bed.rotating._refresher
    assert isinstance(refresher.newer(rejected, rejected, "rejected"), Flight)
    reads = bed.source.reads
    assert isinstance(refresher.newer(rejected, rejected, "rejected"), Unanswered)
    assert bed.source.reads == reads
    later = bed.rotating._ledger.tick()
    assert isinstance(refresher.newer(later, later, "rejected"), Flight)
    assert bed.source.reads == reads + 1


def test_one_flight_at_a_time() -> None:
    bed = Bed()
    bed.rotating.current()
    bed.time.waiting = []
    refresher, now = bed.rotating._refresher, bed.rotating._ledger.tick()
    flights = {id(refresher.newer(now, now, "rejected")) for _ in range(5)}
    assert len(flights) == len(bed.time.waiting) == 1
    bed.time.land()


def test_logins_of_versions_without_a_stage_are_let_go() -> None:
    bed = Bed()
    bed.rotating.current()
    for number in range(2, 30):
        bed.source.rotate(f"v{number}", login(f"p{number}"))
        bed.rotating.refresh()
    answer = bed.rotating._ledger.answer
    assert answer is not None
    assert sorted(answer.logins) == ["v28", "v29"]


def test_endpoints_with_nothing_to_remember_are_let_go() -> None:
    bed = Bed()
    for number in range(3000):
        bed.connect(database=f"tenant{number}")
    assert len(bed.rotating._ledger._endpoints) <= 1024


def test_endpoints_that_all_remember_something_are_bounded_too() -> None:
    bed = Bed()
    bed.rotating.current()
    ledger = bed.rotating._ledger
    from secretconn._core.rules import FRESH

    for number in range(3000):
        ledger.update(ledger.endpoint((f"host{number}", None, None)), lambda _: FRESH)
    assert len(ledger._endpoints) <= 1024


def test_a_ttl_refresh_that_began_after_a_rejection_does_not_say_that_there_is_no_other_login() -> None:
    """It reads the current version's content only; the window's login is found by the refresh that follows."""
    bed = Bed(ttl=100.0)
    bed.connect()
    bed.source.put("v2", login("p2"), "AWSPENDING")
    bed.server.accepted = {("app", "p2")}
    refresher, real = bed.rotating._refresher, bed.server.connect

    def expires_meanwhile(**arguments: Any) -> str:
        try:
            return real(**arguments)
        except Refused:
            refresher.behind("ttl")
            raise

    assert secretconn.wrap(expires_meanwhile, bed.rotating, driver=DRIVER)() == "connection as app"


def test_an_answer_with_an_unread_stage_is_not_new_enough_to_deny() -> None:
    bed = Bed(ttl=100.0)
    bed.rotating.current()
    bed.source.put("v2", login("p2"), "AWSPENDING")
    rejected = bed.rotating._ledger.tick()
    bed.rotating._refresher.behind("ttl")
    answer = bed.rotating._ledger.answer
    assert answer is not None
    assert answer.stages["AWSPENDING"] == "v2"
    assert answer.tick < rejected
    bed.rotating._refresher.behind("probation")
    answer = bed.rotating._ledger.answer
    assert answer is not None
    assert answer.tick > rejected


def test_a_source_that_leaves_a_wanted_stage_out_is_not_asked_without_end() -> None:
    bed = Bed()
    bed.connect()
    bed.source.stages["AWSPENDING"] = "v9"  # a label, and no content and no failure for it
    reads, real = bed.source.reads, bed.source.read
    bed.source.read = lambda stages, held: real(stages, held | {"v9"})  # type: ignore[method-assign]
    bed.server.accepted = set()
    with pytest.raises(Refused):
        bed.connect()
    assert bed.source.reads == reads + 1


def test_rule_2_a_first_answer_that_landed_since_the_look_is_not_fetched_again() -> None:
    bed = Bed()
    assert isinstance(bed.rotating._refresher.first(), Flight)
    reads = bed.source.reads
    assert isinstance(bed.rotating._refresher.first(), Answer)
    assert bed.source.reads == reads
