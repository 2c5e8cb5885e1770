"""The same server must mean the same to every driver: what poolers say, and what no table knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secretconn import Verdict
from secretconn.engines import driver_named
from secretconn.engines.postgresql import classify
from tests.unit.engines.poolers import TOLD

AT = 'connection to server at "10.0.0.1", port 6432 failed: '


def by_asyncpg(state: str, text: str) -> BaseException:
    exceptions = pytest.importorskip("asyncpg.exceptions")
    return exceptions.PostgresError.new({"S": "FATAL", "C": state, "M": text})  # type: ignore[no-any-return]


def by_pg8000(state: str, text: str) -> BaseException:
    return pytest.importorskip("pg8000").DatabaseError({"S": "FATAL", "C": state, "M": text})  # type: ignore[no-any-return]


def by_redshift(state: str, text: str) -> BaseException:
    """redshift_connector's errors have the message's fields in args[0], as pg8000's do."""
    return RuntimeError({"S": "FATAL", "C": state, "M": text})


class Snapshot:
    """What psycopg keeps of a failed connect. A pooler that asked for no password: none was used."""

    used_password = needs_password = False


def by_psycopg(_state: str, text: str) -> BaseException:
    message = f"connection failed: {AT}FATAL:  {text}"
    return pytest.importorskip("psycopg").OperationalError(message, pgconn=Snapshot())  # type: ignore[no-any-return]


def by_psycopg2(_state: str, text: str) -> BaseException:
    return pytest.importorskip("psycopg2").OperationalError(f"{AT}FATAL:  {text}\n")  # type: ignore[no-any-return]


def by_psqlodbc(_state: str, text: str) -> BaseException:
    """pyodbc's errors have two arguments, SQLSTATE and text."""
    return RuntimeError("08001", f"[08001] {AT}FATAL:  {text}\n (101) (SQLDriverConnect)")


def by_psqlpy(_state: str, text: str) -> BaseException:
    """psqlpy has one class for everything, and tokio-postgres's words in it."""
    return RuntimeError(f"Connection pool error: can't create connection: db error: FATAL: {text}")


DRIVERS: list[Callable[[str, str], BaseException]] = [
    by_asyncpg, by_pg8000, by_redshift, by_psycopg, by_psycopg2, by_psqlodbc, by_psqlpy,
]  # fmt: skip


@pytest.mark.parametrize("make", DRIVERS)
@pytest.mark.parametrize(("_who", "state", "text", "verdict"), TOLD)
def test_every_driver_agrees(
    make: Callable[[str, str], BaseException], _who: str, state: str, text: str, verdict: Verdict
) -> None:
    error = make(state, text)
    assert classify(error) is verdict
    assert driver_named("redshift-connector").classify(error) is verdict
    wrapper = RuntimeError("a pool's own error")
    wrapper.__cause__ = error
    assert classify(wrapper) is verdict


@given(text=st.text(st.characters(exclude_characters=":\n\r\t\v\f\x1c\x1d\x1e\x85\u2028\u2029"), max_size=60))
def test_what_no_table_knows_is_suspect_for_all_alike(text: str) -> None:
    verdicts = {make("08P01", text): classify(make("08P01", text)) for make in DRIVERS}
    assert len(set(verdicts.values())) == 1


@given(st.sampled_from(TOLD), st.sampled_from(TOLD), st.sampled_from(DRIVERS[3:5]))
def test_of_two_attempts_the_gravest_counts(first: Any, second: Any, make: Callable[[str, str], BaseException]) -> None:
    """libpq tells of both; one that may have been refused for its password outweighs one that was not."""
    both = make("", f"{first[2]}\n{AT}FATAL:  {second[2]}")
    order = [Verdict.REJECTED, Verdict.SUSPECT, Verdict.BARRED, Verdict.OTHER]
    assert classify(both) is min((first[3], second[3]), key=order.index)


@pytest.mark.parametrize("make", [by_asyncpg, by_pg8000])
def test_an_error_that_does_not_end_the_connection_is_no_refusal(make: Callable[[str, str], BaseException]) -> None:
    """A server that sends 08P01 in a session says ERROR: bind message supplies 0 parameters."""
    error = make("08P01", "what no table knows")
    error.severity = "ERROR"  # type: ignore[attr-defined]
    assert classify(error) is Verdict.OTHER
