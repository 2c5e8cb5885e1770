"""MySQL family: the table of codes in every driver's own exceptions, and what callers' arguments already say."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given as given_by_hypothesis
from hypothesis.strategies import characters, text

from secretconn.engines import NOTHING_GIVEN, Given, Verdict, driver_named, engine_named, load
from secretconn.engines.mysql import classify

REJECTED, SUSPECT, BARRED, OTHER = Verdict.REJECTED, Verdict.SUSPECT, Verdict.BARRED, Verdict.OTHER

CODES = [
    (1045, "28000", "Access denied for user 'app'@'localhost' (using password: YES)", REJECTED),
    (1698, "28000", "Access denied for user 'app'@'localhost'", REJECTED),
    (1820, "HY000", "You must SET PASSWORD before executing this statement", REJECTED),
    (1862, "HY000", "Your password has expired. To log in you must change it", REJECTED),
    (4151, "HY000", "Access denied, this account is locked", BARRED),
    (3118, "HY000", "Access denied for user 'app'@'localhost'. Account is locked.", BARRED),
    (4150, "HY000", "User is blocked because of too many credential errors", BARRED),
    (3955, "HY000", "Access denied for user 'app'. Account is blocked for 1 day(s)", BARRED),
    (1044, "42000", "Access denied for user 'app'@'localhost' to database 'orders'", BARRED),
    (1049, "42000", "Unknown database 'orders'", OTHER),
    (1040, "08004", "Too many connections", OTHER),
    (1226, "42000", "User 'app' has exceeded the 'max_user_connections' resource", OTHER),
    (1129, "HY000", "Host '10.0.0.1' is blocked because of many connection errors", OTHER),
    (1130, "HY000", "Host '10.0.0.1' is not allowed to connect to this server", OTHER),
    (2002, "HY000", "Can't connect to local server through socket '/x' (2)", OTHER),
    (2003, "HY000", "Can't connect to MySQL server on '127.0.0.1' (111)", OTHER),
    (2005, "HY000", "Unknown server host 'x' (-2)", OTHER),
    (2013, "HY000", "Lost connection to server at 'handshake'", OTHER),
    (2059, "HY000", "Authentication plugin 'x' cannot be loaded", OTHER),
    (1045, "HY000", "Plugin caching_sha2_password could not be loaded: /x.so: cannot open shared object file", OTHER),
    (1045, "HY000", "Plugin sha256_password could not be loaded: /x.so: cannot open shared object file", SUSPECT),
    (1045, "28000", "Access denied for user 'Plugin x could not be loaded'@'%' (using password: YES)", REJECTED),
    (2000, "HY000", "Unknown or undefined error code (2000)", SUSPECT),
    (
        2061,
        "HY000",
        "Authentication plugin 'caching_sha2_password' reported error: Authentication requires secure connection.",
        SUSPECT,
    ),
    (9999, "HY000", "something newer", OTHER),
]


def by_pymysql(code: int, state: str, text: str) -> BaseException:
    """As PyMySQL and aiomysql do it: from the server's error packet, or from (code, text) on the client's side."""
    err = pytest.importorskip("pymysql.err")
    if code >= 2000 and code < 3000:
        return err.OperationalError(code, text)  # type: ignore[no-any-return]
    packet = b"\xff" + struct.pack("<H", code) + b"#" + state.encode() + text.encode()
    with pytest.raises(err.MySQLError) as caught:
        err.raise_mysql_exception(packet)
    return caught.value


def by_mysqldb(code: int, state: str, text: str) -> BaseException:
    return pytest.importorskip("MySQLdb").OperationalError(code, text)  # type: ignore[no-any-return]


def by_connector(code: int, state: str, text: str) -> BaseException:
    return pytest.importorskip("mysql.connector.errors").get_mysql_exception(code, text, state)  # type: ignore[no-any-return]


def by_mariadb(code: int, state: str, text: str) -> BaseException:
    error = pytest.importorskip("mariadb").OperationalError(text)
    error.errno, error.sqlstate, error.errmsg = code, state, text
    return error  # type: ignore[no-any-return]


def by_asyncmy(code: int, state: str, text: str) -> BaseException:
    return pytest.importorskip("asyncmy.errors").OperationalError(code, text)  # type: ignore[no-any-return]


@pytest.mark.parametrize("made_by", [by_pymysql, by_mysqldb, by_connector, by_mariadb, by_asyncmy])
@pytest.mark.parametrize(("code", "state", "text", "verdict"), CODES)
def test_a_code_means_the_same_in_every_driver(
    made_by: Callable[[int, str, str], BaseException], code: int, state: str, text: str, verdict: Verdict
) -> None:
    assert classify(made_by(code, state, text)) is verdict


def test_the_connector_pool_hides_the_code_in_the_cause() -> None:
    errors = pytest.importorskip("mysql.connector.errors")
    error = errors.InterfaceError(msg="Can not reconnect to MySQL after 1 attempt(s)")
    assert error.errno == -1
    assert classify(error) is OTHER
    error.__cause__ = by_connector(1045, "28000", "Access denied")
    assert classify(error) is REJECTED


def test_the_connector_failover_hides_it_altogether() -> None:
    errors = pytest.importorskip("mysql.connector.errors")
    assert classify(errors.InterfaceError("Unable to connect to any of the target hosts")) is SUSPECT


def test_the_connector_hides_that_the_server_does_not_have_this_user() -> None:
    errors = pytest.importorskip("mysql.connector.errors")
    assert classify(errors.InterfaceError("sha256_password requires SSL")) is SUSPECT
    assert classify(errors.InterfaceError("mysql_clear_password requires SSL")) is OTHER


def test_an_authentication_plugin_the_driver_lacks_is_not_a_refusal() -> None:
    errors = pytest.importorskip("mysql.connector.errors")
    assert classify(errors.NotSupportedError("Authentication plugin 'x' is not supported")) is OTHER
    assert classify(RuntimeError("Authentication plugin 'x' not configured")) is OTHER


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (RuntimeError("'cryptography' package is required for sha256_password or caching_sha2_password auth methods"),
         SUSPECT),
        (ValueError("Encryption failed"), SUSPECT),
        (RuntimeError("another package is required"), OTHER),
        (ValueError("Encryption of something else"), OTHER),
        (ValueError("'cryptography' package is required for sha256_password or caching_sha2_password"), OTHER),
    ],
)  # fmt: skip
def test_a_driver_that_cannot_encrypt_the_password_may_have_a_stale_one(error: Exception, verdict: Verdict) -> None:
    """The server asks for the password itself only where the hash did not do: it is new to it, or stale."""
    assert classify(error) is verdict


@pytest.mark.parametrize("name", ["pymysql", "aiomysql", "asyncmy"])
@given_by_hypothesis(text(characters(exclude_categories=["Cs"]), min_size=1))
def test_a_password_is_sent_as_utf8(name: str, password: str) -> None:
    """These three encode a text as Latin-1."""
    adapt = driver_named(name).adapt
    assert adapt is not None
    sent = adapt(lambda **keywords: keywords["password"], None)(user="u", password=password)  # type: ignore[arg-type]
    assert sent.encode("latin-1") == password.encode()


def test_wrappers_are_looked_through() -> None:
    class OperationalError(Exception):  # Django's repeats the arguments, SQLAlchemy's has the text and .orig
        pass

    inner = by_mysqldb(1045, "28000", "Access denied")
    django = OperationalError(*inner.args)
    django.__cause__ = inner
    sqlalchemy = OperationalError("(MySQLdb.OperationalError) (1045, 'Access denied')")
    sqlalchemy.orig = inner  # type: ignore[attr-defined]
    assert classify(django) is REJECTED
    assert classify(sqlalchemy) is REJECTED


@pytest.mark.parametrize(
    "error", [OSError(1045, "x"), KeyError(1045), ValueError(1045), Exception(True, "x"), Exception(1045, None)]
)
def test_the_number_alone_is_not_a_code(error: BaseException) -> None:
    assert classify(error) is OTHER


def test_a_real_refused_connection() -> None:
    pymysql = pytest.importorskip("pymysql")
    with pytest.raises(pymysql.err.OperationalError) as caught:
        pymysql.connect(host="127.0.0.1", port=1, user="u", password="p", connect_timeout=5)
    assert classify(caught.value) is OTHER


def given(names: str, host: str | None = None, port: str | None = None, database: str | None = None) -> Given:
    return Given(frozenset(names.split()), host, port, database)


EVERY = ["pymysql", "mysqlclient", "mysql-connector", "mariadb", "aiomysql", "asyncmy"]


@pytest.mark.parametrize("name", EVERY)
def test_nothing_given(name: str) -> None:
    read = driver_named(name).given
    assert read((), {}) is NOTHING_GIVEN
    assert read((), {"connect_timeout": 5, "autocommit": True}) is NOTHING_GIVEN
    assert read((), {"host": None, "password": "", "port": 0}) is NOTHING_GIVEN


@pytest.mark.parametrize("name", EVERY)
def test_canonical_keywords_and_the_socket(name: str) -> None:
    driver = driver_named(name)
    for canonical, keyword in driver.keywords.items():
        assert driver.given((), {keyword: "x"}).names == {canonical}
    assert driver.given((), {"host": "h", "port": 1, "unix_socket": "/s"}) == given("host port", "/s", "1")


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "expected"),
    [
        ("pymysql", (), {"passwd": "s", "db": "d"}, given("password database", database="d")),
        ("mysqlclient", ("h", "u", "s", "d", 1), {}, given("host user password database port", "h", "1", "d")),
        ("mysqlclient", ("h",), {"passwd": "s", "db": "d"}, given("host password database", "h", database="d")),
        ("mysqlclient", ("", "", "", "", 0, "/s"), {}, given("host", "/s")),
        ("mysql-connector", (), {"username": "u", "passwd": "s"}, given("user password")),
        ("mysql-connector", (), {"failover": ({"host": "a", "password": "s"}, {"host": "b", "port": 2})},
         given("host port password", "a,b", "2")),
        ("mysql-connector", (), {"failover": 3}, NOTHING_GIVEN),
        ("mariadb", (), {"username": "u", "db": "d"}, given("user database", database="d")),
        ("aiomysql", ("h", "u", "s", "d", 1), {}, given("host user password database port", "h", "1", "d")),
        ("asyncmy", ("u", "s", None, "h", "d"), {"port": 1}, given("host user password database port", "h", "1", "d")),
        ("asyncmy", (), {"password_creator": str, "sock": object()}, given("password host")),
    ],
)  # fmt: skip
def test_given(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], expected: Given) -> None:
    assert driver_named(name).given(args, kwargs) == expected


def test_the_engine() -> None:
    engine = engine_named("aurora-mysql")
    assert engine is engine_named("mariadb") is engine_named("mysql")
    assert (engine.default_port, engine.default_database) == (3306, None)


@pytest.mark.parametrize("name", ["pymysql", "mysqlclient", "mysql-connector", "mariadb"])
def test_the_keywords_are_the_drivers_own(name: str) -> None:
    """A keyword the driver does not know is a TypeError; a known one gets as far as the closed port."""
    driver = driver_named(name)
    pytest.importorskip(driver.module)
    values = {"user": "u", "password": "p", "host": "127.0.0.1", "port": 1, "database": "d"}
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each driver has its own
        load(driver, for_async=False)(**{driver.keywords[key]: value for key, value in values.items()})
    assert not isinstance(caught.value, TypeError)
    assert driver.classify(caught.value) is OTHER


@pytest.mark.parametrize("name", ["aiomysql", "asyncmy"])
async def test_the_async_drivers_keywords_are_their_own(name: str) -> None:
    driver = driver_named(name)
    pytest.importorskip(driver.module)
    values = {"user": "u", "password": "p", "host": "127.0.0.1", "port": 1, "database": "d"}
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each driver has its own
        await load(driver, for_async=True)(**{driver.keywords[key]: value for key, value in values.items()})
    assert not isinstance(caught.value, TypeError)
    assert driver.classify(caught.value) is OTHER


@pytest.mark.parametrize("driver", ["mysqlclient", "mariadb"])
def test_a_plugin_that_two_threads_load_at_once_is_no_failure(driver: str) -> None:
    """Nothing was sent; any other failure is not repeated."""
    said = ["Plugin mysql_clear_password could not be loaded: it is already loaded", "Access denied", "not asked"]
    calls: list[dict[str, object]] = []

    def connect(**keywords: object) -> None:
        calls.append(keywords)
        raise OSError(1045, said[len(calls) - 1])

    adapt = driver_named(driver).adapt
    assert adapt is not None
    with pytest.raises(OSError, match="Access denied"):
        adapt(connect, None)(user="u", password="p")  # type: ignore[arg-type]
    assert calls == [{"user": "u", "password": "p"}] * 2
