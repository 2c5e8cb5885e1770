"""Thread pools and peewee through twenty rotations: psycopg_pool, psycopg2, mysql-connector, DBUtils."""

from __future__ import annotations

import contextlib
from typing import Any

import psycopg
import psycopg_pool
import pytest

from examples.pools import dbutils_pool, mysql_connector_pool, peewee_database, psycopg2_pool, psycopg_pool_class
from secretconn import RotatingCredentials
from secretconn.psycopg import ConnectionPool, NullConnectionPool
from secretconn.testing import Application, Login
from tests.live.crowd import LEAST, use_in_threads

USER = "SELECT CURRENT_USER"


def one(connection: Any, query: str = USER) -> str:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return str(cursor.fetchone()[0]).partition("@")[0]


@pytest.mark.parametrize("kind", ["ours", "null", "class"])
def test_psycopg_pool(kind: str, postgres_app: Application, pg: RotatingCredentials) -> None:
    sizes = {"min_size": 1, "max_size": 4, "open": True}
    if kind == "class":
        pool: Any = psycopg_pool_class.make_pool(pg)
    elif kind == "null":
        pool = NullConnectionPool(pg, max_size=4, open=True)
    else:
        pool = ConnectionPool(pg, **sizes)

    def request() -> None:
        with pool.connection() as connection:
            one(connection)
            connection.close()

    with pool:
        assert use_in_threads(postgres_app, request) >= LEAST
        pg.refresh()
        user = ""
        while user != postgres_app.login().username:  # what was opened before the refresh is used up
            with pool.connection() as connection:
                user = one(connection)
                connection.close()


def pids(pool: Any, count: int) -> set[str]:
    with contextlib.ExitStack() as stack:
        return {one(stack.enter_context(pool.connection()), "SELECT pg_backend_pid()") for _ in range(count)}


def test_psycopg_pool_drains_on_rotation(postgres_app: Application, pg: RotatingCredentials) -> None:
    with ConnectionPool(pg, min_size=2, max_size=2, open=True, on_rotation="drain") as pool:
        pool.wait()
        before = pids(pool, 2)
        with pool.connection() as busy:
            postgres_app.rotator("alternating-users").rotate()
            pg.refresh()
            assert one(busy, "SELECT pg_backend_pid()") in before
        assert not pids(pool, 2) & before
        with pool.connection() as connection:
            assert one(connection) == postgres_app.login().username


def test_pool_timeout_tells_the_real_reason(postgres_app: Application, pg: RotatingCredentials) -> None:
    postgres_app.server.admin().set_password(Login(postgres_app.username, "changed behind the secret's back"))
    with (
        ConnectionPool(pg, min_size=1, open=True) as pool,
        pytest.raises(psycopg_pool.PoolTimeout) as raised,
        pool.connection(timeout=0.5),
    ):
        pytest.fail("there is no connection")
    assert isinstance(raised.value.__cause__, psycopg.OperationalError)
    assert any(postgres_app.secret_id in note for note in raised.value.__cause__.__notes__)
    (note,) = raised.value.__notes__
    assert "OperationalError" in note
    assert "password authentication failed" in note
    pool = ConnectionPool(pg, min_size=1, open=True)
    with pytest.raises(psycopg_pool.PoolTimeout) as raised:
        pool.wait(timeout=0.5)
    assert isinstance(raised.value.__cause__, psycopg.OperationalError)


def test_pool_timeout_of_a_busy_pool_has_no_reason_but_its_own(pg: RotatingCredentials) -> None:
    with (
        ConnectionPool(pg, min_size=1, max_size=1, open=True) as pool,
        pool.connection(),
        pytest.raises(psycopg_pool.PoolTimeout) as raised,
        pool.connection(timeout=0.1),
    ):
        pytest.fail("there is one connection")
    assert raised.value.__cause__ is None
    assert not hasattr(raised.value, "__notes__")


def test_psycopg2_pool(postgres_app: Application, pg: RotatingCredentials) -> None:
    pool = psycopg2_pool.make_pool(pg)

    def request() -> None:
        connection = pool.getconn()
        try:
            one(connection)
        finally:
            pool.putconn(connection, close=True)

    assert use_in_threads(postgres_app, request) >= LEAST
    pool.closeall()


def test_mysql_connector_pool(mariadb_app: Application, my: RotatingCredentials) -> None:
    pool = mysql_connector_pool.make_pool(my)

    def request() -> None:
        pooled = pool.get_connection()
        one(pooled)
        pooled._cnx.disconnect()  # lost; the pool must replace it
        pool.add_connection(pooled._cnx)

    assert use_in_threads(mariadb_app, request) >= LEAST
    for _ in range(4):
        pool.get_connection()._cnx.close()


def test_dbutils(mariadb_app: Application, my: RotatingCredentials) -> None:
    pool = dbutils_pool.make_pool(my, ssl_disabled=True)  # PyMySQL's handshake takes 24 ms

    def request() -> None:
        with contextlib.closing(pool.connection()) as connection:
            one(connection)
            connection._con._con.close()  # lost

    assert use_in_threads(mariadb_app, request) >= LEAST
    pool.close()


@pytest.mark.parametrize("engine", ["postgres", "mariadb"])
def test_peewee(engine: str, request: pytest.FixtureRequest) -> None:
    app = request.getfixturevalue(f"{engine}_app")
    credentials = request.getfixturevalue("pg" if engine == "postgres" else "my")
    make = peewee_database.make_postgres if engine == "postgres" else peewee_database.make_mysql
    database = make(credentials, app.database, **({"ssl_disabled": True} if engine == "mariadb" else {}))

    def work() -> None:
        database.connect()
        database.execute_sql(USER).fetchone()
        database.manual_close()

    assert use_in_threads(app, work) >= LEAST
    database.close_all()
