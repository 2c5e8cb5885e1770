"""The tables' rejections, counted out: none may come by accident; and what is no code to some engines."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import pytest

from secretconn import Verdict
from secretconn.engines import db2, driver_named, mongodb, mysql, oracle, postgresql, redis, snowflake, sqlserver
from tests.unit.engines.drivers import LOGIN, TABLES, by_ibm_db, by_snowflake_s_shape, called_with

REJECTED, SUSPECT, BARRED, OTHER = Verdict.REJECTED, Verdict.SUSPECT, Verdict.BARRED, Verdict.OTHER

# A code too many sends a failure that is not the login's to the source, or logs in again where that locks the user.
ONLY: list[tuple[dict[Any, Verdict], set[Any], set[Any], set[Any]]] = [
    (mysql._CODES, {1045, 1698, 1820, 1862}, {2000, 2061}, {1044, 3118, 3955, 4150, 4151}),
    (oracle.CODES, {1017, 9911, 28001}, {1005}, {1031, 1045, 28000}),
    (sqlserver.CODES, {18456, 18487, 18488}, set(), {916, 4060, 17892, 18470, 18486}),
    (db2.REASONS, {"24", "1", "2"}, set(), {"6", "7", "19"}),
    (mongodb.CODES, {18, 8000}, {13}, set()),
    (snowflake.CODES, {390100, 390106, 390144}, set(), {390101, 390102, 390422}),
    (redis.PREFIXES, {"WRONGPASS", "NOAUTH"}, set(), {"NOPERM"}),
]


@pytest.mark.parametrize(("table", "rejected", "suspect", "barred"), ONLY)
def test_no_other_code_of_a_table_speaks_of_the_login(
    table: dict[Any, Verdict], rejected: set[Any], suspect: set[Any], barred: set[Any]
) -> None:
    for verdict, codes in ((REJECTED, rejected), (SUSPECT, suspect), (BARRED, barred)):
        assert {code for code, one in table.items() if one is verdict} == codes


@pytest.mark.parametrize(
    ("code", "text", "verdict"),
    [
        (250001, "250001 (08001): Failed to connect to DB. JWT token is invalid.", REJECTED),
        (250001, "250001 (08001): Failed to connect to DB. Verify the account name.", OTHER),
        (250003, "250003: Incorrect username or password was specified.", OTHER),  # the number tells, not the text
    ],
)
def test_snowflake_3_tells_a_refused_login_by_its_text(code: int, text: str, verdict: Verdict) -> None:
    error = by_snowflake_s_shape(code)
    error.args = (text,)
    assert snowflake.classify(error) is verdict


@pytest.mark.parametrize(("errno", "verdict"), [(-1, REJECTED), (None, REJECTED), (True, REJECTED), (0, OTHER)])
def test_snowflake_s_minus_one_is_no_number_and_what_lies_beneath_is_heard(errno: Any, verdict: Verdict) -> None:
    error = by_snowflake_s_shape(errno)
    error.__context__ = by_snowflake_s_shape(390100)
    assert snowflake.classify(error) is verdict


def test_a_system_s_number_is_not_snowflake_s() -> None:
    assert snowflake.classify(OSError(390100, "the system's number")) is OTHER


@pytest.mark.parametrize(
    ("host", "account"),
    [("acc.eu.snowflakecomputing.com", "acc.eu"), ("acc.snowflakecomputing.cn", "acc"), ("org-acc", "org-acc")],
)
def test_snowflake_s_account_is_the_host_without_its_domain(host: str, account: str) -> None:
    expected = ("x",), {**LOGIN, "account": account, "role": "r"}
    assert called_with("snowflake", {"host": host}, "x", role="r") == expected


@pytest.mark.parametrize(
    "text",
    [
        '[IBM][CLI Driver] SQL30081N  A communication error, reason "24".',
        "[IBM][CLI Driver] SQL30082N  Security processing failed.",
        '[IBM][CLI Driver] SQL30082N  Security processing failed with reason "99".',
        "[IBM][CLI Driver] SQL1336N  The remote host was not found.",
    ],
)
def test_db2_s_own_word_is_the_last(text: str) -> None:
    error = Exception(text)
    error.__context__ = by_ibm_db(24)
    assert db2.classify(error) is OTHER


class Psycopg2(Exception):
    pgerror = pgcode = None


class Refused(Exception):
    sqlstate, pgcode = None, "28P01"


class Asyncpg(Exception):
    sqlstate = "28P01"


@pytest.mark.parametrize(
    ("error", "cause", "verdict"),
    [
        (Psycopg2("what nobody knows"), None, OTHER),  # it is the driver's own word, so the context is not heard
        (Psycopg2("FATAL:  what nobody knows"), ValueError(), SUSPECT),
        (RuntimeError("FATAL:  what nobody knows"), None, SUSPECT),
        (RuntimeError("FATAL:  what nobody knows"), ValueError(), REJECTED),  # what it wraps knows more
        (RuntimeError("what nobody knows"), None, REJECTED),
        (RuntimeError("timeout expired"), None, OTHER),
        (Refused("timeout expired"), None, REJECTED),  # the code tells, not the text
        (RuntimeError(), None, REJECTED),
    ],
)
def test_a_text_of_postgresql_that_nobody_knows(error: Exception, cause: Exception | None, verdict: Verdict) -> None:
    error.__cause__, error.__context__ = cause, Asyncpg()
    assert postgresql.classify(error) is verdict


@pytest.mark.parametrize(("name", "table", "make"), TABLES)
def test_a_driver_s_own_code_is_the_last_word(
    name: str, table: dict[int, Verdict], make: Callable[[int], BaseException]
) -> None:
    """What the caller was handling, here a refused login, is only heard where the driver's error says nothing."""
    error = make(99999)
    error.__context__ = make(next(code for code, verdict in table.items() if verdict is REJECTED))
    assert driver_named(name).classify(error) is OTHER


