"""Every dialect of every driver through two rotations of each strategy, by the URL alone; nobody's request fails."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import sqlalchemy
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

import secretconn
from secretconn.testing import Application, Login
from tests.live.crowd import use_in_tasks, use_in_threads
from tests.live.sqlalchemy.conftest import ASYNC, SYNC

Url = Callable[..., str]
NO_TLS = {"mysql+pymysql": {"ssl_disabled": True}}  # PyMySQL's handshake takes 24 ms
USER = text("SELECT CURRENT_USER")


def name_of(user: object) -> str:
    return str(user).partition("@")[0]


@pytest.mark.parametrize("dialect", SYNC)
def test_sync_dialect_survives_both_strategies(
    dialect: str, make_application: Callable[..., Application], url: Url
) -> None:
    app = make_application(SYNC[dialect])
    connect_args = NO_TLS.get(dialect, {})
    engine = create_engine(url(dialect, app, ttl=60), pool_size=2, max_overflow=5, connect_args=connect_args)

    def request() -> None:
        with engine.connect() as connection:
            connection.execute(USER)
            connection.invalidate()  # the next one must log in

    assert use_in_threads(app, request, count=2) >= 64
    credentials = secretconn.shared(app.secret_id, ttl=60.0)
    assert credentials.stats().recovered >= 2
    credentials.refresh()
    with engine.connect() as connection:
        assert name_of(connection.execute(USER).scalar()) == app.login().username
    engine.dispose()


@pytest.mark.parametrize("dialect", ASYNC)
async def test_async_dialect_survives_both_strategies(
    dialect: str, make_application: Callable[..., Application], url: Url
) -> None:
    app = make_application(ASYNC[dialect])
    engine = create_async_engine(url(dialect, app, ttl=60), pool_size=2, max_overflow=5)

    async def request() -> None:
        async with engine.connect() as connection:
            await connection.execute(USER)
            await connection.invalidate()

    assert await use_in_tasks(app, request, count=2) >= 64
    credentials = secretconn.shared(app.secret_id, ttl=60.0)
    assert credentials.stats().recovered >= 2
    await credentials.arefresh()
    async with engine.connect() as connection:
        assert name_of((await connection.execute(USER)).scalar()) == app.login().username
    await engine.dispose()


def lock_out(app: Application) -> None:
    app.server.admin().set_password(Login(app.username, "changed behind the secret's back"))


@pytest.mark.parametrize("dialect", SYNC)
def test_rejection_that_nothing_helps_is_sqlalchemys_own_exception_with_the_drivers_note(
    dialect: str, make_application: Callable[..., Application], url: Url
) -> None:
    app = make_application(SYNC[dialect])
    engine = create_engine(url(dialect, app))
    lock_out(app)
    with pytest.raises(DBAPIError) as raised:
        engine.connect()
    assert raised.value.orig is raised.value.__cause__
    assert any("secretconn" in note and app.secret_id in note for note in raised.value.orig.__notes__)
    assert app.login().password not in str(raised.value)


@pytest.mark.parametrize("dialect", ASYNC)
async def test_the_same_of_an_async_dialect(
    dialect: str, make_application: Callable[..., Application], url: Url
) -> None:
    app = make_application(ASYNC[dialect])
    engine = create_async_engine(url(dialect, app))
    lock_out(app)
    with pytest.raises(Exception, match=r"(?i)password|denied") as raised:
        await engine.connect()
    orig = raised.value.orig if isinstance(raised.value, DBAPIError) else raised.value
    if not (dialect.endswith("asyncpg") and sqlalchemy.__version__.startswith("2.0.")):  # there it arrives raw
        assert isinstance(raised.value, DBAPIError)
    chain = [error for error in (orig, getattr(orig, "__cause__", None)) if error is not None]
    assert any("secretconn" in note for error in chain for note in getattr(error, "__notes__", []))


def test_what_the_url_says_wins_over_the_secret(make_application: Callable[..., Application], url: Url) -> None:
    app = make_application("postgres", content={"host": "nowhere.invalid", "port": 1, "dbname": "nothing"})
    where = f"postgresql+psycopg://{app.server.host}:{app.server.port}/{app.database}"
    engine = create_engine(where + url("", app).removeprefix(":///"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT current_database()")).scalar() == app.database
    shown = engine.url.render_as_string()
    engine.dispose()
    assert shown.startswith(f"{where}?plugin=secretconn")  # create_engine(engine.url) makes the same engine


def test_other_query_parameters_are_the_drivers(postgres_app: Application, url: Url) -> None:
    engine = create_engine(url("postgresql+psycopg", postgres_app, application_name="orders"))
    with engine.connect() as connection:
        assert connection.execute(text("SHOW application_name")).scalar() == "orders"
    engine.dispose()


def test_other_failures_ask_secrets_manager_nothing(postgres_app: Application, url: Url) -> None:
    engine = create_engine(url("postgresql+psycopg", postgres_app) + "&dbname=no_such_database")
    calls = secretconn.shared(postgres_app.secret_id).stats
    with pytest.raises(OperationalError, match="no_such_database"):
        engine.connect()
    assert calls().api_calls <= 2  # the first read of the secret
    with pytest.raises(OperationalError):
        engine.connect()
    assert calls().api_calls <= 2


def test_two_engines_of_one_secret_share_what_was_read(postgres_app: Application, url: Url) -> None:
    engines = [create_engine(url("postgresql+psycopg", postgres_app, ttl=600)) for _ in range(2)]
    for engine in engines:
        engine.connect().close()
        engine.dispose()
    assert secretconn.shared(postgres_app.secret_id, ttl=600.0).stats().fetches == 1


def test_secret_of_another_engine_is_refused_by_name(mariadb_app: Application, url: Url) -> None:
    content = json.loads(mariadb_app.secrets.client().get_secret_value(SecretId=mariadb_app.secret_id)["SecretString"])
    assert content["engine"] in ("mysql", "mariadb")
    with pytest.raises(secretconn.ConfigurationError, match="speaks postgresql"):
        create_engine(url("postgresql+psycopg", mariadb_app)).connect()
