"""The further engines: every code of their tables in the driver's own exceptions, and what callers' arguments say."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given as each
from hypothesis import strategies as st

from secretconn import ConfigurationError, RotatingCredentials, Verdict, connect, wrap
from secretconn.engines import (
    BUILT_IN,
    NOTHING_GIVEN,
    Given,
    db2,
    driver_named,
    driver_of,
    engine_named,
    is_async,
    mongodb,
    odbc,
    oracle,
    redis,
    redshift,
    snowflake,
    sqlserver,
)
from secretconn.testing.memory import MemorySource
from tests.unit.test_secrecy import WORD, assert_silent

REJECTED, SUSPECT, BARRED, OTHER = Verdict.REJECTED, Verdict.SUSPECT, Verdict.BARRED, Verdict.OTHER


def by_oracledb(code: int) -> BaseException:
    """As oracledb's thin driver makes it of the server's answer (its errors.py)."""
    errors = pytest.importorskip("oracledb.errors")
    said = errors._Error(message=f"ORA-{code:05}: what it says", code=code)
    return said.exc_type(said)  # type: ignore[no-any-return]


def by_django(code: int) -> BaseException:
    """Django copies the arguments."""
    return RuntimeError(*by_oracledb(code).args)


def by_pymongo(code: int) -> BaseException:
    text = "bad auth : authentication failed" if code == 8000 else "what it says"
    return pytest.importorskip("pymongo.errors").OperationFailure(text, code)  # type: ignore[no-any-return]


def by_snowflake(code: int) -> BaseException:
    return pytest.importorskip("snowflake.connector.errors").DatabaseError("what it says", errno=code)  # type: ignore[no-any-return]


def by_snowflake_s_shape(code: int) -> BaseException:
    """The attributes its Error has (errors.py), where the package is too big to install."""
    error = RuntimeError(f"{code} (08001): what it says")
    error.errno = code  # type: ignore[attr-defined]
    return error


def by_odbc(code: int) -> BaseException:
    """pyodbc's errors have two arguments, SQLSTATE and text, and nothing else (its src/errors.cpp)."""
    text = f"[Microsoft][ODBC Driver 18 for SQL Server][SQL Server]what it says ({code}) (SQLDriverConnect)"
    return RuntimeError("28000", text)


def by_ibm_db(reason: int) -> BaseException:
    """ibm_db raises Exception with the CLI driver's text."""
    text = f'[IBM][CLI Driver] SQL30082N  Security processing failed with reason "{reason}" ("WHY").  SQLSTATE=08001'
    return Exception(f"{text} SQLCODE=-30082")


TABLES: list[tuple[str, dict[int, Verdict], Callable[[int], BaseException]]] = [
    ("oracledb", oracle.CODES, by_oracledb),
    ("oracledb", oracle.CODES, by_django),
    ("pymongo", mongodb.CODES, by_pymongo),
    ("snowflake", snowflake.CODES, by_snowflake),
    ("snowflake", snowflake.CODES, by_snowflake_s_shape),
    ("pyodbc", sqlserver.CODES, by_odbc),
    ("ibm-db", {int(reason): verdict for reason, verdict in db2.REASONS.items()}, by_ibm_db),
]
ROWS = [
    pytest.param(name, make, code, verdict, id=f"{make.__name__}-{code}")
    for name, table, make in TABLES
    for code, verdict in [*table.items(), (99999, OTHER)]
]


@pytest.mark.parametrize(("name", "make", "code", "verdict"), ROWS)
def test_every_code_of_the_tables(name: str, make: Callable[[int], BaseException], code: int, verdict: Verdict) -> None:
    classify = driver_named(name).classify
    error = make(code)
    assert classify(error) is verdict
    wrapper = RuntimeError("a pool's own error")
    wrapper.__cause__ = error
    assert classify(wrapper) is verdict


# What the tables must say, whatever they are changed to: "aim" is what a wrong answer would cost.
AIM = [
    (oracle.CODES, {1017: REJECTED, 28001: REJECTED, 28000: BARRED, 1005: SUSPECT, 28002: OTHER}),
    (sqlserver.CODES, {18456: REJECTED, 18487: REJECTED, 18488: REJECTED, 18470: BARRED, 18486: BARRED, 4060: BARRED}),
    (db2.REASONS, {"24": REJECTED, "1": REJECTED, "19": BARRED}),
    (mongodb.CODES, {18: REJECTED, 8000: REJECTED, 13: SUSPECT}),
    (snowflake.CODES, {390100: REJECTED, 390106: REJECTED, 390144: REJECTED, 390101: BARRED, 390102: BARRED}),
    (redis.PREFIXES, {"WRONGPASS": REJECTED, "NOAUTH": REJECTED, "NOPERM": BARRED}),
]


@pytest.mark.parametrize(("table", "wanted"), AIM)
def test_the_tables_say_what_was_measured(table: dict[Any, Verdict], wanted: dict[Any, Verdict]) -> None:
    assert {code: table[code] for code in wanted} == wanted


