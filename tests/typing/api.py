"""The public API as a user would write it; checked by mypy --strict and pyright, never run."""

from __future__ import annotations

from typing import Any, assert_type

import secretconn
from secretconn import Credentials, Event, RotatingCredentials, Stats, Verdict
from secretconn.otel import instrument


def own_connect(dsn: str, *, timeout: float = 1.0) -> bytes:
    return f"{dsn}{timeout}".encode()


async def own_aconnect(dsn: str) -> int:
    return len(dsn)


def judge(error: BaseException) -> Verdict | None:
    return Verdict.REJECTED if "nope" in str(error) else None


def use() -> None:
    credentials = RotatingCredentials(
        "prod/orders", ttl=900.0, region="eu-west-1", fallback_stages=(), retries=2, patience=1.0, timeout=5.0
    )
    assert_type(credentials.current(), Credentials)
    assert_type(credentials.refresh(), Credentials)
    assert_type(credentials.stats(), Stats)
    assert_type(credentials.stats().hit_rate, float)
    assert_type(credentials.current().port, int | None)
    assert_type(credentials.current().password, str)

    def told(event: Event) -> None:
        print(event.secret_id)

    end = credentials.subscribe(told)
    assert_type(end(), None)
    assert_type(instrument()(), None)
    assert_type(instrument(credentials, name=str.lower)(), None)
    assert_type(instrument("prod/orders")(), None)
    assert_type(secretconn.shared("prod/orders"), RotatingCredentials)

    wrapped = secretconn.wrap(own_connect, credentials, driver="psycopg", classify=judge)
    assert_type(wrapped("x", timeout=2.0), bytes)
    assert_type(secretconn.connect(credentials, driver="psycopg", connect_timeout=3), Any)
    secretconn.connect("prod/orders", classify=lambda _: None, retries=0)


async def ause() -> None:
    wrapped = secretconn.wrap(own_aconnect, "prod/orders", driver="asyncpg")
    assert_type(await wrapped("x"), int)
    assert_type(await secretconn.aconnect("prod/orders", driver="asyncpg"), Any)
    credentials = secretconn.shared("prod/orders")
    assert_type(await credentials.acurrent(), Credentials)
    assert_type(await credentials.arefresh(), Credentials)
