"""redis-py's clients against a peer that knows AUTH alone: who logs in where, with what, and how often."""

from __future__ import annotations

import contextlib
import functools
import socketserver
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

redis = pytest.importorskip("redis")

from redis import asyncio as redis_asyncio  # noqa: E402
from redis.exceptions import AuthenticationError  # noqa: E402

import secretconn  # noqa: E402
from secretconn import ConfigurationError, RotatingCredentials  # noqa: E402
from secretconn.engines.base import Given  # noqa: E402
from secretconn.testing.memory import MemorySource  # noqa: E402
from tests.unit.fakes import Time  # noqa: E402


class Peer(socketserver.ThreadingTCPServer):
    """Speaks as much RESP as a client needs to log in.

    Attributes:
        accepted: The passwords that are taken.
        logins: User and password of each login.
        asked: Every other command.
    """

    daemon_threads = allow_reuse_address = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.accepted, self.logins, self.asked = {"p1"}, list[tuple[str, str]](), list[list[str]]()


class Handler(socketserver.StreamRequestHandler):
    server: Peer

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while line := self.rfile.readline():
                words = [self._word() for _ in range(int(line[1:]))]
                self.wfile.write(self._answer(words).encode())

    def _word(self) -> str:
        return self.rfile.read(int(self.rfile.readline()[1:]) + 2).decode()[:-2]

    def _answer(self, words: list[str]) -> str:
        if "AUTH" not in words:
            self.server.asked.append(words)
            return "+PONG\r\n" if words[0] == "PING" else "+OK\r\n"
        user, password = words[words.index("AUTH") + 1 :][:2]
        self.server.logins.append((user, password))
        if password not in self.server.accepted:
            return "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
        return "%1\r\n+proto\r\n:3\r\n" if words[0] == "HELLO" else "+OK\r\n"


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture
def source(peer: Peer) -> MemorySource:
    host, port = peer.server_address
    return MemorySource({"username": "app", "password": "p1", "host": host, "port": port, "engine": "redis"})


NONE: dict[str, Any] = {}
both = pytest.mark.parametrize("module", [redis, redis_asyncio], ids=["sync", "async"])


async def done(found: Any) -> Any:
    return await found if hasattr(found, "__await__") else found


@contextlib.asynccontextmanager
async def opened(
    module: Any, rotating: RotatingCredentials, call: Any = None, own: Any = NONE, args: Any = (), **settings: Any
) -> AsyncIterator[Any]:
    """A client or pool that is closed at the end."""
    wrapped = secretconn.wrap(module.Redis if call is None else call, rotating, **own)
    made = await done(wrapped(*args, **({} if args else {"protocol": 2}), **settings))
    try:
        yield made
    finally:
        await done(getattr(made, "connection_pool", made).disconnect())


async def another(client: Any) -> None:
    """Lose all connections and use the client: it connects anew, by itself."""
    await done(client.connection_pool.disconnect())
    assert await done(client.ping())


@both
async def test_each_connection_logs_in_by_the_rules(module: Any, peer: Peer, source: MemorySource) -> None:
    rotating = RotatingCredentials("s", source=source)
    async with opened(module, rotating, db="2") as client:
        assert peer.logins == [("app", "p1")]
        assert ["SELECT", "2"] in peer.asked
        assert await done(client.ping())
        assert peer.logins == [("app", "p1")]
        source.change(password="p2")
        peer.accepted = {"p2"}
        await another(client)
        await another(client)
        assert [password for _, password in peer.logins] == ["p1", "p1", "p2", "p2"]
        assert rotating.stats().recovered == 1


@both
async def test_a_first_login_that_is_refused_is_repeated_with_what_is_valid_now(
    module: Any, peer: Peer, source: MemorySource
) -> None:
    rotating = RotatingCredentials("s", source=source)
    rotating.current()
    source.change(password="p2")
    peer.accepted = {"p2"}
    async with opened(module, rotating) as client:
        assert peer.logins == [("app", "p1"), ("app", "p2")]
        assert await done(client.ping())
        assert len(peer.logins) == 2


