"""on_rotation(): what is drained, where and until when; no server is asked."""

from __future__ import annotations

import asyncio
import functools
import gc
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from secretconn import ConfigurationError, RotatingCredentials, pools
from secretconn.pools import aiomysql_pool, on_rotation
from secretconn.testing.memory import MemorySource
from tests.unit.fakes import subscribers


def login(password: str) -> dict[str, object]:
    return {"username": "app", "password": password, "host": "db"}


class Bed:
    def __init__(self) -> None:
        self.source = MemorySource(login("p1"))
        self.credentials = RotatingCredentials("s", source=self.source)
        self.credentials.prefetch()
        self.version = 1

    def rotate(self) -> None:
        self.version += 1
        self.source.rotate(f"v{self.version}", login(f"p{self.version}"))
        self.credentials.refresh()


class Pool:
    def __init__(self) -> None:
        self.drained: list[object] = []
        self.called = asyncio.Event()

    def drain(self) -> None:
        self.drained.append(None)

    async def adrain(self) -> None:
        self.drained.append(asyncio.get_running_loop())
        self.called.set()

    async def broken(self) -> None:
        self.called.set()
        raise ValueError("no")


def test_each_rotation_drains_once_and_a_refresh_without_one_does_not() -> None:
    bed, pool = Bed(), Pool()
    stop = on_rotation(bed.credentials, pool.drain)
    bed.credentials.refresh()
    assert pool.drained == []
    bed.rotate()
    bed.rotate()
    assert len(pool.drained) == 2
    stop()
    bed.rotate()
    assert len(pool.drained) == 2


def test_a_pool_that_is_gone_leaves_nothing_behind() -> None:
    """Not even until the next rotation, which may be a month away."""
    bed = Bed()
    kept = Pool()
    for _ in range(50):
        on_rotation(bed.credentials, Pool().drain)
    gc.collect()
    on_rotation(bed.credentials, kept.drain)
    gc.collect()
    assert sum(type(thing) is pools._Draining for thing in gc.get_objects()) <= 2
    bed.rotate()
    assert len(kept.drained) == 1


def test_each_subscription_ends_by_its_own_function() -> None:
    bed, pool = Bed(), Pool()
    first, second = on_rotation(bed.credentials, pool.drain), on_rotation(bed.credentials, pool.drain)
    first()
    first()
    bed.rotate()
    assert len(pool.drained) == 1
    second()
    bed.rotate()
    assert len(pool.drained) == 1


class Closable:
    """As asyncpg's pool: no weak references, and it can say that it is closed."""

    __slots__ = ("closing", "held")

    def __init__(self) -> None:
        self.closing, self.held = False, Pool()

    def is_closing(self) -> bool:
        return self.closing

    async def expire(self) -> None:
        await self.held.adrain()


async def test_a_closed_pool_that_cannot_be_referred_to_weakly_is_let_go_at_the_next_call() -> None:
    bed, pool = Bed(), Closable()
    held = weakref.ref(pool.held)
    on_rotation(bed.credentials, pool.expire)
    pool.closing = True
    del pool
    on_rotation(bed.credentials, Pool().adrain)
    gc.collect()
    assert held() is None


async def test_what_ends_it_lets_go_of_the_pool_at_once() -> None:
    bed, pool = Bed(), Closable()
    held, stop = weakref.ref(pool.held), on_rotation(bed.credentials, pool.expire)
    del pool
    gc.collect()
    assert held() is not None
    stop()
    gc.collect()
    assert held() is None


async def test_a_closed_pool_is_not_drained_and_an_open_one_is() -> None:
    bed, closed, opened = Bed(), Closable(), Closable()
    for pool in (closed, opened):
        on_rotation(bed.credentials, pool.expire)
    closed.closing = True
    await asyncio.to_thread(bed.rotate)
    await opened.held.called.wait()
    assert closed.held.drained == []


def test_what_is_kept_for_a_loop_is_let_go_when_the_loop_is_closed() -> None:
    bed, other = Bed(), Pool()

    async def begin() -> weakref.ref[Pool]:
        pool = Pool()
        on_rotation(bed.credentials, functools.partial(pool.adrain))
        return weakref.ref(pool)

    held = asyncio.run(begin())
    on_rotation(bed.credentials, other.drain)
    gc.collect()
    assert held() is None


