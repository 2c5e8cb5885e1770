"""What makes its connections elsewhere: Sentinel's clients follow the secret, the rest says what to do instead."""

from __future__ import annotations

import functools
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel

import secretconn
from secretconn import ConfigurationError, RotatingCredentials
from secretconn.testing import Strategy


@pytest.fixture
def sentinel(cache: Any, tmp_path: Path) -> Iterator[int]:
    """The port of a Sentinel that watches the server as "mymaster"."""
    server = cache.server
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    (tmp_path / "sentinel.conf").write_text(
        f"port {port}\nbind 127.0.0.1\nsentinel monitor mymaster {server.host} {server.port} 1\n"
        f"sentinel auth-user mymaster {server.user}\nsentinel auth-pass mymaster {server.password}\n"
    )
    command = [server._command()[0], str(tmp_path / "sentinel.conf"), "--sentinel"]
    environment = {**os.environ, **server._environment}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 20
            while not answers(port) and time.monotonic() < deadline:
                time.sleep(0.05)
            yield port
        finally:
            process.kill()


def answers(port: int) -> bool:
    made = redis.sentinel.Sentinel([("127.0.0.1", port)])
    try:
        return bool(made.discover_master("mymaster"))
    except redis.exceptions.ConnectionError:
        return False
    finally:
        made.sentinels[0].close()


@pytest.mark.parametrize("strategy", ["single-user", "alternating-users"])
def test_a_master_s_client_follows_at_every_step(cache: Any, sentinel: int, strategy: Strategy) -> None:
    made = redis.sentinel.Sentinel([("127.0.0.1", sentinel)])
    client = secretconn.wrap(made.master_for, cache.credentials, driver="redis")("mymaster")
    for _step in cache.rotator(strategy).steps():
        client.connection_pool.disconnect()
        assert client.ping()
    assert client.acl_whoami() in (cache.username, f"{cache.username}_clone")
    for one in (client, *made.sentinels):
        one.close()


async def test_an_asyncio_master_s_client_too(cache: Any, sentinel: int) -> None:
    made = redis.asyncio.sentinel.Sentinel([("127.0.0.1", sentinel)])
    connect = secretconn.wrap(made.master_for, cache.credentials, driver="redis")
    opened: Any = connect("mymaster")
    client = await opened
    for _step in cache.rotator().steps():
        await client.connection_pool.disconnect()
        assert await client.ping()
    for one in (client, *made.sentinels):
        await one.aclose()


ELSEWHERE = {
    "cluster": (redis.RedisCluster, "credential_provider="),
    "cluster by url": (redis.RedisCluster.from_url, "credential_provider="),
    "asyncio cluster": (redis.asyncio.RedisCluster, "credential_provider="),
    "partial": (functools.partial(redis.RedisCluster, host="h"), "credential_provider="),
    "sentinel": (redis.sentinel.Sentinel, "master_for"),
    "asyncio sentinel": (redis.asyncio.sentinel.Sentinel, "master_for"),
    "connection": (redis.Connection, "ConnectionPool"),
}


@pytest.mark.parametrize("kind", ELSEWHERE)
def test_what_has_no_pool_of_its_own_says_what_to_do(kind: str, cache: Any) -> None:
    call, remedy = ELSEWHERE[kind]
    with pytest.raises(ConfigurationError, match=remedy):
        secretconn.wrap(call, cache.credentials, driver="redis")


class FromSecret(redis.CredentialProvider):
    """As docs/engines.md has it."""

    def __init__(self, credentials: RotatingCredentials) -> None:
        self._credentials = credentials

    def get_credentials(self) -> tuple[str, str]:
        login = self._credentials.current()
        return login.username, login.password


def test_the_provider_of_the_page_follows_alternating_users(cache: Any) -> None:
    place = {"host": cache.server.host, "port": cache.server.port}
    client = redis.Redis(**place, credential_provider=FromSecret(cache.credentials))
    for _ in range(2):
        for _step in cache.rotator("alternating-users").steps():
            client.connection_pool.disconnect()
            assert client.ping()
        cache.credentials.refresh()
    client.close()
