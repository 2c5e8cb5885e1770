"""What callers' arguments say already, argument by argument; and what goes into a connection string."""

from __future__ import annotations

import types
from pathlib import PurePosixPath
from typing import Any

import pytest

import secretconn
from secretconn import RotatingCredentials
from secretconn.engines import NOTHING_GIVEN, Given, driver_named, odbc
from secretconn.engines.arguments import Found, keyword_reader, take
from secretconn.testing.memory import MemorySource
from tests.unit.engines.drivers import called_with, given


def params(user: str | None = None, host: str | None = None, dsn: str | None = None) -> Any:
    return types.SimpleNamespace(user=user, host=host, dsn=dsn)


EVERYTHING = given("user password host port database", "h", "1", "d")
FAILOVER = ({"host": "a", "port": 1}, {"host": "b", "port": 2})

GIVEN: list[tuple[str, tuple[Any, ...], dict[str, Any], Given]] = [
    # A DSN is the whole address; what stands before the last @ is a login.
    ("oracledb", (), {"user": "u", "password": "p", "host": "h", "port": 1, "service_name": "d"}, EVERYTHING),
    ("oracledb", ("h/s",), {"port": 5}, given("host port database", "h/s")),
    ("oracledb", ("h/s",), {"user": "u"}, given("user host port database", "h/s")),
    ("oracledb", (), {"dsn": "@h/s"}, given("host port database", "h/s")),
    ("oracledb", ("u/p@2@h/s",), {}, given("user host port database", "h/s")),
    ("oracledb", ("",), {"dsn": "h/s"}, NOTHING_GIVEN),
    ("oracledb", (b"h/s",), {}, NOTHING_GIVEN),
    ("oracledb", (), {"params": params(user="u")}, given("user")),
    ("oracledb", (), {"params": params(dsn="h/s")}, given("host port database")),
    ("oracledb", (), {"params": params(host="h"), "service_name": "s"}, given("host port database", database="s")),
    ("oracledb", (), {"pool": params()}, given("host port database")),
    ("oracledb", (), {"pool": params(user="u")}, given("user host port database")),
    ("oracledb", (), {"params": params(), "pool_alias": "mine"}, given("host port database")),
    # A key of the string wins over a keyword, whatever its case.
    ("pyodbc", ("SERVER=a",), {"server": "b", "database": "d"}, given("host port database", "a", database="d")),
    ("pyodbc", ("SERVER=h;PORT=2",), {}, given("host port", "h", "2")),
    ("pyodbc", ("DSN=x;SERVER=h",), {}, given("host port database", "h")),
    ("pyodbc", ("DSN=",), {}, NOTHING_GIVEN),
    ("pyodbc", (), {"dsn": "x"}, given("host port database")),
    ("pyodbc", (None,), {"uid": "a"}, given("user")),
    ("pyodbc", ("SERVER=a",), {"connection_str": "SERVER=b;UID=c"}, given("host port", "a")),
    ("pyodbc", (), {"p_str": "SERVER=a", "uid": "b"}, given("user host port", "a")),
    ("pyodbc", (), {"trusted_connection": " No "}, NOTHING_GIVEN),
    ("pyodbc", (), {"trusted_connection": False}, NOTHING_GIVEN),
    ("pyodbc", (), {"trusted_connection": "yes"}, given("user")),
    ("pyodbc", ("Trusted_Connection = {No} ;UID=a",), {}, given("user")),
    ("pymssql", (), {"server": "h,1", "port": 2, "database": "d"}, given("host port database", "h,1", "2", "d")),
    ("pymssql", (), {"server": "h:1"}, given("host port", "h:1")),
    ("ibm-db", (), {"dsn": "DATABASE=d;HOSTNAME=h"}, given("host port database", "h", database="d")),
    ("ibm-db", ("A=1", "", "", "h2", "d2"), {}, given("host port database", "h2", database="d2")),
    ("ibm-db", (None, "u", "p"), {}, given("user password")),
    # Only asyncpg reads its own name for the database in a URL, and it alone has no keyword dbname.
    ("psycopg", ("postgresql://h?database=d",), {}, given("host", "h")),
    ("asyncpg", ("postgresql://h?database=d",), {}, given("host database", "h", database="d")),
    ("asyncpg", (), {"dbname": "d"}, NOTHING_GIVEN),
    # A URL wins over the keywords; one that cannot be read still is an address.
    ("redis", (), {"url": "redis://h"}, given("host port", "h")),
    ("redis", ("redis://h",), {"db": 3, "port": 4}, given("host port database", "h", "4", "3")),
    ("redis", ("redis://h:5",), {"username": "u", "port": 4}, given("user host port", "h", "5")),
    ("redis", ("redis://h/X1X/",), {}, given("host port database", "h", database="X1X")),
    ("redis", ("redis://h:x",), {}, given("host port")),
    ("redis", ("h", 1, 2, "p"), {"url": "redis://other"}, given("host port database password", "h", "1", "2")),
    ("pymongo", (), {"host": "h", "port": 3}, given("host port", "h", "3")),
    ("pymongo", (), {"host": "h:3"}, given("host port", "h:3")),
    ("pymongo", (), {"host": "mongodb://u:p@h:1"}, given("user host port", "h:1")),
    ("pymongo", ("mongodb://h/?AuthSource=x",), {"port": 5}, given("host port database", "h")),
    ("pymongo", ("MongoDB+SRV://u@h",), {"authSource": "x"}, given("user host port database", "h", None, "x")),
    ("pymongo", (["a", "mongodb://u:p@b"],), {}, given("user host port", "b")),
    ("pymongo", ([7, "a:1"],), {}, given("host port", "7,a:1")),
    ("mysql-connector", (), {"failover": FAILOVER, "database": "d"}, given("host port database", "a,b", "1,2", "d")),
    ("mysql-connector", (), {"failover": [*FAILOVER, 3, {"user": "u"}]}, given("user host port", "a,b", "1,2")),
    ("mysql-connector", (), {"failover": [{"database": "x"}], "host": "h"}, given("host database", "h")),
    ("mysql-connector", (), {"failover": "no such thing", "host": "h", "port": 1}, given("host port", "h", "1")),
]


