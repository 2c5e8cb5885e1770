"""The public API as a user would write it; checked by mypy --strict and pyright, never run."""

from __future__ import annotations

from typing import Any, Self, assert_type

import boto3
import botocore.session
from aws_secretsmanager_caching import SecretCacheConfig

import secretconn
from secretconn import Credentials, Event, RotatingCredentials, Stats, Verdict
from secretconn.otel import instrument


def own_connect(dsn: str, *, timeout: float = 1.0) -> bytes:
    return f"{dsn}{timeout}".encode()


async def own_aconnect(dsn: str) -> int:
    return len(dsn)


class Connection:
    """A driver's connection class."""

    @classmethod
    def open(cls, dsn: str = "") -> Self:
        return cls()

    @classmethod
    async def aopen(cls, dsn: str = "") -> Self:
        return cls()


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
    assert_type(secretconn.connect("prod/orders"), Any)
    assert_type(secretconn.connect(credentials, "dsn", driver=own_connect, timeout=2.0), bytes)
    assert_type(secretconn.connect(credentials, driver=Connection), Connection)
    assert_type(secretconn.connect(credentials, driver=Connection.open, retries=2), Connection)


def reach() -> None:
    """How Secrets Manager is reached has types, so that one thing in the place of another is found."""
    session = boto3.session.Session()
    client = session.client("secretsmanager")
    RotatingCredentials("prod/orders", client=client, cache_config=SecretCacheConfig(), ttl=1.0)
    secretconn.connect("prod/orders", session=session)
    secretconn.shared("prod/orders", session=botocore.session.Session())
    secretconn.wrap(own_connect, "prod/orders", client=client)
    RotatingCredentials("prod/orders", client=session)  # type: ignore[arg-type]
    secretconn.connect("prod/orders", session=client)  # type: ignore[arg-type]
    secretconn.connect("prod/orders", driver=3)  # type: ignore[arg-type]


async def ause() -> None:
    wrapped = secretconn.wrap(own_aconnect, "prod/orders", driver="asyncpg")
    assert_type(await wrapped("x"), int)
    assert_type(await secretconn.aconnect("prod/orders", driver="asyncpg"), Any)
    assert_type(await secretconn.aconnect("prod/orders", driver=own_aconnect), int)
    assert_type(await secretconn.aconnect("prod/orders", driver=Connection.aopen), Connection)
    credentials = secretconn.shared("prod/orders")
    assert_type(await credentials.acurrent(), Credentials)
    assert_type(await credentials.arefresh(), Credentials)
