"""The other services: Aurora DSQL, whose users have two kinds of token, and the two that are a Redis."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

import secretconn
from secretconn import ConfigurationError, RotatingCredentials
from secretconn.testing import PostgresServer
from secretconn.testing.redis import RedisServer
from tests.live.tokens.conftest import KEYS, REGION
from tests.support.endpoints import PostgresEndpoint, RedisEndpoint
from tests.support.iam import Iam, Keys

OTHER = Keys("AKIDEXAMPLETWO", "second/secret+key")
CACHES = {"elasticache-iam": "elasticache", "memorydb-iam": "memorydb"}


@pytest.mark.parametrize(("user", "action"), [("admin", "DbConnectAdmin"), ("shop", "DbConnect")])
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_dsql(iam_postgres: PostgresServer, ca: Path, own_keys: None, driver: str, user: str, action: str) -> None:
    """Its token names host and action, and no user and no port."""
    if not iam_postgres.sql(f"SELECT 1 FROM pg_roles WHERE rolname = '{user}'"):
        iam_postgres.sql(f"CREATE ROLE {user} LOGIN IN ROLE rds_iam")
    with PostgresEndpoint((iam_postgres.host, iam_postgres.port), ca, {user}) as endpoint:
        endpoint.iam = Iam("dsql", REGION, endpoint.host, [KEYS], asked={"Action": action}, user_key=None)
        credentials = RotatingCredentials(f"dsql://{user}@{endpoint.host}:{endpoint.port}/postgres", region=REGION)
        connection: Any = secretconn.connect(credentials, driver=driver)
        cursor = connection.cursor()
        cursor.execute("SELECT current_user")
        assert cursor.fetchone()[0] == user
        connection.close()
        assert endpoint.iam.refused == []


async def test_dsql_async(iam_postgres: PostgresServer, ca: Path, own_keys: None) -> None:
    iam_postgres.sql("CREATE ROLE dsql_async LOGIN IN ROLE rds_iam")
    with PostgresEndpoint((iam_postgres.host, iam_postgres.port), ca, {"dsql_async"}) as endpoint:
        endpoint.iam = Iam("dsql", REGION, endpoint.host, [KEYS], asked={"Action": "DbConnect"}, user_key=None)
        url = f"dsql://dsql_async@{endpoint.host}:{endpoint.port}/postgres?region={REGION}"
        for driver in ("asyncpg", "psycopg"):
            connection: Any = await secretconn.aconnect(url, driver=driver)
            await connection.close()
        assert (len(endpoint.iam.tokens), endpoint.iam.refused) == (2, [])


def test_a_certificate_is_checked_as_the_caller_says_and_an_address_may_be_a_tunnels(
    iam_postgres: PostgresServer, ca: Path, own_keys: None
) -> None:
    """verify-full, and a token for the database's own name, sent to another address."""
    iam_postgres.sql("CREATE ROLE tunnel LOGIN IN ROLE rds_iam")
    with PostgresEndpoint((iam_postgres.host, iam_postgres.port), ca, {"tunnel"}) as endpoint:
        host = "orders.abc123.eu-central-1.rds.amazonaws.com"
        endpoint.iam = Iam("rds-db", "eu-central-1", f"{host}:5432", [KEYS])
        url = f"rds-iam://tunnel@{host}/postgres?engine=postgresql"
        where = {"host": "localhost", "port": endpoint.port}
        secretconn.connect(url, **where, sslmode="verify-full", sslrootcert=str(ca)).close()
        with pytest.raises(psycopg.OperationalError, match="certificate"):
            secretconn.connect(url, **where, sslmode="verify-full", sslrootcert="system")
        assert (len(endpoint.iam.tokens), endpoint.iam.refused) == (1, [])


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(params=CACHES)
def cache(
    request: pytest.FixtureRequest, redis_server: RedisServer, ca: Path, own_keys: None
) -> Iterator[tuple[RedisEndpoint, str]]:
    """An endpoint before a Redis, and the tokens' URL."""
    user = f"shop_{uuid.uuid4().hex[:6]}"
    admin = redis_server.admin()
    admin.allow(user, "~*", "&*", "+@all")
    with admin.connected(admin.login) as client:
        endpoint = RedisEndpoint((redis_server.host, redis_server.port), ca, {user}, client.execute_command)
        endpoint.iam = Iam(
            CACHES[request.param], REGION, "orders", [KEYS], asked={"Action": "connect", "User": user}, user_key=None
        )
        with endpoint:
            where = f"{endpoint.host}:{endpoint.port}/0?cache=orders&region={REGION}"
            yield endpoint, f"{request.param}://{user}@{where}"


def test_redis(cache: tuple[RedisEndpoint, str], ca: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint, url = cache
    client: redis.Redis = secretconn.connect(RotatingCredentials(url), driver="redis", ssl_ca_certs=str(ca))
    assert client.ping()
    endpoint.iam.keys = [OTHER]
    for name, value in OTHER.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    client.connection_pool.disconnect()
    assert client.ping()
    assert endpoint.iam.refused == ["unknown keys"]
    client.close()


async def test_redis_async(cache: tuple[RedisEndpoint, str], ca: Path) -> None:
    endpoint, url = cache
    client: Any = await secretconn.aconnect(RotatingCredentials(url), driver="redis", ssl_ca_certs=str(ca))
    assert await client.ping()
    await client.aclose()
    assert endpoint.iam.refused == []


def test_a_cache_user_who_is_no_iam_user_gets_redis_pys_own_error(cache: tuple[RedisEndpoint, str], ca: Path) -> None:
    endpoint, url = cache
    endpoint.iam.asked = {"Action": "connect", "User": "somebody"}
    with pytest.raises(redis.AuthenticationError) as raised:
        secretconn.connect(RotatingCredentials(url), driver="redis", ssl_ca_certs=str(ca))
    assert len(endpoint.iam.tokens) == 1
    assert "IAM" in raised.value.__notes__[0]


def test_redis_without_tls_is_refused(cache: tuple[RedisEndpoint, str]) -> None:
    endpoint, url = cache
    for arguments in ({"ssl": False}, {"url": "redis://localhost"}):
        with pytest.raises(ConfigurationError, match="without TLS"):
            secretconn.connect(url, driver="redis", **arguments)
    assert endpoint.iam.tokens == []


def test_an_untrusted_certificate_ends_before_the_token(cache: tuple[RedisEndpoint, str]) -> None:
    """redis-py checks certificates by itself."""
    endpoint, url = cache
    once = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    with pytest.raises(redis.ConnectionError, match="certificate"):
        secretconn.connect(url, driver="redis", retry=once)
    assert endpoint.iam.tokens == []
