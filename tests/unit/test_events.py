"""Counters lose nothing between threads, and a subscriber that raises harms nothing."""

from __future__ import annotations

import logging
import threading

import pytest

from secretconn.events import Bulletin, Event, HotCounter, Recovered, Rejected
from tests.unit.fakes import Bed, login


def test_a_hot_counter_loses_nothing() -> None:
    counter = HotCounter()

    def work() -> None:
        for number in range(5000):
            counter.tick()
            if number % 100 == 0:
                counter.value()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.value() == counter.value() == 40_000


def test_a_subscriber_that_raises_harms_nothing(caplog: pytest.LogCaptureFixture) -> None:
    bulletin, told = Bulletin(), list[Event]()

    def bad(_event: Event) -> None:
        raise RuntimeError("mine")

    good = told.append
    bulletin.subscribe(bad)
    bulletin.subscribe(good)
    bulletin.tell(Event(secret_id="s"))
    bulletin.unsubscribe(good)
    bulletin.tell(Event(secret_id="s"))
    assert told == [Event(secret_id="s")]
    assert caplog.records[0].levelno == logging.ERROR


def test_a_recovery_is_told_with_versions_stages_and_durations() -> None:
    bed = Bed()
    bed.connect()
    bed.source.put("v2", login("p2"), "AWSPENDING")
    bed.server.accepted = {("app", "p2")}
    bed.connect()
    rejected = next(event for event in bed.events if isinstance(event, Rejected))
    recovered = next(event for event in bed.events if isinstance(event, Recovered))
    assert (rejected.version_id, rejected.stages, rejected.suspect) == ("v1", ("AWSCURRENT",), False)
    assert (recovered.version_id, recovered.stages, recovered.attempts) == ("v2", ("AWSPENDING",), 2)
    assert rejected.seconds == recovered.seconds == 0.0
    stats = bed.rotating.stats()
    assert (stats.connects, stats.rejected, stats.suspected, stats.recovered, stats.rotations) == (2, 1, 0, 1, 0)


def test_a_subscriber_sees_each_event_of_its_secret_only() -> None:
    one, two = Bed(), Bed()
    one.rotating.current()
    assert two.events == []
    assert [event.secret_id for event in one.events] == ["s"]


def test_after_a_fork_counters_begin_anew_and_subscribers_stay() -> None:
    bulletin, told = Bulletin(), list[Event]()
    bulletin.subscribe(told.append)
    bulletin.reads.tick()
    bulletin.count(rejected=2)
    child = bulletin.after_fork()
    child.tell(Event(secret_id="s"))
    assert len(told) == 1
    assert child.stats().reads == child.stats().rejected == 0
    assert bulletin.stats().rejected == 2


def test_a_subscription_ends_in_a_forked_child_too() -> None:
    bed, told = Bed(), list[Event]()
    end = bed.rotating.subscribe(told.append)
    bed.rotating._after_fork()
    bed.rotating.current()
    assert len(told) == 1
    end()
    bed.rotating.refresh()
    assert len(told) == 1
