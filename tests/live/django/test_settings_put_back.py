"""What Django's own tests and commands do with settings, and what a secret without a login is to Django."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.db.utils import OperationalError, ProgrammingError
from psycopg.rows import TupleRow

from secretconn import ConfigurationError, SecretFormatError
from secretconn.testing import Application, LocalSecretsManager, Login

from .conftest import ENGINES, CredentialsOf, Database, MakeApplication, Manage
from .test_backends import kind_of, user_of

KEYS = ("USER", "PASSWORD", "HOST", "PORT", "NAME")


@pytest.mark.parametrize("pool", [False, True], ids=["no pool", "pool"])
def test_what_is_put_back_says_nothing_again(
    pool: bool, postgres_app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    credentials = credentials_of(postgres_app)
    connection = database("postgres", credentials, OPTIONS={"pool": {"min_size": 0, "max_size": 2}} if pool else {})
    settings = connection.settings_dict
    for key in KEYS:
        old = settings[key]
        settings[key] = "another"
        assert settings[key] == "another"
        settings[key] = old
    assert [dict.__getitem__(settings, key) for key in KEYS] == ["", "", "", "", ""]
    assert connections.settings[connection.alias] is settings
    postgres_app.rotator("alternating-users").rotate()
    credentials.refresh()
    assert settings["USER"] == f"{postgres_app.username}_clone"
    assert user_of(connection).startswith(postgres_app.username)
    with connection._nodb_cursor() as cursor:
        cursor.execute("SELECT 1")
    assert [found.id for found in connection.validation.check()] == []


def test_so_it_is_after_a_rotation_in_between_and_for_update(
    app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    credentials = credentials_of(app)
    connection = database(kind_of(app), credentials)
    old = connection.settings_dict["PASSWORD"]
    connection.settings_dict.update(PASSWORD="another")
    app.rotator().rotate()
    credentials.refresh()
    connection.settings_dict.update({"PASSWORD": old})
    assert dict.__getitem__(connection.settings_dict, "PASSWORD") == ""
    connection.ensure_connection()


@pytest.mark.parametrize("pool", [False, True], ids=["no pool", "pool"])
def test_a_password_that_a_test_sets_is_used_meanwhile(
    pool: bool, app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    options = {"pool": {"min_size": 0, "max_size": 2, "timeout": 1.0}} if pool and kind_of(app) == "postgres" else {}
    connection = database(kind_of(app), credentials_of(app), OPTIONS=options)
    old = connection.settings_dict["PASSWORD"]
    connection.settings_dict["PASSWORD"] = "wrong"
    if not options:  # a pool keeps the login it was made with
        with pytest.raises(OperationalError):
            connection.ensure_connection()
    connection.settings_dict["PASSWORD"] = old
    connection.ensure_connection()


def content(app: Application) -> dict[str, Any]:
    login = app.login()
    place = {"engine": app.server.engine, "host": app.server.host, "port": app.server.port, "dbname": app.database}
    return {**place, "username": login.username, "password": login.password}


MALFORMED: dict[str, Any] = {
    "not JSON": "x",
    "no user": {"password": "p"},
    "port": {"port": "x"},
    "nul": {"dbname": "d\0e"},
}


@pytest.mark.parametrize("wrong", MALFORMED)
def test_a_malformed_secret_is_djangos_error_and_ours(
    wrong: str,
    app: Application,
    database: Database,
    credentials_of: CredentialsOf,
    secrets_manager: LocalSecretsManager,
) -> None:
    said = MALFORMED[wrong]
    secrets_manager.put(app.secret_id, said if wrong in ("not JSON", "no user") else content(app) | said)
    connection = database(kind_of(app), credentials_of(app))
    with pytest.raises(OperationalError) as caught:
        connection.ensure_connection()
    assert isinstance(caught.value, SecretFormatError)
    assert type(caught.value.__cause__) is SecretFormatError
    assert [found.id for found in connection.validation.check()] == ["secretconn.E002"]


def test_a_secret_of_another_engine_is_djangos_error_of_either_kind(
    app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    other = "mariadb" if kind_of(app) == "postgres" else "postgres"
    connection = database(other, credentials_of(app))
    with pytest.raises(OperationalError) as caught:
        connection.ensure_connection()
    assert isinstance(caught.value, ImproperlyConfigured)
    assert isinstance(caught.value, ConfigurationError)


@pytest.mark.parametrize("wrong", ["malformed", "no region", "no profile"])
def test_makemigrations_needs_no_database(wrong: str, secrets_manager: LocalSecretsManager, manage: Manage) -> None:
    if wrong == "malformed":
        secrets_manager.create_secret("wrong/makemigrations", "not JSON")
    environment = {
        "malformed": {},
        "no region": {"AWS_DEFAULT_REGION": "", "AWS_REGION": "", "AWS_CONFIG_FILE": os.devnull},
        "no profile": {"AWS_PROFILE": "nowhere"},
    }[wrong]
    wanted = {"ENGINE": ENGINES["postgres"], "OPTIONS": {"secret": "wrong/makemigrations"}}
    done = manage("makemigrations", "--check", "--dry-run", database=wanted, environment=environment)
    assert done.returncode == 0, done.stderr
    assert "consistent migration history" in done.stderr


def test_mysqldump_for_a_clone_gets_the_login_that_is_valid_now(
    make_application: MakeApplication,
    database: Database,
    credentials_of: CredentialsOf,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the window AWSCURRENT is refused. The programs here only write down what they are given."""
    app = make_application("mariadb")
    connection = database("mariadb", credentials_of(app))
    connection.ensure_connection()
    connection.close()
    for program in ("mysqldump", "mysql"):
        script = f'#!/bin/sh\nprintf \'%s\\n\' "$@" "--password=$MYSQL_PWD" > {tmp_path}/{program}.told\n'
        (tmp_path / program).write_text(script)
        (tmp_path / program).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    rotation = app.rotator().steps()
    while next(rotation).step != "setSecret":
        pass
    with connection._nodb_cursor():
        pass
    connection.creation._clone_db("test_a", "test_a_1")
    passwords = re.findall(r"(?m)^--password=(.+)$", (tmp_path / "mysqldump.told").read_text())
    assert app.accepts(Login(app.username, passwords[-1]))
    assert not app.accepts(app.login())
    list(rotation)


