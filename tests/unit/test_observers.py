"""Counters, subscribers and the roll of all RotatingCredentials: nothing is lost, and nobody harms another."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import itertools
import logging
import signal
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import secretconn
from secretconn import RotatingCredentials
from secretconn._core.observers import Counters, Observers, Roll
from secretconn._core.rotating import each, forget, roll
from secretconn._core.shared import _registry as registry
from secretconn.events import Event, Fetched, Recovered, Refreshed, Rejected, Rotated, Stats
from secretconn.testing.memory import MemorySource
from tests.unit.fakes import DRIVER, Barred, Bed, Hidden, Refused, Time, login, subscribers

NUMBERS = itertools.count()
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
    good.end()
    observers.tell(TWO)
    assert told == [ONE]
    assert caplog.records[0].levelno == logging.ERROR
    assert caplog.records[0].getMessage() == "secretconn: a subscriber failed on Event"


def test_each_event_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "secretconn.events")
    Observers(Time().spawn).tell(ONE, TWO)
    assert [record.getMessage() for record in caplog.records] == [f"secretconn: {ONE!r}", f"secretconn: {TWO!r}"]


def test_the_same_function_subscribed_twice_is_told_twice_and_ends_one_by_one() -> None:
    observers, told = Observers(Time().spawn), list[Event]()
    first, second = observers.subscribe(told.append), observers.subscribe(told.append)
    observers.tell(ONE)
    first.end()
    observers.tell(TWO)
    second.end()
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
    assert {event.secret_id for event in bed.events} == {"s"}
    stats = bed.rotating.stats()
    assert (stats.connects, stats.rejected, stats.suspected, stats.recovered, stats.rotations) == (2, 1, 0, 1, 0)


@pytest.mark.parametrize(
    ("kind", "suspect", "barred"), [(Refused, False, False), (Hidden, True, False), (Barred, False, True)]
)
def test_a_rejection_is_told_apart(kind: type[Exception], suspect: bool, barred: bool) -> None:
    bed = Bed()
    bed.server.kind, bed.server.accepted = kind, set()
    with pytest.raises(kind):
        bed.connect()
    (rejected,) = (event for event in bed.events if isinstance(event, Rejected))
    assert (rejected.suspect, rejected.barred) == (suspect, barred)


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
    bed.rotating._after_fork()
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


# -- a subscriber harms nobody (A6) -----------------------------------------------------------------------------------


class Waiting:
    """A subscriber that does not come back until it may."""

    def __init__(self) -> None:
        self.entered, self.leave = threading.Event(), threading.Event()
        self.told: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.entered.set()
        self.leave.wait(10)
        self.told.append(event)


def test_events_are_told_after_the_answer_has_landed_so_a_slow_subscriber_holds_nobody_up() -> None:
    credentials, slow = made(), Waiting()
    credentials.subscribe(slow)
    try:
        assert credentials.current().version_id == "v1"
        assert slow.entered.wait(10)
        assert credentials.refresh().version_id == "v1"  # while it still is in there
        assert slow.told == []
    finally:
        slow.leave.set()


def test_events_are_told_in_order_though_the_first_takes_its_time() -> None:
    pending: list[Any] = []
    observers, slow = Observers(pending.append), Waiting()
    observers.subscribe(slow)
    first = threading.Thread(target=observers.tell, args=(ONE,))
    first.start()
    assert slow.entered.wait(10)
    observers.tell(TWO)  # does not wait
    observers.tell(THREE)
    slow.leave.set()
    first.join(10)
    for work in pending:
        work()
    assert slow.told == [ONE, TWO, THREE]


def test_an_event_is_told_in_the_context_where_it_happened_whoever_tells_it() -> None:
    observers, seen = Observers(spawn=lambda work: work()), []
    happens_in = contextvars.ContextVar("happens_in", default="nowhere")

    def tell(event: Event, where: str) -> None:
        happens_in.set(where)
        observers.tell(event)

    def subscriber(event: Event) -> None:
        seen.append((event, happens_in.get()))
        if event is ONE:  # another thread has something to tell just now
            other = threading.Thread(target=tell, args=(TWO, "there"))
            other.start()
            other.join(10)

    observers.subscribe(subscriber)
    contextvars.copy_context().run(tell, ONE, "here")
    assert seen == [(ONE, "here"), (TWO, "there")]


def test_what_came_in_line_meanwhile_is_told_behind_its_caller() -> None:
    """Whoever tells goes on up to its own last event, and leaves the rest to a thread."""
    works: list[Callable[[], None]] = []
    observers, told = Observers(works.append), list[Event]()

    def slow(event: Event) -> None:
        told.append(event)
        if event is ONE:
            other = threading.Thread(target=observers.tell, args=(TWO,))
            other.start()
            other.join(10)
            begun.append(len(works))

    begun: list[int] = []
    observers.subscribe(slow)
    observers.tell(ONE)
    assert (told, begun) == ([ONE], [0])
    (work,) = works
    work()
    assert told == [ONE, TWO]


def test_each_of_a_roll_is_renewed_in_a_forked_child() -> None:
    renewed: list[object] = []
    roll_of_two: Roll[Any] = Roll(renewed.append)
    members = [Time(), Time()]
    for member in members:
        roll_of_two.add(member)
    roll_of_two._after_fork()
    assert {id(one) for one in renewed} == {id(one) for one in members}


def test_what_is_done_between_is_done_before_anybody_is_told() -> None:
    observers, order = Observers(Time().spawn), list[object]()
    observers.subscribe(order.append)
    observers.tell(ONE, between=lambda: order.append("landed"))
    assert order == ["landed", ONE]


@pytest.mark.parametrize("what", [SystemExit, GeneratorExit, ValueError])
def test_whatever_a_subscriber_raises_reaches_nobody(what: type[BaseException]) -> None:
    bed = Bed()

    def exits(_event: Event) -> None:
        raise what

    bed.rotating.subscribe(exits)
    assert bed.rotating.current().version_id == "v1"
    assert bed.connect() == "connection as app"
    assert bed.rotating.refresh().version_id == "v1"
    assert bed.rotating.stats().refresh_failures == 0


def test_ctrl_c_in_a_subscriber_is_the_caller_s_and_the_next_event_is_told() -> None:
    observers, told = Observers(Time().spawn), list[Event]()

    def interrupted(event: Event) -> None:
        if event is ONE:
            raise KeyboardInterrupt

    observers.subscribe(interrupted)
    observers.subscribe(told.append)
    with pytest.raises(KeyboardInterrupt):
        observers.tell(ONE)
    observers.tell(TWO)
    assert told == [TWO]


@pytest.mark.parametrize("kind", [Fetched, Refreshed, Rotated])
def test_refresh_in_a_subscriber_returns_what_has_just_come_in(kind: type[Event]) -> None:
    """It waited for its own read, and everybody with it."""
    credentials, found = made(), list[str]()
    source = MemorySource(login("p1"))
    credentials = RotatingCredentials("s", source=source)
    done = threading.Event()

    def asks(event: Event) -> None:
        if isinstance(event, kind):
            found.append(credentials.refresh().version_id)
            done.set()

    credentials.subscribe(asks)
    credentials.current()
    source.rotate("v2", login("p2"))
    credentials.refresh()
    assert done.wait(10)
    assert found[-1] == ("v1" if kind is Fetched else "v2")
    assert source.reads == 2


async def test_a_task_that_a_subscriber_has_started_may_ask() -> None:
    """Its context is the subscriber's for as long as it lives."""
    bed, tasks = Bed(), list[asyncio.Task[Any]]()
    bed.rotating.subscribe(lambda _event: tasks.append(asyncio.ensure_future(bed.rotating.arefresh())))
    await bed.rotating.acurrent()
    await tasks[0]
    assert bed.source.reads == 2


