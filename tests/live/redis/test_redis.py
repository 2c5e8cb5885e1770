"""redis-py on a real Redis through rotations: clients and pools, sync and asyncio, and how many logins were refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

import secretconn
from secretconn.engines.redis import classify
from secretconn.testing import Login, Strategy
from secretconn.testing.redis import RedisServer

redis = pytest.importorskip("redis")
aredis = pytest.importorskip("redis.asyncio")

ROTATIONS = 10
STRATEGIES = ["single-user", "alternating-users"]


def refused(cache: Any) -> int:
    return cache.server.rejected_logins()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_client_that_reconnects_at_every_step_never_fails(cache: Any, strategy: Strategy) -> None:
    client = secretconn.connect(cache.credentials)
    client.set(cache.secret_id, "tea")
    for _ in range(ROTATIONS):
        before = refused(cache)
        for _ in cache.rotator(strategy).steps():
            client.connection_pool.disconnect()
            assert client.get(cache.secret_id) == b"tea"
        assert refused(cache) - before <= 1
    client.close()
    assert cache.credentials.stats().recovered >= ROTATIONS / 2


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_an_asyncio_client_that_reconnects_at_every_step_never_fails(cache: Any, strategy: Strategy) -> None:
    client = await secretconn.aconnect(cache.credentials)
    await client.set(cache.secret_id, "tea")
    for _ in range(ROTATIONS):
        before = refused(cache)
        for _ in cache.rotator(strategy).steps():
            await client.connection_pool.disconnect()
            assert await client.get(cache.secret_id) == b"tea"
        assert refused(cache) - before <= 1
    await client.aclose()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_connection_of_a_blocking_pool_is_refused_once_at_most(cache: Any, strategy: Strategy) -> None:
    size = 4
    pool = secretconn.wrap(redis.BlockingConnectionPool, cache.credentials)(max_connections=size)
    client = redis.Redis(connection_pool=pool)
    for _ in range(ROTATIONS):
        before, errors = refused(cache), []
        cache.rotator(strategy).rotate()
        pool.disconnect()
        ready = threading.Barrier(size)

        def ask(ready: threading.Barrier = ready, errors: list[BaseException] = errors) -> None:
            ready.wait()
            try:
                client.ping()
            except redis.exceptions.RedisError as error:
                errors.append(error)

        threads = [threading.Thread(target=ask) for _ in range(size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert refused(cache) - before <= size
    pool.disconnect()


async def test_an_asyncio_pool(cache: Any) -> None:
    pool = await secretconn.wrap(aredis.BlockingConnectionPool, cache.credentials)(max_connections=2)
    client = aredis.Redis(connection_pool=pool)
    for _ in range(ROTATIONS):
        before = refused(cache)
        cache.rotator().rotate()
        await pool.disconnect()
        assert await client.ping()
        assert refused(cache) - before <= 1
    await pool.disconnect()


def test_a_connected_session_outlives_the_rotation(cache: Any) -> None:
    client = secretconn.connect(cache.credentials)
    before = refused(cache)
    cache.rotator().rotate()
    assert client.ping()
    assert refused(cache) == before
    client.close()


def test_elasticache_keeps_the_old_password_valid_and_nothing_is_refused(cache: Any) -> None:
    client = secretconn.connect(cache.credentials)
    rotator, before = cache.rotator(keep_old=True), refused(cache)
    for _ in range(ROTATIONS):
        old = cache.login()
        rotator.rotate()
        assert cache.server.admin().verify(old)
        client.connection_pool.disconnect()
        assert client.ping()
        cache.credentials.refresh()
    assert refused(cache) == before
    client.close()


def test_an_elasticache_secret_has_only_a_login(make_cache: Callable[..., Any], redis_server: RedisServer) -> None:
    cache = make_cache(user_arn="arn:aws:elasticache:eu-central-1:123456789012:user:orders")
    client = secretconn.connect(cache.credentials, host=redis_server.host, port=redis_server.port)
    assert client.ping()
    client.close()


def test_a_refused_login_escapes_as_it_is_without_redis_py_s_retries(cache: Any) -> None:
    client = secretconn.connect(cache.credentials)
    cache.server.admin().set_password(Login(cache.username, "somebody else was here"))
    client.connection_pool.disconnect()
    before = refused(cache)
    with pytest.raises(redis.exceptions.AuthenticationError) as caught:
        client.ping()
    assert refused(cache) - before == 1  # eleven without secretconn
    assert cache.secret_id in caught.value.__notes__[0]
    with pytest.raises(redis.exceptions.AuthenticationError):
        secretconn.connect(cache.credentials)
    assert refused(cache) - before == 2
    client.close()


async def test_the_same_for_asyncio(cache: Any) -> None:
    client = await secretconn.aconnect(cache.credentials)
    cache.server.admin().set_password(Login(cache.username, "somebody else was here"))
    await client.connection_pool.disconnect()
    before = refused(cache)
    with pytest.raises(redis.exceptions.AuthenticationError):
        await client.ping()
    with pytest.raises(redis.exceptions.AuthenticationError):
        await secretconn.aconnect(cache.credentials)
    assert refused(cache) - before == 2
    await client.aclose()


def test_redis_py_s_own_retries_go_on_for_lost_connections(cache: Any) -> None:
    client = secretconn.connect(cache.credentials)
    client.set(cache.secret_id, "tea")
    with cache.server.admin().connected(cache.server.login) as admin:
        admin.execute_command("CLIENT", "KILL", "USER", cache.username)
    assert client.get(cache.secret_id) == b"tea"
    client.close()


def test_from_url_and_the_callers_own_settings(cache: Any) -> None:
    url = f"redis://{cache.server.host}:{cache.server.port}/3"
    client = secretconn.wrap(redis.Redis.from_url, cache.credentials)(url, decode_responses=True)
    client.set(cache.secret_id, "tea")
    cache.rotator().rotate()
    client.connection_pool.disconnect()
    assert client.get(cache.secret_id) == "tea"
    client.close()
    with pytest.raises(TypeError, match="come from secret"):
        secretconn.wrap(redis.Redis.from_url, cache.credentials)(url.replace("//", "//:mine@"))
    with pytest.raises(secretconn.ConfigurationError):
        secretconn.connect(cache.credentials, single_connection_client=True)


def test_pipelines_and_pubsub_follow_too(cache: Any) -> None:
    client = secretconn.connect(cache.credentials)
    subscriber = client.pubsub()
    subscriber.subscribe(cache.secret_id)
    cache.rotator().rotate()
    client.connection_pool.disconnect()
    pipeline = client.pipeline()
    pipeline.set(cache.secret_id, 1)
    pipeline.incr(cache.secret_id)
    assert pipeline.execute()[-1] == 2
    assert subscriber.get_message(timeout=5)["type"] == "subscribe"
    subscriber.close()
    client.close()


def test_the_clone_may_do_what_the_first_user_may(cache: Any) -> None:
    cache.server.admin().allow(cache.username, "-@all", "+get", "+auth", "+hello", "+client", "+ping")
    cache.rotator("alternating-users").rotate()
    login = cache.login()
    assert login.username == f"{cache.username}_clone"
    with cache.server.admin().connected(login) as client:
        assert client.get("nothing") is None
        with pytest.raises(redis.exceptions.NoPermissionError) as caught:
            client.set("a", 1)
    assert classify(caught.value) is secretconn.Verdict.BARRED


def test_no_password_in_any_repr(cache: Any) -> None:
    client = secretconn.connect(cache.credentials)
    connection = client.connection_pool.get_connection()
    seen = f"{client!r}{client.connection_pool!r}{connection!r}{client.connection_pool.connection_kwargs!r}"
    assert cache.login().password not in seen
    client.connection_pool.release(connection)
    client.close()
