"""The drivers, one row each: how to open, ask and close a connection, and what a rejected login looks like.

Sync and async rows are used alike, with ``await``; a sync driver blocks the event loop of its test, which harms nobody.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import inspect
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pkgutil import resolve_name
from typing import Any

import secretconn
from secretconn.testing import Application, Login

__all__ = ["C_EXTENSION", "DRIVERS", "NO_HOST", "DriverCase", "Spy", "content", "named"]

NO_HOST = "no-such-host.invalid"
"""A name that never resolves (RFC 2606)."""

C_EXTENSION = "mysql-connector-c"


@dataclass(frozen=True)
class DriverCase:
    """One driver, in one way of using it.

    Attributes:
        id: The name of the row.
        driver: What users call the driver.
        server: The fixture of its server: "postgres", "mariadb", "mysql".
        connect: Where its own connect callable is.
        connection: Where the type of its connections is.
        rejected: Where the type of its error for a rejected login is.
        errors: Where the types of its other errors are.
        is_async: Whether the callable's result is awaited.
        options: Arguments of every connect.
        timeout: Its keyword for the seconds a connect may take.
        database: Its keyword for the database.
        needs_cache: Logs in only where the server remembers the password from another client's login: without TLS it
            cannot send a ``caching_sha2_password`` server the password itself.
        suspect: What it says of a rejected login may mean something else.
    """

    id: str
    driver: str
    server: str
    connect: str
    connection: str
    rejected: str
    errors: tuple[str, ...]
    is_async: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    timeout: str = "connect_timeout"
    database: str = "database"
    needs_cache: bool = False
    suspect: bool = False

    def __repr__(self) -> str:
        return self.id

    @property
    def own_connect(self) -> Callable[..., Any]:
        """The driver's connect."""
        return resolve_name(self.connect)  # type: ignore[no-any-return]

    @property
    def connection_type(self) -> type:
        return resolve_name(self.connection)  # type: ignore[no-any-return]

    @property
    def rejected_type(self) -> type[Exception]:
        return resolve_name(self.rejected)  # type: ignore[no-any-return]

    @property
    def error_types(self) -> tuple[type[Exception], ...]:
        return tuple(resolve_name(place) for place in self.errors)

    def place(self, app: Application, **other: object) -> dict[str, Any]:
        """Where the application's database is, in this driver's keywords."""
        place = {"host": app.server.host, "port": app.server.port, "database": app.database, **other}
        return {self.database if name == "database" else name: value for name, value in place.items()}

    @contextlib.asynccontextmanager
    async def opened(
        self, credentials: secretconn.RotatingCredentials, *args: Any, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """A connection by name of the driver, as most users write it."""
        connecting = secretconn.aconnect if self.is_async else secretconn.connect
        call = connecting(credentials, *args, driver=self.driver, **{**self.options, **kwargs})
        async with self.closing(call) as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def opened_by(self, connect: Callable[..., Any], *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """A connection by a callable that takes what the driver's connect takes."""
        async with self.closing(connect(*args, **{**self.options, **kwargs})) as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def closing(self, call: Any) -> AsyncIterator[Any]:
        """What connect returned, awaited where this driver wants that, and closed in the end."""
        try:
            connection = await call if self.is_async else call
        except Exception:
            if "ssl" in self.options and self.is_async:
                await asyncio.sleep(
                    0.05
                )  # asyncio's TLS says goodbye after close(), and warns where the loop ends first
            raise
        writer = getattr(connection, "_writer", None)  # aiomysql
        try:
            yield connection
        finally:
            # aiomysql and asyncmy close without a word to the server by close(); it would log a lost connection
            closing = getattr(connection, "ensure_closed", connection.close)()
            if inspect.isawaitable(closing):
                await closing
            if isinstance(writer, asyncio.StreamWriter):
                await writer.wait_closed()

    async def ask(self, connection: Any, question: str) -> Any:
        """The first value of a query's first row."""
        if hasattr(connection, "fetchval"):
            return await connection.fetchval(question)
        cursor = await _settled(connection.cursor())
        await _settled(cursor.execute(question))
        row = await _settled(cursor.fetchone())
        await _settled(cursor.close())
        return row[0]

    async def user(self, connection: Any) -> str:
        """Who the server says we are."""
        question = "SELECT current_user" if self.server == "postgres" else "SELECT substring_index(user(), '@', 1)"
        return str(await self.ask(connection, question))


class Spy:
    """Stands between secretconn and a driver's connect: what was sent, what was raised, and a hook after each failure.

    Args:
        case: The driver.
        connect: Its connect, where not the ordinary one.
        failed: Called (and awaited, for async drivers) with each error before it is raised on.
    """

    def __init__(
        self,
        case: DriverCase,
        connect: Callable[..., Any] | None = None,
        failed: Callable[[Exception], Any] | None = None,
    ) -> None:
        self.case, self._connect, self._failed = case, connect or case.own_connect, failed
        self.sent: list[Login] = []
        self.errors: list[Exception] = []
        self._lock = threading.Lock()

    def wrap(self, credentials: secretconn.RotatingCredentials, **settings: Any) -> Callable[..., Any]:
        """secretconn's connect around this one."""
        own = self._aconnecting if self.case.is_async else self._connecting
        return secretconn.wrap(own, credentials, driver=self.case.driver, **settings)

    def opened(self, credentials: secretconn.RotatingCredentials, *args: Any, **kwargs: Any) -> Any:
        return self.case.opened_by(self.wrap(credentials), *args, **kwargs)

    def _connecting(self, *args: Any, **kwargs: Any) -> Any:
        self._note(kwargs)
        try:
            return self._connect(*args, **kwargs)
        except Exception as error:
            self.errors.append(error)
            if self._failed is not None:
                self._failed(error)
            raise

    async def _aconnecting(self, *args: Any, **kwargs: Any) -> Any:
        self._note(kwargs)
        try:
            return await self._connect(*args, **kwargs)
        except Exception as error:
            self.errors.append(error)
            if self._failed is not None:
                await self._failed(error)
            raise

    def _note(self, kwargs: Mapping[str, Any]) -> None:
        with self._lock:
            self.sent.append(Login(kwargs["user"], kwargs["password"]))


def content(app: Application, password: str, **other: object) -> dict[str, object]:
    """AWS's JSON for the application's secret; a key given as None is left out."""
    server = app.server
    keys = {"engine": server.engine, "host": server.host, "port": server.port, "dbname": app.database}
    whole = {**keys, "username": app.username, "password": password, **other}
    return {key: value for key, value in whole.items() if value is not None}


async def _settled(value: Any) -> Any:
    return await value if isinstance(value, Awaitable) else value


def _mysql(
    name: str, driver: str, connect: str, connection: str, rejected: str, *errors: str, **more: Any
) -> DriverCase:
    return DriverCase(name, driver, "mariadb", connect, connection, rejected, errors, **more)


def _postgres(
    name: str, driver: str, connect: str, connection: str, rejected: str, *errors: str, **more: Any
) -> DriverCase:
    return DriverCase(name, driver, "postgres", connect, connection, rejected, errors, **more)


def _any_certificate() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


TLS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "pymysql": ({"ssl": {"check_hostname": False}}, {"ssl_disabled": True}),
    "mysqlclient": ({"ssl_mode": "REQUIRED"}, {"ssl_mode": "DISABLED"}),
    "mysql-connector": ({"ssl_disabled": False}, {"ssl_disabled": True}),
    "mariadb": ({"ssl": True, "ssl_verify_cert": False}, {"ssl": False}),
    "aiomysql": ({"ssl": _any_certificate()}, {}),
    "asyncmy": ({"ssl": _any_certificate()}, {}),
}
"""Driver to the options that switch TLS on, and off."""


def _on_mysql(case: DriverCase) -> tuple[DriverCase, DriverCase]:
    """The same row on MySQL, with TLS and without."""
    tls, plain = TLS[case.driver]
    without = replace(case, id=f"{case.id}-mysql-plain", server="mysql", options={**case.options, **plain})
    if case.driver == "mysql-connector":
        without = replace(without, needs_cache=True)
    if case.id == C_EXTENSION:
        without = replace(without, rejected="mysql.connector.errors:InterfaceError", suspect=True)
    return replace(case, id=f"{case.id}-mysql-tls", server="mysql", options={**case.options, **tls}), without


_CONNECTOR_ERRORS = ("mysql.connector.errors:ProgrammingError", "mysql.connector.errors:Error")

DRIVERS = (
    _mysql(
        "pymysql",
        "pymysql",
        "pymysql:connect",
        "pymysql.connections:Connection",
        "pymysql.err:OperationalError",
        "pymysql.err:Error",
    ),
    _mysql(
        "mysqlclient",
        "mysqlclient",
        "MySQLdb:connect",
        "MySQLdb.connections:Connection",
        "MySQLdb:OperationalError",
        "MySQLdb:Error",
    ),
    _mysql(
        "mysql-connector-pure",
        "mysql-connector",
        "mysql.connector:connect",
        "mysql.connector.connection:MySQLConnection",
        *_CONNECTOR_ERRORS,
        options={"use_pure": True},
        timeout="connection_timeout",
    ),
    _mysql(
        C_EXTENSION,
        "mysql-connector",
        "mysql.connector:connect",
        "mysql.connector.connection_cext:CMySQLConnection",
        *_CONNECTOR_ERRORS,
        options={"use_pure": False},
        timeout="connection_timeout",
    ),
    _mysql(
        "mysql-connector-aio",
        "mysql-connector",
        "mysql.connector.aio:connect",
        "mysql.connector.aio.connection:MySQLConnection",
        *_CONNECTOR_ERRORS,
        "builtins:OSError",
        is_async=True,
        options={"ssl_disabled": True},  # its default, TLS where there is some, fails on a server without
        timeout="connection_timeout",
    ),
    _mysql(
        "mariadb",
        "mariadb",
        "mariadb:connect",
        "mariadb:Connection",
        "mariadb:OperationalError",
        "mariadb:Error",
    ),
    _mysql(
        "aiomysql",
        "aiomysql",
        "aiomysql:connect",
        "aiomysql:Connection",
        "pymysql.err:OperationalError",
        "pymysql.err:Error",
        is_async=True,
        database="db",
    ),
    _mysql(
        "asyncmy",
        "asyncmy",
        "asyncmy:connect",
        "asyncmy:Connection",
        "asyncmy.errors:OperationalError",
        "asyncmy.errors:Error",
        is_async=True,
    ),
    _postgres(
        "psycopg",
        "psycopg",
        "psycopg:Connection.connect",
        "psycopg:Connection",
        "psycopg:OperationalError",
        "psycopg:Error",
        database="dbname",
    ),
    _postgres(
        "psycopg-async",
        "psycopg",
        "psycopg:AsyncConnection.connect",
        "psycopg:AsyncConnection",
        "psycopg:OperationalError",
        "psycopg:Error",
        is_async=True,
        database="dbname",
    ),
    _postgres(
        "psycopg2",
        "psycopg2",
        "psycopg2:connect",
        "psycopg2.extensions:connection",
        "psycopg2:OperationalError",
        "psycopg2:Error",
        database="dbname",
    ),
    _postgres(
        "asyncpg",
        "asyncpg",
        "asyncpg:connect",
        "asyncpg:Connection",
        "asyncpg:InvalidPasswordError",
        "asyncpg:PostgresError",
        "builtins:OSError",
        is_async=True,
        timeout="timeout",
    ),
    _postgres(
        "pg8000",
        "pg8000",
        "pg8000.dbapi:connect",
        "pg8000.dbapi:Connection",
        "pg8000.dbapi:DatabaseError",
        "pg8000.dbapi:Error",
        timeout="timeout",
    ),
)


DRIVERS += tuple(row for case in DRIVERS if case.server == "mariadb" for row in _on_mysql(case))


if importlib.util.find_spec("mysql") and not resolve_name("mysql.connector:HAVE_CEXT"):
    # Its C extension cannot be loaded into this process; test_c_extension.py runs its row in one where it can.
    DRIVERS = tuple(case for case in DRIVERS if not case.id.startswith(C_EXTENSION))


def named(*names: str) -> tuple[DriverCase, ...]:
    """Rows of the table."""
    found = {case.id: case for case in DRIVERS}
    return tuple(found[name] for name in names)
