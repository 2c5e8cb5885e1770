"""psycopg_pool's PoolTimeout hides why no connection came; it says something about the login only through its cause."""

from __future__ import annotations

import psycopg
import pytest

from secretconn.engines import driver_named
from secretconn.engines.base import Verdict

psycopg_pool = pytest.importorskip("psycopg_pool")
classify = driver_named("psycopg").classify


def test_alone_it_says_nothing() -> None:
    assert classify(psycopg_pool.PoolTimeout("couldn't get a connection after 30.00 sec")) is Verdict.OTHER


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('connection failed: FATAL:  password authentication failed for user "app"', Verdict.REJECTED),
        ("connection failed: Connection refused", Verdict.OTHER),
    ],
    ids=["rejected", "refused"],
)
def test_with_the_failed_connect_as_cause_it_says_what_that_says(text: str, verdict: Verdict) -> None:
    error = psycopg_pool.PoolTimeout("couldn't get a connection after 30.00 sec")
    error.__cause__ = psycopg.OperationalError(text)
    assert classify(error) is verdict
