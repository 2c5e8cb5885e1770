"""Every public way to a connection, each as a coroutine function that opens one and closes what it made."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import asyncpg
import psycopg_pool
import redis
import redis.asyncio
from sqlalchemy import NullPool, create_engine
from sqlalchemy.ext.asyncio import create_async_engine

import secretconn
from secretconn import RotatingCredentials
from secretconn.pools import aiomysql_pool, asyncmy_pool
from secretconn.psycopg import (
    AsyncConnectionPool,
    AsyncNullConnectionPool,
    ConnectionPool,
    NullConnectionPool,
    connection_class,
)
from secretconn.sqlalchemy import rotating
from tests.live.django.conftest import ENGINES, connections
from tests.live.drivers.table import DRIVERS, DriverCase
from tests.live.sqlalchemy.conftest import ASYNC, SYNC

__all__ = ["WAYS", "Way"]

SECONDS = 2
Classify = Callable[[BaseException], Any] | None
Open = Callable[[RotatingCredentials, Classify], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Way:
    """One way.

    Attributes:
        id: Its name.
        server: The engine in its secret: "postgres", "mariadb", "redis".
        open: Opens a connection.
        is_async: Whether it waits in the event loop, so that it can be cancelled.
        classifies: Whether it takes ``classify=``.
        ours: Whether a frame of ours is in the traceback: somebody else's pool connects in a thread of its own.
    """

    id: str
    server: str
    open: Open
    is_async: bool
    classifies: bool = True
    ours: bool = True


async def named(case: DriverCase, credentials: RotatingCredentials, classify: Classify) -> None:
    async with case.opened(credentials, classify=classify, **{case.timeout: SECONDS}):
        pass


async def wrapped(case: DriverCase, credentials: RotatingCredentials, classify: Classify) -> None:
    connect = secretconn.wrap(case.own_connect, credentials, classify=classify)
    async with case.opened_by(connect, **{case.timeout: SECONDS}):
        pass


POOL: dict[str, Any] = {"min_size": 0, "max_size": 1, "kwargs": {"connect_timeout": SECONDS}}


async def psycopg_pool_of(kind: Any, credentials: RotatingCredentials, _classify: Classify) -> None:
    with kind(credentials, open=True, timeout=SECONDS, **POOL) as pool, pool.connection():
        pass


async def async_psycopg_pool_of(kind: Any, credentials: RotatingCredentials, _classify: Classify) -> None:
    async with kind(credentials, open=False, timeout=SECONDS, **POOL) as pool, pool.connection():
        pass


async def psycopg_s_own_pool(credentials: RotatingCredentials, _classify: Classify) -> None:
    made_of = connection_class(credentials)
    with psycopg_pool.NullConnectionPool(connection_class=made_of, open=True, timeout=SECONDS, **POOL) as pool:
        pool.wait(SECONDS)
        with pool.connection():
            pass


async def asyncpg_pool(credentials: RotatingCredentials, classify: Classify) -> None:
    connect = secretconn.wrap(asyncpg.connect, credentials, classify=classify)
    await asyncpg.create_pool(connect=connect, min_size=1, max_size=1, timeout=SECONDS)


async def mysql_pool(make: Any, credentials: RotatingCredentials, _classify: Classify) -> None:
    await make(credentials, minsize=1, maxsize=1, connect_timeout=SECONDS)


TIMEOUTS = {"pg8000": "timeout", "asyncpg": "timeout", "mysqlconnector": "connection_timeout"}


async def sqlalchemy_sync(dialect: str, credentials: RotatingCredentials, classify: Classify) -> None:
    timeout = {TIMEOUTS.get(dialect.partition("+")[2], "connect_timeout"): SECONDS}
    engine = create_engine(f"{dialect}://", poolclass=NullPool, connect_args=timeout)
    with rotating(engine, credentials, classify=classify).connect():
        pass


async def sqlalchemy_async(dialect: str, credentials: RotatingCredentials, classify: Classify) -> None:
    timeout = {TIMEOUTS.get(dialect.partition("+")[2], "connect_timeout"): SECONDS}
    engine = create_async_engine(f"{dialect}://", poolclass=NullPool, connect_args=timeout)
    async with rotating(engine, credentials, classify=classify).connect():
        pass


async def django(kind: str, pool: bool, credentials: RotatingCredentials, _classify: Classify) -> None:
    alias = f"secrecy-{kind}-{pool}"
    options = {"secret": credentials, "connect_timeout": SECONDS}
    if pool:
        options["pool"] = {"min_size": 0, "max_size": 1, "timeout": SECONDS}
    wanted = {"ENGINE": ENGINES[kind], "OPTIONS": options}
    connections.settings[alias] = connections.configure_settings({"default": {}, alias: wanted})[alias]
    try:
        connections[alias].ensure_connection()
    finally:
        with contextlib.suppress(Exception):
            connections[alias].close_pool()
        del connections[alias], connections.settings[alias]


async def redis_sync(credentials: RotatingCredentials, classify: Classify) -> None:
    secretconn.connect(credentials, driver="redis", classify=classify, **REDIS).close()


async def redis_from_url(credentials: RotatingCredentials, classify: Classify) -> None:
    login = credentials.current()
    connect = secretconn.wrap(redis.Redis.from_url, credentials, classify=classify)
    connect(f"redis://{login.host}:{login.port}/0", **REDIS).close()


async def redis_pool(credentials: RotatingCredentials, classify: Classify) -> None:
    secretconn.wrap(redis.ConnectionPool, credentials, classify=classify)(**REDIS).disconnect()


async def redis_async_pool(credentials: RotatingCredentials, classify: Classify) -> None:
    opened: Any = secretconn.wrap(redis.asyncio.ConnectionPool, credentials, classify=classify)(**REDIS)
    await (await opened).disconnect()


async def redis_async(credentials: RotatingCredentials, classify: Classify) -> None:
    await secretconn.aconnect(credentials, driver="redis", classify=classify, **REDIS)


REDIS: dict[str, Any] = {"socket_connect_timeout": SECONDS, "socket_timeout": SECONDS, "retry": None}

WAYS = [
    *(Way(f"{case.id}", case.server, functools.partial(named, case), case.is_async) for case in DRIVERS),
    *(Way(f"{case.id} wrapped", case.server, functools.partial(wrapped, case), case.is_async) for case in DRIVERS),
    *(
        Way(f"psycopg {kind.__name__}", "postgres", functools.partial(psycopg_pool_of, kind), False, False)
        for kind in (ConnectionPool, NullConnectionPool)
    ),
    *(
        Way(f"psycopg {kind.__name__}", "postgres", functools.partial(async_psycopg_pool_of, kind), True, False)
        for kind in (AsyncConnectionPool, AsyncNullConnectionPool)
    ),
    Way("psycopg_pool's own", "postgres", psycopg_s_own_pool, False, False, False),
    Way("asyncpg pool", "postgres", asyncpg_pool, True),
    Way("aiomysql pool", "mariadb", functools.partial(mysql_pool, aiomysql_pool), True, False),
    Way("asyncmy pool", "mariadb", functools.partial(mysql_pool, asyncmy_pool), True, False),
    *(Way(f"SQLAlchemy {name}", SYNC[name], functools.partial(sqlalchemy_sync, name), False) for name in SYNC),
    *(Way(f"SQLAlchemy async {name}", ASYNC[name], functools.partial(sqlalchemy_async, name), True) for name in ASYNC),
    Way("Django postgres", "postgres", functools.partial(django, "postgres", False), False, False),
    Way("Django pool", "postgres", functools.partial(django, "postgres", True), False, False),
    Way("Django mariadb", "mariadb", functools.partial(django, "mariadb", False), False, False),
    Way("redis", "redis", redis_sync, False),
    Way("redis from_url", "redis", redis_from_url, False),
    Way("redis pool", "redis", redis_pool, False),
    Way("redis async", "redis", redis_async, True),
    Way("redis async pool", "redis", redis_async_pool, True),
]
