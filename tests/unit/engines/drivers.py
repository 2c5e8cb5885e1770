"""What drivers raise for each code, and how they are called: made as the drivers themselves make it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from secretconn import RotatingCredentials, Verdict, wrap
from secretconn.engines import (
    Given,
    db2,
    mongodb,
    oracle,
    snowflake,
    sqlserver,
)
from secretconn.testing.memory import MemorySource

OTHER = Verdict.OTHER


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


def given(names: str, host: str | None = None, port: str | None = None, database: str | None = None) -> Given:
    return Given(frozenset(names.split()), host, port, database)


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
