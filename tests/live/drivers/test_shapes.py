"""Every shape of secret logs in to a real server; a version that nobody can read harms nobody who has an older one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from secretconn import RotatingCredentials, SecretFormatError
from secretconn.testing import Application, LocalSecretsManager, Login, new_password
from tests.live.drivers.table import DriverCase, content, named

MakeCredentials = Callable[..., RotatingCredentials]
Write = Callable[[Application, str], dict[str, object] | str | bytes]

SOME = named("psycopg", "asyncpg", "pymysql", "aiomysql")


@dataclass(frozen=True)
class ShapeCase:
    """One shape of secret.

    Attributes:
        id: Its name.
        write: The secret's content for a password.
        settings: What RotatingCredentials must be told.
        says: What the caller must say, because the secret does not.
    """

    id: str
    write: Write
    settings: Callable[[Application], dict[str, Any]] = field(default=lambda _app: {})
    says: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return self.id


OTHER_KEYS = {
    "username": "db_user",
    "password": "db_pass",
    "host": "db_host",
    "port": "db_port",
    "database": "db_name",
    "engine": "db_kind",
}


def under_other_keys(app: Application, password: str) -> dict[str, object]:
    aws = content(app, password)
    return {OTHER_KEYS["database" if key == "dbname" else key]: value for key, value in aws.items()}


EVERYWHERE = ("host", "port", "database")
SHAPES = (
    ShapeCase("AWS's JSON", content),
    ShapeCase("RDS-managed", lambda app, password: {"username": app.username, "password": password}, says=EVERYWHERE),
    ShapeCase("other keys", under_other_keys, lambda _app: {"keys": OTHER_KEYS}),
    ShapeCase("plain text", lambda _app, password: password, lambda app: {"username": app.username}, says=EVERYWHERE),
    ShapeCase("binary", lambda app, password: json.dumps(content(app, password)).encode()),
    ShapeCase(
        "binary plain text",
        lambda _app, password: password.encode(),
        lambda app: {"username": app.username},
        says=EVERYWHERE,
    ),
    ShapeCase("port as text", lambda app, password: content(app, password, port=str(app.server.port))),
    ShapeCase("no database", lambda app, password: content(app, password, dbname=None), says=("database",)),
)


@pytest.mark.parametrize("shape", SHAPES, ids=repr)
@pytest.mark.parametrize("case", SOME, ids=repr)
async def test_each_shape_logs_in_and_survives_a_new_password(
    case: DriverCase,
    app: Application,
    shape: ShapeCase,
    credentials_of: MakeCredentials,
    secrets_manager: LocalSecretsManager,
) -> None:
    secrets_manager.put(app.secret_id, shape.write(app, app.login().password))
    credentials = credentials_of(app, **shape.settings(app))
    place = case.place(app)
    said = {name: place[name] for name in (case.database if one == "database" else one for one in shape.says)}
    for recovered in range(2):
        async with case.opened(credentials, **said) as connection:
            assert await case.user(connection) == app.username
            assert await case.ask(connection, "SELECT count(*) FROM orders") == 0
        assert credentials.stats().recovered == recovered
        changed = new_password()
        app.server.admin().set_password(Login(app.username, changed))
        secrets_manager.put(app.secret_id, shape.write(app, changed))


@pytest.mark.parametrize("broken", ["not JSON", "{}", b"\xff\xfe", '{"username": "u", "password": 7}'])
@pytest.mark.parametrize("case", SOME, ids=repr)
async def test_a_version_nobody_can_read_leaves_the_earlier_login_in_use(
    case: DriverCase,
    app: Application,
    broken: str | bytes,
    credentials: RotatingCredentials,
    credentials_of: MakeCredentials,
    secrets_manager: LocalSecretsManager,
) -> None:
    """One RotatingCredentials that holds a login, and one that has none yet."""
    held = credentials.current()
    password = app.login().password
    secrets_manager.put(app.secret_id, broken)
    with pytest.raises(SecretFormatError):
        credentials.refresh()
    assert credentials.current() is held
    async with case.opened(credentials) as connection:
        assert await case.ask(connection, "SELECT 1") == 1
    with pytest.raises(SecretFormatError):
        async with case.opened(credentials_of(app)):
            pass
    secrets_manager.put(app.secret_id, content(app, password))
    credentials.refresh()
    assert credentials.current().version_id != held.version_id
    async with case.opened(credentials) as connection:
        assert await case.ask(connection, "SELECT 1") == 1


@pytest.mark.parametrize("case", SOME, ids=repr)
async def test_a_rejection_beside_a_version_nobody_can_read_is_the_drivers_own_error(
    case: DriverCase, app: Application, credentials: RotatingCredentials, secrets_manager: LocalSecretsManager
) -> None:
    """And once the secret is right again, the same object connects."""
    secrets_manager.put(app.secret_id, "not JSON")
    changed = Login(app.username, new_password())
    app.server.admin().set_password(changed)
    with pytest.raises(case.rejected_type) as caught:
        async with case.opened(credentials):
            pass
    (note,) = caught.value.__notes__
    assert "the source gave no answer (SecretFormatError)" in note
    secrets_manager.put(app.secret_id, content(app, changed.password))
    credentials.refresh()
    async with case.opened(credentials) as connection:
        assert await case.ask(connection, "SELECT 1") == 1
