"""psycopg's connection classes and pools: what connect is called with, and why a pool has no connection. No server."""

from __future__ import annotations

import re
from typing import Any, Self

import pytest

psycopg = pytest.importorskip("psycopg")
psycopg_pool = pytest.importorskip("psycopg_pool")

from psycopg.rows import DictRow  # noqa: E402

from secretconn import ConfigurationError, RotatingCredentials, shared  # noqa: E402
from secretconn.psycopg import (  # noqa: E402
    AsyncConnectionPool,
    ConnectionPool,
    LastFailure,
    _drain,
    connection_class,
)
from secretconn.testing.memory import MemorySource  # noqa: E402

LOGIN = {"user": "app", "password": "p1", "host": "db"}
SENT: list[dict[str, Any]] = []


class Sync(psycopg.Connection):  # type: ignore[misc]
    @classmethod
    def connect(cls, *args: Any, **keywords: Any) -> Self:
        SENT.append({**keywords, "args": args})
        raise psycopg.OperationalError("nobody listens")


class Async(psycopg.AsyncConnection):  # type: ignore[misc]
    @classmethod
    async def connect(cls, *args: Any, **keywords: Any) -> Self:
        SENT.append({**keywords, "args": args})
        raise psycopg.OperationalError("nobody listens")


@pytest.fixture
def secret() -> RotatingCredentials:
    SENT.clear()
    return RotatingCredentials("s", source=MemorySource({"username": "app", "password": "p1", "host": "db"}))


async def test_each_connect_logs_in_with_the_secret(secret: RotatingCredentials) -> None:
    with pytest.raises(psycopg.OperationalError):
        connection_class(secret, Sync).connect("dbname=shop", connect_timeout=5)
    with pytest.raises(psycopg.OperationalError):
        await connection_class(secret, Async).connect("dbname=shop", connect_timeout=5)
    with pytest.raises(psycopg.OperationalError):
        connection_class(secret, Sync).connect()
    assert [told.pop("args") for told in SENT] == [("dbname=shop",), ("dbname=shop",), ("",)]
    assert all(told.items() >= LOGIN.items() for told in SENT)
    assert [told.get("connect_timeout") for told in SENT] == [5, 5, None]
    assert ["dbname" in told for told in SENT] == [False, False, True]


def test_the_class_bears_the_name_of_its_base(secret: RotatingCredentials) -> None:
    for base in (psycopg.Connection, psycopg.Connection[DictRow], psycopg.AsyncConnection, Sync):
        made = connection_class(secret, base)
        plain = psycopg.Connection if base is psycopg.Connection[DictRow] else base
        assert issubclass(made, plain)
        assert (made.__name__, made.__qualname__) == (plain.__name__, plain.__name__)
        assert made._secretconn is secret
    assert connection_class("by-name/psycopg")._secretconn is shared("by-name/psycopg")


async def test_a_pool_that_has_none_in_time_says_why_its_last_connect_failed(secret: RotatingCredentials) -> None:
    pool = ConnectionPool(secret, "dbname=shop", connection_class=Sync, min_size=1, max_size=1, open=True)
    try:
        fail_once(pool)
        for wait in (lambda: pool.getconn(0.01), lambda: pool.wait(0.01)):
            with pytest.raises(psycopg_pool.PoolTimeout) as caught:
                wait()
            told(caught.value)
    finally:
        pool.close(1.0)
    apool = AsyncConnectionPool(secret, "dbname=shop", connection_class=Async, min_size=1, max_size=1, open=False)
    await apool.open()
    try:
        fail_once(apool)
        for awaiting in (apool.getconn, apool.wait):
            with pytest.raises(psycopg_pool.PoolTimeout) as caught:
                await awaiting(0.01)
            told(caught.value)
    finally:
        await apool.close(1.0)
    assert {told["args"] for told in SENT} <= {("dbname=shop",)}


def fail_once(pool: Any) -> None:
    """As each connect of the pool will, sooner or later."""
    with pytest.raises(psycopg.OperationalError), pool._last_failure.watching():
        raise psycopg.OperationalError("nobody listens")


def told(error: BaseException) -> None:
    assert isinstance(error.__cause__, psycopg.OperationalError)
    (note,) = error.__notes__
    found = re.fullmatch(
        r"secretconn: the pool's last connect failed (\d+\.\d) s ago: OperationalError: nobody listens", note
    )
    assert found is not None
    assert float(found[1]) < 3600


def test_where_none_failed_there_is_nothing_to_tell() -> None:
    failure, timeout = LastFailure(), psycopg_pool.PoolTimeout()
    failure.explain(timeout)
    assert timeout.__cause__ is None
    with pytest.raises(ZeroDivisionError), failure.watching():
        raise ZeroDivisionError
    with failure.watching():
        pass
    failure.explain(timeout)
    assert timeout.__cause__ is None


def test_an_old_psycopg_pool_cannot_be_drained(secret: RotatingCredentials) -> None:
    with pytest.raises(ConfigurationError, match=r"^on_rotation='drain' needs psycopg_pool 3.3 or later$"):
        _drain(secret, object())
