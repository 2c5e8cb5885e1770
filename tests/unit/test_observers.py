"""Counters, subscribers and the roll of all RotatingCredentials: nothing is lost, and nobody harms another."""

from __future__ import annotations

import gc
import logging
import threading

import pytest

from secretconn import RotatingCredentials
from secretconn._core.observers import Counters, Observers, Roll
from secretconn._core.rotating import each, forget, roll
from secretconn.events import Event, Recovered, Refreshed, Rejected
from secretconn.testing.memory import MemorySource
from tests.unit.fakes import Bed, Time, login

ONE, TWO, THREE = (Event(secret_id=name) for name in ("one", "two", "three"))


def made(name: str = "s") -> RotatingCredentials:
    return RotatingCredentials(name, source=MemorySource(login("p1")))


# -- counters ---------------------------------------------------------------------------------------------------------


def test_counters_lose_nothing_between_threads() -> None:
    counters = Counters()

    def work() -> None:
        for number in range(5000):
            counters.read()
            counters.add(rejected=1, api_calls=2)
            if number % 100 == 0:
                counters.stats()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stats = counters.stats()
    assert (stats.reads, stats.rejected, stats.api_calls) == (40_000, 40_000, 80_000)
    assert counters.stats() == stats  # looking counts nothing


def test_hits_are_the_reads_that_missed_nothing() -> None:
    counters = Counters()
    for _ in range(4):
        counters.read()
    counters.add(misses=1)
    assert (counters.stats().hits, counters.stats().hit_rate) == (3, 0.75)


# -- subscribers ------------------------------------------------------------------------------------------------------


def test_a_subscriber_that_raises_harms_nothing(caplog: pytest.LogCaptureFixture) -> None:
    observers, told = Observers(Time().spawn), list[Event]()

    def bad(_event: Event) -> None:
        raise RuntimeError("mine")

    observers.subscribe(bad)
    good = observers.subscribe(told.append)
    observers.tell(ONE)
    good.active = False
    observers.tell(TWO)
    assert told == [ONE]
    assert caplog.records[0].levelno == logging.ERROR
    assert caplog.records[0].getMessage() == "secretconn: a subscriber failed on Event"


def test_the_same_function_subscribed_twice_is_told_twice_and_ends_one_by_one() -> None:
    observers, told = Observers(Time().spawn), list[Event]()
    first, second = observers.subscribe(told.append), observers.subscribe(told.append)
    observers.tell(ONE)
    first.active = False
    observers.tell(TWO)
    second.active = False
    observers.tell(THREE)
    assert told == [ONE, ONE, TWO]


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
    observers, told = Observers(Time().spawn), list[Event]()
    observers.subscribe(told.append)
    before = observers.counters
    before.read()
    before.add(rejected=2)
    observers.after_fork()
    observers.tell(ONE)
    assert told == [ONE]
    assert observers.counters.stats().reads == observers.counters.stats().rejected == 0
    assert before.stats().rejected == 2


def test_a_subscription_ends_in_a_forked_child_too() -> None:
    bed, told = Bed(), list[Event]()
    end = bed.rotating.subscribe(told.append)
    roll._after_fork()
    bed.rotating.current()
    assert len(told) == 1
    end()
    bed.rotating.refresh()
    assert len(told) == 1
    assert any(isinstance(event, Refreshed) for event in bed.events)  # the other subscriber's


# -- the roll ---------------------------------------------------------------------------------------------------------


def test_those_there_are_and_each_later_one_are_told_once_until_it_ends() -> None:
    told: list[RotatingCredentials] = []
    others: list[RotatingCredentials] = []
    before = made()
    end, end_of_others = each(told.append), each(others.append)
    later = made()
    assert (told.count(before), told.count(later)) == (1, 1)
    end()
    last = made()
    assert told.count(last) == 0
    assert others.count(last) == 1
    end_of_others()


def test_a_watcher_that_fails_is_told_of_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    told: list[RotatingCredentials] = []
    watching = threading.Event()

    def fails(credentials: RotatingCredentials) -> None:
        if watching.is_set():
            raise OSError(credentials.secret_id)

    ends = [each(fails), each(told.append)]
    watching.set()
    one = made("orders")
    for end in ends:
        end()
    assert one in told
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("secretconn.events", logging.ERROR)
    assert record.getMessage() == ("secretconn: a watcher failed on RotatingCredentials('orders', version_id=None)")


def test_nobody_is_kept_alive_by_the_roll_or_by_what_ends_a_subscription() -> None:
    end = made("short-lived").subscribe(lambda event: None)
    gc.collect()
    assert "short-lived" not in [credentials.secret_id for credentials in roll.living()]
    end()


def test_the_roll_of_a_forked_child_waits_for_no_lock() -> None:
    own: Roll[RotatingCredentials] = Roll(lambda member: None)
    taken, leave = threading.Event(), threading.Event()

    def hold(lock: threading.RLock) -> None:  # type: ignore[valid-type]
        with lock:  # type: ignore[attr-defined]
            taken.set()
            leave.wait(10)

    other = threading.Thread(target=hold, args=(own._lock,))
    other.start()
    try:
        assert taken.wait(10)
        own._after_fork()
        adding = threading.Thread(target=lambda: own.add(made()), daemon=True)
        adding.start()
        adding.join(10)
        assert not adding.is_alive()
    finally:
        leave.set()
        other.join(10)


def test_all_is_forgotten_but_settings_and_subscribers() -> None:
    bed = Bed()
    bed.connect()
    bed.rotating._connectors["kept"] = object()
    bed.time.waiting = []
    bed.rotating.invalidate()
    bed.rotating.current()  # a read under way, which is not wanted any more
    bed.source.put("v1", login("p2", user="other"), "AWSCURRENT")
    forget(bed.rotating)
    stats = bed.rotating.stats()
    assert (stats.reads, stats.connects, stats.fetches) == (0, 0, 0)
    assert bed.rotating._connectors == {}
    bed.time.waiting = None
    assert bed.rotating.current().username == "other"
    assert bed.events[-1].version_id == "v1"
