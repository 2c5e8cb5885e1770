"""What the caller says wins over the secret, wherever it is said; the login never can be said. And wrap()."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest

import secretconn
from secretconn import RotatingCredentials
from secretconn.testing import Application, LocalSecretsManager, Rotator
from tests.live.drivers.table import NO_HOST, DriverCase, Spy, content, named

MakeRotator = Callable[..., Rotator]
MakeCredentials = Callable[..., RotatingCredentials]

WRONG = {"host": NO_HOST, "port": 1, "dbname": "nowhere"}
SAID_AS = {"host": "host", "port": "port", "dbname": "database"}


@pytest.mark.parametrize("key", WRONG)
async def test_a_keyword_wins_over_the_secret(
    case: DriverCase,
    app: Application,
    key: str,
    credentials_of: MakeCredentials,
    secrets_manager: LocalSecretsManager,
) -> None:
    """Without it the connect fails: the secret is wrong."""
    secrets_manager.put(app.secret_id, content(app, app.login().password, **{key: WRONG[key]}))
    credentials, said = credentials_of(app), SAID_AS[key]
    with pytest.raises(case.error_types):
        async with case.opened(credentials):
            pass
    place = case.place(app)
    keyword = case.database if said == "database" else said
    async with case.opened(credentials, **{keyword: place[keyword]}) as connection:
        assert await case.ask(connection, "SELECT count(*) FROM orders") == 0


PAIRS = "host={host} port={port} dbname={database}"
TWO_HOSTS = "host={host},{host} port=1,{port} dbname={database}"
URI = "postgresql://{host}:{port}/{database}"
URI_WITH_TWO_HOSTS = "postgresql://{host}:1,{host}:{port}/{database}"
HALF = "postgresql://{host}:{port}"

STRINGS = [
    *((case, "conninfo", text) for case in named("psycopg", "psycopg-async") for text in
      (PAIRS, TWO_HOSTS, URI, URI_WITH_TWO_HOSTS)),
    *((case, "dsn", text) for case in named("psycopg2") for text in (PAIRS, TWO_HOSTS, URI, URI_WITH_TWO_HOSTS)),
    *((case, "dsn", text) for case in named("asyncpg") for text in (URI, URI_WITH_TWO_HOSTS)),
]  # fmt: skip
WITH_STRINGS = pytest.mark.parametrize(("case", "keyword", "text"), STRINGS, ids=lambda value: str(value)[:40])


@WITH_STRINGS
@pytest.mark.parametrize("by_position", [True, False], ids=["by position", "by keyword"])
async def test_a_connection_string_wins_over_the_secret(
    case: DriverCase,
    app: Application,
    keyword: str,
    text: str,
    by_position: bool,
    rotator: MakeRotator,
    credentials_of: MakeCredentials,
    secrets_manager: LocalSecretsManager,
) -> None:
    secrets_manager.put(app.secret_id, content(app, app.login().password, **WRONG))
    credentials = credentials_of(app)
    said = text.format(host=app.server.host, port=app.server.port, database=app.database)
    args, kwargs = ((said,), {}) if by_position else ((), {keyword: said})
    credentials.prefetch()
    rotator().rotate()
    async with case.opened(credentials, *args, **kwargs) as connection:
        assert await case.ask(connection, "SELECT count(*) FROM orders") == 0
    assert credentials.stats().recovered == 1


@pytest.mark.parametrize("case", named("psycopg", "psycopg-async", "psycopg2", "asyncpg"), ids=repr)
async def test_the_secret_fills_in_what_a_string_leaves_out(
    case: DriverCase, app: Application, credentials_of: MakeCredentials, secrets_manager: LocalSecretsManager
) -> None:
    secrets_manager.put(app.secret_id, content(app, app.login().password, host=NO_HOST, port=1))
    said = HALF.format(host=app.server.host, port=app.server.port)
    async with case.opened(credentials_of(app), said) as connection:
        assert await case.ask(connection, "SELECT current_database()") == app.database


@pytest.mark.parametrize("keyword", ["user", "password"])
async def test_a_login_among_the_arguments_is_a_type_error(
    case: DriverCase,
    app: Application,
    keyword: str,
    credentials_of: MakeCredentials,
    secrets_manager: LocalSecretsManager,
) -> None:
    """Before any login and any API call; whether the driver is named, wrapped or wrapped with an argument bound."""
    spy, credentials = Spy(case), credentials_of(app)
    secrets_manager.reset_calls()
    for opening in (
        case.opened(credentials, **{keyword: "somebody"}),
        spy.opened(credentials, **{keyword: "somebody"}),
    ):
        with pytest.raises(TypeError, match="user and password come from secret") as caught:
            async with opening:
                pass
        assert "somebody" not in str(caught.value)
    assert spy.sent == []
    assert secrets_manager.calls == {}


@pytest.mark.parametrize("login", ["somebody@", "somebody:password@", ":password@"])
@pytest.mark.parametrize("case", named("psycopg", "psycopg-async", "psycopg2", "asyncpg"), ids=repr)
async def test_a_login_in_a_connection_string_is_a_type_error(
    case: DriverCase,
    app: Application,
    login: str,
    credentials_of: MakeCredentials,
    secrets_manager: LocalSecretsManager,
) -> None:
    spy, credentials = Spy(case), credentials_of(app)
    secrets_manager.reset_calls()
    with pytest.raises(TypeError, match="user and password come from secret"):
        async with spy.opened(credentials, f"postgresql://{login}{app.server.host}:{app.server.port}/{app.database}"):
            pass
    assert spy.sent == []
    assert secrets_manager.calls == {}


def wrapped(case: DriverCase, credentials: RotatingCredentials, *, bound: bool, **kwargs: Any) -> Callable[..., Any]:
    own = case.own_connect
    if bound:
        own = functools.partial(own, **{case.timeout: 20}, **kwargs)
    return secretconn.wrap(own, credentials)


@pytest.mark.parametrize("bound", [False, True], ids=["plain", "partial"])
async def test_a_wrapped_connect_survives_a_rotation(
    case: DriverCase, app: Application, bound: bool, rotator: MakeRotator, credentials: RotatingCredentials
) -> None:
    """wrap() sees for itself which driver it is, and whether to await."""
    connect = wrapped(case, credentials, bound=bound)
    rotator().rotate()
    async with case.opened_by(connect) as connection:
        assert type(connection) is case.connection_type
        assert await case.ask(connection, "SELECT count(*) FROM orders") == 0
    assert credentials.stats().recovered == 1


async def test_what_a_partial_binds_wins_over_the_secret(
    case: DriverCase, app: Application, credentials_of: MakeCredentials, secrets_manager: LocalSecretsManager
) -> None:
    secrets_manager.put(app.secret_id, content(app, app.login().password, **WRONG))
    connect = wrapped(case, credentials_of(app), bound=True, **case.place(app))
    async with case.opened_by(connect) as connection:
        assert await case.ask(connection, "SELECT count(*) FROM orders") == 0


def test_a_wrapped_connect_looks_like_the_drivers_own(case: DriverCase, credentials: RotatingCredentials) -> None:
    own, connect = case.own_connect, wrapped(case, credentials, bound=False)
    assert inspect.signature(connect) == inspect.signature(own)
    assert inspect.iscoroutinefunction(connect) == inspect.iscoroutinefunction(own)
    assert (connect.__name__, connect.__doc__) == (own.__name__, own.__doc__)


@pytest.mark.parametrize("case", named("aiomysql", "asyncmy"), ids=repr)
async def test_async_with_works_as_on_the_drivers_own_connect(
    case: DriverCase, credentials: RotatingCredentials, rotator: MakeRotator
) -> None:
    rotator().rotate()
    async with wrapped(case, credentials, bound=False)(**case.options) as connection:
        assert await case.ask(connection, "SELECT 1") == 1
    assert credentials.stats().recovered == 1


@pytest.mark.parametrize("case", named("psycopg-async"), ids=repr)
async def test_a_class_method_makes_the_subclass_it_was_taken_from(
    case: DriverCase, credentials: RotatingCredentials, rotator: MakeRotator
) -> None:
    class Own(case.connection_type):  # type: ignore[misc, name-defined]
        pass

    rotator().rotate()
    async with await secretconn.wrap(Own.connect, credentials)() as connection:
        assert type(connection) is Own
