"""Many threads and tasks that are rejected at once, several event loops, and tasks that are cancelled midway."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from secretconn import RotatingCredentials
from secretconn.testing import Application, LocalSecretsManager, Rotator
from tests.live.drivers.table import DriverCase, Spy, named

MakeRotator = Callable[..., Rotator]
MakeCredentials = Callable[..., RotatingCredentials]

CROWD = 32
PATIENCE = 60.0
ASYNC = named("asyncpg", "aiomysql", "psycopg-async", "aiomysql-mysql-plain", "asyncmy-mysql-tls")
THREADS = named(
    "psycopg", "pymysql", *(f"{name}-mysql-{way}" for name in ("pymysql", "mysqlclient") for way in ("tls", "plain"))
)


@pytest.mark.parametrize("case", THREADS, ids=repr)
def test_threads_that_are_rejected_at_once_share_one_refresh(
    case: DriverCase, rotator: MakeRotator, credentials: RotatingCredentials, secrets_manager: LocalSecretsManager
) -> None:
    all_rejected = threading.Barrier(CROWD)
    spy = Spy(case, failed=lambda _error: all_rejected.wait(PATIENCE))
    connect = spy.wrap(credentials)
    rotator().rotate()
    secrets_manager.reset_calls()
    with ThreadPoolExecutor(CROWD) as threads:
        for opened in [threads.submit(connect, **case.options) for _ in range(CROWD)]:
            opened.result().close()
    assert_one_refresh(spy, credentials, secrets_manager)


@pytest.mark.parametrize("case", ASYNC, ids=repr)
async def test_tasks_that_are_rejected_at_once_share_one_refresh(
    case: DriverCase, rotator: MakeRotator, credentials: RotatingCredentials, secrets_manager: LocalSecretsManager
) -> None:
    all_rejected = asyncio.Barrier(CROWD)
    spy = Spy(case, failed=lambda _error: all_rejected.wait())
    rotator().rotate()
    secrets_manager.reset_calls()

    async def one() -> None:
        async with spy.opened(credentials):
            pass

    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as tasks:
        for _ in range(CROWD):
            tasks.create_task(one())
    assert_one_refresh(spy, credentials, secrets_manager)


def assert_one_refresh(spy: Spy, credentials: RotatingCredentials, secrets_manager: LocalSecretsManager) -> None:
    assert secrets_manager.calls == {"GetSecretValue": 1}
    assert len(spy.sent) == 2 * CROWD
    assert len(set(spy.sent)) == 2
    stats = credentials.stats()
    assert (stats.rejected, stats.recovered, stats.connects, stats.fetches) == (CROWD, CROWD, CROWD, 2)


@pytest.mark.parametrize("case", ASYNC, ids=repr)
def test_event_loops_in_four_threads_share_one_refresh(
    case: DriverCase, rotator: MakeRotator, credentials: RotatingCredentials, secrets_manager: LocalSecretsManager
) -> None:
    loops, tasks = 4, 8
    all_rejected, of_loop = threading.Barrier(loops), threading.local()

    async def failed(_error: Exception) -> None:  # nobody asks before every task of every loop was rejected
        if await of_loop.rejected.wait() == 0:
            await asyncio.to_thread(all_rejected.wait, PATIENCE)
        await of_loop.rejected.wait()

    spy = Spy(case, failed=failed)

    async def one() -> None:
        async with spy.opened(credentials) as connection:
            assert await case.ask(connection, "SELECT 1") == 1

    async def many() -> None:
        of_loop.rejected = asyncio.Barrier(tasks)
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            for _ in range(tasks):
                group.create_task(one())

    rotator().rotate()
    secrets_manager.reset_calls()
    with ThreadPoolExecutor(loops) as threads:
        for ended in [threads.submit(lambda: asyncio.run(many())) for _ in range(loops)]:
            ended.result()
    assert secrets_manager.calls == {"GetSecretValue": 1}
    assert credentials.stats().connects == loops * tasks


@pytest.mark.parametrize("case", ASYNC, ids=repr)
async def test_a_thousand_cancelled_tasks_leave_no_lock_behind(
    case: DriverCase,
    app: Application,
    rotator: MakeRotator,
    credentials_of: MakeCredentials,
    secrets_manager: LocalSecretsManager,
) -> None:
    """Cancelled in the first read, in the middle of a login, and while waiting for the refresh after a rejection."""
    gate = Gate(secrets_manager)
    credentials = credentials_of(app, client=gate.client, timeout=PATIENCE)
    at_most = asyncio.Semaphore(100)  # as many logins at once as the server takes easily
    logging_in, rejected = Many(100), Many(300)

    async def own_connect(*args: Any, **kwargs: Any) -> Any:
        async with at_most:
            logging_in.one_more()
            return await case.own_connect(*args, **kwargs)

    async def failed(_error: Exception) -> None:
        rejected.one_more()

    spy = Spy(case, own_connect, failed)

    async def one() -> None:
        async with spy.opened(credentials):
            await asyncio.Event().wait()

    with gate.shut():
        async with cancelled(300, one):
            await asyncio.sleep(0)  # one turn for each of them, up to the read that it then waits for
            assert credentials.stats().reads == 300
    assert spy.sent == []
    await still_usable(case, credentials)

    async with cancelled(400, one):
        await logging_in.reached.wait()
    assert credentials.stats().rejected == 0
    await still_usable(case, credentials)

    await asyncio.to_thread(rotator().rotate)
    with gate.shut():
        async with cancelled(300, one):
            await rejected.reached.wait()
    assert (credentials.stats().rejected, credentials.stats().recovered) == (300, 0)
    await still_usable(case, credentials)
    gate.client.close()


class Many:
    """Says when so many have come."""

    def __init__(self, count: int) -> None:
        self._left, self.reached = count, asyncio.Event()

    def one_more(self) -> None:
        self._left -= 1
        if self._left <= 0:
            self.reached.set()


@asynccontextmanager
async def cancelled(count: int, one: Callable[[], Any]) -> AsyncIterator[None]:
    """So many tasks, cancelled when the block has seen what it waited for. None of them ends in any other way."""
    tasks = [asyncio.create_task(one()) for _ in range(count)]
    async with asyncio.timeout(PATIENCE):
        yield
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(end) for end in ends} == {asyncio.CancelledError}


async def still_usable(case: DriverCase, credentials: RotatingCredentials) -> None:
    """From this loop, and from another thread, which would hang on a lock that a task had left held."""
    async with asyncio.timeout(PATIENCE):
        async with case.opened(credentials) as connection:
            assert await case.ask(connection, "SELECT 1") == 1
        await asyncio.to_thread(credentials.refresh)


class Gate:
    """A client of Secrets Manager whose requests wait while the gate is shut."""

    def __init__(self, secrets_manager: LocalSecretsManager) -> None:
        self._open = threading.Event()
        self._open.set()
        self.client = secrets_manager.client()
        self.client.meta.events.register("before-send", lambda **_request: self._pass())

    def _pass(self) -> None:
        assert self._open.wait(PATIENCE)

    @contextmanager
    def shut(self) -> Iterator[None]:
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()
