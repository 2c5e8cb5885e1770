"""What stays as with Django's own backends, and what the settings answer."""

from __future__ import annotations

import copy
import os
import pickle
import traceback
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction, utils
from django.db.utils import OperationalError

from secretconn import RotatingCredentials, SecretUnavailable
from secretconn.testing import Application, LocalSecretsManager, Login, PostgresServer

from .conftest import ENGINES, CredentialsOf, Database, MakeApplication


def kind_of(app: Application) -> str:
    return "postgres" if isinstance(app.server, PostgresServer) else "mariadb"


def ask(connection: Any, sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def user_of(connection: Any) -> str:
    return str(ask(connection, "SELECT CURRENT_USER")).partition("@")[0]


def test_a_rejected_login_is_djangos_error_from_the_drivers(
    app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    app.server.admin().set_password(Login(app.username, "other than the secret's"))
    connection = database(kind_of(app), credentials_of(app))
    with pytest.raises(OperationalError) as caught:
        connection.ensure_connection()
    cause = caught.value.__cause__
    assert isinstance(cause, connection.Database.OperationalError)
    assert any(app.secret_id in note for note in getattr(cause, "__notes__", ()))


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_no_frame_of_ours_or_djangos_shows_the_password(
    kind: str, make_application: MakeApplication, database: Database, credentials_of: CredentialsOf
) -> None:
    app = make_application(kind, content={"password": "readable-in-any-repr"})
    connection = database(kind, credentials_of(app))
    with pytest.raises(OperationalError) as caught:
        connection.ensure_connection()
    seen = set()
    error: BaseException | None = caught.value
    while error is not None:
        for frame, _line in traceback.walk_tb(error.__traceback__):
            path = frame.f_code.co_filename
            if f"{os.sep}django{os.sep}" not in path:
                continue  # a driver's own frames
            seen.add(path.rpartition(os.sep)[2])
            for name, value in frame.f_locals.items():
                assert "readable-in-any-repr" not in repr(value), (frame.f_code.co_name, name)
        error = error.__cause__
    assert {"wrapper.py", "base.py"} <= seen


def test_no_such_database(app: Application, database: Database, credentials_of: CredentialsOf) -> None:
    connection = database(kind_of(app), credentials_of(app), NAME="nowhere")
    with pytest.raises(OperationalError, match="nowhere"):
        connection.ensure_connection()


def test_a_secret_that_cannot_be_read_is_an_operational_error(
    secrets_manager: LocalSecretsManager, database: Database
) -> None:
    connection = database("postgres", RotatingCredentials("no/such/secret", client=secrets_manager.client()))
    with pytest.raises(OperationalError) as caught:
        connection.ensure_connection()
    assert isinstance(caught.value, SecretUnavailable)
    assert isinstance(caught.value.__cause__, SecretUnavailable)


def test_the_settings_follow_the_secret_and_hold_no_password(
    app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    credentials = credentials_of(app)
    settings = database(kind_of(app), credentials).settings_dict
    assert settings["USER"] == settings.get("USER") == app.username
    assert (settings["HOST"], settings["PORT"], settings["NAME"]) == (app.server.host, app.server.port, app.database)
    before = settings["PASSWORD"]
    app.rotator().rotate()
    credentials.refresh()
    assert settings["PASSWORD"] == app.login().password != before
    assert {**settings}["PASSWORD"] == dict(settings)["PASSWORD"] == ""
    assert settings["PASSWORD"] not in repr(settings)
    assert settings.copy()["PASSWORD"] == settings["PASSWORD"]


def test_copies_share_the_secret(app: Application, database: Database, credentials_of: CredentialsOf) -> None:
    connection = database(kind_of(app), credentials_of(app))
    other = connection.copy("copied")
    try:
        assert other.settings_dict.secret.credentials is connection.settings_dict.secret.credentials
        assert user_of(other) == app.username
    finally:
        other.close()
    plain = {**connection.settings_dict, "OPTIONS": {}}
    assert pickle.loads(pickle.dumps(copy.copy(plain)))["PASSWORD"] == ""


def test_connection_params_are_whole_and_current(
    app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    """Code beside Django opens connections of its own with them."""
    credentials = credentials_of(app)
    connection = database(kind_of(app), credentials)
    app.rotator().rotate()
    credentials.refresh()
    params = connection.get_connection_params()
    assert "secret" not in params
    connection.Database.connect(**params).close()


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_given_addresses_win(
    kind: str, make_application: MakeApplication, database: Database, credentials_of: CredentialsOf
) -> None:
    app = make_application(kind, content={"host": "nowhere.invalid", "port": 1})
    elsewhere = "postgres" if kind == "postgres" else "information_schema"
    given = {"HOST": app.server.host, "PORT": str(app.server.port), "NAME": elsewhere}
    connection = database(kind, credentials_of(app), **given)
    assert ask(connection, f"SELECT {'current_database()' if kind == 'postgres' else 'database()'}") == elsewhere
    assert connection.settings_dict["PORT"] == given["PORT"]


def test_no_database_where_django_wants_none(
    app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    connection = database(kind_of(app), credentials_of(app))
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT current_database()" if kind_of(app) == "postgres" else "SELECT database()")
        assert cursor.fetchone()[0] == ("postgres" if kind_of(app) == "postgres" else None)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"USER": "me"}, "USER must be left out"),
        ({"PASSWORD": "x"}, "PASSWORD must be left out"),
        ({"OPTIONS": {"secret": "a", "password": "x"}}, "must be left out"),
        ({"OPTIONS": {}}, 'needs "secret"'),
        ({"OPTIONS": {"secret": {"id": "a", "nonsense": 1}}}, "nonsense"),
    ],
)
def test_settings_that_cannot_be(more: dict[str, Any], message: str) -> None:
    wanted = {"ENGINE": ENGINES["postgres"], "OPTIONS": {"secret": "a"}, **more}
    handler = utils.ConnectionHandler({"default": wanted})
    with pytest.raises(ImproperlyConfigured, match=message):
        handler["default"]


def test_isolation_levels(app: Application, database: Database, credentials_of: CredentialsOf) -> None:
    postgres = kind_of(app) == "postgres"
    level: object = 4 if postgres else "serializable"
    connection = database(kind_of(app), credentials_of(app), OPTIONS={"isolation_level": level})
    with transaction.atomic(using=connection.alias):
        variable = "transaction_isolation" if postgres or not connection.mysql_is_mariadb else "tx_isolation"
        answer = ask(connection, f"SHOW {variable}" if postgres else f"SELECT @@{variable}")
    assert answer.lower() == "serializable"


def test_assume_role_and_server_side_cursors(
    postgres: PostgresServer, postgres_app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    role = f"{postgres_app.username}_role"
    postgres.sql(f'CREATE ROLE "{role}"; GRANT "{role}" TO "{postgres_app.username}"')
    connection = database("postgres", credentials_of(postgres_app), OPTIONS={"assume_role": role})
    assert ask(connection, "SELECT current_user") == role
    assert ask(connection, "SELECT session_user") == postgres_app.username
    connection.set_autocommit(False)
    with connection.chunked_cursor() as cursor:
        cursor.execute("SELECT generate_series(1, 5)")
        assert len(list(cursor)) == 5
    connection.rollback()
    connection.set_autocommit(True)


@pytest.mark.parametrize(("on_rotation", "suffix"), [("drain", "_clone"), ("keep", "")])
def test_a_persistent_connection_at_the_end_of_a_request(
    on_rotation: str, suffix: str, app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    credentials = credentials_of(app)
    secret = {"credentials": credentials, "on_rotation": on_rotation}
    connection = database(kind_of(app), secret, CONN_MAX_AGE=None, CONN_HEALTH_CHECKS=True)
    assert user_of(connection) == app.username
    app.rotator("alternating-users").rotate()
    credentials.refresh()
    assert user_of(connection) == app.username  # until the request is over
    connection.close_if_unusable_or_obsolete()
    assert user_of(connection) == app.username + suffix


def test_a_lost_connection_comes_back_with_the_new_login(
    postgres: PostgresServer, postgres_app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    connection = database("postgres", credentials_of(postgres_app), CONN_MAX_AGE=None, CONN_HEALTH_CHECKS=True)
    pid = ask(connection, "SELECT pg_backend_pid()")
    postgres_app.rotator().rotate()
    postgres.sql(f"SELECT pg_terminate_backend({pid}, 5000)")
    connection.close_if_unusable_or_obsolete()
    assert ask(connection, "SELECT pg_backend_pid()") != pid


def test_threads_share_one_set_of_settings(app: Application, database: Database, credentials_of: CredentialsOf) -> None:
    connection = database(kind_of(app), credentials_of(app))
    assert connections.settings[connection.alias] is connection.settings_dict
    del connections[connection.alias]
    assert connections[connection.alias].settings_dict is connection.settings_dict


def test_a_backend_of_ones_own(make_application: MakeApplication, credentials_of: CredentialsOf) -> None:
    app = make_application("postgres")
    wanted = {"ENGINE": "shop.own_backend", "OPTIONS": {"secret": credentials_of(app)}}
    connection = utils.ConnectionHandler({"default": wanted})["default"]
    try:
        assert ask(connection, "SELECT current_setting('application_name')") == "own"
    finally:
        connection.close()


def test_a_backend_that_reads_the_settings_when_it_connects(
    make_application: MakeApplication, credentials_of: CredentialsOf
) -> None:
    app = make_application("postgres")
    credentials = credentials_of(app)
    wanted = {"ENGINE": "shop.settings_backend", "OPTIONS": {"secret": credentials}}
    connection = utils.ConnectionHandler({"default": wanted})["default"]
    for strategy in ("single-user", "alternating-users"):
        for _step in app.rotator(strategy).steps():
            assert ask(connection, "SELECT current_database()") == app.database
            connection.close()
    assert credentials.stats().recovered > 0
