"""What goes wrong for good: a login that stays wrong, and everything that is not about the login at all."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pymysql
import pytest

from secretconn import RotatingCredentials
from secretconn.testing import Application, LocalSecretsManager, Login, MariaDBServer, PostgresServer, new_password
from tests.live.drivers.table import NO_HOST, DriverCase, Spy, content, named

MakeCredentials = Callable[..., RotatingCredentials]
Situation = Callable[[DriverCase, Application], contextlib.AbstractContextManager[dict[str, Any]]]


async def test_a_login_that_stays_wrong_is_the_drivers_own_error(
    case: DriverCase, app: Application, credentials: RotatingCredentials, secrets_manager: LocalSecretsManager
) -> None:
    spy, before = Spy(case), refusals(app)
    wrong = app.login()
    app.server.admin().set_password(Login(app.username, new_password()))
    secrets_manager.reset_calls()
    with pytest.raises(case.rejected_type) as caught:
        async with spy.opened(credentials):
            pass
    assert caught.value is spy.errors[0]
    assert type(caught.value) is case.rejected_type
    assert spy.sent == [wrong]
    assert refusals(app) == before + (not case.suspect)  # the driver gave up before the server could judge
    assert secrets_manager.calls == {"GetSecretValue": 2, "DescribeSecret": 1}  # AWSCURRENT, AWSPENDING, all labels
    (note,) = caught.value.__notes__
    assert credentials.secret_id in note
    assert credentials.current().version_id in note
    assert "AWSCURRENT" in note
    assert wrong.password not in note
    stats = credentials.stats()
    assert (stats.rejected, stats.suspected, stats.recovered) == (not case.suspect, case.suspect, 0)


@contextlib.contextmanager
def wrong_database(case: DriverCase, app: Application) -> Iterator[dict[str, Any]]:
    nowhere = f"{app.database}_nowhere"
    if not isinstance(app.server, PostgresServer):  # without a privilege it would not say that there is none
        app.server.sql(f"GRANT ALL PRIVILEGES ON `{nowhere}`.* TO `{app.username}`@`%`")
    yield {case.database: nowhere}


@contextlib.contextmanager
def forbidden_database(case: DriverCase, app: Application) -> Iterator[dict[str, Any]]:
    if isinstance(app.server, PostgresServer):
        app.server.sql("REVOKE CONNECT ON DATABASE template1 FROM PUBLIC")
    yield {case.database: "template1" if isinstance(app.server, PostgresServer) else "mysql"}


@contextlib.contextmanager
def refused_port(case: DriverCase, app: Application) -> Iterator[dict[str, Any]]:
    with socket.socket() as nobody_listens:
        nobody_listens.bind((app.server.host, 0))
        yield {"port": nobody_listens.getsockname()[1]}


@contextlib.contextmanager
def unresolvable_host(case: DriverCase, app: Application) -> Iterator[dict[str, Any]]:
    yield {"host": NO_HOST}


@contextlib.contextmanager
def too_many_connections(case: DriverCase, app: Application) -> Iterator[dict[str, Any]]:
    if isinstance(app.server, PostgresServer):
        app.server.sql(f'ALTER ROLE "{app.username}" CONNECTION LIMIT 0')
        yield {}
        return
    with contextlib.ExitStack() as open_ones:
        admin = open_ones.enter_context(superuser(app.server))
        most = ask(admin, "SELECT @@GLOBAL.max_connections")
        ask(admin, "SET GLOBAL max_connections = 10")
        open_ones.callback(ask, admin, f"SET GLOBAL max_connections = {most}")
        for _one_more in range(int(most)):
            try:
                open_ones.enter_context(superuser(app.server))
            except pymysql.err.OperationalError as error:
                assert "Too many connections" in str(error)  # noqa: PT017  (after so many that did open)
                break
        yield {}


@contextlib.contextmanager
def locked_account(case: DriverCase, app: Application) -> Iterator[dict[str, Any]]:
    if isinstance(app.server, PostgresServer):
        app.server.sql(f'ALTER ROLE "{app.username}" NOLOGIN')
    else:
        app.server.sql(f"ALTER USER `{app.username}`@`%` ACCOUNT LOCK")
    yield {}


# What the server says, so that it is known to be this situation and no other; None where there is no server.
SITUATIONS: dict[Situation, tuple[str, str] | None] = {
    wrong_database: ("does not exist", "Unknown database"),
    refused_port: None,
    unresolvable_host: None,
    too_many_connections: ("too many connections for role", "Too many connections"),
}
BARRED: dict[Situation, tuple[str, str]] = {
    forbidden_database: ("permission denied for database", "to database 'mysql'"),
    locked_account: ("is not permitted to log in", "account is locked"),
}


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
async def test_other_failures_pass_untouched(
    case: DriverCase,
    app: Application,
    situation: Situation,
    credentials: RotatingCredentials,
    secrets_manager: LocalSecretsManager,
) -> None:
    spy, events = Spy(case), []
    credentials.subscribe(events.append)
    with situation(case, app) as arguments:
        secrets_manager.reset_calls()
        with pytest.raises(case.error_types) as caught:
            async with spy.opened(credentials, **arguments):
                pass
        assert secrets_manager.calls == {}
    assert caught.value is spy.errors[0]
    assert not hasattr(caught.value, "__notes__")
    assert len(spy.sent) == 1
    assert events == []
    said = SITUATIONS[situation]
    if said is not None:
        assert said[not isinstance(app.server, PostgresServer)] in str(caught.value)


@pytest.mark.parametrize("situation", BARRED, ids=lambda situation: situation.__name__)
async def test_a_barred_user_costs_a_look_and_no_second_login(
    case: DriverCase,
    app: Application,
    situation: Situation,
    credentials: RotatingCredentials,
    secrets_manager: LocalSecretsManager,
) -> None:
    spy = Spy(case)
    with situation(case, app) as arguments:
        secrets_manager.reset_calls()
        with pytest.raises(case.error_types) as caught:
            async with spy.opened(credentials, **arguments):
                pass
        assert secrets_manager.calls
        secrets_manager.reset_calls()
        with pytest.raises(case.error_types):
            async with spy.opened(credentials, **arguments):
                pass
        assert sum(secrets_manager.calls.values()) <= 1  # the cool-down, and a look in the background
    assert caught.value is spy.errors[0]
    assert len(caught.value.__notes__) == 1
    assert spy.sent == [app.login(), app.login()]
    said = str(caught.value).replace("Account", "account")
    assert BARRED[situation][not isinstance(app.server, PostgresServer)] in said


SOME = named("psycopg", "asyncpg", "pymysql", "aiomysql")


@pytest.mark.parametrize("case", SOME, ids=repr)
async def test_a_newer_version_with_the_same_login_is_not_sent_again(
    case: DriverCase, app: Application, credentials: RotatingCredentials, secrets_manager: LocalSecretsManager
) -> None:
    spy, wrong = Spy(case), app.login()
    app.server.admin().set_password(Login(app.username, new_password()))
    secrets_manager.put(app.secret_id, content(app, wrong.password, note="new version, same login"))
    secrets_manager.reset_calls()
    with pytest.raises(case.rejected_type) as caught:
        async with spy.opened(credentials):
            pass
    assert caught.value is spy.errors[0]
    assert spy.sent == [wrong]
    assert secrets_manager.calls == {"GetSecretValue": 3, "DescribeSecret": 1}  # the third is AWSPREVIOUS


@pytest.mark.parametrize(("retries", "tried"), [(r, ["current", "pending", "previous"]) for r in (1, 9)])
@pytest.mark.parametrize("case", SOME, ids=repr)
async def test_no_password_is_sent_twice_in_one_connect(
    case: DriverCase,
    app: Application,
    retries: int,
    tried: list[str],
    credentials_of: MakeCredentials,
    secrets_manager: LocalSecretsManager,
) -> None:
    """The server takes none of the three, however many retries there are."""
    logins = {"previous": app.login()}
    app.server.admin().set_password(Login(app.username, new_password()))
    for name in ("current", "pending"):
        logins[name] = Login(app.username, new_password())
        secrets_manager.put(app.secret_id, content(app, logins[name].password), [f"AWS{name.upper()}"])
    spy = Spy(case)
    with pytest.raises(case.rejected_type) as caught:
        async with spy.opened(credentials_of(app, retries=retries)):
            pass
    assert spy.sent == [logins[name] for name in tried]
    assert caught.value is spy.errors[-1]
    assert len(caught.value.__notes__) == 1


def refusals(app: Application) -> int:
    """How many logins of the application's user the server itself has refused."""
    log = app.server.log()
    return log.count(f'authentication failed for user "{app.username}"') + log.count(
        f"Access denied for user '{app.username}'"
    )


def superuser(server: PostgresServer | MariaDBServer) -> Any:
    return pymysql.connect(host=server.host, port=server.port, user=server.user, password=server.password)


def ask(connection: Any, question: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(question)
        return (cursor.fetchone() or [None])[0]
