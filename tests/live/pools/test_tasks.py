"""Pools for asyncio through twenty rotations: psycopg_pool, asyncpg, aiomysql, asyncmy, and Tortoise ORM."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import psycopg_pool
import pytest
from tortoise import Model, Tortoise, fields

from examples.pools import asyncpg_pool, psycopg_pool_class, tortoise_config
from secretconn import RotatingCredentials
from secretconn.pools import aiomysql_pool, asyncmy_pool
from secretconn.psycopg import AsyncConnectionPool, AsyncNullConnectionPool
from secretconn.testing import Application, Login
from tests.live.crowd import LEAST, ROTATIONS, use_in_tasks

USER = "SELECT CURRENT_USER"
MAKE = {"aiomysql": aiomysql_pool, "asyncmy": asyncmy_pool}


class Order(Model):
    id = fields.IntField(primary_key=True)
    item = fields.TextField()

    class Meta:
        table = "orders"


async def one(connection: Any, query: str = USER) -> str:
    async with connection.cursor() as cursor:
        await cursor.execute(query)
        return str((await cursor.fetchone())[0]).partition("@")[0]


@pytest.mark.parametrize("kind", ["ours", "null", "class"])
async def test_psycopg_pool(kind: str, postgres_app: Application, pg: RotatingCredentials) -> None:
    if kind == "class":
        pool: Any = psycopg_pool_class.make_async_pool(pg)
    elif kind == "null":
        pool = AsyncNullConnectionPool(pg, max_size=4, open=False)
    else:
        pool = AsyncConnectionPool(pg, min_size=1, max_size=4, open=False)

    async def request() -> None:
        async with pool.connection() as connection:
            await one(connection)
            await connection.close()

    async with pool:
        assert await use_in_tasks(postgres_app, request) >= LEAST


async def test_psycopg_pool_drains_on_rotation(postgres_app: Application, pg: RotatingCredentials) -> None:
    async with AsyncConnectionPool(pg, min_size=1, max_size=1, open=False, on_rotation="drain") as pool:
        async with pool.connection() as connection:
            before = connection.info.backend_pid
        await asyncio.to_thread(postgres_app.rotator("alternating-users").rotate)
        await pg.arefresh()
        user = ""
        while user != postgres_app.login().username:  # the drain is a task of its own
            async with pool.connection() as connection:
                user = await one(connection)
        assert connection.info.backend_pid != before


async def test_pool_timeout_tells_the_real_reason(postgres_app: Application, pg: RotatingCredentials) -> None:
    postgres_app.server.admin().set_password(Login(postgres_app.username, "changed behind the secret's back"))
    async with AsyncConnectionPool(pg, min_size=1, open=False) as pool:
        with pytest.raises(psycopg_pool.PoolTimeout) as raised:
            await pool.getconn(timeout=0.5)
    assert isinstance(raised.value.__cause__, psycopg.OperationalError)
    assert "password authentication failed" in raised.value.__notes__[0]


async def test_asyncpg_pool(postgres_app: Application, pg: RotatingCredentials) -> None:
    async with await asyncpg_pool.make_pool(pg) as pool:

        async def request() -> None:
            async with pool.acquire() as connection:
                await connection.fetchval(USER)
                await connection.close()

        assert await use_in_tasks(postgres_app, request) >= LEAST
        async with pool.acquire() as connection:
            await connection.fetchval(USER)
        await asyncio.to_thread(postgres_app.rotator("alternating-users").rotate)
        await pg.arefresh()
        user = ""
        while user != postgres_app.login().username:  # on_rotation runs in this loop, soon
            async with pool.acquire() as connection:
                user = await connection.fetchval(USER)


@pytest.mark.parametrize("driver", MAKE)
async def test_mysql_pools(driver: str, mariadb_app: Application, my: RotatingCredentials) -> None:
    pool = await MAKE[driver](my, minsize=1, maxsize=4, autocommit=True)

    async def request() -> None:
        async with pool.acquire() as connection:
            await one(connection)
            await connection.ensure_closed()

    assert await use_in_tasks(mariadb_app, request) >= LEAST
    assert my.stats().recovered >= ROTATIONS
    pool.close()
    await pool.wait_closed()


@pytest.mark.parametrize("driver", MAKE)
async def test_mysql_pools_drain_on_rotation(driver: str, mariadb_app: Application, my: RotatingCredentials) -> None:
    pool = await MAKE[driver](my, minsize=2, maxsize=2, on_rotation="drain")
    before = await ids(pool)
    await asyncio.to_thread(mariadb_app.rotator("alternating-users").rotate)
    await my.arefresh()
    for _ in range(1000):  # the drain is a task of its own
        if pool.freesize:
            await asyncio.sleep(0.01)
    assert pool.freesize == 0
    after = await ids(pool)
    assert len(before) == len(after) == 2
    assert not before.keys() & after.keys()
    assert set(after.values()) == {mariadb_app.login().username}
    pool.close()
    await pool.wait_closed()


async def ids(pool: Any) -> dict[str, str]:
    """Each of the pool's two connections: the server's number for it, and whose it is."""
    async with pool.acquire() as first, pool.acquire() as second:
        return {await one(each, "SELECT CONNECTION_ID()"): await one(each) for each in (first, second)}


@pytest.mark.parametrize("driver", MAKE)
async def test_mysql_pools_keep_their_size(driver: str, my: RotatingCredentials) -> None:
    pool = await MAKE[driver](my, minsize=1, maxsize=2)
    assert (pool.size, pool.freesize, pool.minsize) == (1, 1, 1)
    first, second = await pool.acquire(), await pool.acquire()
    waiting = asyncio.ensure_future(pool._acquire())
    await asyncio.sleep(0)
    assert (pool.size, waiting.done()) == (2, False)
    pool.release(first)
    third = await waiting
    assert third is first
    for connection in (second, third):
        pool.release(connection)
    pool.close()
    await pool.wait_closed()


@pytest.mark.parametrize("driver", MAKE)
async def test_mysql_pools_let_the_drivers_error_out(
    driver: str, mariadb_app: Application, my: RotatingCredentials
) -> None:
    with pytest.raises(TypeError, match="come from secret"):
        await MAKE[driver](my, user="me")
    mariadb_app.server.admin().set_password(Login(mariadb_app.username, "changed behind the secret's back"))
    with pytest.raises(Exception, match="Access denied") as raised:
        await MAKE[driver](my)
    assert raised.value.args[0] == 1045
    assert any(mariadb_app.secret_id in note for note in raised.value.__notes__)


async def test_tortoise(postgres_app: Application, pg: RotatingCredentials) -> None:
    from tortoise.connection import get_connection

    await Tortoise.init(config=tortoise_config.make_config(pg, [__name__], postgres_app.server.port))
    client = get_connection("default")

    async def request() -> None:
        await Order.all()
        async with client.acquire_connection() as connection:
            await connection.close()

    assert await use_in_tasks(postgres_app, request) >= LEAST
    await Tortoise.close_connections()
