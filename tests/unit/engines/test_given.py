"""What callers' arguments say, and what the driver is called with, for the engines besides PostgreSQL and MySQL."""

from __future__ import annotations

import types
from typing import Any

import pytest
from hypothesis import given as each
from hypothesis import strategies as st

from secretconn import ConfigurationError, RotatingCredentials, connect, wrap
from secretconn.engines import (
    BUILT_IN,
    NOTHING_GIVEN,
    Given,
    driver_named,
    driver_of,
    engine_named,
    is_async,
    odbc,
    redshift,
)
from secretconn.testing.memory import MemorySource
from tests.unit.engines.drivers import LOGIN, called_with, given
from tests.unit.test_secrecy import WORD, assert_silent

GIVEN: list[tuple[str, tuple[Any, ...], dict[str, Any], Given]] = [
    ("oracledb", ("db:1/s",), {}, given("host port database", "db:1/s")),
    ("oracledb", (), {"dsn": "u/p@db/s"}, given("user host port database", "db/s")),
    ("oracledb", (), {"sid": "x"}, given("database", database="x")),
    ("oracledb", (), {"access_token": ("t", "k")}, given("password")),
    ("oracledb", (), {"params": types.SimpleNamespace(user=None, host="h", dsn=None)}, given("host port database")),
    ("oracledb", (), {"tcp_connect_timeout": 3.0}, NOTHING_GIVEN),
    ("pymssql", ("h", "u", "p"), {}, given("host user password", "h")),
    ("pymssql", (), {"server": r"h\one"}, given("host port", r"h\one")),
    ("pymssql", (), {"server": "h", "port": "1"}, given("host port", "h", "1")),
    ("pyodbc", ("Driver={x};SERVER=h,1;DATABASE=d",), {}, given("host port database", "h,1", database="d")),
    ("pyodbc", ("driver=x;server={h;1}",), {"database": "d"}, given("host port database", "h;1", database="d")),
    ("pyodbc", ("DSN=mine",), {}, given("host port database")),
    ("pyodbc", ("Driver=x;UID=a;PWD={b;c}",), {}, given("user password")),
    ("pyodbc", ("Driver={a;UID=not me}",), {}, NOTHING_GIVEN),
    ("pyodbc", ("Trusted_Connection=no;Encrypt=yes",), {}, NOTHING_GIVEN),
    ("pyodbc", ("Trusted_Connection=yes",), {}, given("user")),
    ("pyodbc", (), {"driver": "x", "uid": "a"}, given("user")),
    ("mssql-python", (), {"connection_str": "Server=h;Encrypt=yes"}, given("host port", "h")),
    ("mssql-python", (), {"token_provider": object()}, given("password")),
    ("ibm-db", ("DATABASE=d;HOSTNAME=h;PORT=1",), {}, given("host port database", "h", "1", "d")),
    ("ibm-db", ("DSN=x",), {}, given("host port database")),
    ("ibm-db", ("DATABASE=d", "u", "p"), {}, given("database user password", database="d")),
    ("redshift-connector", (), {"iam": True}, given("user")),
    ("redshift-connector", (), {"host": "h"}, given("host", "h")),
    ("pymongo", ("h", 1), {}, given("host port", "h", "1")),
    ("pymongo", ("mongodb://u:p@h:1/?authSource=x",), {}, given("user host port database", "h:1")),
    ("pymongo", ("mongodb+srv://h/",), {"authsource": "x"}, given("host port database", "h", None, "x")),
    ("pymongo", (["a:1", "b:2"],), {}, given("host port", "a:1,b:2")),
    ("redis", ("h", 1, 2), {}, given("host port database", "h", "1", "2")),
    ("redis", ("redis://u:p@h:1/2",), {}, given("user password host port database", "h", "1", "2")),
    ("redis", ("unix:///s",), {}, given("host port", "/s")),
    ("redis", (), {"unix_socket_path": "/s"}, given("host", "/s")),
    ("redis", (), {"credential_provider": object()}, given("password")),
    ("snowflake", (), {"account": "a"}, given("host", "a")),
    ("snowflake", (), {"private_key": b"x"}, given("password")),
]


@pytest.mark.parametrize(("name", "args", "kwargs", "expected"), GIVEN)
def test_given(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], expected: Given) -> None:
    assert driver_named(name).given(args, kwargs) == expected


FURTHER = [
    "oracledb",
    "pymssql",
    "pyodbc",
    "mssql-python",
    "ibm-db",
    "redshift-connector",
    "pymongo",
    "redis",
    "snowflake",
]


@pytest.mark.parametrize("name", FURTHER)
def test_nothing_given(name: str) -> None:
    assert driver_named(name).given((), {}) == NOTHING_GIVEN


# -- what the driver is called with ------------------------------------------------------------------------------------


