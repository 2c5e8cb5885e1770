"""What rotation means for SQLAlchemy's pool, and for the event loop beside it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

import secretconn
from secretconn import RotatingCredentials
from secretconn.sqlalchemy import rotating
from secretconn.testing import Application
from tests.live.crowd import LEAST, use_in_tasks, use_in_threads

RotatingOf = Callable[[Application], RotatingCredentials]
PID = text("SELECT pg_backend_pid()")
USER = text("SELECT CURRENT_USER")


def pid(connection: Connection) -> int:
    return int(connection.execute(PID).scalar_one())


def test_existing_engine_survives(postgres_app: Application, rotating_of: RotatingOf) -> None:
    engine = create_engine("postgresql+psycopg://", poolclass=NullPool)
    assert rotating(engine, rotating_of(postgres_app)) is engine

    def request() -> None:
        with engine.connect() as connection:
            connection.execute(USER)

    assert use_in_threads(postgres_app, request) >= LEAST


def test_keep_lets_open_connections_live(postgres_app: Application, rotating_of: RotatingOf) -> None:
    credentials = rotating_of(postgres_app)
    engine = rotating(create_engine("postgresql+psycopg://"), credentials)
    with engine.connect() as connection:
        before = pid(connection)
    postgres_app.rotator().rotate()
    credentials.refresh()
    with engine.connect() as connection:
        assert pid(connection) == before
    engine.dispose()


def test_drain_replaces_idle_connections_and_lets_those_in_use_finish(
    postgres_app: Application, rotating_of: RotatingOf
) -> None:
    credentials = rotating_of(postgres_app)
    engine = rotating(create_engine("postgresql+psycopg://", pool_size=2), credentials, on_rotation="drain")
    with engine.connect() as busy, engine.connect() as idle:
        old = {pid(busy), pid(idle)}
        idle.close()
        postgres_app.rotator("alternating-users").rotate()
        credentials.refresh()
        assert pid(busy) in old
        with engine.connect() as fresh:
            assert pid(fresh) not in old
            assert fresh.execute(USER).scalar() == postgres_app.login().username
    for _ in range(2):
        with engine.connect() as one, engine.connect() as other:
            now = {pid(one), pid(other)}
            assert not now & old
    engine.dispose()


async def test_drain_closes_an_async_drivers_connections_in_the_loop(
    postgres_app: Application, rotating_of: RotatingOf
) -> None:
    credentials = rotating_of(postgres_app)
    engine = rotating(create_async_engine("postgresql+asyncpg://"), credentials, on_rotation="drain")
    async with engine.connect() as connection:
        before = (await connection.execute(PID)).scalar()
    await asyncio.to_thread(postgres_app.rotator("alternating-users").rotate)
    await credentials.arefresh()
    async with engine.connect() as connection:
        assert (await connection.execute(PID)).scalar() != before
        assert (await connection.execute(USER)).scalar() == postgres_app.login().username
    await engine.dispose()


async def test_drain_under_a_crowd(postgres_app: Application, rotating_of: RotatingOf) -> None:
    engine = create_async_engine("postgresql+psycopg://", pool_size=2)
    rotating(engine, rotating_of(postgres_app), on_rotation="drain")
    turn = itertools.count()

    async def request() -> None:
        async with engine.connect() as connection:
            await connection.execute(USER)
            if next(turn) % 3 == 0:  # somebody has to log in, or nobody notices a rotation here
                await connection.invalidate()

    assert await use_in_tasks(postgres_app, request) >= LEAST
    await engine.dispose()


async def test_slow_secrets_manager_stalls_no_other_task(postgres_app: Application, rotating_of: RotatingOf) -> None:
    """The loop answers all through the read; were it blocked, the server's delay could not be lifted from here."""
    engine = rotating(create_async_engine("postgresql+asyncpg://"), rotating_of(postgres_app))
    postgres_app.secrets.reset_calls()
    postgres_app.secrets.delay = 3.0
    turns = 0
    try:
        connecting = asyncio.create_task(engine.connect().start())
        while not connecting.done():
            turns += 1
            await asyncio.sleep(0.01)
        await (await connecting).close()
    finally:
        postgres_app.secrets.delay = 0.0
    assert turns > 20
    await engine.dispose()


@pytest.mark.parametrize("dialect", ["postgresql+psycopg", "postgresql+psycopg2", "postgresql+pg8000"])
def test_lost_connections_are_found_and_replaced_with_the_new_login(
    dialect: str, postgres_app: Application, rotating_of: RotatingOf
) -> None:
    """is_disconnect and pool_pre_ping go on working."""
    credentials = rotating_of(postgres_app)
    for pre_ping in (True, False):
        engine = rotating(create_engine(f"{dialect}://", pool_pre_ping=pre_ping), credentials)
        with engine.connect() as connection:
            lost = pid(connection)
        postgres_app.server.sql(f"SELECT pg_terminate_backend({lost});")
        postgres_app.rotator().rotate()
        if not pre_ping:
            with pytest.raises(DBAPIError) as raised, engine.connect() as connection:
                connection.execute(PID)
            assert raised.value.connection_invalidated
        with engine.connect() as connection:
            assert pid(connection) != lost
        engine.dispose()


def test_drain_notices_by_ttl_while_nobody_logs_in(postgres_app: Application) -> None:
    credentials = RotatingCredentials(postgres_app.secret_id, client=postgres_app.secrets.client(), ttl=0.05)
    engine = rotating(create_engine("postgresql+psycopg://", pool_size=1), credentials, on_rotation="drain")
    with engine.connect() as connection:
        before = pid(connection)
    postgres_app.rotator("alternating-users").rotate()
    for _ in range(10_000):
        with engine.connect() as connection:
            if pid(connection) != before:
                break
    else:
        pytest.fail("the connection from before the rotation is still there")
    assert credentials.stats().rejected == 0
    engine.dispose()


def test_dispose_gives_a_pool_that_still_rotates_and_drains(postgres_app: Application, rotating_of: RotatingOf) -> None:
    credentials = rotating_of(postgres_app)
    engine = rotating(create_engine("postgresql+psycopg://"), credentials, on_rotation="drain")
    engine.connect().close()
    engine.dispose()
    with engine.connect() as connection:
        before = pid(connection)
    postgres_app.rotator().rotate()
    credentials.refresh()
    with engine.connect() as connection:
        assert pid(connection) != before
    engine.dispose()


def test_arguments_of_the_engine_are_left_as_they_are(postgres_app: Application, rotating_of: RotatingOf) -> None:
    connect_args = {"application_name": "orders"}
    engine = rotating(create_engine("postgresql+psycopg://", connect_args=connect_args), rotating_of(postgres_app))
    engine.connect().close()
    assert connect_args == {"application_name": "orders"}
    assert postgres_app.login().password not in repr(vars(engine)) + str(engine.url)
    engine.dispose()


def test_login_in_connect_args_is_refused(postgres_app: Application, rotating_of: RotatingOf) -> None:
    engine = rotating(create_engine("postgresql+psycopg://", connect_args={"user": "me"}), rotating_of(postgres_app))
    with pytest.raises(TypeError, match="come from secret"):
        engine.connect()


def test_secret_that_is_not_there(postgres_app: Application) -> None:
    engine = rotating(create_engine("postgresql+psycopg://"), "no/such/secret")
    with pytest.raises(secretconn.SecretUnavailable, match="no/such/secret"):
        engine.connect()
