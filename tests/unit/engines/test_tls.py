"""TLS for tokens: the caller's own arguments win, those that switch it off are refused, and else it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from secretconn.engines import driver_named
from secretconn.errors import ConfigurationError

ASKED: dict[str, dict[str, Any]] = {
    "psycopg": {"sslmode": "require"},
    "psycopg2": {"sslmode": "require"},
    "asyncpg": {"ssl": "require"},
    "pg8000": {"ssl_context": True},
    "pymysql": {"ssl": {"check_hostname": True}},
    "mysqlclient": {"ssl_mode": "REQUIRED"},
    "mysql-connector": {"auth_plugin": "mysql_clear_password", "ssl_disabled": False},
    "mariadb": {"ssl": True},
    "redis": {"ssl": True},
}


def tls(driver: str, *args: Any, environ: Mapping[str, str] | None = None, **kwargs: Any) -> Mapping[str, Any]:
    ask = driver_named(driver).tls
    assert ask is not None
    return ask(args, kwargs, environ or {})


@pytest.mark.parametrize("driver", ASKED)
def test_without_a_word_of_the_caller_tls_is_asked_for(driver: str) -> None:
    assert tls(driver) == ASKED[driver]


@pytest.mark.parametrize("driver", ["aiomysql", "asyncmy"])
def test_drivers_that_want_a_context_get_one(driver: str) -> None:
    import ssl

    assert isinstance(tls(driver)["ssl"], ssl.SSLContext)
    assert tls(driver)["ssl"] is tls(driver)["ssl"]


@pytest.mark.parametrize(
    ("driver", "args", "kwargs"),
    [
        ("psycopg", (), {"sslmode": "verify-full"}),
        ("psycopg", ("host=h sslmode=verify-ca",), {}),
        ("psycopg", (), {"conninfo": "postgresql://h/d?sslmode=require", "service": "x"}),
        ("psycopg2", (), {"dsn": "sslmode=verify-full"}),
        ("asyncpg", (), {"ssl": object()}),
        ("asyncpg", ("postgresql://h/d?sslmode=verify-full",), {}),
        ("pg8000", (), {"ssl_context": object()}),
        ("pymysql", (), {"ssl": {"ca": "x"}}),
        ("pymysql", (), {"ssl_ca": "x"}),
        ("mysqlclient", (), {"ssl_mode": "VERIFY_IDENTITY"}),
        ("mariadb", (), {"ssl": {"ca": "x"}}),
        ("aiomysql", (), {"ssl": object()}),
        ("asyncmy", (), {"ssl": True}),
        ("redis", ("rediss://h",), {}),
        ("redis", (), {"ssl": True}),
    ],
)
def test_what_the_caller_asks_for_is_left_as_it_is(driver: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    assert tls(driver, *args, **kwargs) == {}


@pytest.mark.parametrize(
    ("driver", "args", "kwargs"),
    [
        ("psycopg", (), {"sslmode": "disable"}),
        ("psycopg", (), {"sslmode": "allow"}),
        ("psycopg", ("postgresql://h/d?sslmode=prefer",), {}),
        ("psycopg", (), {"service": "orders"}),
        ("psycopg2", ("service=orders",), {}),
        ("asyncpg", (), {"ssl": False}),
        ("asyncpg", (), {"ssl": "prefer"}),
        ("asyncpg", ("postgresql://h/d?sslmode=disable",), {}),
        ("pg8000", (), {"ssl_context": False}),
        ("pymysql", (), {"ssl_disabled": True, "ssl": {"ca": "x"}}),
        ("pymysql", (), {"ssl": False}),
        ("mysqlclient", (), {"ssl_mode": "disabled"}),
        ("mysqlclient", (), {"ssl_mode": "PREFERRED"}),
        ("mysql-connector", (), {"ssl_disabled": True}),
        ("mariadb", (), {"ssl": False}),
        ("aiomysql", (), {"ssl": False}),
        ("asyncmy", (), {"ssl": False}),
        ("redis", ("redis://h",), {}),
        ("redis", (), {"ssl": False}),
    ],
)
def test_what_may_send_a_token_in_clear_is_refused(driver: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"without TLS|any sslmode"):
        tls(driver, *args, **kwargs)


def test_pgsslmode_counts_where_it_insists_on_tls() -> None:
    for driver in ("psycopg", "asyncpg"):
        assert tls(driver, environ={"PGSSLMODE": "verify-full"}) == {}
        assert tls(driver, environ={"PGSSLMODE": "disable"}) == ASKED[driver]
    with pytest.raises(ConfigurationError, match="any sslmode"):
        tls("psycopg", environ={"PGSERVICE": "orders"})


def test_other_engines_take_no_tokens() -> None:
    assert driver_named("oracledb").tls is None