ARGUMENTS: list[tuple[str, dict[str, object], tuple[Any, ...], dict[str, Any], tuple[Any, Any]]] = [
    ("oracledb", {"dbname": "s"}, (), {}, ((), {**LOGIN, "host": "h", "port": 1521, "service_name": "s"})),
    ("oracledb", {"dbname": "s"}, ("db/x",), {}, (("db/x",), {**LOGIN})),
    (
        "pymssql",
        {},
        (),
        {"timeout": 3},
        ((), {**LOGIN, "server": "h", "port": 1433, "timeout": 3}),
    ),
    (
        "pyodbc",
        {"port": 7},
        ("Driver={x};Encrypt=yes;",),
        {"timeout": 3},
        (("Driver={x};Encrypt=yes;SERVER=h,7;UID=u;PWD={p;}}x};",), {"timeout": 3}),
    ),
    (
        "pyodbc",
        {},
        ("Driver={x};SERVER=mine",),
        {"database": "d"},
        (("Driver={x};SERVER=mine;UID=u;PWD={p;}}x};",), {"database": "d"}),
    ),
    (
        "mssql-python",
        {},
        (),
        {"connection_str": "Encrypt=yes"},
        (("Encrypt=yes;SERVER=h,1433;UID=u;PWD={p;}}x};",), {}),
    ),
    (
        "ibm-db",
        {"dbname": "d", "password": "p}x"},
        (),
        {},
        (("HOSTNAME=h;PORT=50000;PROTOCOL=TCPIP;DATABASE=d;UID=u;PWD=p}x;", "", ""), {}),
    ),
    ("ibm-db", {"password": "p}x"}, ("DSN=x", "", "", {101: 1}), {}, (("DSN=x;UID=u;PWD=p}x;", "", "", {101: 1}), {})),
    ("redshift-connector", {}, (), {}, ((), {**LOGIN, "host": "h", "port": 5439, "database": "dev"})),
    ("snowflake", {"host": "acc.eu.snowflakecomputing.com"}, (), {}, ((), {**LOGIN, "account": "acc.eu"})),
]


@pytest.mark.parametrize(("name", "secret", "args", "kwargs", "expected"), ARGUMENTS)
def test_the_driver_is_called_with(
    name: str, secret: dict[str, object], args: tuple[Any, ...], kwargs: dict[str, Any], expected: tuple[Any, Any]
) -> None:
    assert called_with(name, secret, *args, **kwargs) == expected


@pytest.mark.parametrize("name", FURTHER)
def test_no_password_in_our_frames_when_the_driver_raises(name: str) -> None:
    def call(*_args: Any, **_kwargs: Any) -> None:
        raise RuntimeError("no")

    source = MemorySource({"username": "app", "password": f"{WORD}1", "host": "db", "dbname": "1"})
    with pytest.raises(RuntimeError) as caught:
        wrap(call, RotatingCredentials("s", source=source), driver=name)()
    assert_silent(caught.value)


@pytest.mark.parametrize("name", ["pyodbc", "mssql-python", "ibm-db"])
@pytest.mark.parametrize("login", ["UID=mine", "PWD={mine}", "uid = mine"])
def test_a_login_in_the_connection_string_is_refused(name: str, login: str) -> None:
    with pytest.raises(TypeError, match="come from secret"):
        called_with(name, {}, f"Driver={{x}};{login}")


@each(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_any_password_survives_the_connection_string(password: str) -> None:
    text = f"A=1;PWD={odbc.quoted(password)};B={odbc.quoted('x')}"
    assert odbc.parse(text) == {"A": "1", "PWD": password, "B": "x"}


@each(st.text())
def test_reading_a_connection_string_never_raises(text: str) -> None:
    odbc.parse(text)


# -- engines -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "name", "port", "database"),
    [
        ("oracle", "oracle", 1521, None),
        ("sqlserver", "sqlserver", 1433, None),
        ("db2", "db2", 50000, None),
        ("redshift", "redshift", 5439, "dev"),
        ("mongo", "mongodb", 27017, None),
        ("redis", "redis", 6379, None),
        ("valkey", "redis", 6379, None),
        ("snowflake", "snowflake", None, None),
    ],
)
def test_engines_and_their_defaults(said: str, name: str, port: int | None, database: str | None) -> None:
    engine = engine_named(said)
    assert (engine.name, engine.default_port, engine.default_database) == (name, port, database)


def test_a_redshift_secret_fits_postgresql_s_drivers_with_redshift_s_defaults() -> None:
    expected = {"user": "u", "password": "p;}x", "host": "h", "port": 5439, "dbname": "dev"}
    assert called_with("psycopg", {"engine": "redshift"}) == ((), expected)
    with pytest.raises(ConfigurationError, match="speaks postgresql"):
        called_with("psycopg", {"engine": "oracle"})
    with pytest.raises(ConfigurationError, match="speaks redshift"):
        called_with("redshift-connector", {"engine": "postgres"})
    assert redshift.ENGINE.drivers[0].name == "redshift-connector"


def test_an_elasticache_secret() -> None:
    arn = {"user_arn": "arn:aws:elasticache:eu-central-1:123456789012:user:app"}
    source = MemorySource({"username": "app", **arn})
    with pytest.raises(Exception, match="with their first rotation"):
        connect(RotatingCredentials("s", source=source))
    source = MemorySource({"username": "app", "password": "p", **arn})
    assert RotatingCredentials("s", source=source).current().engine == "redis"


def test_async_callables_are_known() -> None:
    redis_py, mongo = pytest.importorskip("redis"), pytest.importorskip("pymongo")
    import redis.asyncio as aredis

    for call in (aredis.Redis, aredis.Redis.from_url, aredis.ConnectionPool, aredis.BlockingConnectionPool):
        assert is_async(driver_of(call), call)
    assert is_async(driver_of(mongo.AsyncMongoClient), mongo.AsyncMongoClient)
    for call in (redis_py.Redis, redis_py.Redis.from_url, redis_py.ConnectionPool, mongo.MongoClient):
        assert not is_async(driver_of(call), call)


def test_every_engine_of_the_secrets_manager_is_there() -> None:
    named = {name for engine in BUILT_IN for name in engine.secret_names}
    assert named >= {"mysql", "mariadb", "postgres", "oracle", "sqlserver", "db2", "redshift", "mongo", "redis"}
