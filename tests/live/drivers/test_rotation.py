"""Every driver survives every kind of rotation, in every moment of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from secretconn import RotatingCredentials
from secretconn.testing import Application, LocalSecretsManager, Rotator
from tests.live.drivers.table import DriverCase, Spy, named

MakeRotator = Callable[..., Rotator]
MakeCredentials = Callable[..., RotatingCredentials]


async def test_a_rotated_password_costs_one_failed_login_and_one_retry(
    case: DriverCase,
    app: Application,
    rotator: MakeRotator,
    credentials: RotatingCredentials,
    secrets_manager: LocalSecretsManager,
) -> None:
    spy, events = Spy(case), []
    credentials.subscribe(events.append)
    old = app.login()
    async with spy.opened(credentials):
        assert spy.errors == []
    rotator().rotate()
    secrets_manager.reset_calls()
    async with spy.opened(credentials) as connection:
        assert type(connection) is case.connection_type
        assert await case.ask(connection, "SELECT 40 + 2") == 42
        assert await case.ask(connection, "SELECT count(*) FROM orders") == 0
    assert secrets_manager.calls == {"GetSecretValue": 1}
    new = app.login()
    assert spy.sent == [old, old, new]
    assert [type(error) for error in spy.errors] == [case.rejected_type]
    stats = credentials.stats()
    assert (stats.connects, stats.recovered, stats.rotations) == (2, 1, 1)
    assert (stats.rejected, stats.suspected) == (not case.suspect, case.suspect)
    assert [type(event).__name__ for event in events] == ["Rejected", "Refreshed", "Rotated", "Recovered"]
    async with spy.opened(credentials):
        assert len(spy.sent) == 4
        assert len(spy.errors) == 1


async def test_alternating_users_change_the_user_too(
    case: DriverCase, app: Application, rotator: MakeRotator, credentials: RotatingCredentials
) -> None:
    for username in (f"{app.username}_clone", app.username):
        rotator("alternating-users").rotate()
        rotator("alternating-users").rotate()  # twice: the login that is held is out of date, not just older
        rotator("alternating-users").rotate()
        async with case.opened(credentials) as connection:
            assert await case.user(connection) == username
            assert await case.ask(connection, "SELECT count(*) FROM orders") == 0


@pytest.mark.parametrize("strategy", ["single-user", "alternating-users"])
async def test_connects_work_in_each_moment_of_a_rotation(
    case: DriverCase,
    app: Application,
    strategy: str,
    rotator: MakeRotator,
    credentials: RotatingCredentials,
    credentials_of: MakeCredentials,
) -> None:
    """Also for an application that starts in that moment. The last check proves that there was a window."""
    for _rotation in range(2):
        locked_out = []
        for done in rotator(strategy).steps():
            if case.needs_cache:
                assert app.accepts(app.login("AWSPENDING")) or done.step == "createSecret"
            async with case.opened(credentials) as connection:
                assert await case.ask(connection, "SELECT 1") == 1
            async with case.opened(credentials_of(app)) as connection:
                assert await case.ask(connection, "SELECT 1") == 1
            try:
                async with case.opened(credentials_of(app, fallback_stages=())):
                    pass
            except case.rejected_type:
                locked_out.append(done.step)
        assert locked_out == (["setSecret", "testSecret"] if strategy == "single-user" else [])


@pytest.mark.parametrize("case", named("pymysql", "aiomysql", "psycopg", "asyncpg"), ids=repr)
async def test_ten_rotations_in_a_row(
    case: DriverCase, rotator: MakeRotator, credentials: RotatingCredentials, secrets_manager: LocalSecretsManager
) -> None:
    for rotation in range(1, 11):
        rotator().rotate()
        secrets_manager.reset_calls()
        async with case.opened(credentials) as connection:
            assert await case.ask(connection, "SELECT 1") == 1
        assert secrets_manager.calls == {"GetSecretValue": 1}
        assert credentials.stats().recovered == rotation
