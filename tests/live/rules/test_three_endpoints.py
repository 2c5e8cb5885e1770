"""Rule 4 with one secret and three servers: a writer, a reader that gets passwords late, one that always rejects.

The reader's switch does not fall into the moment in which finishSecret is noticed: a connect() whose two logins stand
on either side of the switch, new password first, cannot succeed with one retry.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

import secretconn
from secretconn.testing import Application, Login, PostgresServer, new_password
from tests.live.rules.counting import FULL, Caller, Crowd

ROTATIONS = 10 if FULL else 3
CONNECTS = 8
"""Of each caller, between any two steps of a rotation, before the reader switches, and before the next rotation."""
CALLS, COOL_DOWN = 3, 0.8
"""Of one refresh at most, one for each stage; seconds that the rejecting server is quiet at least (rule 4d)."""


@pytest.fixture(scope="module")
def reader() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.fixture(scope="module")
def rejecting() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


def admit(server: PostgresServer, app: Application, login: Login) -> None:
    server.sql(f'CREATE ROLE "{app.username}" LOGIN;\nCREATE DATABASE "{app.database}" OWNER "{app.username}";\n')
    server.admin().set_password(login)


def test_neither_chases_the_other(postgres_app: Application, reader: PostgresServer, rejecting: PostgresServer) -> None:
    app = postgres_app
    admit(reader, app, app.login())
    admit(rejecting, app, Login(app.username, new_password()))
    credentials = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client())
    at_reader: dict[str, Any] = {"host": reader.host, "port": reader.port}
    at_rejecting: dict[str, Any] = {"host": rejecting.host, "port": rejecting.port}
    writers = [Caller(credentials, "psycopg") for _ in range(3)]
    readers = [Caller(credentials, "psycopg") for _ in range(3)]
    rejected = [Caller(credentials, "psycopg") for _ in range(2)]
    crowd = Crowd(
        *((caller, {}) for caller in writers),
        *((caller, at_reader) for caller in readers),
        *((caller, at_rejecting) for caller in rejected),
    )
    begun = time.monotonic()
    with crowd:
        for _ in range(ROTATIONS):
            app.rotator(pause=lambda _step: crowd.progress(CONNECTS)).rotate()
            crowd.until(lambda: credentials.current().password == app.login().password)
            crowd.progress(CONNECTS)
            reader.admin().set_password(app.login())
            crowd.progress(CONNECTS)
        calls = credentials.stats().api_calls
    assert [str(error) + str(error.__notes__) for caller in (*writers, *readers) for error in caller.errors] == []
    assert all(caller.counts["connects"] > 4 * CONNECTS * ROTATIONS for caller in crowd.callers)
    assert all(caller.counts["failed"] == caller.counts["connects"] > 0 for caller in rejected)
    assert max(caller.most_logins for caller in (*writers, *readers)) <= 2
    assert max(caller.most_logins for caller in rejected) <= 3  # a version may come while one of them is asking
    assert calls <= CALLS * (ROTATIONS + (time.monotonic() - begun) / COOL_DOWN)
    print(f"\n{crowd.total('connects')} connects, {calls / ROTATIONS:.1f} API calls a rotation")