async def test_a_drain_under_way_goes_on_when_it_is_ended_and_garbage_is_collected() -> None:
    bed, done = Bed(), asyncio.Event()

    class Slow:
        def __init__(self) -> None:
            self.begun, self.later = asyncio.Event(), asyncio.get_running_loop().create_future()

        async def drain(self) -> None:
            mine = asyncio.get_running_loop().create_future()
            self.later = weakref.ref(mine)  # type: ignore[assignment]  # nobody but this task holds what it waits for
            self.begun.set()
            try:
                await mine
            finally:
                done.set()

    pool = Slow()
    stop = on_rotation(bed.credentials, pool.drain)
    await asyncio.to_thread(bed.rotate)
    await pool.begun.wait()
    stop()
    gc.collect()
    waited_for = pool.later()  # type: ignore[operator]
    assert waited_for is not None
    assert not done.is_set()
    waited_for.set_result(None)
    await done.wait()


async def test_coroutine_function_runs_in_the_loop_where_it_was_given() -> None:
    bed, pool = Bed(), Pool()
    on_rotation(bed.credentials, pool.adrain)
    await asyncio.to_thread(bed.rotate)
    await pool.called.wait()
    assert pool.drained == [asyncio.get_running_loop()]


async def test_drain_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    bed, pool = Bed(), Pool()
    on_rotation(bed.credentials, pool.broken)
    bed.rotate()
    await pool.called.wait()
    await asyncio.sleep(0)
    assert "draining a pool failed" in caplog.text


def test_loop_that_ended_ends_it() -> None:
    bed, pool = Bed(), Pool()

    async def begin() -> None:
        on_rotation(bed.credentials, pool.adrain)

    asyncio.run(begin())
    bed.rotate()
    assert pool.drained == []


def test_coroutine_function_needs_a_loop() -> None:
    with pytest.raises(ConfigurationError, match="event loop"):
        on_rotation(Bed().credentials, Pool().adrain)


async def test_unknown_wish_is_refused() -> None:
    pytest.importorskip("aiomysql")
    with pytest.raises(ConfigurationError, match="'keep' or 'drain'"):
        await aiomysql_pool(Bed().credentials, on_rotation="burn")  # type: ignore[arg-type]


def test_psycopg_pools_refuse_it_too() -> None:
    pytest.importorskip("psycopg_pool")
    from secretconn.psycopg import AsyncConnectionPool, ConnectionPool

    for kind in (ConnectionPool, AsyncConnectionPool):
        with pytest.raises(ConfigurationError, match="'keep' or 'drain'"):
            kind(Bed().credentials, open=False, on_rotation="burn")


@pytest.mark.parametrize("kind", ["ConnectionPool", "NullConnectionPool"])
def test_a_closed_psycopg_pool_is_drained_no_more(kind: str) -> None:
    rooms = pytest.importorskip("secretconn.psycopg")
    bed = Bed()
    pool = getattr(rooms, kind)(bed.credentials, min_size=0, max_size=1, open=True, on_rotation="drain")
    assert subscribers(bed.credentials) == 1
    pool.close()
    pool.close()
    assert subscribers(bed.credentials) == 0


@pytest.mark.parametrize("kind", ["AsyncConnectionPool", "AsyncNullConnectionPool"])
async def test_nor_is_a_closed_one_of_asyncio(kind: str) -> None:
    rooms = pytest.importorskip("secretconn.psycopg")
    bed = Bed()
    async with getattr(rooms, kind)(bed.credentials, min_size=0, max_size=1, open=False, on_rotation="drain"):
        assert subscribers(bed.credentials) == 1
    assert subscribers(bed.credentials) == 0


class Link:
    """A connection, as far as aiomysql's and asyncmy's pools look at one."""

    connected, closed, _stream_broken = True, False, False
    last_usage = float("inf")  # never too old
    _reader = SimpleNamespace(at_eof=bool, exception=lambda: None, eof_received=False)

    def close(self) -> None:
        self.closed = self._stream_broken = True

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def ensure_closed(self) -> None:
        self.close()
        self.ended.set()

    def get_transaction_status(self) -> bool:
        return False


