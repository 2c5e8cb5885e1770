"""MySQL's caching_sha2_password without TLS: what a driver can send, and that a stale password is found out anyway.

A server that remembers a login takes a hash. After a rotation it remembers nothing of that user, and asks for the
password itself, which goes through TLS, encrypted with the server's RSA key, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from secretconn import RotatingCredentials
from secretconn.testing import Application, LocalSecretsManager, Login, Rotator, new_password
from tests.live.drivers.table import DRIVERS, DriverCase, content, named
from tests.live.drivers.test_processes import go, line, program

MakeRotator = Callable[..., Rotator]
MYSQL = tuple(case for case in DRIVERS if case.server == "mysql")


@pytest.mark.parametrize("case", MYSQL, ids=repr)
async def test_a_row_uses_tls_if_it_says_so(case: DriverCase, credentials: RotatingCredentials) -> None:
    async with case.opened(credentials) as connection:
        cipher = await case.ask(
            connection,
            "SELECT variable_value FROM performance_schema.session_status WHERE variable_name = 'Ssl_cipher'",
        )
    assert bool(cipher) == case.id.endswith("-tls")


@pytest.mark.parametrize("case", [case for case in MYSQL if not case.needs_cache], ids=repr)
async def test_a_server_that_remembers_nothing_gets_the_password_itself(
    case: DriverCase, app: Application, credentials_of: Callable[..., RotatingCredentials]
) -> None:
    """No other client has logged in with it, as after a restart of the server."""
    login = Login(app.username, new_password())
    app.server.admin().set_password(login)
    app.secrets.put(app.secret_id, content(app, login.password))
    async with case.opened(credentials_of(app)) as connection:
        assert await case.user(connection) == app.username


@pytest.mark.parametrize("case", [case for case in MYSQL if case.needs_cache], ids=repr)
async def test_a_driver_that_cannot_send_it_needs_another_clients_login_first(
    case: DriverCase, app: Application, credentials_of: Callable[..., RotatingCredentials]
) -> None:
    login = Login(app.username, new_password())
    app.server.admin().set_password(login)
    app.secrets.put(app.secret_id, content(app, login.password))
    credentials = credentials_of(app, fallback_stages=())
    with pytest.raises(case.rejected_type):
        async with case.opened(credentials):
            pass
    assert app.accepts(login)  # with TLS
    async with case.opened(credentials) as connection:
        assert await case.user(connection) == app.username


@pytest.mark.parametrize("case", MYSQL, ids=repr)
async def test_a_user_that_the_server_does_not_have_is_a_refusal_with_every_plugin_it_pretends(
    case: DriverCase, app: Application, credentials_of: Callable[..., RotatingCredentials]
) -> None:
    """The connector without TLS: OTHER for every second name, and the new user of the secret was not looked for."""
    credentials = credentials_of(app, fallback_stages=())
    for number in range(8):
        app.secrets.put(app.secret_id, content(app, "stale") | {"username": f"gone{number}"})
        credentials.refresh()
        with pytest.raises(Exception, match=r"."):
            async with case.opened(credentials):
                pass
    stats = credentials.stats()
    assert stats.rejected + stats.suspected >= 8


@pytest.mark.parametrize(
    "case", named(*(f"{name}-mysql-plain" for name in ("pymysql", "aiomysql", "asyncmy"))), ids=repr
)
def test_without_cryptography_a_rotation_costs_one_retry_too(
    case: DriverCase, app: Application, rotator: MakeRotator, secrets_manager: LocalSecretsManager
) -> None:
    """The RuntimeError of a stale password was taken for a fault of the installation, until the TTL."""
    assert app.accepts(app.login())
    with program("no_cryptography.py", secrets_manager.environment, app.secret_id, case.driver) as running:
        assert line(running) == "ready\n"
        rotator().rotate()
        go(running)
        stats: dict[str, Any] = json.loads(line(running))
    assert (stats["connects"], stats["suspected"], stats["rejected"], stats["recovered"]) == (2, 1, 0, 1)
