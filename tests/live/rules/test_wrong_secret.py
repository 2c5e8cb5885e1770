"""Rule 4d: a secret that stays wrong floods neither the server nor Secrets Manager; a locked account is left alone."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pymysql
import pytest

import secretconn
from secretconn.testing import Application, LocalSecretsManager, Login, MariaDBServer, new_password
from tests.live.rules.counting import FULL, Caller, Crowd

SECONDS, API_CALLS = (30.0, 20) if FULL else (8.0, 12)
"""The cool-down doubles from 1 s: after 8 s there were about 4 refreshes, after 30 s about 6."""
THREADS = 32


@pytest.mark.slow
def test_a_secret_that_stays_wrong(app: Application) -> None:
    """There is an AWSPREVIOUS to be tried as well, and it is wrong too."""
    app.rotator().rotate()
    driver = "psycopg" if app.server.engine == "postgres" else "pymysql"
    credentials = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client())
    assert Caller(credentials, driver).connect()
    app.server.admin().set_password(Login(app.username, new_password()))
    callers = [Caller(credentials, driver) for _ in range(THREADS)]
    with Crowd(*((caller, {}) for caller in callers)) as crowd:
        time.sleep(SECONDS)
    connects, logins = crowd.total("connects"), crowd.total("logins")
    assert crowd.total("failed") == connects > THREADS
    assert max(caller.most_logins for caller in callers) <= 2
    assert connects <= logins <= 2 * connects
    assert credentials.stats().api_calls <= API_CALLS
    assert all(len(error.__notes__) == 1 for caller in callers for error in caller.errors)


@pytest.fixture(scope="module")
def strict_mariadb() -> Iterator[MariaDBServer]:
    """Locks an account after two wrong passwords."""
    with MariaDBServer(options={"max_password_errors": "2"}) as server:
        yield server


def test_an_account_locked_for_wrong_passwords(
    strict_mariadb: MariaDBServer, secrets_manager: LocalSecretsManager
) -> None:
    """4150: even the right password is refused now, so no second login and no API call."""
    app = Application(strict_mariadb, secrets_manager)
    credentials = secretconn.RotatingCredentials(app.secret_id, client=secrets_manager.client())
    caller = Caller(credentials, "pymysql")
    assert caller.connect()
    for _ in range(2):
        with pytest.raises(pymysql.OperationalError, match="1045"):
            pymysql.connect(
                host=strict_mariadb.host, port=strict_mariadb.port, user=app.username, password="wrong", database=None
            )
    before, calls = caller.counts["logins"], credentials.stats().api_calls
    assert not caller.connect()
    assert caller.errors[0].args[0] == 4150
    assert caller.counts["logins"] == before + 1
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
