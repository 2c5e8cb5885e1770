"""What a process remembers of a server does not outlast what it has learned since (faults of an earlier version)."""

from __future__ import annotations

from typing import Any

import pytest

import secretconn
from secretconn._core import state
from secretconn.testing import Application, Login, new_password
from tests.live.conftest import MakeApplication
from tests.live.rules.counting import Caller
from tests.live.rules.test_promise import PAIRS, steps_until

DATABASE = {"pymysql": "database", "aiomysql": "db"}


@pytest.fixture(params=PAIRS, ids=[driver for _, driver in PAIRS])
def driver(request: pytest.FixtureRequest) -> str:
    named: str = request.param[1]
    return named


@pytest.fixture
def app(driver: str, make_application: MakeApplication) -> Application:
    return make_application({named: engine for engine, named in PAIRS}[driver])


def test_a_login_on_probation_is_left_once_a_newer_answer_gives_its_stage_away(app: Application, driver: str) -> None:
    credentials = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client())
    caller = Caller(credentials, driver)
    assert caller.connect()
    steps = steps_until(app, "setSecret")
    assert caller.connect()  # with AWSPENDING, on probation from now on
    list(steps)
    app.rotator().rotate()
    credentials.refresh()
    logins = caller.counts["logins"]
    assert caller.connect()
    assert caller.counts["logins"] == logins + 1


def test_a_rotation_that_was_given_up_costs_ever_fewer_calls(app: Application, driver: str) -> None:
    """AWSPENDING stays, and nobody sets its password."""
    now = [1000.0]
    runtime = secretconn.Runtime(
        clock=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds), spawn=lambda work: work()
    )
    credentials = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client(), runtime=runtime)
    caller = Caller(credentials, driver)
    assert caller.connect()
    steps_until(app, "createSecret")
    app.server.admin().set_password(Login(app.username, new_password()))
    spent = []
    for _ in range(2):
        before = credentials.stats().api_calls
        for _ in range(60):
            now[0] += 0.25
            assert not caller.connect()
        spent.append(credentials.stats().api_calls - before)
    assert spent[1] < spent[0] <= 15 + 5
    assert spent[1] <= 8


def test_more_endpoints_than_are_remembered(app: Application, driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database for each tenant: what is held of one is forgotten, and no connect fails for it."""
    monkeypatch.setattr(state, "MAX_ENDPOINTS", 2)
    names = [f"{app.database}_{number}" for number in range(4)]
    for name in names:
        app.server.sql(f"CREATE DATABASE {name}")
        if app.server.engine != "postgres":
            app.server.sql(f"GRANT ALL ON {name}.* TO '{app.username}'@'%'")
    credentials = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client())
    caller, keyword = Caller(credentials, driver), DATABASE.get(driver, "dbname")

    def connect_to_all() -> None:
        for name in names:
            tenant: dict[str, Any] = {keyword: name}
            assert caller.connect(**tenant), caller.errors[-1]

    connect_to_all()
    steps = steps_until(app, "setSecret")
    connect_to_all()
    list(steps)
    connect_to_all()
    app.rotator().rotate()
    connect_to_all()
    assert caller.most_logins <= 3
