"""Bed: what one fault test has: a misbehaving Secrets Manager, a clock that tests move, short timeouts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import secretconn
from secretconn.testing import Application, Login
from tests.support.faults import FaultySecretsManager

TTL = 1000.0
DEADLINE = 30.0
"""Seconds after which a test gives up waiting for another thread; no test measures anything with it."""


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for another thread's work."""
    give_up = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > give_up:
            raise AssertionError(f"still waiting after {DEADLINE:g} s")
        time.sleep(0.005)


class Time:
    """A clock that stands still until a test moves it; threads and sleeps are real."""

    def __init__(self) -> None:
        self.now = 50_000.0

    def runtime(self) -> secretconn.Runtime:
        return secretconn.Runtime(clock=lambda: self.now, sleep=self.sleep, asleep=self.asleep, random=lambda: 0.5)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.now += seconds


def quick_client(faulty: FaultySecretsManager, read_timeout: float = 1.5, **settings: Any) -> Any:
    """One attempt, short timeouts: each call is one request."""
    from botocore.config import Config

    config = Config(connect_timeout=1.0, read_timeout=read_timeout, retries={"total_max_attempts": 1})
    return faulty.client(config=config, **settings)


class Bed:
    """One application, its credentials behind the misbehaving Secrets Manager, and a clock."""

    def __init__(self, app: Application, faulty: FaultySecretsManager, client: Any = None, **settings: Any) -> None:
        self.app, self.faulty, self.time = app, faulty, Time()
        self.credentials = secretconn.RotatingCredentials(
            app.secret_id,
            client=client if client is not None else quick_client(faulty),
            runtime=self.time.runtime(),
            ttl=TTL,
            **settings,
        )
        self.events: list[secretconn.Event] = []
        self.credentials.subscribe(self.events.append)

    def connect(self) -> None:
        secretconn.connect(self.credentials, driver="psycopg").close()

    def put(self, login: Login) -> None:
        """A new current version with this login, in a secret that is whole."""
        server = self.app.server
        content = {"engine": server.engine, "host": server.host, "port": server.port, "dbname": self.app.database}
        self.app.secrets.put(self.app.secret_id, content | {"username": login.username, "password": login.password})

    @property
    def calls(self) -> int:
        return self.faulty.calls.total()

    def happened(self, kind: type[secretconn.Event]) -> int:
        return sum(isinstance(event, kind) for event in self.events)
