"""One connection: opened as the application opens it, asked who the server is and whether TLS is on, and closed.

The questions go to the server, so that every driver of an engine answers alike.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from secretconn._core.api import aconnect, connect
from secretconn._core.rotating import RotatingCredentials
from secretconn.engines import Driver, Verdict

__all__ = ["Answers", "Attempt", "open_and_ask", "questions"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to connect.

    Attributes:
        driver: The driver.
        is_async: Through aconnect().
        arguments: For the driver's connect, besides the login.
    """

    driver: Driver
    is_async: bool
    arguments: Mapping[str, Any]

    @property
    def title(self) -> str:
        both = self.driver.connect is not None and self.driver.aconnect is not None
        return f"{self.driver.name}{' (async)' if both and self.is_async else ''}"


@dataclass(frozen=True, slots=True)
class Answers:
    """What an open connection told.

    Attributes:
        server: Name and version of the server, or None where it does not tell.
        tls: The protocol and cipher; "" for none; None where that is not known.
        connect: Seconds until the connection was open.
        query: Seconds of the first query.
    """

    server: str | None
    tls: str | None
    connect: float
    query: float


@dataclass(frozen=True, slots=True)
class Questions:
    """How an engine is asked.

    Attributes:
        version: A query whose first value names the server's version.
        named: Makes the server's name of it.
        tls: A query for TLS, or None where there is none that everybody may ask.
        read: Makes "", or protocol and cipher, of its rows.
    """

    version: str
    named: Callable[[str], str]
    tls: str | None = None
    read: Callable[[list[Any]], str] = lambda _rows: ""


async def open_and_ask(credentials: RotatingCredentials, attempt: Attempt, clock: Callable[[], float]) -> Answers:
    """Open, ask, close.

    Raises:
        The driver's own exception, and what connect() raises itself.
    """
    credentials.prefetch()  # or the first connect would be as slow as Secrets Manager as well
    begun = clock()
    opening = aconnect if attempt.is_async else connect
    opened = await _settled(opening(credentials, driver=attempt.driver.name, **attempt.arguments))
    async with _closing(opened) as connection:
        connected = clock()
        try:
            server = await _server(connection, attempt.driver.engine)
        except Exception as error:
            if attempt.driver.classify(error) is not Verdict.OTHER:  # MySQL tells so of an expired password
                raise
            server = None  # a privilege that lacks, a proxy; the connection works, and that is what counts
        answered = clock()
        tls = await _tls(connection, attempt.driver.engine)
    return Answers(server, tls, connected - begun, answered - connected)


async def _server(connection: Any, engine: str) -> str | None:
    if engine == "redis":
        return f"Redis {(await _settled(connection.info('server')))['redis_version']}"
    if engine == "mongodb":
        return f"MongoDB {(await _settled(connection.server_info()))['version']}"
    asked = questions(engine)
    if asked is None:
        return None
    rows = await _rows(connection, asked.version)
    return asked.named(str(rows[0][0]))


async def _tls(connection: Any, engine: str) -> str | None:
    asked = questions(engine)
    if asked is None or asked.tls is None:
        return None
    try:
        return asked.read(await _rows(connection, asked.tls))
    except Exception:  # noqa: BLE001  (as above)
        return None


async def _rows(connection: Any, query: str) -> list[Any]:
    if hasattr(connection, "fetch"):  # asyncpg
        return [tuple(row) for row in await connection.fetch(query)]
    cursor = await _settled(connection.cursor())
    try:
        await _settled(cursor.execute(query))
        return [tuple(row) for row in await _settled(cursor.fetchall())]
    finally:
        await _settled(cursor.close())


@contextlib.asynccontextmanager
async def _closing(connection: Any) -> AsyncIterator[Any]:
    try:
        yield connection
    finally:
        # aiomysql and asyncmy close without a word to the server by close(); redis-py's clients say aclose()
        names = ("ensure_closed", "aclose", "close")
        close = next(filter(None, (getattr(connection, name, None) for name in names)))
        await _settled(close())


async def _settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def questions(engine: str) -> Questions | None:
    """How to ask an engine; None for those that are not asked."""
    return _QUESTIONS.get(engine)


def _postgresql(version: str) -> str:
    """ "PostgreSQL 18.6 on x86_64-pc-linux-gnu, compiled by gcc ..." """
    return version.partition(" on ")[0]


def _mysql(version: str) -> str:
    """ "10.11.19-MariaDB-0+deb12u1", "8.0.39" """
    number, _, rest = version.partition("-")
    return f"{'MariaDB' if 'mariadb' in rest.lower() else 'MySQL'} {number}"


def _sslinfo(rows: list[Any]) -> str:
    """ssl, version, cipher"""
    return f"{rows[0][1]} {rows[0][2]}" if rows and rows[0][0] else ""


def _status(rows: list[Any]) -> str:
    """Names and values of status variables"""
    found = {str(name).lower(): str(value or "") for name, value in rows}
    return f"{found.get('ssl_version', 'TLS')} {found['ssl_cipher']}" if found.get("ssl_cipher") else ""


def _first_line(version: str) -> str:
    return next(iter(version.splitlines()), "").strip()


_QUESTIONS = {
    "postgresql": Questions(
        "SELECT version()",
        _postgresql,
        "SELECT ssl, version, cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
        _sslinfo,
    ),
    "mysql": Questions("SELECT version()", _mysql, "SHOW SESSION STATUS LIKE 'Ssl_%'", _status),
    "redshift": Questions("SELECT version()", _first_line),
    "oracle": Questions("SELECT banner FROM v$version", _first_line),
    "sqlserver": Questions("SELECT @@VERSION", _first_line),
    "db2": Questions("SELECT service_level FROM sysibmadm.env_inst_info", _first_line),
    "snowflake": Questions("SELECT 'Snowflake ' || CURRENT_VERSION()", _first_line),
}
"""Those of the last five were not asked of a real server; docs/check.md says so."""