def test_a_subscriber_that_connects_at_each_rejection_logs_in_once_more(caplog: pytest.LogCaptureFixture) -> None:
    """Fault 9: 166 logins in one connect()."""
    bed = Bed()
    bed.connect()
    bed.server.accepted = set()
    bed.server.sent.clear()

    def connects(event: Event) -> None:
        if isinstance(event, Rejected):
            bed.connect()

    for _ in range(2):
        bed.rotating.subscribe(connects)
    with pytest.raises(Refused):
        bed.connect()
    assert len(bed.server.sent) <= 5  # its own, one for each subscriber, and one for what the other one caused


def test_a_classify_that_connects_logs_in_once_more() -> None:
    bed = Bed()
    bed.connect()
    bed.server.accepted = set()
    bed.server.sent.clear()

    def connects(_error: BaseException) -> None:
        with contextlib.suppress(Refused):
            bed_connect()

    bed_connect = secretconn.wrap(bed.server.connect, bed.rotating, driver=DRIVER, classify=connects)
    with pytest.raises(Refused):
        bed_connect()
    assert len(bed.server.sent) <= 4


def calls(bed: Bed) -> dict[str, Callable[[], object]]:
    """What may be called from anywhere."""
    return {
        "current": bed.rotating.current,
        "stats": bed.rotating.stats,
        "invalidate": bed.rotating.invalidate,
        "subscribe": lambda: bed.rotating.subscribe(print)(),  # noqa: PLW0108
        "shared": lambda: secretconn.shared(f"signal/{next(NUMBERS)}", region="eu-west-1"),
        "connect": bed.connect,
        "refresh": bed.rotating.refresh,
        "made": made,
        "each": lambda: each(lambda _: None)(),  # noqa: PLW0108
    }


@pytest.mark.parametrize("name", sorted(calls(Bed())))
def test_in_a_signal_handler_nothing_waits_for_the_thread_that_it_interrupts(name: str) -> None:
    """The signal comes while this very thread is inside each of the locks there are."""
    bed, called = Bed(), list[object]()
    bed.rotating.current()

    def handler(_number: int, _frame: object) -> None:
        called.append(calls(bed)[name]())

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        for lock in (bed.core.state.lock, bed.core.observers._lock, roll._lock, registry._lock):
            with lock:
                signal.raise_signal(signal.SIGUSR1)
        with bed.core.observers._role:
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert len(called) == 5


def test_so_it_is_in_a_finaliser() -> None:
    bed, stats = Bed(), list[Stats]()

    class Dropped:
        pass

    dropped = Dropped()
    weakref.finalize(dropped, lambda: stats.append(bed.rotating.stats()))
    end = bed.rotating.subscribe(print)
    weakref.finalize(dropped, end)
    with bed.core.state.lock, bed.core.observers._lock, bed.core.observers._role:
        del dropped
        gc.collect()
    assert len(stats) == 1
    assert subscribers(bed.rotating) == 1  # that of the bed


def test_ten_thousand_ended_subscriptions_cost_nothing_to_tell_and_are_let_go() -> None:
    """Fault 19."""
    observers = Observers(Time().spawn)
    for _ in range(10_000):
        observers.subscribe(print).end()
    assert len(observers._subscriptions) == 1


def test_an_ended_subscriber_is_let_go_at_once() -> None:
    class Subscriber:
        def __call__(self, event: Event) -> None:
            pass

    subscriber = Subscriber()
    gone = weakref.ref(subscriber)
    made().subscribe(subscriber)()
    del subscriber
    assert gone() is None
