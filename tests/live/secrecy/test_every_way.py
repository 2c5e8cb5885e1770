"""Rule 9 on every way to a connection: whatever ends it, the password is in nothing of ours and in no log."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import signal
import socket
import uuid
import warnings
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from secretconn import RotatingCredentials
from secretconn.otel import instrument
from secretconn.testing import LocalSecretsManager
from secretconn.testing.redis import RedisServer
from tests.live.secrecy.ways import WAYS, Way
from tests.unit.test_secrecy import WORD, assert_silent, walk

PASSWORD = f"{WORD}no-server-takes-it"
DRIVER_LOGS = "mysql.connector"
"""MySQL Connector/Python itself logs what it sends for caching_sha2_password at DEBUG; docs/security.md says so."""

ENGINES = {"postgres": "postgres", "mariadb": "mariadb", "mysql": "mysql", "redis": "redis"}


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """A server that takes connections and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield listening.getsockname()


class Watched:
    """A secret with the wrong password, and all that is heard meanwhile."""

    def __init__(self, credentials: RotatingCredentials, caplog: pytest.LogCaptureFixture) -> None:
        self.credentials, self.caplog = credentials, caplog
        self.events: list[Any] = []
        credentials.subscribe(self.events.append)
        self.spans = InMemorySpanExporter()
        tracers = TracerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self._end = instrument(credentials, meter_provider=MeterProvider(), tracer_provider=tracers)
        caplog.set_level(logging.DEBUG)

    def failure(self, way: Way, classify: Any = None, seconds: float = 30.0) -> BaseException:
        """How opening ends. After so many seconds an async way is cancelled, and a sync one interrupted by Ctrl-C."""
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                if way.is_async:
                    asyncio.run(in_time(way.open(self.credentials, classify), seconds))
                else:
                    signal.setitimer(signal.ITIMER_REAL, seconds)
                    way.open(self.credentials, classify).send(None)  # it awaits nothing, so it needs no event loop
            except BaseException as error:  # noqa: BLE001  (KeyboardInterrupt too)
                ended: BaseException = error
            else:
                raise AssertionError("a wrong login was let in")
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        self._end()
        assert WORD not in walk([str(one.message) for one in warned])
        return ended

    def assert_nothing_shows(self, ended: BaseException, *, ours: bool = True) -> None:
        assert_silent(ended, ours=ours)
        for record in self.caplog.records:
            if record.name.startswith(DRIVER_LOGS):
                continue
            assert WORD not in record.getMessage()
            assert WORD not in walk(vars(record))
            if record.exc_info and record.exc_info[1] is not None:
                assert_silent(record.exc_info[1], ours=False)
        assert WORD not in walk(self.events)
        assert WORD not in walk([span.to_json() for span in self.spans.get_finished_spans()])
        for thing in (ended, self.credentials, self.credentials.current(), self.credentials.stats(), *self.events):
            for shown in (dumped, encoded, copied):
                assert WORD not in shown(thing), (shown.__name__, thing)


async def in_time(opening: Coroutine[Any, Any, None], seconds: float) -> None:
    await asyncio.wait_for(opening, seconds)


def dumped(thing: object) -> str:
    try:
        return repr(pickle.dumps(thing))
    except Exception as error:  # noqa: BLE001  (what cannot be pickled shows nothing)
        return f"{error}"


def encoded(thing: object) -> str:
    """What an encoder that helps itself to containers and ``vars()`` would write, each object once."""
    seen: dict[int, object] = {}
    waiting, written = [thing], []
    while waiting and len(seen) < 20_000:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen[id(one)] = one
        if isinstance(one, dict):
            waiting += [*one, *one.values()]
        elif isinstance(one, list | tuple | set | frozenset):
            waiting += one
        elif hasattr(one, "__dict__") and type(one).__module__.startswith("secretconn"):
            waiting += vars(one).values()
        else:
            written.append(repr(one))
    return " ".join(written)


def copied(thing: object) -> str:
    try:
        return walk(copy.deepcopy(thing))
    except Exception as error:  # noqa: BLE001
        return f"{error}"


@pytest.fixture
def interrupts() -> Iterator[None]:
    """An alarm is a Ctrl-C."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def watched(
    way: Way,
    request: pytest.FixtureRequest,
    secrets_manager: LocalSecretsManager,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Any:
    """``watched(host, port)``; without them, at the real server."""

    def make(host: str | None = None, port: int | None = None) -> Watched:
        for name, value in secrets_manager.environment.items():
            monkeypatch.setenv(name, value)
        if host is None:
            server = request.getfixturevalue("redis_server" if way.server == "redis" else way.server)
            host, port = server.host, server.port
        place = {"engine": ENGINES[way.server], "host": host, "port": port}
        place |= {} if way.server == "redis" else {"dbname": "postgres"}
        secret_id = f"secrecy/{uuid.uuid4().hex}"
        secrets_manager.create_secret(secret_id, {"username": "nobody", "password": PASSWORD, **place})
        return Watched(RotatingCredentials(secret_id), caplog)

    return make


every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.id)
pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # sockets of what was cancelled or interrupted
    pytest.mark.usefixtures("interrupts"),
]


@every_way
def test_a_rejected_login(way: Way, watched: Any) -> None:
    seen = watched()
    seen.assert_nothing_shows(seen.failure(way), ours=way.ours)
    assert any(type(event).__name__ == "Rejected" for event in seen.events)


@every_way
def test_a_closed_port(way: Way, watched: Any) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        seen = watched(*taken.getsockname())
        seen.assert_nothing_shows(seen.failure(way), ours=way.ours)


@every_way
def test_cancelled_or_interrupted_while_the_server_is_silent(way: Way, watched: Any, silent: tuple[str, int]) -> None:
    seen = watched(*silent)
    seen.credentials.prefetch()
    seen.assert_nothing_shows(seen.failure(way, seconds=0.3), ours=way.ours)


@pytest.mark.parametrize("way", [way for way in WAYS if way.classifies], ids=lambda way: way.id)
def test_a_classify_that_raises(way: Way, watched: Any) -> None:
    seen = watched()

    def classify(error: BaseException) -> None:
        raise RuntimeError("a mistake of the caller's")

    seen.assert_nothing_shows(seen.failure(way, classify))
