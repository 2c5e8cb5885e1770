"""Listeners for do_connect run before ours and count; engine.url makes another engine of the same secret."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.ext.asyncio import create_async_engine

from secretconn import RotatingCredentials
from secretconn.sqlalchemy import rotating
from secretconn.testing import Application

Url = Callable[..., str]
ASK = text("SELECT current_user, current_setting('application_name')")


@pytest.mark.parametrize("way", ["plugin", "rotating"])
def test_a_listener_runs_before_and_after_a_rotation(
    way: str, postgres_app: Application, url: Url, rotating_of: Callable[[Application], RotatingCredentials]
) -> None:
    if way == "plugin":
        engine = create_engine(url("postgresql+psycopg", postgres_app))
    else:
        engine = rotating(create_engine("postgresql+psycopg://"), rotating_of(postgres_app))
    heard: list[dict[str, Any]] = []

    @event.listens_for(engine, "do_connect")
    def name_it(_dialect: Any, _record: Any, _cargs: Any, cparams: dict[str, Any]) -> None:
        heard.append(dict(cparams))
        cparams["application_name"] = "mine"

    for _ in range(2):
        with engine.connect() as connection:
            assert connection.execute(ASK).one() == (postgres_app.username, "mine")
            connection.invalidate()
        postgres_app.rotator().rotate()
    assert len(heard) == 2
    assert not any("password" in cparams for cparams in heard)
    engine.dispose()


def test_a_connection_that_a_listener_returns_is_used(postgres_app: Application, url: Url) -> None:
    engine = create_engine(url("postgresql+psycopg", postgres_app))
    place = {"host": postgres_app.server.host, "port": postgres_app.server.port, "dbname": "postgres"}
    admin = {"user": postgres_app.server.user, "password": postgres_app.server.password}

    @event.listens_for(engine, "do_connect")
    def take_over(dialect: Any, *_: Any) -> Any:
        return dialect.import_dbapi().connect(**place, **admin)

    with engine.connect() as connection:
        assert connection.execute(ASK).one()[0] == postgres_app.server.user
    engine.dispose()


async def test_an_async_engine_s_listener_runs_too(postgres_app: Application, url: Url) -> None:
    engine = create_async_engine(url("postgresql+asyncpg", postgres_app))

    @event.listens_for(engine.sync_engine, "do_connect")
    def name_it(_dialect: Any, _record: Any, _cargs: Any, cparams: dict[str, Any]) -> None:
        cparams["server_settings"] = {"application_name": "mine"}

    postgres_app.rotator().rotate()
    async with engine.connect() as connection:
        assert (await connection.execute(ASK)).one() == (postgres_app.username, "mine")
    await engine.dispose()


def test_engine_url_makes_another_engine_of_the_same_secret(postgres_app: Application, url: Url) -> None:
    first = create_engine(url("postgresql+psycopg", postgres_app))
    second = create_engine(first.url)
    third = create_engine(second.url.set(database="postgres"))
    assert first.url == second.url
    postgres_app.rotator().rotate()
    for engine, database in ((first, postgres_app.database), (second, postgres_app.database), (third, "postgres")):
        with engine.connect() as connection:
            assert connection.execute(text("SELECT current_database()")).scalar() == database
        engine.dispose()
