"""Open connections of any driver, sync or async: ask who the server is and whether TLS is on, and close them.

The questions go to the server, so that every driver of an engine gives the same answer. Only questions that were run on
a real server are here; of other engines nothing is asked.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Questions:
    """How an engine is asked.

    Attributes:
        version: A query for the version and the database that is open.
        named: Returns the server's name and version from the former.
        tls: A query for TLS that every user may run.
        read: Returns protocol and cipher, or "", from its rows.
        owned: A query for the number of tables and the like that belong to one of two alternating users, or None.
    """

    version: str
    named: Callable[[str], str]
    tls: str
    read: Callable[[list[Any]], str]
    owned: str | None = None


async def settled(value: Any) -> Any:
    """Return the value, awaited if it can be."""
    return await value if inspect.isawaitable(value) else value


def completed(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that waits for nothing: one whose connection is sync. Return its result."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise RuntimeError("a sync connection waited for something")


async def close(connection: Any) -> None:
    """Close a connection."""
    # aiomysql and asyncmy close without a word to the server by close(); redis-py's clients have aclose()
    names = ("ensure_closed", "aclose", "close")
    await settled(next(filter(None, (getattr(connection, name, None) for name in names)))())


async def server_of(connection: Any, engine: str) -> tuple[str | None, str | None]:
    """Return the server's name and version and the open database; None for what is not asked. Raises as the driver."""
    if engine == "redis":
        return f"Redis {(await settled(connection.info('server')))['redis_version']}", None
    if engine not in QUESTIONS:
        return None, None
    version, database = (await rows_of(connection, QUESTIONS[engine].version))[0]
    return QUESTIONS[engine].named(str(version)), database and str(database)


async def tls_of(connection: Any, engine: str) -> str | None:
    """Return protocol and cipher, "" without TLS, None if that is unknown."""
    if engine not in QUESTIONS:
        return None
    try:
        return QUESTIONS[engine].read(await rows_of(connection, QUESTIONS[engine].tls))
    except Exception:  # noqa: BLE001  (a missing privilege, a proxy; the connection works)
        return None


async def owned_in(connection: Any, engine: str) -> int:
    """Return how many tables and the like belong to a user who takes turns with another one; 0 if that is unknown."""
    question = QUESTIONS[engine].owned if engine in QUESTIONS else None
    try:
        return 0 if question is None else int((await rows_of(connection, question))[0][0])
    except Exception:  # noqa: BLE001  (a server that only speaks the same protocol)
        return 0


async def rows_of(connection: Any, query: str, *parameters: Any) -> list[Any]:
    """Run a query and return its rows; none for a statement that has none."""
    if hasattr(connection, "fetch"):  # asyncpg
        return [tuple(row) for row in await connection.fetch(query)]
    cursor = await settled(connection.cursor())
    try:
        await settled(cursor.execute(query, *parameters))
        return [tuple(row) for row in await settled(cursor.fetchall())] if cursor.description else []
    finally:
        await settled(cursor.close())


def _postgresql(version: str) -> str:
    """Read "PostgreSQL 18.6 on x86_64-pc-linux-gnu, compiled by gcc ..."."""
    return version.partition(" on ")[0]


def _mysql(version: str) -> str:
    """Read "10.11.19-MariaDB-0+deb12u1", "8.0.39"."""
    number, _, rest = version.partition("-")
    return f"{'MariaDB' if 'mariadb' in rest.lower() else 'MySQL'} {number}"


def _sslinfo(rows: list[Any]) -> str:
    """Read a row of ssl, version, cipher."""
    return f"{rows[0][1]} {rows[0][2]}" if rows and rows[0][0] else ""


def _status(rows: list[Any]) -> str:
    """Read names and values of status variables."""
    values = {str(name).lower(): str(value or "") for name, value in rows}
    return f"{values.get('ssl_version', 'TLS')} {values['ssl_cipher']}" if values.get("ssl_cipher") else ""


QUESTIONS = {
    "postgresql": Questions(
        "SELECT version(), current_database()",
        _postgresql,
        "SELECT ssl, version, cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
        _sslinfo,
        "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND relpersistence <> 't' AND "
        "current_user = session_user AND pg_get_userbyid(relowner)::text IN (session_user::text, "
        "session_user::text || '_clone', regexp_replace(session_user::text, '_clone$', ''))",
    ),
    "mysql": Questions("SELECT version(), database()", _mysql, "SHOW SESSION STATUS LIKE 'Ssl_%'", _status),
}
