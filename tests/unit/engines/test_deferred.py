"""Arguments that take the login out of connect() are refused before any login, and before the secret is read."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest

import secretconn
from secretconn import ConfigurationError, RotatingCredentials
from secretconn.testing.memory import MemorySource
from tests.unit.fakes import login

DEFERRED: list[tuple[str, dict[str, Any], str]] = [
    ("pymysql", {"defer_connect": True}, "defer_connect="),
    ("psycopg2", {"async_": True}, "async_="),
    ("psycopg2", {"async": 1}, "async="),
    ("mysql-connector", {"pool_name": "orders"}, "pool_name="),
    ("mysql-connector", {"pool_size": 5}, "pool_size="),
    ("mysql-connector", {"pool_reset_session": True}, "pool_reset_session="),
    ("mariadb", {"pool_name": "orders"}, "pool_name="),
    ("mariadb", {"pool_size": 5}, "pool_size="),
]
HARMLESS: list[tuple[str, dict[str, Any]]] = [
    ("pymysql", {"defer_connect": False}),
    ("psycopg2", {"async_": 0}),
    ("mysql-connector", {"pool_name": None}),
    ("mysqlclient", {"connect_timeout": 3}),
]


class Dial:
    """A driver's connect that keeps what it was called with."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(self, *_args: Any, **keywords: Any) -> str:
        self.calls.append(keywords)
        return "connection"


@pytest.mark.parametrize(("driver", "arguments", "named"), DEFERRED)
def test_a_login_after_connect_is_refused(driver: str, arguments: dict[str, Any], named: str) -> None:
    source, dial = MemorySource(login("p1")), Dial()
    rotating = RotatingCredentials("s", source=source)
    by_call = functools.partial(secretconn.wrap(dial, rotating, driver=driver), **arguments)
    by_partial = secretconn.wrap(functools.partial(dial, **arguments), rotating, driver=driver)
    by_name = functools.partial(secretconn.connect, rotating, driver=driver, **arguments)
    for connect in (by_call, by_partial, by_name):
        with pytest.raises(ConfigurationError, match=named):
            connect()
    assert dial.calls == []
    assert source.reads == 0


def test_the_async_connect_of_a_driver_that_has_both_refuses_as_well() -> None:
    rotating = RotatingCredentials("s", source=MemorySource(login("p1")))
    with pytest.raises(ConfigurationError, match="pool_name="):
        asyncio.run(secretconn.aconnect(rotating, driver="mysql-connector", pool_name="orders"))


@pytest.mark.parametrize(("driver", "arguments"), HARMLESS)
def test_what_defers_nothing_is_passed_on(driver: str, arguments: dict[str, Any]) -> None:
    dial = Dial()
    secretconn.wrap(dial, RotatingCredentials("s", source=MemorySource(login("p1"))), driver=driver)(**arguments)
    (sent,) = dial.calls
    assert arguments.items() <= sent.items()


def test_a_mongo_client_that_would_connect_later_logs_in_within_connect() -> None:
    asked: list[str] = []

    class Client:
        def __init__(self, **keywords: Any) -> None:
            self.keywords, self.admin = keywords, self

        def command(self, name: str) -> None:
            asked.append(name)

    connect = secretconn.wrap(Client, RotatingCredentials("s", source=MemorySource(login("p1"))), driver="pymongo")
    assert connect(connect=False).keywords["connect"] is False
    assert asked == ["ping"]


def test_through_sqlalchemy() -> None:
    """``connect_args`` go the same way."""
    sqlalchemy = pytest.importorskip("sqlalchemy")
    pytest.importorskip("pymysql")
    from secretconn.sqlalchemy import rotating

    source = MemorySource(login("p1"))
    engine = sqlalchemy.create_engine("mysql+pymysql://", connect_args={"defer_connect": True})
    rotating(engine, RotatingCredentials("s", source=source))
    with pytest.raises(ConfigurationError, match="defer_connect="):
        engine.connect()
    assert source.reads == 0