@pytest.mark.parametrize(("name", "args", "kwargs", "expected"), GIVEN)
def test_given(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], expected: Given) -> None:
    assert driver_named(name).given(args, kwargs) == expected


def test_of_two_keywords_for_one_name_the_later_counts_and_both_win_over_a_position() -> None:
    read = keyword_reader({"host": "host", "socket": "host", "user": "user", "db": "database"}, ("host", None, "user"))
    assert read((), {}) is NOTHING_GIVEN
    assert read((), {"timeout": 3}) is NOTHING_GIVEN
    assert read((None, "x"), {}) is NOTHING_GIVEN
    assert read(("a", "x", "me", "too many"), {}) == given("host user", "a")
    assert read(("a",), {"host": "b"}) == given("host", "b")
    assert read((), {"socket": "/s", "host": "b"}) == given("host", "/s")
    assert read((), {"socket": "", "host": "b", "db": 0}) == given("host", "b")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("h", "h"),
        (b"h\xff", "h\ufffd"),
        (7, "7"),
        (("a", 1, None), "a,1,"),
        (["a"], "a"),
        (PurePosixPath("/s"), "/s"),
        (object(), None),
    ],
)
def test_the_text_of_a_value(value: object, text: str | None) -> None:
    assert keyword_reader({"host": "host"})((), {"host": value}) == given("host", text)


@pytest.mark.parametrize("value", [None, "", b"", 0, (), []], ids=repr)
def test_what_says_nothing_is_not_given(value: object) -> None:
    assert keyword_reader({"host": "host"})((), {"host": value}) is NOTHING_GIVEN


def test_the_text_of_a_password_is_not_kept() -> None:
    found: Found = {}
    for name in ("user", "password", "host"):
        take(found, name, "s3cr3t")
    assert found == {"user": None, "password": None, "host": "s3cr3t"}


# -- connection strings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain-1.x", "plain-1.x"),
        (7, "7"),
        ("", "{}"),
        ("a b", "{a b}"),
        ("a}b", "a}b"),  # FreeTDS knows no doubled brace
        ("}{x", "}{x"),
        ("a;}b", "{a;}}b}"),
        ("{a}b", "{{a}}b}"),
        (" a}", "{ a}}}"),
        ("a} ", "{a}} }"),
    ],
)
def test_quoting(value: object, text: str) -> None:
    assert odbc.quoted(value) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a=1;A=2", {"A": "1"}),
        (" Driver = {x;y}}z} ; b = c d ;", {"DRIVER": "x;y}z", "B": "c d"}),
        ("no pair;x=1", {"X": "1"}),
        ("x=;y={}", {"X": "", "Y": ""}),
        ("", {}),
    ],
)
def test_reading_a_connection_string(text: str, found: dict[str, str]) -> None:
    assert odbc.parse(text) == found


