"""Tokens, for every driver of PostgreSQL and MySQL: accepted, expired, of other AWS keys, of a stranger."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from secretconn import ConfigurationError, RotatingCredentials
from secretconn.sources.tokens import IamTokens
from tests.live.deploy.test_tls import NoTLS
from tests.live.drivers.table import DriverCase, Spy
from tests.live.tokens.conftest import CASES, REGION, Database
from tests.support.endpoints import certificate
from tests.support.iam import Keys

OTHER = Keys("AKIDEXAMPLETWO", "second/secret+key")
NO_TLS: dict[str, dict[str, Any]] = {
    "psycopg": {"sslmode": "disable"},
    "psycopg2": {"sslmode": "prefer"},
    "asyncpg": {"ssl": False},
    "pg8000": {"ssl_context": False},
    "pymysql": {"ssl_disabled": True},
    "mysqlclient": {"ssl_mode": "PREFERRED"},
    "mysql-connector": {"ssl_disabled": True},
    "mariadb": {"ssl": False},
    "aiomysql": {"ssl": False},
    "asyncmy": {"ssl": False},
}
"""Driver to an argument that switches TLS off, or leaves it to the server."""


@pytest.fixture
def row(case: DriverCase, options: dict[str, object]) -> DriverCase:
    """The driver's row with no word of TLS: secretconn asks for it."""
    return replace(case, options=options)


async def test_a_token_logs_in_and_the_same_serves_again(row: DriverCase, database: Database) -> None:
    credentials = RotatingCredentials(database.url())
    for _ in range(2):
        async with row.opened(credentials) as connection:
            assert await row.user(connection) == database.username
            assert await row.ask(connection, "SELECT 40 + 2") == 42
    assert database.iam.refused == []
    assert len(database.iam.tokens) == 2
    assert len(set(database.iam.tokens)) == 1
    stats = credentials.stats()
    assert (stats.connects, stats.rejected, stats.api_calls, stats.rotations) == (2, 0, 0, 0)


async def test_an_expired_token_costs_one_refused_login(row: DriverCase, database: Database) -> None:
    """The process slept for a while, and its monotonic clock with it."""
    slept = [1000.0]
    source = IamTokens(
        "rds-iam",
        database.username,
        *(database.endpoint.host, database.endpoint.port, "orders"),
        engine=database.engine,
        region=REGION,
        wall=lambda: time.time() - slept[-1],
    )
    credentials, spy = RotatingCredentials("orders", source=source), Spy(row)
    credentials.prefetch()
    slept.append(0.0)
    async with spy.opened(credentials) as connection:
        assert await row.ask(connection, "SELECT 40 + 2") == 42
    assert database.iam.refused == ["its time is over"]
    assert len(set(database.iam.tokens)) == 2
    assert all(isinstance(error, row.error_types) for error in spy.errors)
    stats = credentials.stats()
    assert (stats.rejected + stats.suspected, stats.recovered, stats.rotations) == (1, 1, 0)


async def test_other_aws_keys_cost_one_refused_login(
    row: DriverCase, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = RotatingCredentials(database.url())
    spy = Spy(row)
    async with spy.opened(credentials):
        pass
    database.iam.keys = [OTHER]
    for name, value in OTHER.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    async with spy.opened(credentials) as connection:
        assert await row.ask(connection, "SELECT 40 + 2") == 42
    assert database.iam.refused == ["unknown keys"]
    assert all(isinstance(error, row.error_types) for error in spy.errors)
    assert len(set(database.iam.tokens)) == 2
    assert (credentials.stats().recovered, credentials.stats().rotations) == (1, 0)


async def test_a_token_of_a_user_without_iam_gets_the_drivers_own_error(row: DriverCase, database: Database) -> None:
    spy = Spy(row)
    with pytest.raises(row.error_types) as raised:
        async with spy.opened(RotatingCredentials(database.url(database.stranger))):
            pass
    assert raised.value is spy.errors[-1]
    assert len(spy.sent) == 1
    (note,) = raised.value.__notes__
    assert "rds_iam" in note
    assert "X-Amz" not in note


def _context(ca: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca))


