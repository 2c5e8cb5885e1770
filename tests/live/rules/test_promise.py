"""The promise where it was broken before: processes that slept through rotations, databases that share a secret,
accounts that close after a few refused logins, a source that fails in the window. PostgreSQL and MariaDB, threads and
tasks.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import aiomysql
import psycopg
import pytest
from botocore.config import Config

import secretconn
from secretconn._core.rotating import core_of
from secretconn.testing import Application, LocalSecretsManager, Login, MariaDBServer, new_password
from tests.live.conftest import MakeApplication
from tests.live.rules.counting import DRIVERS, Caller
from tests.support.faults import FAULTS, FaultySecretsManager, Request

PAIRS = [("postgres", "psycopg"), ("postgres", "psycopg-async"), ("mariadb", "pymysql"), ("mariadb", "aiomysql")]
ASYNC: dict[str, tuple[str, Callable[..., Any]]] = {
    "postgres": ("psycopg", psycopg.AsyncConnection.connect),
    "mariadb": ("aiomysql", aiomysql.connect),
}
CROWD = 32


def unhurried() -> secretconn.Runtime:
    """A clock that goes slowly, for tests that count calls: probation and cool-down do not end on a busy machine."""
    return secretconn.Runtime(clock=lambda: time.monotonic() / 20.0)


def steps_until(app: Application, step: str) -> Any:
    """Play a rotation up to a step and leave it there; go on with the generator that is returned."""
    playing = app.rotator().steps()
    for done in playing:
        if done.step == step:
            return playing
    raise AssertionError(f"no step {step}")


def pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def at_once(count: int, work: Callable[[], object]) -> list[BaseException]:
    """Run some work in so many threads that begin together; return what they raised."""
    raised: list[BaseException] = []
    barrier = threading.Barrier(count)

    def run() -> None:
        barrier.wait()
        try:
            work()
        except BaseException as error:  # noqa: BLE001  (the test looks at it)
            raised.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
        assert not thread.is_alive()
    return raised


@pytest.fixture(params=PAIRS, ids=[driver for _, driver in PAIRS])
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    named: tuple[str, str] = request.param
    return named


@pytest.fixture
def engine(pair: tuple[str, str]) -> str:
    return pair[0]


@pytest.fixture
def driver(pair: tuple[str, str]) -> str:
    return pair[1]


def test_two_behind(engine: str, driver: str, make_application: MakeApplication) -> None:
    """A process sleeps through one whole rotation and wakes in the window of the next (A1)."""
    app = make_application(engine)
    credentials = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client(), runtime=unhurried())
    caller = Caller(credentials, driver)
    assert caller.connect()
    app.rotator().rotate()
    before = credentials.stats().api_calls
    steps = steps_until(app, "setSecret")
    assert at_once(CROWD, caller.connect) == []
    list(steps)
    assert [str(error) + str(error.__notes__) for error in caller.errors] == []
    assert credentials.stats().connects == CROWD + 1
    assert credentials.stats().api_calls - before == 2  # AWSCURRENT, then AWSPENDING, for all of them


@pytest.mark.parametrize("engine", ASYNC)
async def test_two_behind_in_tasks(engine: str, make_application: MakeApplication) -> None:
    app = make_application(engine)
    credentials = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client())
    driver, call = ASYNC[engine]
    connect = secretconn.wrap(call, credentials, driver=driver)
    connections = [await connect()]
    await asyncio.to_thread(app.rotator().rotate)
    steps = await asyncio.to_thread(steps_until, app, "setSecret")
    connections += await asyncio.gather(*(connect() for _ in range(CROWD)))
    await asyncio.to_thread(list, steps)
    assert credentials.stats().connects == CROWD + 1
    for connection in connections:
        closing = connection.close()
        if closing is not None:
            await closing


def test_a_rotation_noticed_after_its_end_costs_one_call(
    engine: str, driver: str, make_application: MakeApplication
) -> None:
    app = make_application(engine)
    credentials = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client(), runtime=unhurried())
    caller = Caller(credentials, driver)
    caller.connect()
    before = credentials.stats().api_calls
    app.rotator().rotate()
    assert at_once(CROWD, caller.connect) == []
    assert (caller.errors, credentials.stats().api_calls - before) == ([], 1)


def test_one_secret_two_databases(engine: str, driver: str, make_application: MakeApplication) -> None:
    """A connects in a window and keeps AWSPENDING; a second rotation passes; B was last used before both."""
    app = make_application(engine)
    credentials = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client())
    caller, server = Caller(credentials, driver), app.server
    other = f"{app.database}_b"
    server.sql(f"CREATE DATABASE {other}")
    if engine == "mariadb":
        server.sql(f"GRANT ALL ON {other}.* TO '{app.username}'@'%'")
    name = {"pymysql": "database", "aiomysql": "db"}.get(driver, "dbname")
    assert caller.connect(**{name: other})
    steps = steps_until(app, "setSecret")
    assert caller.connect()
    list(steps)
    app.rotator().rotate()
    assert at_once(8, lambda: caller.connect(**{name: other})) == []
    assert [str(error) + str(error.__notes__) for error in caller.errors] == []


@pytest.fixture(scope="module")
def strict_mariadb() -> Any:
    with MariaDBServer(options={"max_password_errors": "5"}) as server:
        yield server


@pytest.mark.parametrize("driver", ["pymysql", "aiomysql"])
def test_an_account_that_closes_after_five_refused_logins_stays_open(
    driver: str, strict_mariadb: MariaDBServer, secrets_manager: LocalSecretsManager
) -> None:
    """Arrivals one at a time while the call takes 150 ms: one login is refused, the others wait for the answer (A2)."""
    app = Application(strict_mariadb, secrets_manager)
    client = app.secrets.client()
    client.meta.events.register("before-send.secrets-manager", lambda **_: pause(0.15))
    credentials = secretconn.RotatingCredentials(app.secret_id, client=client)
    reader, under_way = core_of(credentials).reader, list[int]()

    def log_in(**keywords: Any) -> Any:
        under_way.append(1)
        try:
            return DRIVERS["pymysql"](**keywords)
        finally:
            under_way.pop()

    async def alog_in(**keywords: Any) -> Any:
        under_way.append(1)
        try:
            return await aiomysql.connect(**keywords)
        finally:
            under_way.pop()

    async def open_and_close() -> None:
        (await secretconn.wrap(alog_in, credentials, driver=driver)()).close()

    def connect() -> None:
        if driver == "aiomysql":
            asyncio.run(open_and_close())
        else:
            secretconn.wrap(log_in, credentials, driver=driver)().close()

    connect()
    for _ in range(3):
        app.rotator().rotate()
        threads = [threading.Thread(target=connect) for _ in range(20)]
        for thread in threads:
            thread.start()
            while thread.is_alive() and (under_way or not reader.reading):  # the next one comes when no login is
                pause(0.005)
        for thread in threads:
            thread.join(60.0)
    assert credentials.stats().connects == 61
    assert credentials.stats().rejected == 3  # one for each rotation


@pytest.mark.parametrize("fault", ["throttled", "not found"])
def test_awspending_that_cannot_be_read_once(
    engine: str, driver: str, fault: str, make_application: MakeApplication
) -> None:
    """In the window GetSecretValue of AWSPENDING fails once: it is asked for again (A4, A8)."""
    app = make_application(engine)
    failed: list[bool] = []

    def once(request: Request) -> bool:
        wanted = request.operation == "GetSecretValue" and request.body.get("VersionStage") == "AWSPENDING"
        if wanted and not failed:
            failed.append(True)
            return True
        return False

    with FaultySecretsManager(app.secrets) as faulty:
        config = Config(retries={"total_max_attempts": 1})
        credentials = secretconn.RotatingCredentials(app.secret_id, client=faulty.client(config=config))
        caller = Caller(credentials, driver)
        caller.connect()
        steps = steps_until(app, "setSecret")
        with faulty.fault(FAULTS[fault], once):
            assert caller.connect()
        list(steps)
    assert failed == [True]
    assert caller.errors == []


def test_a_role_that_may_only_get_secret_values_recovers(
    engine: str, driver: str, make_application: MakeApplication
) -> None:
    app = make_application(engine)
    with FaultySecretsManager(app.secrets) as faulty:
        credentials = secretconn.RotatingCredentials(app.secret_id, client=faulty.client())
        caller = Caller(credentials, driver)
        with faulty.fault(FAULTS["access denied"], lambda request: request.operation == "DescribeSecret"):
            for _ in range(2):
                assert caller.connect()
                steps = steps_until(app, "setSecret")
                assert caller.connect()
                list(steps)
                credentials.refresh()
    assert caller.errors == []


def test_after_somebody_corrects_the_secret_connects_work_again(
    engine: str, driver: str, make_application: MakeApplication
) -> None:
    """However long the cool-down is by then, a look in the background ends it within a few seconds (rule 4d)."""
    app = make_application(engine)
    right = Login(app.username, new_password())
    now = [1000.0]
    runtime = secretconn.Runtime(clock=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    credentials = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client(), runtime=runtime)
    caller = Caller(credentials, driver)
    content = {"engine": app.server.engine, "host": app.server.host, "port": app.server.port, "dbname": app.database}
    app.server.admin().set_password(right)
    for _ in range(20):
        now[0] += 1.0
        assert not caller.connect()
    app.secrets.put(app.secret_id, content | {"username": right.username, "password": right.password})
    failed = 0
    while not caller.connect():
        failed += 1
        now[0] += 0.25
        pause(0.2)  # the look runs in a real thread
        assert failed < 40
    assert failed * 0.25 <= 4.0
