"""Rule 5: with ``patience`` connect() outlives a rotation that Secrets Manager tells of later; it can be cancelled."""

from __future__ import annotations

import asyncio
import threading

import psycopg
import pytest

import secretconn
from secretconn.testing import Application, Login, new_password
from tests.live.faults.harness import wait_until
from tests.live.rules.counting import Caller

PATIENCE = 60.0


def change_first(app: Application) -> Login:
    """The server has the new password; Secrets Manager does not."""
    changed = Login(app.username, new_password())
    app.server.admin().set_password(changed)
    return changed


def tell(app: Application, login: Login) -> None:
    server = app.server
    content = {"engine": server.engine, "host": server.host, "port": server.port, "dbname": app.database}
    app.secrets.put(app.secret_id, content | {"username": login.username, "password": login.password})


def test_a_version_that_comes_later(postgres_app: Application) -> None:
    app = postgres_app
    credentials = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client())
    caller = Caller(credentials, "psycopg", patience=PATIENCE)
    assert caller.connect()
    changed, fetches = change_first(app), credentials.stats().fetches
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(caller.connect()), daemon=True)
    thread.start()
    wait_until(lambda: credentials.stats().fetches >= fetches + 3)
    assert caller.counts["logins"] == 2  # Secrets Manager is polled, the server never
    tell(app, changed)
    thread.join(PATIENCE)
    assert results == [True]
    assert caller.counts["logins"] == 3


async def test_a_task_that_waits_can_be_cancelled(postgres_app: Application) -> None:
    app = postgres_app
    credentials = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client(), patience=PATIENCE)
    await (await secretconn.aconnect(credentials, driver="psycopg")).close()
    changed, fetches = change_first(app), credentials.stats().fetches
    tasks = [asyncio.create_task(secretconn.aconnect(credentials, driver="psycopg")) for _ in range(5)]
    async with asyncio.timeout(PATIENCE):
        await asyncio.to_thread(wait_until, lambda: credentials.stats().fetches >= fetches + 3)
    assert not any(task.done() for task in tasks)
    for task in tasks[:4]:
        task.cancel()
    cancelled = await asyncio.gather(*tasks[:4], return_exceptions=True)
    assert [type(one) for one in cancelled] == [asyncio.CancelledError] * 4
    tell(app, changed)
    await (await tasks[4]).close()  # the one that was not cancelled goes on
    await (await secretconn.aconnect(credentials, driver="psycopg")).close()


def test_without_patience_it_is_told_at_once(postgres_app: Application) -> None:
    app = postgres_app
    credentials = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client())
    caller = Caller(credentials, "psycopg")
    assert caller.connect()
    change_first(app)
    with pytest.raises(psycopg.OperationalError) as caught:
        secretconn.connect(credentials, driver="psycopg")
    assert "the source has no other login" in caught.value.__notes__[0]