def test_a_pool_of_a_connection_class_with_its_rows(
    postgres_app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    pool = {"min_size": 0, "max_size": 2, "connection_class": psycopg.Connection[TupleRow]}
    connection = database("postgres", credentials_of(postgres_app), OPTIONS={"pool": pool})
    postgres_app.rotator().rotate()
    assert user_of(connection) == postgres_app.username


@pytest.mark.parametrize("role", [False, True], ids=["each its own tables", "one owner"])
def test_tables_of_a_migration_belong_to_whoever_ran_it_unless_one_role_owns_them(
    role: bool, postgres_app: Application, database: Database, credentials_of: CredentialsOf
) -> None:
    """docs/django.md, "Who owns the tables"."""
    app, credentials = postgres_app, credentials_of(postgres_app)
    owner = f"{app.username}_owner"
    app.server.sql(f'CREATE ROLE "{owner}"; GRANT "{owner}" TO "{app.username}"')
    app.server.sql("GRANT ALL ON SCHEMA public TO PUBLIC", database=app.database)
    options = {"assume_role": owner} if role else {}
    for name in ("a", "b"):
        app.rotator("alternating-users").rotate()
        credentials.refresh()
        connection = database("postgres", credentials, OPTIONS=options)
        if name == "b" and not role:
            with pytest.raises(ProgrammingError, match="must be owner of table"):
                run(connection, "ALTER TABLE a ADD COLUMN more integer")
        elif name == "b":
            run(connection, "ALTER TABLE a ADD COLUMN more integer")
        run(connection, f"CREATE TABLE {name} (id integer)")


def run(connection: Any, sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
