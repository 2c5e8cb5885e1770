"""deploy/setup as the setup task runs it, on real servers, with a main user who is no superuser (as in RDS)."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import psycopg
import pymysql
import pytest

import secretconn
from secretconn.testing import (
    LocalSecretsManager,
    Login,
    MariaDBAdmin,
    MariaDBServer,
    PostgresAdmin,
    PostgresServer,
    Rotator,
    new_password,
)

SETUP = Path(__file__).parents[3] / "deploy" / "setup" / "setup_database.py"
Server = PostgresServer | MariaDBServer
ADMINS = {"postgres": PostgresAdmin, "mysql": MariaDBAdmin, "mariadb": MariaDBAdmin}


class Deployment:
    """What database.yaml makes: a database, the main user, its secret, the application's and the rotator's."""

    def __init__(self, server: Server, secrets: LocalSecretsManager) -> None:
        self.server, self.secrets = server, secrets
        self.engine = "postgresql" if isinstance(server, PostgresServer) else "mysql"
        mark = uuid.uuid4().hex[:8]
        self.database, self.user, self.rotator_user = f"db_{mark}", f"web_{mark}", f"rot_{mark}"
        self.main = Login(f"main_{mark}", new_password())
        server.sql(_postgres(self) if self.engine == "postgresql" else _mysql(self))
        server.admin().set_password(self.main)
        self.names = {name: f"{mark}/{name}" for name in ("main", "application", "rotator")}
        secrets.create_secret(self.names["main"], {"username": self.main.username, "password": self.main.password})
        rotator = secrets.create_secret(self.names["rotator"], self._content(self.rotator_user))
        secrets.create_secret(self.names["application"], self._content(self.user) | {"masterarn": rotator})

    def _content(self, username: str) -> dict[str, object]:
        server = self.server
        where = {"engine": server.engine, "host": server.host, "port": server.port, "dbname": self.database}
        return where | {"username": username, "password": new_password()}

    def setup(self, *, rotator: bool, folder: Path | None = None) -> str:
        """Run the script, in a folder that may hold a Django project; what it printed."""
        credentials = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1"}
        environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
            **credentials,
            "SECRETCONN_ENDPOINT_URL": self.secrets.endpoint_url,
            "WEBAPP_ENGINE": self.engine,
            "WEBAPP_SECRET": self.names["application"],
            "SETUP_MAIN_SECRET": self.names["main"],
            "SETUP_ROTATOR_SECRET": self.names["rotator"] if rotator else "",
            "SETUP_HOST": self.server.host,
            "SETUP_PORT": str(self.server.port),
            "SETUP_DATABASE": self.database,
            "WEBAPP_TLS_CA": "",  # the test's servers have no certificate; test_tls.py has a server that needs one
            "PYTHONPATH": os.pathsep.join([str(SETUP.parent), *(path for path in sys.path if path)]),
        }
        done = subprocess.run(
            [sys.executable, SETUP],
            env=environ,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        for name in self.names:
            assert self.login(name).password not in done.stdout + done.stderr
        return done.stdout

    def login(self, name: str) -> Login:
        credentials = secretconn.RotatingCredentials(self.names[name], client=self.secrets.client()).current()
        return Login(credentials.username, credentials.password)

    def admin(self, login: Login) -> PostgresAdmin | MariaDBAdmin:
        kind = ADMINS[self.server.engine]
        return kind(login, host=self.server.host, port=self.server.port, database=self.database)

    def run(self, login: Login, *statements: str) -> None:
        """As this user, in the application's database."""
        if self.engine == "postgresql":
            where = {"host": self.server.host, "port": self.server.port, "dbname": self.database, "autocommit": True}
            with psycopg.connect(**where, user=login.username, password=login.password) as connection:
                for statement in statements:
                    connection.execute(statement)  # type: ignore[arg-type]
            return
        with (
            pymysql.connect(
                host=self.server.host,
                port=self.server.port,
                database=self.database,
                user=login.username,
                password=login.password,
                autocommit=True,
            ) as connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)


def _postgres(it: Deployment) -> str:
    """RDS's main user: makes roles and databases, owns its own, and is no superuser."""
    return (
        f'CREATE ROLE "{it.main.username}" LOGIN CREATEROLE CREATEDB;\n'
        f'CREATE DATABASE "{it.database}" OWNER "{it.main.username}";\n'
    )


