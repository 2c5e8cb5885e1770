"""on_rotation(): what is drained, where and until when; no server is asked."""

from __future__ import annotations

import asyncio
import gc

import pytest

from secretconn import ConfigurationError, RotatingCredentials
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


def test_pool_is_not_kept_alive() -> None:
    bed, pool = Bed(), Pool()
    on_rotation(bed.credentials, pool.drain)
    del pool
    gc.collect()
    bed.rotate()
    assert subscribers(bed.credentials) == 0


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
    assert (pool.drained, subscribers(bed.credentials)) == ([], 0)


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