CHECKED: dict[str, Callable[[Path], dict[str, Any]]] = {
    "psycopg": lambda ca: {"sslmode": "verify-full", "sslrootcert": str(ca)},
    "psycopg2": lambda ca: {"sslmode": "verify-full", "sslrootcert": str(ca)},
    "asyncpg": lambda ca: {"ssl": _context(ca)},
    "pg8000": lambda ca: {"ssl_context": _context(ca)},
    "pymysql": lambda ca: {"ssl_ca": str(ca), "ssl_verify_identity": True},
    "mysqlclient": lambda ca: {"ssl_mode": "VERIFY_IDENTITY", "ssl": {"ca": str(ca)}},
    "mysql-connector": lambda ca: {"ssl_ca": str(ca), "ssl_verify_cert": True, "ssl_verify_identity": True},
    "mariadb": lambda ca: {"ssl": True, "ssl_ca": str(ca), "ssl_verify_cert": True},
    "aiomysql": lambda ca: {"ssl": _context(ca)},
    "asyncmy": lambda ca: {"ssl": _context(ca)},
}
"""Driver to the arguments by which it checks the certificate; docs/sources.md has the same."""

ONLY_IF_OFFERED = ("mysqlclient", "mariadb", "aiomysql")
"""These go on without TLS where the server says that it has none: the first two unless they check its certificate."""


CHECKING = [case for case in CASES if not case.id.startswith("mysql-connector-aio")]
"""All but mysql.connector.aio, which takes a CA only beside a certificate of the client's own (26.10)."""
rows_that_check = pytest.mark.parametrize("case", CHECKING, ids=repr)


@rows_that_check
async def test_a_checked_certificate(row: DriverCase, database: Database, ca: Path) -> None:
    async with row.opened(RotatingCredentials(database.url()), **CHECKED[row.driver](ca)) as connection:
        assert await row.ask(connection, "SELECT 40 + 2") == 42
    assert database.iam.refused == []


@rows_that_check
async def test_a_certificate_of_somebody_else_gets_no_token(
    row: DriverCase, database: Database, tmp_path: Path
) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011  (each driver has its own)
        async with row.opened(RotatingCredentials(database.url()), **CHECKED[row.driver](certificate(tmp_path))):
            pass
    assert not isinstance(raised.value, ConfigurationError)
    assert database.iam.tokens == []


async def test_a_server_without_tls_gets_no_token(row: DriverCase, own_keys: None) -> None:
    """Somebody in between says that there is none, and asks for the password in clear."""
    received = await _without_tls(row)
    assert (b"X-Amz" in received) is (row.driver in ONLY_IF_OFFERED)


@rows_that_check
async def test_nor_where_a_checked_certificate_is_wanted(row: DriverCase, own_keys: None, ca: Path) -> None:
    received = await _without_tls(row, **CHECKED[row.driver](ca))
    assert (b"X-Amz" in received) is (row.driver == "aiomysql")


async def _without_tls(row: DriverCase, **options: Any) -> bytes:
    """What such a server is sent."""
    engine = "postgresql" if row.server == "postgres" else "mysql"
    with NoTLS(engine) as server:
        url = f"rds-iam://orders@127.0.0.1:{server.port}/orders?engine={engine}&region={REGION}"
        with pytest.raises(Exception) as raised:  # noqa: PT011
            async with row.opened(RotatingCredentials(url), **{row.timeout: 5, **options}):
                pass
        assert not isinstance(raised.value, ConfigurationError)
        assert server.connections > 0
        return server.received


async def test_what_switches_tls_off_is_refused_before_any_login(row: DriverCase, database: Database) -> None:
    with pytest.raises(ConfigurationError, match="without TLS"):
        async with row.opened(RotatingCredentials(database.url()), **NO_TLS[row.driver]):
            pass
    assert database.iam.tokens == []
