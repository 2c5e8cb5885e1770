"""Makes the application's user with the least privileges, from the main login; then the tables. Safe to run again.

Runs once in the private network, as an ECS task (deploy/cloudformation/setup.yaml) or anywhere else:

| variable | |
|---|---|
| WEBAPP_ENGINE | postgresql or mysql |
| WEBAPP_SECRET | the application's secret: this user, with this password, is made |
| SETUP_MAIN_SECRET | the main login; where RDS manages it, it holds user and password alone |
| SETUP_ROTATOR_SECRET | alternating-users only: the login with which AWS's rotation function works; else empty |
| SETUP_HOST, SETUP_DATABASE | where; SETUP_PORT if it is not the engine's own |
| WEBAPP_TLS_CA | the file with the authorities the server's certificate is verified with; empty: not verified |
| AWS_REGION | for secrets that are given by name |

A user that exists keeps its password: rotation owns it from the first day on. Nothing that is printed holds a password.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import secretconn
from secretconn import Credentials, RotatingCredentials

DATA = "SELECT, INSERT, UPDATE, DELETE"


def main(environ: Mapping[str, str]) -> None:
    """Make users, then tables, then see that the application's login works."""
    engine, database = environ["WEBAPP_ENGINE"], environ["SETUP_DATABASE"]
    make = {"postgresql": make_postgresql_users, "mysql": make_mysql_users}[engine]
    place: dict[str, Any] = {"host": environ["SETUP_HOST"]}
    if environ.get("SETUP_PORT"):
        place["port"] = int(environ["SETUP_PORT"])
    place["dbname" if engine == "postgresql" else "database"] = database
    place |= verified(
        engine, environ["WEBAPP_TLS_CA"]
    )  # not .get: to hand out the main login unverified takes a decision

    def secret(variable: str) -> RotatingCredentials:
        return RotatingCredentials(environ[variable], region=environ.get("AWS_REGION") or None, engine=engine)

    application = secret("WEBAPP_SECRET")
    rotator = secret("SETUP_ROTATOR_SECRET").current() if environ.get("SETUP_ROTATOR_SECRET") else None
    with secretconn.connect(secret("SETUP_MAIN_SECRET"), **place) as connection:
        make(connection, database, application.current(), rotator)
    if Path("manage.py").exists():
        say("tables: manage.py migrate")
        command = [sys.executable, "manage.py", "migrate", "--noinput"]
        subprocess.run(command, env={**environ, "DJANGO_SETTINGS_MODULE": "setup_settings"}, check=True)
    with secretconn.connect(application, **place) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    say(f"done: {application.current().username} can log in")


def verified(engine: str, authorities: str) -> dict[str, Any]:
    """The driver, and its arguments for TLS with a server whose certificate and name are verified."""
    if engine == "postgresql":
        return {"driver": "psycopg"} | ({"sslmode": "verify-full", "sslrootcert": authorities} if authorities else {})
    ssl = {"ca": authorities, "check_hostname": True, "verify_mode": "required"}
    return {"driver": "pymysql"} | ({"ssl": ssl} if authorities else {})


def make_postgresql_users(
    connection: Any, database: str, application: Credentials, rotator: Credentials | None
) -> None:
    """All in one transaction. The main user owns the tables; the application reads and writes rows."""
    from psycopg.sql import SQL, Identifier

    names = {"app": Identifier(_first_user(application)), "db": Identifier(database)}
    statements = [
        "REVOKE ALL ON DATABASE {db} FROM PUBLIC",
        "GRANT CONNECT ON DATABASE {db} TO {app}",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        "GRANT USAGE ON SCHEMA public TO {app}",
        f"GRANT {DATA} ON ALL TABLES IN SCHEMA public TO {{app}}",
        "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {app}",
        # and on the tables that migrations of the main user make from now on
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {DATA} ON TABLES TO {{app}}",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {app}",
    ]
    if rotator is not None:
        names["rotator"] = Identifier(rotator.username)
        statements += [
            "GRANT CONNECT ON DATABASE {db} TO {rotator}",
            "ALTER ROLE {rotator} CREATEROLE",
            # It may hand the application's role on and set its password, and does not use it itself (PostgreSQL 16).
            "GRANT {app} TO {rotator} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
        ]
    with connection.transaction():
        for login in (application, rotator):
            if login is not None:
                _make_postgresql_user(connection, login)
        for statement in statements:
            connection.execute(SQL(statement).format(**names))


def _make_postgresql_user(connection: Any, login: Credentials) -> None:
    from psycopg.sql import SQL, Identifier, Literal

    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [login.username]).fetchone():
        say(f"user {login.username}: there already")
        return
    name, password = login.username.encode(), login.password.encode()
    # The server gets and stores a SCRAM verifier, made here: whatever it logs holds no password.
    verifier = connection.pgconn.encrypt_password(password, name, b"scram-sha-256").decode()
    connection.execute(SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(Identifier(login.username), Literal(verifier)))
    say(f"user {login.username}: made")


def make_mysql_users(connection: Any, database: str, application: Credentials, rotator: Credentials | None) -> None:
    """One statement after the other, each harmless when it runs again. The server writes no password to its logs."""
    schema = "`" + database.replace("`", "``").replace("%", "%%") + "`"
    app = _first_user(application)
    with connection.cursor() as cursor:
        for login in (application, rotator):
            if login is not None:
                user = (login.username, login.password)
                cursor.execute("CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s", user)
                say(f"user {login.username}: made, or there already")
        cursor.execute(f"GRANT {DATA} ON {schema}.* TO %s@'%%'", (app,))
        if rotator is not None:
            name = (rotator.username,)
            # What AWS's function does: look at mysql.user, CREATE USER, SHOW GRANTS and hand these on, ALTER USER.
            cursor.execute("GRANT CREATE USER ON *.* TO %s@'%%' WITH GRANT OPTION", name)
            cursor.execute("GRANT SELECT ON mysql.* TO %s@'%%'", name)
            cursor.execute(f"GRANT {DATA} ON {schema}.* TO %s@'%%' WITH GRANT OPTION", name)
    connection.commit()


def _first_user(application: Credentials) -> str:
    """Of two alternating users the first: the clone takes its privileges from that one."""
    return application.username.removesuffix("_clone")


def say(text: str) -> None:
    """For the task's log."""
    print(f"setup: {text}", flush=True)


if __name__ == "__main__":
    main(os.environ)
