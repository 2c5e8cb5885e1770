"""One read that many wait for: what a waiter is told, and that it can be cancelled at any moment."""

from __future__ import annotations

import asyncio

import pytest

from secretconn._core.flight import Flight, Unanswered

NOTHING = Unanswered(1, 2, LookupError())


def under_way() -> Flight:
    return Flight("rejected", tick=1, begun=0.0, deadline=60.0)


@pytest.mark.parametrize("turns", range(4))
async def test_a_task_that_is_cancelled_just_as_the_read_lands_is_cancelled(turns: int) -> None:
    """asyncio.wait_for swallows that before Python 3.12, and the task would go on as if nobody had asked it to end."""
    flight = under_way()
    task = asyncio.create_task(flight.wait_async(60.0))
    await asyncio.sleep(0)
    flight.land(NOTHING)
    for _ in range(
        turns
    ):  # after the first, before Python 3.14, the task's own future is done and the task has not run
        await asyncio.sleep(0)
    if task.done():
        assert await task is NOTHING
        return
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancelled_task_leaves_the_read_to_the_others() -> None:
    flight = under_way()
    cancelled, waiting = (asyncio.create_task(flight.wait_async(60.0)) for _ in range(2))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert flight.land(NOTHING)
    assert await waiting is NOTHING


@pytest.mark.parametrize("landed", [True, False])
async def test_with_no_time_left_a_task_is_told_what_there_is(landed: bool) -> None:
    flight = under_way()
    if landed:
        flight.land(NOTHING)
    assert await flight.wait_async(0.0) is (NOTHING if landed else None)


def test_a_driver_with_a_clock_of_its_own_is_called_once_it_has_landed() -> None:
    flight, told = under_way(), list[object]()
    flight.when_landed(lambda: told.append(flight.outcome))
    assert (told, flight.outcome) == ([], None)
    assert flight.land(NOTHING)
    assert not flight.land(Unanswered(3, 4, OSError()))
    assert told == [NOTHING]


async def test_where_no_thread_can_be_started_a_task_is_told_so_at_once() -> None:
    flight = under_way()
    flight.here.append(lambda: None)
    told = await flight.wait_async(60.0)
    assert isinstance(told, Unanswered)
    assert (told.tick, str(told.error)) == (1, "no thread can be started to read the secret")
    assert not flight.landed
