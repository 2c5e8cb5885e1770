"""A user that may no longer log in, while the secret names another one: alternating users, after the change-over.

Refused because of who, not of what: another password never helps, another user does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import secretconn
from secretconn import Verdict
from secretconn.engines import driver_named
from secretconn.testing import Application, LocalSecretsManager, Login, MariaDBServer, PostgresServer, new_password
from tests.live.rules.debian_postgres import Bouncer, Programs, programs

SYNC = ["psycopg", "psycopg2", "pg8000"]
POSTGRES = [*SYNC, "asyncpg", "psycopg-async"]
MYSQL = ["pymysql", "mysqlclient", "mysql-connector", "mariadb", "aiomysql", "asyncmy"]
ASYNC = ["asyncpg", "psycopg-async", "aiomysql", "asyncmy"]
Bar = Callable[[Application, str], object]


@pytest.fixture(scope="module")
def debian() -> Iterator[Programs]:
    with programs() as found:
        yield found


@pytest.fixture(scope="module")
def by_line(debian: Programs) -> Iterator[PostgresServer]:
    """A server that lets nobody named ``barred_...`` in."""
    hba = ['host all "/^barred_" 127.0.0.1/32 reject', "host all +barred 127.0.0.1/32 reject"]
    with PostgresServer(hba=hba) as server:
        server.sql("CREATE ROLE barred;")
        yield server


def options(driver: str) -> dict[str, Any]:
    return {"ssl_disabled": True} if driver == "mysql-connector" else {}


def connected_as(credentials: secretconn.RotatingCredentials, driver: str, **arguments: Any) -> None:
    """Connect once and close."""
    name, arguments = driver.removesuffix("-async"), {**options(driver), **arguments}
    if driver not in ASYNC:
        secretconn.connect(credentials, driver=name, **arguments).close()
        return

    async def open_and_close() -> None:
        connection = await secretconn.aconnect(credentials, driver=name, **arguments)
        closed = connection.close()
        if asyncio.iscoroutine(closed):
            await closed

    asyncio.run(open_and_close())


def survives(app: Application, driver: str, bar: Bar, **arguments: Any) -> list[secretconn.Event]:
    """A process that holds the first user; the secret moves on to its clone, and then the first user is barred."""
    credentials = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client())
    events: list[secretconn.Event] = []
    credentials.subscribe(events.append)
    first = credentials.current().username
    connected_as(credentials, driver, **arguments)
    app.rotator("alternating-users").rotate()
    bar(app, first)
    connected_as(credentials, driver, **arguments)
    rejected = [event for event in events if isinstance(event, secretconn.Rejected)]
    assert len(rejected) == 1
    assert credentials.current().username != first
    return events


def nologin(app: Application, user: str) -> None:
    app.server.sql(f'ALTER ROLE "{user}" NOLOGIN')


def no_connect(app: Application, user: str) -> None:
    app.server.sql(f'REVOKE CONNECT ON DATABASE "{app.database}" FROM PUBLIC')
    app.server.sql(f'GRANT CONNECT ON DATABASE "{app.database}" TO "{user}_clone"')
    app.server.sql(f'ALTER DATABASE "{app.database}" OWNER TO postgres')
    app.server.sql(f'REVOKE ALL ON DATABASE "{app.database}" FROM "{user}"')


def by_pg_hba(app: Application, user: str) -> None:
    app.server.sql(f'REVOKE "{user}" FROM "{user}_clone"; GRANT barred TO "{user}"; SELECT pg_reload_conf()')


def dropped(app: Application, user: str) -> None:
    """PgBouncer's auth_query finds it no more."""
    app.server.sql(f'ALTER ROLE "{user}" RENAME TO "{user}_gone"')


@pytest.mark.parametrize("bar", [nologin, no_connect])
@pytest.mark.parametrize("driver", POSTGRES)
def test_postgresql(postgres_app: Application, driver: str, bar: Bar) -> None:
    survives(postgres_app, driver, bar)


@pytest.mark.parametrize("driver", POSTGRES)
def test_the_line_of_pg_hba_is_gone(by_line: PostgresServer, secrets_manager: LocalSecretsManager, driver: str) -> None:
    survives(Application(by_line, secrets_manager), driver, by_pg_hba)


