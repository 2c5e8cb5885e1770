"""Rule 4d: a secret that stays wrong floods neither the server nor Secrets Manager; a locked account is left alone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pymysql
import pytest

import secretconn
from secretconn.testing import Application, LocalSecretsManager, Login, MariaDBServer, new_password
from tests.live.rules.counting import FULL, SPEED, Caller, Crowd, hurried

SECONDS = 30.0 if FULL else 8.0
"""By a clock that hurries."""
THREADS = 32
CALLS = 3
"""Of one refresh, at most: one for each stage."""


def most_refreshes(seconds: float) -> int:
    """The cool-down is 1 s at first and doubles up to 30 s, each jittered by a fifth: 4 in 8 s, 6 in 30 s."""
    refreshes, cool_down, begin = 1, 1.0, 0.8
    while begin <= seconds:
        refreshes, cool_down = refreshes + 1, min(cool_down * 2, 30.0)
        begin += cool_down * 0.8
    return refreshes


def test_a_secret_that_stays_wrong(app: Application) -> None:
    """There is an AWSPREVIOUS to be tried as well, and it is wrong too."""
    app.rotator().rotate()
    driver, options = ("psycopg", {}) if app.server.engine == "postgres" else ("pymysql", {"ssl_disabled": True})
    runtime = hurried()
    credentials = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client(), runtime=runtime)
    assert Caller(credentials, driver).connect()
    begun, before = runtime.clock(), credentials.stats().api_calls
    app.server.admin().set_password(Login(app.username, new_password()))
    callers = [Caller(credentials, driver) for _ in range(THREADS)]
    with Crowd(*((caller, options) for caller in callers)) as crowd:
        time.sleep(SECONDS / SPEED)
        crowd.progress(2)
    connects, logins = crowd.total("connects"), crowd.total("logins")
    assert crowd.total("failed") == connects > THREADS
    assert max(caller.most_logins for caller in callers) <= 2
    assert connects <= logins <= 2 * connects
    calls = credentials.stats().api_calls - before
    assert 1 <= calls <= CALLS * most_refreshes(runtime.clock() - begun)
    assert all(len(error.__notes__) == 1 for caller in callers for error in caller.errors)


@pytest.fixture(scope="module")
def strict_mariadb() -> Iterator[MariaDBServer]:
    """Locks an account after two wrong passwords."""
    with MariaDBServer(options={"max_password_errors": "2"}) as server:
        yield server


def test_an_account_locked_for_wrong_passwords(
    strict_mariadb: MariaDBServer, secrets_manager: LocalSecretsManager
) -> None:
    """4150: even the right password is refused now: a look at the secret, and this user is not sent again."""
    app = Application(strict_mariadb, secrets_manager)
    credentials = secretconn.RotatingCredentials(app.secret_id, client=secrets_manager.client())
    caller = Caller(credentials, "pymysql")
    assert caller.connect()
    for _ in range(2):
        with pytest.raises(pymysql.OperationalError, match="1045"):
            pymysql.connect(
                host=strict_mariadb.host, port=strict_mariadb.port, user=app.username, password="wrong", database=None
            )
    before = caller.counts["logins"]
    assert not caller.connect()
    assert caller.errors[0].args[0] == 4150
    assert caller.counts["logins"] == before + 1
    calls = credentials.stats().api_calls
    assert not caller.connect()  # in the cool-down
    assert caller.counts["logins"] == before + 2
    assert credentials.stats().api_calls == calls
    strict_mariadb.sql("FLUSH PRIVILEGES")
    assert caller.connect()


def test_a_missing_database_costs_nothing(postgres_app: Application) -> None:
    credentials = secretconn.RotatingCredentials(postgres_app.secret_id, client=postgres_app.secrets.client())
    caller = Caller(credentials, "psycopg")
    assert caller.connect()
    calls = credentials.stats().api_calls
    with pytest.raises(psycopg.OperationalError, match="does not exist") as caught:
        secretconn.connect(credentials, driver="psycopg", dbname="nowhere")
    assert credentials.stats().api_calls == calls
    assert not hasattr(caught.value, "__notes__")
