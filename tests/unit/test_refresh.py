"""refresh and arefresh: a read that began after the call, waited for no longer than the timeout; and a forked child."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from secretconn import Credentials, RotatingCredentials, SecretUnavailable
from secretconn._core.rotating import core_of, roll
from secretconn.events import Refreshed, RefreshFailed
from secretconn.testing.memory import MemorySource
from tests.unit.fakes import Answered, Bed, Refused, login


async def refresh(credentials: RotatingCredentials) -> Credentials:
    return await asyncio.to_thread(credentials.refresh)


async def arefresh(credentials: RotatingCredentials) -> Credentials:
    return await credentials.arefresh()


both = pytest.mark.parametrize("call", [refresh, arefresh])
Refreshing = Callable[[RotatingCredentials], Awaitable[Credentials]]


@both
async def test_a_read_that_was_under_way_already_is_old_news(call: Refreshing) -> None:
    """It may have seen the stages as they were before the caller knew of a rotation: the source is asked again."""
    source = MemorySource(login("p1"))
    credentials = RotatingCredentials("s", source=source)
    credentials.current()
    entered, leave = threading.Event(), threading.Event()
    source.on_read = lambda: (entered.set(), leave.wait(10))
    credentials.invalidate()
    credentials.current()
    assert await asyncio.to_thread(entered.wait, 10)  # this read has seen the stages as they are now
    source.rotate("v2", login("p2"))
    state = core_of(credentials).state
    asking, tick = threading.Event(), state.tick
    state.tick = lambda: (asking.set(), tick())[1]  # type: ignore[func-returns-value]
    asked = asyncio.ensure_future(call(credentials))
    assert await asyncio.to_thread(asking.wait, 10)
    source.on_read = None
    leave.set()
    assert (await asked).version_id == "v2"
    assert source.reads == 3


def joined_and_asked(bed: Bed, change: Callable[[], object]) -> tuple[Any, Any]:
    """A refresh() that finds a read under way: its flow, and the read that it asks for after that one and a change."""
    bed.rotating.current()
    bed.time.waiting = []
    bed.core.reader.behind("ttl")
    flow: Any = bed.rotating._refreshing()
    joined = next(flow).flight
    bed.time.land()
    change()
    asked = flow.send(joined.outcome).flight
    assert asked is not joined
    return flow, asked


def test_the_read_that_follows_it_is_told_as_one_that_was_asked_for() -> None:
    bed = Bed()
    flow, asked = joined_and_asked(bed, lambda: bed.source.rotate("v2", login("p2")))
    with pytest.raises(StopIteration) as end:
        flow.send(asked.outcome)
    assert end.value.value.version_id == "v2"
    assert [event.reason for event in bed.events if isinstance(event, Refreshed)] == ["ttl", "asked"]


def test_and_one_that_fails_then_is_told() -> None:
    bed = Bed(read_patience=0.0)
    flow, asked = joined_and_asked(bed, lambda: setattr(bed.source, "error", OSError("down")))
    with pytest.raises(SecretUnavailable):
        flow.send(asked.outcome)


@both
async def test_one_that_begins_with_the_call_is_enough(call: Refreshing) -> None:
    bed = Bed()
    bed.rotating.current()
    await call(bed.rotating)
    assert bed.source.reads == 2
    assert [event.reason for event in bed.events if isinstance(event, Refreshed)] == ["asked"]


@both
async def test_what_failed_before_the_call_is_asked_again(call: Refreshing) -> None:
    bed = Bed()
    bed.rotating.current()
    bed.source.error = OSError("down")
    with pytest.raises(SecretUnavailable):
        await call(bed.rotating)
    assert [event.reason for event in bed.events if isinstance(event, RefreshFailed)] == ["asked"]
    bed.source.error = None
    bed.source.rotate("v2", login("p2"))
    assert (await call(bed.rotating)).version_id == "v2"


@both
async def test_one_that_fails_in_passing_is_repeated_for_some_seconds(call: Refreshing) -> None:
    bed = Bed()
    bed.rotating.current()
    bed.source.error = Answered("InternalServiceError")
    begun = bed.time.now
    with pytest.raises(SecretUnavailable):
        await call(bed.rotating)
    assert 5.0 <= bed.time.now - begun <= 7.0
    assert {event.reason for event in bed.events if isinstance(event, RefreshFailed)} == {"asked"}


@both
async def test_it_waits_no_longer_than_the_timeout(call: Refreshing) -> None:
    source = MemorySource(login("p1"))
    credentials = RotatingCredentials("s", source=source, timeout=0.05)
    credentials.current()
    leave = threading.Event()
    source.on_read = lambda: leave.wait(10)  # nothing lands
    try:
        with pytest.raises(SecretUnavailable) as caught:
            await asyncio.wait_for(call(credentials), 5)
        assert isinstance(caught.value.__cause__, TimeoutError)
    finally:
        leave.set()


async def test_a_rejection_is_the_reason_of_its_refresh() -> None:
    for connect in ("connect", "aconnect"):
        bed = Bed()
        bed.rotating.current()
        bed.source.rotate("v2", login("p2"))
        bed.server.accepted = {("app", "p2")}
        opened = getattr(bed, connect)()
        assert (opened if connect == "connect" else await opened) == "connection as app"
        assert [event.reason for event in bed.events if isinstance(event, Refreshed)] == ["rejected"]


def test_why_it_cannot_be_pickled() -> None:
    with pytest.raises(TypeError) as caught:
        pickle.dumps(Bed().rotating)
    assert str(caught.value) == (
        "RotatingCredentials holds passwords and cannot be pickled; make a new one from the secret's id"
    )


def test_a_forked_child_keeps_what_is_held_and_leaves_its_parents_read_alone() -> None:
    """What the hook does. The locks: test_fork.py."""
    source = Source(login("p1"))
    bed = Bed()
    bed.rotating = RotatingCredentials("s", source=source, runtime=bed.time.runtime())
    seen: list[Any] = []
    bed.rotating.subscribe(seen.append)
    held = bed.rotating.current()
    bed.time.waiting = []
    bed.rotating.invalidate()
    bed.rotating.current()  # a flight that never lands in the child
    locks = (bed.core.state.lock, bed.core.observers._lock, roll._lock)
    taken, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with locks[0], locks[1], locks[2], bed.core.observers._role:
            taken.set()
            leave.wait(10)

    other = threading.Thread(target=hold)
    other.start()
    try:
        assert taken.wait(10)
        roll._after_fork()
        bed.time.waiting = None
        assert source.forked == [True]
        assert bed.rotating.stats().reads == 0
        assert bed.rotating.current() is held
        source.rotate("v2", login("p2"))
        assert bed.rotating.refresh().version_id == "v2"
        assert bed.rotating.stats().fetches == 1 + 1  # the stale read's own refresh, and the one asked for
        assert seen[-1].version_id == "v2"
    finally:
        leave.set()
        other.join(10)


class Source(MemorySource):
    """Keeps what it was told at a fork."""

    def __init__(self, content: Any) -> None:
        super().__init__(content)
        self.forked: list[bool] = []

    def after_fork(self, in_use: bool) -> None:
        self.forked.append(in_use)


async def test_tasks_reads_are_counted_as_threads_are() -> None:
    bed = Bed()
    for _ in range(3):
        await bed.rotating.acurrent()
    stats = bed.rotating.stats()
    assert (stats.reads, stats.hits, stats.stale_reads) == (3, 2, 0)


connects = pytest.mark.parametrize(
    "connect", [Bed.connect, lambda bed: asyncio.run(bed.aconnect())], ids=["sync", "async"]
)


@connects
def test_an_answer_of_somebody_else_s_refresh_may_end_the_patience(connect: Callable[[Bed], object]) -> None:
    bed = Bed()

    def sleep(seconds: float) -> None:
        bed.time.sleep(seconds)
        bed.rotating.refresh()

    async def asleep(seconds: float) -> None:
        sleep(seconds)

    runtime = replace(bed.time.runtime(), sleep=sleep, asleep=asleep)
    bed.rotating = RotatingCredentials("s", source=bed.source, patience=0.2, runtime=runtime)
    bed.rotating.current()
    bed.server.accepted = set()
    with pytest.raises(Refused) as caught:
        connect(bed)
    assert bed.time.slept == [pytest.approx(0.2)]
    assert bed.source.reads == 1 + 3 + 1  # the first one, the inquiry's three questions, and somebody else's
    (note,) = caught.value.__notes__
    assert note.endswith(" no other login.")


@connects
def test_patience_that_ends_is_told_on_the_driver_s_exception(connect: Callable[[Bed], object]) -> None:
    bed = Bed(patience=1.0)
    bed.rotating.current()
    bed.server.accepted = set()
    with pytest.raises(Refused) as caught:
        connect(bed)
    assert caught.value is bed.server.errors[-1]
    assert sum(bed.time.slept) == pytest.approx(1.0)
    (note,) = caught.value.__notes__
    assert note.endswith("; the source has no other login.")


@pytest.mark.parametrize("read", [RotatingCredentials.current, lambda credentials: asyncio.run(credentials.acurrent())])
def test_a_login_is_stale_from_the_very_moment_its_ttl_ends(read: Callable[[RotatingCredentials], Credentials]) -> None:
    bed = Bed(ttl=100.0)
    read(bed.rotating)
    bed.time.now += 74.0
    read(bed.rotating)
    assert bed.source.reads == 1
    bed.time.now += 1.0  # 100 seconds, jittered to three quarters
    read(bed.rotating)
    assert bed.source.reads == 2
