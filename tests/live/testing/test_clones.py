"""The clone of alternating-users rotation, on MySQL and MariaDB: may do what the first user may, no less, no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pymysql
import pytest

from secretconn.testing import Application, LocalSecretsManager, Login, MySQLServer, new_password

MakeApplication = Callable[..., Application]
ACCESS_DENIED, COMMAND_DENIED = 1045, 1142


@pytest.fixture(params=["mariadb", "mysql"])
def app(request: pytest.FixtureRequest, make_application: MakeApplication) -> Application:
    return make_application(request.param)


def clone(app: Application, login: Login) -> Login:
    made = Login(f"{app.username}_clone", new_password())
    app.server.admin().create_user(made, like=login.username)
    return made


def connected(app: Application, login: Login, **options: Any) -> pymysql.connections.Connection:
    return pymysql.connect(
        host=app.server.host, port=app.server.port, user=login.username, password=login.password.encode(), **options
    )


def answer(app: Application, login: Login, question: str) -> Any:
    with connected(app, login) as connection, connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchall()


def test_tls_is_required_of_the_clone_too(app: Application) -> None:
    """On a server without TLS, too, it is what the server's own table says."""
    for clause, row in (
        ("SSL", ("ANY", "", "")),
        ("X509", ("X509", "", "")),
        ("SUBJECT '/CN=a%b' AND ISSUER '/CN=ca'", ("SPECIFIED", "/CN=ca", "/CN=a%b")),
    ):
        app.server.sql(f"ALTER USER `{app.username}`@`%` REQUIRE {clause}")
        made = clone(app, app.login())
        kept = app.server.sql(
            "SELECT ssl_type, CONVERT(x509_issuer USING utf8mb4), CONVERT(x509_subject USING utf8mb4) "
            f"FROM mysql.user WHERE user = '{made.username}'"
        )
        app.server.sql(f"DROP USER `{made.username}`@`%`")
        assert [tuple(one) for one in kept] == [row]


def test_a_clone_that_needs_tls_is_refused_without(make_application: MakeApplication) -> None:
    app = make_application("mysql")
    app.server.sql(f"ALTER USER `{app.username}`@`%` REQUIRE SSL")
    app.rotator("alternating-users").rotate()
    connected(app, app.login()).close()
    with pytest.raises(pymysql.OperationalError) as caught:
        connected(app, app.login(), ssl_disabled=True)
    assert caught.value.args[0] == ACCESS_DENIED


def test_default_roles_are_the_clones_too(app: Application) -> None:
    """Without them it has the role, and nothing that the role may do."""
    role = f"{app.username}_role"
    app.server.sql(
        f"CREATE ROLE `{role}`;\nGRANT SELECT ON mysql.user TO `{role}`;\nGRANT `{role}` TO `{app.username}`@`%`;\n"
    )
    default = (
        f"ALTER USER `{app.username}`@`%` DEFAULT ROLE `{role}`"
        if isinstance(app.server, MySQLServer)
        else f"SET DEFAULT ROLE `{role}` FOR `{app.username}`@`%`"
    )
    app.server.sql(default)
    app.rotator("alternating-users").rotate()
    assert app.login().username.endswith("_clone")
    assert answer(app, app.login(), "SELECT count(*) > 0 FROM mysql.user") == ((1,),)


@pytest.fixture(scope="module")
def revoking() -> Any:
    with MySQLServer(options={"partial_revokes": "ON"}) as server:
        yield server


def test_partial_revokes_hold_for_the_clone(revoking: MySQLServer, secrets_manager: LocalSecretsManager) -> None:
    app = Application(revoking, secrets_manager)
    revoking.sql(
        "CREATE DATABASE IF NOT EXISTS hidden;\nCREATE TABLE IF NOT EXISTS hidden.salaries (euros integer);\n"
        f"GRANT SELECT, INSERT ON *.* TO `{app.username}`@`%`;\n"
        f"REVOKE SELECT ON hidden.* FROM `{app.username}`@`%`;\n"
    )
    app.rotator("alternating-users").rotate()
    login = app.login()
    assert login.username.endswith("_clone")
    assert answer(app, login, "SELECT count(*) > 0 FROM mysql.user") == ((1,),)
    with pytest.raises(pymysql.OperationalError) as caught:
        answer(app, login, "SELECT * FROM hidden.salaries")
    assert caught.value.args[0] == COMMAND_DENIED


def test_half_a_clone_does_not_stay(app: Application) -> None:
    """The next rotation would take it for a whole one."""
    maker = Login(f"{app.username}_maker", new_password())
    app.server.sql(f"CREATE USER `{maker.username}`@`%`")
    app.server.admin().set_password(maker)
    app.server.sql(
        f"GRANT CREATE USER ON *.* TO `{maker.username}`@`%`;\nGRANT SELECT ON mysql.* TO `{maker.username}`@`%`;\n"
    )
    admin = type(app.server.admin())(maker, host=app.server.host, port=app.server.port)
    made = Login(f"{app.username}_clone", new_password())
    with pytest.raises(pymysql.MySQLError):  # it may make users, and has no rights to give them
        admin.create_user(made, like=app.username)
    assert not admin.user_exists(made.username)