FREETDS = "DB-Lib error message 20018, severity 14:\nGeneral SQL Server error"
TEXTS: list[tuple[str, BaseException, Verdict]] = [
    ("oracledb", RuntimeError("ORA-01017: invalid credential"), REJECTED),
    ("oracledb", RuntimeError("DPY-6005: cannot connect to database"), OTHER),
    ("oracledb", OSError(-2, "Name or service not known"), OTHER),
    ("pymssql", RuntimeError((18456, b"Login failed." + FREETDS.encode())), SUSPECT),
    ("pymssql", RuntimeError((18486, b"Locked." + FREETDS.encode())), BARRED),
    ("pymssql", RuntimeError((18486, FREETDS.encode())), SUSPECT),  # perhaps the number of an earlier failure
    ("pymssql", RuntimeError((18456, b"Unknown error")), OTHER),
    ("pymssql", RuntimeError((18486, b"Unknown error")), OTHER),
    ("pymssql", RuntimeError((20009, b"Unable to connect. severity 9")), OTHER),
    ("pyodbc", RuntimeError("42000", "[42000] [FreeTDS][SQL Server]Login failed (18456) (SQLDriverConnect)"), SUSPECT),
    ("pyodbc", RuntimeError("42000", "[42000] [FreeTDS][SQL Server]Locked (18486) (SQLDriverConnect)"), BARRED),
    ("pyodbc", RuntimeError("28000", "Cannot open database (4060); Login failed (18456)"), BARRED),
    ("pyodbc", RuntimeError("28000", "The server principal is not able to access (916)"), BARRED),
    ("pyodbc", RuntimeError("HYT00", "[HYT00] Login timeout expired (0) (SQLDriverConnect)"), OTHER),
    ("ibm-db", Exception("[IBM][CLI Driver] SQL30081N  A communication error. SQLSTATE=08001 SQLCODE=-30081"), OTHER),
    ("ibm-db", Exception("[IBM][CLI Driver] SQL30060N  no authority. SQLSTATE=08004 SQLCODE=-30060"), BARRED),
    ("ibm-db", Exception("[IBM][CLI Driver] SQL1060N  User has not the CONNECT privilege. SQLSTATE=08004"), BARRED),
    ("ibm-db", Exception("[IBM][CLI Driver] SQL30061N  no such database. SQLSTATE=08004 SQLCODE=-30061"), OTHER),
    ("redshift-connector", RuntimeError({"C": "28P01", "M": "password authentication failed"}), REJECTED),
    ("redshift-connector", RuntimeError({"C": "28000", "M": "password authentication failed for user"}), REJECTED),
    ("redshift-connector", RuntimeError({"C": "28000", "M": "no pg_hba.conf entry"}), BARRED),
    ("redshift-connector", RuntimeError({"C": "3D000", "M": "no such database"}), OTHER),
    ("redshift-connector", RuntimeError("communication error", ConnectionRefusedError(111, "refused")), OTHER),
]


@pytest.mark.parametrize(("name", "error", "verdict"), TEXTS)
def test_texts(name: str, error: BaseException, verdict: Verdict) -> None:
    assert driver_named(name).classify(error) is verdict


def test_snowflake_3_has_one_number_and_a_text() -> None:
    error = by_snowflake_s_shape(250001)
    error.args = ("250001 (08001): Failed to connect to DB. Incorrect username or password was specified.",)
    assert snowflake.classify(error) is REJECTED


def test_mssql_python_hides_the_number() -> None:
    error = RuntimeError("x")
    error.driver_error = "Invalid authorization specification"  # type: ignore[attr-defined]
    assert sqlserver.classify(error) is SUSPECT
    error.driver_error = "Connection timeout expired"  # type: ignore[attr-defined]
    assert sqlserver.classify(error) is OTHER


def test_redis_py_s_own_classes() -> None:
    errors = pytest.importorskip("redis.exceptions")
    wanted = {
        errors.AuthenticationError("WRONGPASS invalid username-password pair"): REJECTED,
        errors.AuthenticationError("Authentication required."): REJECTED,
        errors.AuthenticationError("AUTH called without any password configured for the default user"): OTHER,
        errors.AuthenticationWrongNumberOfArgsError("wrong number of arguments"): OTHER,
        errors.NoPermissionError("NOPERM"): BARRED,
        errors.AuthorizationError("x"): OTHER,
        errors.ConnectionError("Connection refused"): OTHER,
        errors.TimeoutError("x"): OTHER,
        errors.BusyLoadingError("LOADING"): OTHER,
        errors.MaxConnectionsError("x"): OTHER,
    }
    assert {error: redis.classify(error) for error in wanted} == wanted


# -- what the caller's arguments say -----------------------------------------------------------------------------------


def given(names: str, host: str | None = None, port: str | None = None, database: str | None = None) -> Given:
    return Given(frozenset(names.split()), host, port, database)


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


class Called(Exception):
    pass


def called_with(name: str, secret: dict[str, object], *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    seen: list[tuple[Any, Any]] = []

    def call(*args: Any, **kwargs: Any) -> None:
        seen.append((args, kwargs))

    source = MemorySource({"username": "u", "password": "p;}x", "host": "h", **secret})
    wrap(call, RotatingCredentials("s", source=source), driver=name)(*args, **kwargs)
    return seen[0]


LOGIN = {"user": "u", "password": "p;}x"}
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