@pytest.mark.parametrize("driver", POSTGRES)
def test_pgbouncer_s_auth_query_knows_the_user_no_more(
    debian: Programs, postgres: PostgresServer, postgres_app: Application, driver: str
) -> None:
    with Bouncer(debian, postgres).running() as bouncer:
        survives(postgres_app, driver, dropped, host=bouncer.host, port=bouncer.port)


@pytest.mark.parametrize(
    ("auth_type", "text", "verdict"),
    [
        ("trust", '"trust" authentication failed', Verdict.BARRED),
        ("md5", "password authentication failed", Verdict.REJECTED),
        ("scram-sha-256", "SASL authentication failed", Verdict.REJECTED),
    ],
)
def test_every_driver_hears_the_same_of_a_pgbouncer_that_does_not_know_the_user(
    debian: Programs, postgres: PostgresServer, auth_type: str, text: str, verdict: Verdict
) -> None:
    known = Login("somebody_else", new_password())
    with Bouncer(debian, postgres, auth_type=auth_type, users=[known]).running() as bouncer:
        place = {"host": bouncer.host, "port": bouncer.port, "user": "app", "password": "x"}
        assert {driver: heard(driver, text, **place) for driver in POSTGRES} == dict.fromkeys(POSTGRES, verdict)


def heard(driver: str, text: str, **place: Any) -> Verdict:
    """What the driver's table makes of the failure, which has this text."""
    known = driver_named(driver.removesuffix("-async"))
    place[known.keywords["database"]] = "postgres"
    connect = secretconn.engines.load(known, for_async=driver in ASYNC)

    async def connecting() -> None:
        await connect(**place)

    with pytest.raises(Exception) as caught:  # noqa: PT011  (each driver has its own)
        asyncio.run(connecting()) if driver in ASYNC else connect(**place)
    assert text in str(caught.value).replace("\\", "")
    return known.classify(caught.value)


def locked(app: Application, user: str) -> None:
    app.server.sql(f"ALTER USER `{user}`@`%` ACCOUNT LOCK")


def revoked(app: Application, user: str) -> None:
    app.server.sql(f"REVOKE ALL PRIVILEGES ON `{app.database}`.* FROM `{user}`@`%`")


def blocked(app: Application, user: str) -> None:
    """Somebody else guesses passwords until max_password_errors is reached."""
    assert isinstance(app.server, MariaDBServer)
    for _ in range(3):
        assert not app.server.admin().verify(Login(user, new_password()))


@pytest.mark.parametrize("bar", [locked, revoked])
@pytest.mark.parametrize("driver", MYSQL)
def test_mariadb(mariadb_app: Application, driver: str, bar: Bar) -> None:
    survives(mariadb_app, driver, bar)


@pytest.fixture(scope="module")
def counting() -> Iterator[MariaDBServer]:
    """A server that blocks a user after three wrong passwords in a row."""
    with MariaDBServer(options={"max_password_errors": "3"}) as server:
        yield server


@pytest.mark.parametrize("driver", MYSQL)
def test_too_many_wrong_passwords(counting: MariaDBServer, secrets_manager: LocalSecretsManager, driver: str) -> None:
    survives(Application(counting, secrets_manager), driver, blocked)


@pytest.mark.parametrize("driver", ["pymysql", "mariadb"])
def test_a_blocked_user_is_not_sent_again_with_another_password(
    counting: MariaDBServer, secrets_manager: LocalSecretsManager, driver: str
) -> None:
    """A rotation is under way, so the secret has a newer login: of the same user."""
    app, sent = Application(counting, secrets_manager), []
    real = secretconn.engines.load(driver_named(driver), for_async=False)

    def connect(**keywords: Any) -> Any:
        sent.append(keywords["password"])
        return real(**keywords)

    credentials = secretconn.RotatingCredentials(app.secret_id, client=secrets_manager.client())
    wrapped = secretconn.wrap(connect, credentials, driver=driver)
    wrapped().close()
    first = sent.pop()
    next(app.rotator().steps())  # createSecret
    blocked(app, app.username)
    with pytest.raises(Exception, match="blocked because of too many credential errors") as caught:
        wrapped()
    assert sent == [first]
    assert "refused whatever the password" in caught.value.__notes__[0]