ENDING = "UID=u;PWD={p;}}x};"
CALLED: list[tuple[str, dict[str, object], tuple[Any, ...], dict[str, Any], tuple[Any, Any]]] = [
    ("pyodbc", {}, ("Driver=x;SERVER=mine",), {"PORT": 5}, ((f"Driver=x;SERVER=mine;{ENDING}",), {"PORT": 5})),
    ("pyodbc", {}, ("Driver=x;PORT=5",), {}, ((f"Driver=x;PORT=5;SERVER=h;{ENDING}",), {})),
    ("pyodbc", {}, (" Driver=x;; ", True), {"a": 1}, ((f"Driver=x;SERVER=h,1433;{ENDING}", True), {"a": 1})),
    ("pyodbc", {}, ("Driver=X",), {}, ((f"Driver=X;SERVER=h,1433;{ENDING}",), {})),
    ("pyodbc", {}, (None,), {}, ((f"SERVER=h,1433;{ENDING}",), {})),
    ("pyodbc", {}, (";Driver=x",), {}, ((f";Driver=x;SERVER=h,1433;{ENDING}",), {})),
    (
        "ibm-db",
        {"password": "p", "dbname": "d"},
        ("DSN=x",),
        {"user": "", "password": "", "conn_options": {1: 2}},
        (("DSN=x;UID=u;PWD=p;", "", ""), {"conn_options": {1: 2}}),
    ),
    (
        "ibm-db",
        {"password": "p", "dbname": "d", "port": 7},
        (),
        {"dsn": "HOSTNAME=mine;PORT=1"},
        (("HOSTNAME=mine;PORT=1;DATABASE=d;UID=u;PWD=p;", "", ""), {}),
    ),
]


@pytest.mark.parametrize(("name", "secret", "args", "kwargs", "expected"), CALLED)
def test_the_driver_is_called_with(
    name: str, secret: dict[str, object], args: tuple[Any, ...], kwargs: dict[str, Any], expected: tuple[Any, Any]
) -> None:
    assert called_with(name, secret, *args, **kwargs) == expected


# -- MongoDB's clients connect when they are used, so they are used before they are handed out -------------------------


class Mongo:
    """Answers or refuses a ping, and knows what it was asked."""

    refuses = False

    def __init__(self, *args: Any, **keywords: Any) -> None:
        self.called, self.asked, self.closed = (args, keywords), [], False  # type: ignore[var-annotated]
        self.admin = self
        made.append(self)

    def command(self, name: str) -> None:
        self.asked.append(name)
        if self.refuses:
            raise KeyboardInterrupt

    def close(self) -> None:
        self.closed = True


class AsyncMongo(Mongo):
    __module__ = "pymongo.asynchronous.mongo_client"

    async def command(self, name: str) -> None:  # type: ignore[override]
        super().command(name)

    async def close(self) -> None:  # type: ignore[override]
        super().close()


made: list[Mongo] = []
LOGIN = {"username": "u", "password": "p", "port": 27017}


def mongo(kind: type[Mongo]) -> Any:
    source = MemorySource({"username": "u", "password": "p", "host": "h"})
    return secretconn.wrap(kind, RotatingCredentials("s", source=source), driver="pymongo")


async def open_(kind: type[Mongo], *args: Any, **arguments: Any) -> Any:
    opened = mongo(kind)(*args, **arguments)
    return await opened if issubclass(kind, AsyncMongo) else opened


@pytest.mark.parametrize("kind", [Mongo, AsyncMongo])
async def test_a_mongo_client_is_pinged_with_the_login(kind: type[Mongo]) -> None:
    client = await open_(kind, "mine", tz_aware=True)
    assert client is made[-1]
    assert client.called == (("mine",), {**LOGIN, "tz_aware": True})
    assert (client.asked, client.closed) == (["ping"], False)


@pytest.mark.parametrize("kind", [Mongo, AsyncMongo])
async def test_a_mongo_client_that_is_refused_is_closed(kind: type[Mongo], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mongo, "refuses", True)
    with pytest.raises(KeyboardInterrupt):
        await open_(kind)
    assert made[-1].closed