def _mysql(it: Deployment) -> str:
    """RDS's main user: everything with GRANT OPTION but what is the server's own (SUPER, FILE, SHUTDOWN)."""
    rights = (
        "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, "
        "CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, "
        "CREATE USER, EVENT, TRIGGER"
    )
    return (
        f"CREATE USER `{it.main.username}`@`%`;\n"
        f"CREATE DATABASE `{it.database}`;\n"
        f"GRANT {rights} ON *.* TO `{it.main.username}`@`%` WITH GRANT OPTION;\n"
    )


@pytest.fixture(params=["postgres", "mariadb"])
def deployment(request: pytest.FixtureRequest, secrets_manager: LocalSecretsManager) -> Deployment:
    return Deployment(request.getfixturevalue(request.param), secrets_manager)


PROJECT = {
    "manage.py": """
import os, sys
from django.core.management import execute_from_command_line
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
execute_from_command_line(sys.argv)
""",
    "project/settings.py": """
import os
ENGINE = os.environ["WEBAPP_ENGINE"]
TLS = {}
DATABASES = {"default": {
    "ENGINE": f"secretconn.django.{ENGINE}",
    "OPTIONS": {"secret": {"id": os.environ["WEBAPP_SECRET"], "on_rotation": "drain"}},
}}
INSTALLED_APPS = ["shop"]
SECRET_KEY = "for this test"
""",
    "shop/__init__.py": "",
    "shop/migrations/__init__.py": "",
    "shop/migrations/0001_initial.py": """
from django.db import migrations, models
class Migration(migrations.Migration):
    operations = [migrations.CreateModel("Order", [("id", models.BigAutoField(primary_key=True))])]
""",
}
"""A project that is set up as examples/webapp is."""


def test_migrations_run_with_the_main_login_and_their_tables_are_the_applications_to_use(
    postgres: PostgresServer, secrets_manager: LocalSecretsManager, tmp_path: Path
) -> None:
    for name, text in PROJECT.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    it = Deployment(postgres, secrets_manager)
    assert "shop.0001_initial... OK" in it.setup(rotator=False, folder=tmp_path)
    app = it.login("application")
    it.run(app, "INSERT INTO shop_order DEFAULT VALUES")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        it.run(app, "DROP TABLE shop_order")


def test_the_application_reads_and_writes_rows_and_nothing_else(deployment: Deployment) -> None:
    it = deployment
    if it.engine == "postgresql":  # were the server sent the password, it would store an MD5 of it
        it.server.sql(f"ALTER ROLE \"{it.main.username}\" SET password_encryption = 'md5';\n")
    it.setup(rotator=False)
    if it.engine == "postgresql":
        stored = it.server.sql(f"SELECT rolpassword FROM pg_authid WHERE rolname = '{it.user}';\n")
        assert "SCRAM-SHA-256" in str(stored)
    it.run(it.main, "CREATE TABLE orders (id integer PRIMARY KEY, item varchar(20))")  # as a migration would, after it
    app = it.login("application")
    it.run(app, "INSERT INTO orders VALUES (1, 'x')", "UPDATE orders SET item = 'y'", "DELETE FROM orders")
    for denied in (
        "CREATE TABLE more (id integer)",
        "DROP TABLE orders",
        "ALTER TABLE orders ADD more integer",
        f"CREATE USER {it.user}2",
        f"CREATE DATABASE {it.database}2",
    ):
        with pytest.raises((psycopg.errors.InsufficientPrivilege, pymysql.OperationalError)):
            it.run(app, denied)

    Rotator(it.secrets.client(), it.names["application"], strategy="single-user").rotate()  # as the user itself
    rotated = it.login("application")
    it.setup(rotator=False)  # again: no password is changed
    assert rotated != app
    assert it.admin(rotated).verify(rotated)


def test_the_rotator_rotates_alternating_users_and_can_be_rotated_itself(deployment: Deployment) -> None:
    it = deployment
    it.setup(rotator=True)
    it.run(it.main, "CREATE TABLE orders (id integer PRIMARY KEY)")
    client, users = it.secrets.client(), []
    for number in range(3):  # the clone is made, then each has its turn; with the login that masterarn names
        Rotator(client, it.names["application"], strategy="alternating-users").rotate()
        app = it.login("application")
        users.append(app.username)
        it.run(app, f"INSERT INTO orders VALUES ({number})")
        Rotator(client, it.names["rotator"], strategy="single-user").rotate()
    assert users == [f"{it.user}_clone", it.user, f"{it.user}_clone"]
    it.setup(rotator=True)  # with the clone as current user
    it.run(it.login("application"), "DELETE FROM orders")
    if it.engine == "postgresql":  # it has no rows in reach, and no hold on the main user
        for denied in ("SELECT * FROM orders", f'ALTER ROLE "{it.main.username}" PASSWORD NULL'):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                it.run(it.login("rotator"), denied)
