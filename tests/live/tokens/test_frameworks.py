"""Frameworks and pools under load: ten expiries of a token, ten changes of the AWS keys, and no connect fails."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import botocore.session
import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

import secretconn
from secretconn import RotatingCredentials, Runtime
from secretconn.pools import aiomysql_pool, asyncmy_pool
from secretconn.psycopg import AsyncNullConnectionPool, NullConnectionPool
from secretconn.sources import IamTokens
from secretconn.sqlalchemy import rotating
from tests.live.django.conftest import ENGINES as BACKENDS
from tests.live.django.conftest import connections
from tests.live.sqlalchemy.conftest import ASYNC, SYNC
from tests.live.tokens.conftest import KEYS, REGION, Database, database_of
from tests.support.iam import Keys

CROWD, TIMES, STEP = 3, 10, 660.0
"""How many connect at once; expiries, and changes of the keys; seconds between two of them."""

Once = Callable[[], None]

SLOWLY = {"connect_timeout": 120}
"""A slow machine is no failure."""

# What SQLAlchemy and pools close, asyncio's TLS says goodbye to later; the loop of a test may have ended by then.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
async def goodbye() -> AsyncIterator[None]:
    """Let what was closed in the test's loop end there, and be collected here and not in another test."""
    yield
    await asyncio.sleep(0.1)
    gc.collect()


class World:
    """A database, the AWS keys of this process, and the time, which is moved for all at once."""

    def __init__(self, database: Database) -> None:
        self.database, self._passed = database, 0.0
        self._lock, self._busy, self._stopped, self._done = threading.Lock(), 0, False, 0
        self._session = botocore.session.Session()
        self._count = itertools.count()
        self.change_keys(KEYS)
        self.credentials = RotatingCredentials(
            "orders",
            source=IamTokens(
                *("rds-iam", database.username, database.endpoint.host, database.endpoint.port, "orders"),
                engine=database.engine,
                region=REGION,
                session=self._session,
                wall=lambda: time.time() + self._passed,
            ),
            runtime=Runtime(clock=lambda: time.monotonic() + self._passed),
        )

    def change_keys(self, keys: Keys) -> None:
        """The process has other keys, and the old ones are deleted."""
        self._session.set_credentials(keys.id, keys.secret, keys.token)
        self.database.iam.keys = [keys]

    def next_keys(self) -> None:
        self.change_keys(Keys(f"AKIDEXAMPLE{next(self._count)}", "another/secret"))

    def pass_time(self) -> None:
        """Eleven minutes pass; the tokens that were signed before are a minute too old to be handed out.

        No connect takes that long, so those under way end before.
        """
        with self._lock:
            self._stopped = True
        while self._busy:
            time.sleep(0.001)
        self._passed += STEP
        self.database.iam.ahead = self._passed
        self._stopped = False

    def begin(self) -> bool:
        """Whether a connect may begin now; it then ends with ``end``."""
        with self._lock:
            going = not self._stopped
            self._busy += going
            return going

    def end(self) -> None:
        with self._lock:
            self._busy -= 1
            self._done += 1

    def go_through(self) -> None:
        """All changes, each with some connects after it."""
        for change in [self.pass_time, self.next_keys] * TIMES:
            change()
            goal, deadline = self._done + 2 * CROWD, time.monotonic() + 120
            while self._done < goal:
                assert time.monotonic() < deadline
                time.sleep(0.002)

    def check(self, failed: list[BaseException]) -> None:
        """Nothing failed; only what was under way at a change of the keys was refused; an expiry refuses nobody."""
        assert failed == []
        assert self._done >= 2 * CROWD * 2 * TIMES
        assert set(self.database.iam.refused) <= {"unknown keys"}
        assert TIMES <= len(self.database.iam.refused) <= TIMES * CROWD
        assert self.credentials.stats().rotations == 0


@pytest.fixture(params=["postgres", "mariadb"])
def world(request: pytest.FixtureRequest, databases: dict[str, Database], ca: Path, own_keys: None) -> World:
    return World(database_of(request.param, request, databases, ca))


only_postgres = pytest.mark.parametrize("world", ["postgres"], indirect=True)


def load(world: World, once: Once) -> None:
    """``once`` in some threads, while everything changes."""
    failed: list[BaseException] = []
    over = threading.Event()

    def connecting() -> None:
        while not over.is_set():
            if not world.begin():
                time.sleep(0.001)
                continue
            try:
                once()
            except Exception as error:  # noqa: BLE001
                failed.append(error)
            finally:
                world.end()

    threads = [threading.Thread(target=connecting) for _ in range(CROWD)]
    for thread in threads:
        thread.start()
    try:
        world.go_through()
    finally:
        over.set()
        for thread in threads:
            thread.join()
    world.check(failed)


async def aload(world: World, once: Callable[[], Awaitable[None]]) -> None:
    """The same for tasks. What changes everything stands in a thread of its own."""
    failed: list[BaseException] = []
    over = threading.Event()

    async def connecting() -> None:
        while not over.is_set():
            if not world.begin():
                await asyncio.sleep(0.001)
                continue
            try:
                await once()
            except Exception as error:  # noqa: BLE001
                failed.append(error)
            finally:
                world.end()

    tasks = [asyncio.create_task(connecting()) for _ in range(CROWD)]
    try:
        await asyncio.to_thread(world.go_through)
    finally:
        over.set()
        await asyncio.gather(*tasks)
    world.check(failed)


