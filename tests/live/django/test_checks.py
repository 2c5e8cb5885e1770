"""`manage.py check --database`: one id for each thing that can be wrong with a secret."""

from __future__ import annotations

from typing import Any

import pytest

from secretconn import RotatingCredentials
from secretconn.testing import Application, LocalSecretsManager, Login

from .conftest import CredentialsOf, Database, MakeApplication

GOOD = {"username": "u", "password": "p", "host": "127.0.0.1", "dbname": "d", "engine": "postgres"}


def ids(connection: Any) -> list[str]:
    return [found.id for found in connection.validation.check()]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("not JSON", ["secretconn.E002"]),
        ({**GOOD, "password": ""}, ["secretconn.E002"]),
        ({"username": "u", "password": "p", "dbname": "d"}, ["secretconn.E003"]),
        ({"username": "u", "password": "p", "host": "127.0.0.1"}, ["secretconn.E003"]),
        ({**GOOD, "engine": "mysql"}, ["secretconn.E004"]),
        ({**GOOD, "port": 1}, ["secretconn.W001"]),
    ],
)
def test_a_secret_that_is_wrong(
    content: Any, expected: list[str], secrets_manager: LocalSecretsManager, database: Database, request: Any
) -> None:
    name = "wrong/" + request.node.callspec.id.replace(" ", "-")
    secrets_manager.create_secret(name, content)
    connection = database("postgres", RotatingCredentials(name, client=secrets_manager.client()))
    assert ids(connection) == expected


def test_a_secret_that_is_not_there(secrets_manager: LocalSecretsManager, database: Database) -> None:
    connection = database("postgres", RotatingCredentials("nowhere", client=secrets_manager.client()))
    (found,) = connection.validation.check()
    assert found.id == "secretconn.E001"
    assert "ResourceNotFoundException" in found.msg


def test_a_login_that_is_rejected(app: Application, database: Database, credentials_of: CredentialsOf) -> None:
    app.server.admin().set_password(Login(app.username, "other than the secret's"))
    kind = "postgres" if app.server.engine == "postgres" else "mariadb"
    connection = database(kind, credentials_of(app))
    (found,) = connection.validation.check()
    assert found.id == "secretconn.E005"
    assert app.secret_id in found.msg
    assert app.login().password not in str(found)


def test_a_pool_is_not_waited_for(postgres_app: Application, database: Database, credentials_of: CredentialsOf) -> None:
    postgres_app.server.admin().set_password(Login(postgres_app.username, "other than the secret's"))
    connection = database("postgres", credentials_of(postgres_app), OPTIONS={"pool": {"timeout": 3600.0}})
    assert ids(connection) == ["secretconn.E005"]


def test_nothing_is_wrong(make_application: MakeApplication, database: Database, credentials_of: CredentialsOf) -> None:
    for kind in ("postgres", "mariadb"):
        assert ids(database(kind, credentials_of(make_application(kind)))) == []