class Opening:
    """Opens at once, or when it is let to; and counts."""

    def __init__(self) -> None:
        self.links: list[Link] = []
        self.arguments: list[dict[str, Any]] = []
        self.let = asyncio.Event()
        self.let.set()

    async def __call__(self, **arguments: Any) -> Link:
        self.arguments.append(arguments)
        await self.let.wait()
        self.links.append(Link())
        return self.links[-1]


def mysql_pool(name: str, **options: Any) -> tuple[Any, Opening]:
    pytest.importorskip(name)
    opening = Opening()
    kind = pools._aiomysql_class() if name == "aiomysql" else pools._asyncmy_class()
    if name == "aiomysql":
        options = {"echo": False, "pool_recycle": -1, "loop": asyncio.get_running_loop(), **options}
    return kind(opening, **options), opening


MYSQL = pytest.mark.parametrize("name", ["aiomysql", "asyncmy"])


@MYSQL
async def test_a_mysql_pool_opens_no_more_than_its_maximum(name: str) -> None:
    pool, opening = mysql_pool(name, minsize=0, maxsize=2, autocommit=True)
    first, second = await pool.acquire(), await pool.acquire()
    waiting = [asyncio.ensure_future(pool._acquire()) for _ in range(3)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert (len(opening.links), pool.size, [task.done() for task in waiting]) == (2, 2, [False] * 3)
    pool.release(first)
    pool.release(second)
    for task in waiting:
        pool.release(await task)
    assert len(opening.links) == 2
    assert opening.arguments[0]["autocommit"] is True


@MYSQL
async def test_a_mysql_pool_counts_what_it_is_opening(name: str) -> None:
    pool, opening = mysql_pool(name, minsize=0, maxsize=1)
    opening.let.clear()
    waiting = [asyncio.ensure_future(pool._acquire()) for _ in range(2)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert (len(opening.arguments), pool.size) == (1, 1)
    opening.let.set()
    pool.release(await waiting[0])
    assert await waiting[1] is opening.links[0]


@MYSQL
async def test_a_mysql_pool_fills_to_its_minimum_and_drops_the_dead(name: str) -> None:
    pool, opening = mysql_pool(name, minsize=2, maxsize=3)
    async with pool._cond:
        await pool.fill(False)
    assert (pool.size, pool.freesize, pool.minsize) == (2, 2, 2)
    for link in opening.links:
        link._stream_broken, link._reader = True, SimpleNamespace(at_eof=lambda: True)
    taken = await pool.acquire()
    assert taken in opening.links[2:]
    assert (pool.size, len(opening.links)) == (2, 4)


@MYSQL
async def test_a_failed_opening_leaves_the_place_free(name: str) -> None:
    pool, opening = mysql_pool(name, minsize=0, maxsize=1)
    broken, pool._opening = pool._opening, None
    with pytest.raises(TypeError):
        await pool.acquire()
    pool._opening = broken
    assert pool.size == 0
    assert await pool.acquire() is opening.links[0]


def test_aiomysql_s_maximum_of_zero_is_none() -> None:
    async def many() -> None:
        pool, opening = mysql_pool("aiomysql", minsize=0, maxsize=0)
        for _ in range(12):
            await pool.acquire()
        assert len(opening.links) == 12

    asyncio.run(many())


@MYSQL
async def test_closing_a_mysql_pool_ends_its_draining(name: str) -> None:
    pytest.importorskip(name)
    bed = Bed()
    make = aiomysql_pool if name == "aiomysql" else pools.asyncmy_pool
    pool = await make(bed.credentials, minsize=0, on_rotation="drain")
    pool._free.append(Link())
    pool.close()
    await asyncio.to_thread(bed.rotate)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(pool._free) == 1


@MYSQL
async def test_a_mysql_pool_that_drains_closes_what_is_idle(name: str) -> None:
    pytest.importorskip(name)
    bed, idle = Bed(), Link()
    make = aiomysql_pool if name == "aiomysql" else pools.asyncmy_pool
    pool = await make(bed.credentials, minsize=0, on_rotation="drain")
    pool._free.append(idle)
    await asyncio.to_thread(bed.rotate)
    await asyncio.wait_for(idle.ended.wait(), 10)
    assert pool.freesize == 0
