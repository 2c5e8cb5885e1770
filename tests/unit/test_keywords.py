"""What a driver's connect is told: the caller's word over the secret's, that over the driver's own, ours last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretconn import ConfigurationError, Credentials, SecretFormatError
from secretconn._core.keywords import keywords
from secretconn._core.parsing import Shape, parse
from secretconn.credentials import Payload
from secretconn.engines import BUILT_IN, driver_named, engine_named
from secretconn.engines.base import NOTHING_GIVEN, Driver
from tests.unit.test_secrecy import WORD, assert_silent

LOGIN = {"username": "u", "password": "p"}
DRIVERS = [driver for engine in BUILT_IN for driver in engine.drivers if driver.engine == engine.name]


def login(**content: object) -> Credentials:
    import json

    return parse(Payload("v1", json.dumps(LOGIN | content)), "s", Shape())


def made(
    name: str,
    *args: Any,
    secret: Mapping[str, object] | None = None,
    environ: dict[str, str] | None = None,
    engine: str | None = None,
    **kwargs: Any,
) -> dict[str, Any]:
    """The keywords for a driver by its own names, without user and password."""
    driver = driver_named(name)
    said = driver.given(args, kwargs) if args or kwargs else NOTHING_GIVEN
    content = {"host": "h"} if secret is None else secret
    made = keywords(login(**content), said, driver, engine_named(engine or driver.engine), environ or {})
    assert (made.pop(driver.keywords["user"]), made.pop(driver.keywords["password"])) == ("u", "p")
    return made


LIBPQ = ["psycopg", "psycopg2"]
OPTION_FILE = {
    "pymysql": "read_default_file",
    "mysqlclient": "read_default_group",
    "aiomysql": "read_default_file",
    "asyncmy": "read_default_file",
    "mysql-connector": "option_files",
    "mariadb": "default_file",
}


@pytest.mark.parametrize("name", [*LIBPQ, "asyncpg"])
@pytest.mark.parametrize(
    ("environ", "secret", "sent"),
    [
        ({}, {"host": "h"}, {"host": "h", "port": 5432, "database": "postgres"}),
        ({"PGDATABASE": ""}, {"host": "h"}, {"host": "h", "port": 5432, "database": "postgres"}),
        ({"PGDATABASE": "orders"}, {"host": "h"}, {"host": "h", "port": 5432}),
        ({"PGDATABASE": "x"}, {"host": "h", "dbname": "d"}, {"host": "h", "port": 5432, "database": "d"}),
        ({"PGPORT": "6"}, {"host": "h"}, {"host": "h", "database": "postgres"}),
        ({"PGPORT": "6"}, {"host": "h", "port": 7}, {"host": "h", "port": 7, "database": "postgres"}),
        ({"PGHOST": "mine"}, {}, {"port": 5432, "database": "postgres"}),
        ({"PGHOST": "mine"}, {"host": "h"}, {"host": "h", "port": 5432, "database": "postgres"}),
        ({"PGSERVICE": "orders"}, {}, {}),
        ({"PGSERVICE": "orders"}, {"host": "h"}, {"host": "h"}),
    ],
)
def test_postgresql_s_own_variables_win_over_our_defaults(
    name: str, environ: dict[str, str], secret: dict[str, object], sent: dict[str, object]
) -> None:
    words = driver_named(name).keywords
    expected = {words[canonical]: value for canonical, value in sent.items()}
    assert made(name, secret=secret, environ=environ) == expected


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
def test_what_the_driver_can_carry_is_sent(driver: Driver) -> None:
    credentials = login(password="XX", username="XXXX", host="xX.example", port=1, dbname="X")
    sent = keywords(credentials, NOTHING_GIVEN, driver, engine_named(driver.engine), {})
    assert {"XX", "XXXX"} <= set(sent.values())


def test_redshift_s_port_is_not_libpq_s_own() -> None:
    assert made("psycopg", engine="redshift") == {"host": "h", "port": 5439, "dbname": "dev"}
    assert made("psycopg", engine="redshift", environ={"PGPORT": "1", "PGDATABASE": "d"}) == {"host": "h"}


def test_variables_of_other_drivers_change_nothing() -> None:
    environ = {"PGHOST": "x", "PGPORT": "1", "PGDATABASE": "x", "PGSERVICE": "x", "MYSQL_TCP_PORT": "1"}
    assert made("pg8000", environ=environ) == {"host": "h", "port": 5432, "database": "postgres"}
    assert made("pymysql", environ=environ) == {"host": "h", "port": 3306}
    for name in ("mysqlclient", "mariadb"):
        assert made(name, environ=environ) == {"host": "h"}


@pytest.mark.parametrize(("name", "keyword"), OPTION_FILE.items())
def test_an_option_file_wins_over_our_defaults_and_not_over_the_secret(name: str, keyword: str) -> None:
    database = driver_named(name).keywords["database"]
    file: dict[str, Any] = {keyword: "client"}
    assert made(name, secret={}, **file) == {}
    assert made(name, **file) == {"host": "h"}
    assert made(name, secret={"host": "h", "port": 7, "dbname": "d"}, **file) == {
        "host": "h",
        "port": 7,
        database: "d",
    }
    assert made(name, secret={}, **file, host="mine") == {}


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
def test_without_a_host_anywhere_the_keyword_to_pass_is_named(driver: Driver) -> None:
    with pytest.raises(ConfigurationError, match=f"pass {driver.keywords['host']}="):
        keywords(login(), NOTHING_GIVEN, driver, engine_named(driver.engine), {})


def test_sql_server_s_logins_have_a_database_of_their_own() -> None:
    for name in ("pymssql", "pyodbc", "mssql-python"):
        assert driver_named(name).keywords["database"] not in made(name)


# -- a value is judged when it is used, and only then --


def refused(name: str, secret: Mapping[str, object], *args: Any, **kwargs: Any) -> SecretFormatError:
    with pytest.raises(SecretFormatError) as caught:
        made(name, *args, secret=secret, **kwargs)
    assert_silent(caught.value)
    assert caught.value.secret_id == "s"
    assert caught.value.version_id == "v1"
    return caught.value


def test_what_the_caller_says_is_not_judged_in_the_secret() -> None:
    wrong = {"host": 5, "port": f"{WORD}x", "dbname": {}}
    assert made("psycopg", secret=wrong, host="a", port=1, dbname="d") == {}
    assert made("psycopg", "host=a port=1 dbname=d", secret=wrong) == {}
    assert refused("psycopg", wrong, port=1, dbname="d").key == "host"
    assert refused("psycopg", wrong, host="a", dbname="d").key == "port"
    assert refused("psycopg", wrong, host="a", port=1).key == "dbname"


@pytest.mark.parametrize(("name", "key"), [("host", "hostname"), ("port", "db_port"), ("database", "database")])
def test_no_default_of_ours_is_used_where_the_secret_has_the_value_under_another_key(name: str, key: str) -> None:
    secret: dict[str, object] = {"host": "h", "port": 5, "dbname": "d"}
    del secret["dbname" if name == "database" else name]
    error = refused("psycopg", secret | {key: "x"})
    assert f"pass keys={{'{name}': '{key}'}}" in str(error)
    words = driver_named("psycopg").keywords
    said: dict[str, Any] = {words[name]: 1}
    assert words[name] not in made("psycopg", secret=secret | {key: "x"}, **said)
    if name == "database":  # MySQL connects without one
        assert made("pymysql", secret=secret | {key: "x"}) == {"host": "h", "port": 5}


# -- what a driver or its protocol cannot carry --

HOSTILE = {
    "user": ["u\0database\0evil", "u\0", "\0"],
    "password": [f"{WORD}\0host=evil", f"{WORD}\0"],
    "host": ["h\0evil"],
    "database": ["d\0user\0evil", "\0"],
}
KEYS = {"user": "username", "database": "dbname"}


@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in HOSTILE.items() for value in values])
def test_nul_is_refused_wherever_it_would_end_a_value(driver: Driver, name: str, value: str) -> None:
    secret: dict[str, object] = {"host": "h", "port": 1, "dbname": "d", KEYS.get(name, name): value}
    if driver.name == "redis" and name != "host":  # its protocol carries any text
        sent = keywords(login(**secret), NOTHING_GIVEN, driver, engine_named("redis"), {})
        assert sent[driver.keywords[name]] == value
    else:
        error = refused(driver.name, secret)
        assert str(error).endswith(f"its {name} has a NUL character, which {driver.name} cannot carry")
        assert error.key == name


@pytest.mark.parametrize("name", ["ibm-db", "pyodbc", "mssql-python"])
@pytest.mark.parametrize("part", ["host", "database"])
def test_a_semicolon_that_would_begin_another_keyword_is_refused(name: str, part: str) -> None:
    secret: dict[str, object] = {"host": "h", "dbname": "d", KEYS.get(part, part): "x;UID=evil"}
    assert "';'" in str(refused(name, secret))


@pytest.mark.parametrize("key", ["username", "password"])
def test_db2_cannot_hold_a_semicolon_in_a_login(key: str) -> None:
    assert "';'" in str(refused("ibm-db", {"host": "h", key: "x;y"}))


@given(st.text(min_size=1), st.text(min_size=1), st.text(), st.sampled_from(DRIVERS))
def test_any_login_is_sent_as_it_is_or_refused(user: str, password: str, database: str, driver: Driver) -> None:
    credentials = Credentials("s", "v", user, password, host="h", port=1, database=database or None)
    parts = {"user": user, "password": password, "database": database}
    bad = {name for name, text in parts.items() if not frozenset(driver.forbidden.get(name, "")).isdisjoint(text)}
    sent = tried(credentials, driver)
    if isinstance(sent, SecretFormatError):
        assert sent.__context__ is sent.__cause__ is None
        assert sent.key in bad
    else:
        assert not bad
        assert (sent[driver.keywords["user"]], sent[driver.keywords["password"]]) == (user, password)


def tried(credentials: Credentials, driver: Driver) -> dict[str, Any] | SecretFormatError:
    try:
        return keywords(credentials, NOTHING_GIVEN, driver, engine_named(driver.engine), {})
    except SecretFormatError as error:
        return error
