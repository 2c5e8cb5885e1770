"""Rotator on real databases: what the server accepts after each step of both strategies, and where the labels are."""

from __future__ import annotations

import json
from collections.abc import Callable

import pymysql
import pytest

from secretconn.testing import Application, LocalSecretsManager, Login, RotationError, RotationStep, Rotator

STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"]


def stages(app: Application) -> dict[str, list[str]]:
    described = app.secrets.client().describe_secret(SecretId=app.secret_id)["VersionIdsToStages"]
    return {version: sorted(labels) for version, labels in described.items() if labels}


def test_single_user_locks_the_old_login_out_between_set_and_finish(app: Application) -> None:
    old = app.login()
    seen = []
    for done in app.rotator().steps():
        new = app.login("AWSPENDING")
        seen.append((done.step, app.accepts(old), app.accepts(new), app.login() == new))
    assert seen == [
        ("createSecret", True, False, False),
        ("setSecret", False, True, False),
        ("testSecret", False, True, False),
        ("finishSecret", False, True, True),
    ]
    assert app.login("AWSPREVIOUS") == old


def test_alternating_users_keeps_the_old_login_for_one_more_rotation(app: Application) -> None:
    first = app.login()
    assert all(app.accepts(first) for _ in app.rotator("alternating-users").steps())
    second = app.login()
    assert second.username == f"{first.username}_clone"
    app.rotator("alternating-users").rotate()
    third = app.login()
    assert third.username == first.username
    assert [app.accepts(login) for login in (first, second, third)] == [False, True, True]
    app.rotator("alternating-users").rotate()
    assert [app.accepts(login) for login in (second, third, app.login())] == [False, True, True]


def test_clone_has_the_first_users_privileges(postgres_app: Application, mariadb_app: Application) -> None:
    import psycopg

    for app in (postgres_app, mariadb_app):
        app.rotator("alternating-users").rotate()
        login = app.login()
        connect: Callable[..., object] = psycopg.connect if app is postgres_app else pymysql.connect
        database = {"dbname" if app is postgres_app else "database": app.database}
        connection = connect(
            host=app.server.host, port=app.server.port, user=login.username, password=login.password, **database
        )
        with connection, connection.cursor() as cursor:
            cursor.execute("INSERT INTO orders VALUES (1, 'tea')")
            cursor.execute("SELECT item FROM orders")
            assert cursor.fetchall()[0] == ("tea",)


def test_labels_end_where_aws_leaves_them(app: Application) -> None:
    (first,) = stages(app)
    done = app.rotator().rotate()
    assert stages(app) == {first: ["AWSPREVIOUS"], done.version_id: ["AWSCURRENT", "AWSPENDING"]}
    again = app.rotator(drop_pending=True).rotate()
    assert stages(app) == {done.version_id: ["AWSPREVIOUS"], again.version_id: ["AWSCURRENT"]}
    assert again == RotationStep("finishSecret", app.secret_id, again.version_id, done.version_id, app.username)


def test_user_itself_can_do_the_single_user_rotation(app: Application) -> None:
    Rotator(app.secrets.client(), app.secret_id).rotate()
    assert app.accepts(app.login())
    assert not app.accepts(app.login("AWSPREVIOUS"))


def test_masterarn_names_the_secret_that_makes_the_clone(app: Application) -> None:
    server = app.server
    arn = app.secrets.create_secret(f"{app.secret_id}/master", {"username": server.user, "password": server.password})
    content = json.loads(app.secrets.client().get_secret_value(SecretId=app.secret_id)["SecretString"])
    app.secrets.put(app.secret_id, {**content, "masterarn": arn})
    Rotator(app.secrets.client(), app.secret_id, strategy="alternating-users").rotate()
    assert app.login().username == f"{app.username}_clone"
    assert app.accepts(app.login())


def test_admin_login_is_used_at_the_secrets_own_host(app: Application) -> None:
    Rotator(app.secrets.client(), app.secret_id, strategy="alternating-users", admin=app.server.login).rotate()
    assert app.accepts(app.login())


def test_other_keys_of_the_secret_are_kept(make_application: Callable[..., Application]) -> None:
    app = make_application("postgres", name="odd-name", content={"engine": "aurora-postgresql", "team": ["a", 1]})
    app.rotator("alternating-users").rotate()
    content = json.loads(app.secrets.client().get_secret_value(SecretId=app.secret_id)["SecretString"])
    assert content["team"] == ["a", 1]
    assert content["port"] == app.server.port
    assert app.accepts(app.login())


def test_plain_text_and_binary_secrets(postgres_app: Application, secrets_manager: LocalSecretsManager) -> None:
    app = postgres_app
    login = app.login()
    admin = app.server.admin(app.database)
    client = secrets_manager.client()
    for name, content in (("text", login.password), ("binary", json.dumps({"password": login.password}).encode())):
        secret_id = f"{app.secret_id}/{name}"
        secrets_manager.create_secret(secret_id, content)
        Rotator(client, secret_id, admin=admin, username=app.username).rotate()
        value = client.get_secret_value(SecretId=secret_id)
        new = value["SecretString"] if name == "text" else json.loads(value["SecretBinary"])["password"]
        assert app.accepts(Login(app.username, new))


def test_new_login_that_the_server_rejects_stops_before_finish(app: Application) -> None:
    current = stages(app)
    steps = app.rotator().steps()
    assert [next(steps).step, next(steps).step] == STEPS[:2]
    app.server.admin().set_password(Login(app.username, "somebody else was here"))
    with pytest.raises(RotationError, match="testSecret"):
        next(steps)
    assert [labels for version, labels in stages(app).items() if version in current] == [["AWSCURRENT"]]


def test_password_is_in_no_server_log(app: Application) -> None:
    for _ in app.rotator("alternating-users").steps():
        pass
    assert app.login().password not in app.server.log()