DIALECTS = {"postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
ASYNC_DIALECTS = {"postgresql": "postgresql+asyncpg", "mysql": "mysql+aiomysql"}


def test_sqlalchemy(world: World) -> None:
    url = f"{DIALECTS[world.database.engine]}://"
    engine = rotating(create_engine(url, poolclass=NullPool, connect_args=SLOWLY), world.credentials)

    def once() -> None:
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 42")).scalar() == 42

    load(world, once)


async def test_sqlalchemy_async(world: World) -> None:
    engine = create_async_engine(f"{ASYNC_DIALECTS[world.database.engine]}://", poolclass=NullPool)
    rotating(engine, world.credentials)

    async def once() -> None:
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT 42"))).scalar() == 42

    await aload(world, once)


def test_django(world: World) -> None:
    kind = "postgres" if world.database.engine == "postgresql" else "mariadb"
    wanted = {"ENGINE": BACKENDS[kind], "OPTIONS": {"secret": world.credentials, **SLOWLY}}
    connections.settings["tokens"] = connections.configure_settings({"default": {}, "tokens": wanted})["tokens"]

    def once() -> None:
        with connections["tokens"].cursor() as cursor:
            cursor.execute("SELECT 42")
            assert cursor.fetchone() == (42,)
        connections["tokens"].close()

    try:
        load(world, once)
    finally:
        del connections.settings["tokens"]


@only_postgres
def test_psycopg_pool(world: World) -> None:
    with NullConnectionPool(world.credentials, open=True, max_size=CROWD) as pool:

        def once() -> None:
            with pool.connection() as connection:
                assert connection.execute("SELECT 42").fetchone() == (42,)

        load(world, once)


@only_postgres
async def test_async_psycopg_pool(world: World) -> None:
    async with AsyncNullConnectionPool(world.credentials, open=False, max_size=CROWD) as pool:

        async def once() -> None:
            async with pool.connection() as connection:
                assert await (await connection.execute("SELECT 42")).fetchone() == (42,)

        await aload(world, once)


@only_postgres
async def test_asyncpg_pool(world: World) -> None:
    connect = secretconn.wrap(asyncpg.connect, world.credentials)
    async with asyncpg.create_pool(connect=connect, min_size=0, max_size=CROWD, max_queries=1) as pool:

        async def once() -> None:
            assert await pool.fetchval("SELECT 42") == 42

        await aload(world, once)


async def test_the_id_is_enough_for_django_and_for_pools(
    request: pytest.FixtureRequest, databases: dict[str, Database], ca: Path, own_keys: None
) -> None:
    postgres = database_of("postgres", request, databases, ca)
    with NullConnectionPool(postgres.url(), open=True) as pool, pool.connection() as connection:
        assert connection.execute("SELECT current_user").fetchone() == (postgres.username,)
    mariadb = database_of("mariadb", request, databases, ca)
    for make in (aiomysql_pool, asyncmy_pool):
        pool = await make(mariadb.url(), minsize=1, maxsize=1)
        pool.close()
        await pool.wait_closed()
    wanted = {"ENGINE": BACKENDS["postgres"], "OPTIONS": {"secret": postgres.url()}}
    connections.settings["url"] = connections.configure_settings({"default": {}, "url": wanted})["url"]
    try:
        await asyncio.to_thread(_asks_django, "url", postgres.username)
    finally:
        del connections.settings["url"]
    assert postgres.iam.refused == mariadb.iam.refused == []


def _asks_django(alias: str, username: str) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == (username,)
    connections[alias].close()


@pytest.mark.parametrize("dialect", SYNC)
def test_a_url_with_auth_names_user_host_and_database_alone(
    dialect: str, request: pytest.FixtureRequest, databases: dict[str, Database], ca: Path, own_keys: None
) -> None:
    database = database_of(SYNC[dialect], request, databases, ca)
    engine = create_engine(address(dialect, database), poolclass=NullPool)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT current_user")).scalar().partition("@")[0] == database.username
    assert len(database.iam.tokens) == 1


@pytest.mark.parametrize("dialect", ASYNC)
async def test_an_async_url_with_auth(
    dialect: str, request: pytest.FixtureRequest, databases: dict[str, Database], ca: Path, own_keys: None
) -> None:
    database = database_of(ASYNC[dialect], request, databases, ca)
    engine = create_async_engine(address(dialect, database), poolclass=NullPool)
    async with engine.connect() as connection:
        user: Any = (await connection.execute(text("SELECT current_user"))).scalar()
        assert user.partition("@")[0] == database.username
    assert database.iam.refused == []


def address(dialect: str, database: Database) -> str:
    where = f"{database.username}@{database.endpoint.host}:{database.endpoint.port}/orders"
    return f"{dialect}://{where}?plugin=secretconn&auth=rds-iam&region={REGION}"
