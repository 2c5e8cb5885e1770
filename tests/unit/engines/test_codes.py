"""Every code of the engines' tables in the driver's own exceptions, and texts that tell where no code does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from secretconn import Verdict
from secretconn.engines import (
    db2,
    driver_named,
    mongodb,
    oracle,
    redis,
    snowflake,
    sqlserver,
)
from tests.unit.engines.drivers import TABLES, by_snowflake_s_shape

REJECTED, SUSPECT, BARRED, OTHER = Verdict.REJECTED, Verdict.SUSPECT, Verdict.BARRED, Verdict.OTHER


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