class Said:
    def __str__(self) -> str:
        return "ORA-01017: invalid credential"


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (RuntimeError("ORA-01017: invalid credential", "more"), REJECTED),
        (RuntimeError(Said()), REJECTED),
        (RuntimeError("ORA-00001: unique constraint"), OTHER),
        (RuntimeError("DPY-6005: cannot connect"), OTHER),
        (RuntimeError("see ORA-01017"), SUSPECT),
        (RuntimeError(types.SimpleNamespace(code=1017)), SUSPECT),
        (RuntimeError(types.SimpleNamespace(code="1017", full_code="ORA-01017")), SUSPECT),
        (RuntimeError(), SUSPECT),
    ],
)
def test_oracle_s_texts_and_what_is_none(error: Exception, verdict: Verdict) -> None:
    error.__context__ = RuntimeError("ORA-01005: heard where the error itself says nothing")
    assert oracle.classify(error) is verdict


@pytest.mark.parametrize("attributes", [{"code": 18}, {"code": "18", "details": {}}, {"details": {}}])
def test_mongodb_s_errors_have_a_number_and_details(attributes: dict[str, Any]) -> None:
    error = RuntimeError()
    vars(error).update(attributes)
    assert mongodb.classify(error) is OTHER


class Mysql(Exception):
    def __init__(self, *args: object, errno: object = None) -> None:
        super().__init__(*args)
        self.errno = errno


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (Mysql(9999, "something newer"), OTHER),
        (Mysql(1, "x"), OTHER),
        (Mysql(0, "x"), REJECTED),
        (Mysql(-5, "x"), REJECTED),
        (Mysql(True, "x"), REJECTED),
        (Mysql(1045, 3), REJECTED),
        (Mysql("x", errno=9999), OTHER),
        (Mysql("x", errno=1), OTHER),
        (Mysql("x", errno=0), REJECTED),
        (Mysql("x", errno=-1), REJECTED),
    ],
)
def test_mysql_s_numbers_are_whole_and_positive(error: Exception, verdict: Verdict) -> None:
    error.__context__ = Mysql(1045, "heard where the error itself has no number")
    assert mysql.classify(error) is verdict