@both
@pytest.mark.parametrize(("own", "sent"), [({}, ["p1", "p2"]), ({"retries": 0}, ["p1"])], ids=["retry", "no retry"])
async def test_one_that_stays_refused_is_told_once_and_by_redis_py(
    module: Any, own: dict[str, Any], sent: list[str], peer: Peer, source: MemorySource
) -> None:
    judged: list[BaseException] = []
    rotating = RotatingCredentials("s", source=source)
    async with opened(module, rotating, own={**own, "classify": judged.append}) as client:
        peer.accepted = set()
        source.change(password="p2")
        with pytest.raises(AuthenticationError) as caught:
            await another(client)
    assert [password for _, password in peer.logins[1:]] == sent
    assert caught.value.__notes__[0].startswith("secretconn: secret 's': version v1 (AWSCURRENT) rejected")
    assert len(judged) == len(sent)


@both
async def test_a_first_one_that_stays_refused_leaves_nothing_open(
    module: Any, peer: Peer, source: MemorySource
) -> None:
    peer.accepted = set()
    with pytest.raises(AuthenticationError):
        async with opened(module, RotatingCredentials("s", source=source)):
            pass
    assert peer.logins == [("app", "p1")]


@both
async def test_patience_is_that_of_the_connect(module: Any, peer: Peer, source: MemorySource) -> None:
    rotating = RotatingCredentials("s", source=source, runtime=Time().runtime())
    async with opened(module, rotating, own={"patience": 60.0}) as client:
        peer.accepted = {"p2"}

        def later() -> None:
            if source.reads >= 6:
                source.on_read = None
                source.change(password="p2")

        source.on_read = later
        await another(client)
    assert [password for _, password in peer.logins] == ["p1", "p1", "p2"]


@both
async def test_each_database_is_an_endpoint_of_its_own(module: Any, peer: Peer, source: MemorySource) -> None:
    rotating = RotatingCredentials("s", source=source)
    host, port = peer.server_address
    for db in (0, 3):
        async with opened(module, rotating, db=db) as client:
            lender = client.connection_pool.connection_kwargs["secretconn"]
            assert lender.given == Given(frozenset({"host", "port", "database"}), str(host), str(port), str(db))


@both
async def test_a_pool_alone_and_a_url(module: Any, peer: Peer, source: MemorySource) -> None:
    host, port = peer.server_address
    rotating = RotatingCredentials("s", source=source)
    async with opened(module, rotating, module.ConnectionPool) as pool:
        assert pool.connection_kwargs["secretconn"].given.host == host
    address = f"redis://{host}:{port}/4?protocol=2"
    async with opened(module, rotating, module.Redis.from_url, args=(address,)) as client:
        assert await done(client.ping())
        assert type(client.connection_pool.make_connection()).__name__ == "Connection"
    assert ["SELECT", "4"] in peer.asked
    assert peer.logins == [("app", "p1")] * 2


@both
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("cluster.RedisCluster", "RedisCluster makes a pool for each node; give it credential_provider="),
        ("sentinel.Sentinel", "Sentinel makes no connection to the database; wrap its master_for or slave_for"),
        ("Connection", "Connection is a connection without a pool; wrap Redis or ConnectionPool"),
    ],
)
def test_what_makes_its_connections_elsewhere_is_refused(
    module: Any, name: str, told: str, source: MemorySource
) -> None:
    call: Any = functools.reduce(getattr, name.split("."), module)
    rotating = RotatingCredentials("s", source=source)
    for one in (call, functools.partial(call, protocol=2)):
        with pytest.raises(ConfigurationError, match=rf"^redis-py's {told}"):
            secretconn.wrap(one, rotating, driver=module)
    assert source.reads == 0


@both
async def test_a_client_with_one_connection_connects_too_early(module: Any, source: MemorySource) -> None:
    with pytest.raises(ConfigurationError, match=r"^single_connection_client= connects too early; leave it out$"):
        async with opened(module, RotatingCredentials("s", source=source), single_connection_client=True):
            pass
