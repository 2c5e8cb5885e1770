"""manage.py with our engines: migrate, test, check, inspectdb, dbshell, makemigrations without a database."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from secretconn.testing import Application, MariaDBServer, PostgresServer

from .conftest import ENGINES, MakeApplication, Manage

VARIANTS = {
    "psycopg": ("postgres", {}, {}),
    "psycopg-pool": ("postgres", {"pool": {"min_size": 1, "max_size": 4}}, {}),
    "psycopg2": ("postgres", {}, {"SHOP_PSYCOPG2": "1"}),
    "mysqlclient": ("mariadb", {}, {}),
    "pymysql": ("mariadb", {}, {"SHOP_PYMYSQL": "1"}),
}


def settings(app: Application, **more: Any) -> dict[str, Any]:
    """DATABASES["default"]: the engine and the secret, nothing else."""
    options = {"secret": app.secret_id, **more.pop("OPTIONS", {})}
    kind = "postgres" if isinstance(app.server, PostgresServer) else "mariadb"
    return {"ENGINE": ENGINES[kind], "OPTIONS": options, **more}


def allow_test_databases(app: Application) -> None:
    """What the documentation of Django asks of the user that runs tests."""
    if isinstance(app.server, MariaDBServer):
        app.server.sql(f"GRANT ALL ON `test_{app.database}`.* TO `{app.username}`@`%`;\n")
    else:
        app.server.sql(f'ALTER ROLE "{app.username}" CREATEDB')


@pytest.mark.parametrize("variant", VARIANTS)
def test_its_tests_run(variant: str, make_application: MakeApplication, manage: Manage) -> None:
    """On a database of their own, with all migrations."""
    kind, options, environment = VARIANTS[variant]
    app = make_application(kind)
    allow_test_databases(app)
    tested = manage("test", database=settings(app, OPTIONS=options), environment=environment)
    assert tested.returncode == 0, tested.stderr
    assert "Ran 7 tests" in tested.stderr


@pytest.mark.parametrize("variant", ["psycopg-pool", "pymysql"])
def test_migrate_and_inspectdb(variant: str, make_application: MakeApplication, manage: Manage) -> None:
    kind, options, environment = VARIANTS[variant]
    database = settings(make_application(kind), OPTIONS=options)
    migrated = manage("migrate", database=database, environment=environment)
    assert migrated.returncode == 0, migrated.stderr
    shown = manage("inspectdb", "shop_order", database=database, environment=environment)
    assert "customer = models.CharField(max_length=40)" in shown.stdout, shown.stderr


def test_tests_in_parallel_use_cloned_databases(postgres_app: Application, manage: Manage) -> None:
    allow_test_databases(postgres_app)
    tested = manage("test", "--parallel", "2", database=settings(postgres_app))
    assert tested.returncode == 0, tested.stderr
    assert "Cloning test database" in tested.stderr + tested.stdout


def test_check_says_what_is_wrong(postgres_app: Application, manage: Manage) -> None:
    fine = manage("check", "--database", "default", database=settings(postgres_app))
    assert fine.returncode == 0, fine.stderr
    database = {"ENGINE": ENGINES["postgres"], "OPTIONS": {"secret": "no/such/secret"}}
    wrong = manage("check", "--database", "default", database=database)
    assert wrong.returncode == 1
    assert "DATABASES['default']: (secretconn.E001)" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_makemigrations_needs_no_secret(postgres_app: Application, manage: Manage) -> None:
    database = {"ENGINE": ENGINES["postgres"], "OPTIONS": {"secret": "no/such/secret"}}
    made = manage("makemigrations", "--check", "--dry-run", database=database)
    assert made.returncode == 0, made.stderr
    assert "RuntimeWarning: Got an error checking a consistent migration history" in made.stderr


def test_dbshell_runs_psql(postgres: PostgresServer, postgres_app: Application, manage: Manage) -> None:
    postgres_app.rotator().rotate()
    path = {"PATH": str(postgres.binaries)}
    shell = manage("dbshell", "--", "-Atc", "SELECT current_user", database=settings(postgres_app), environment=path)
    assert shell.stdout.strip() == postgres_app.username, shell.stderr


@pytest.mark.parametrize(
    ("kind", "program", "variable"), [("postgres", "psql", "PGPASSWORD"), ("mariadb", "mysql", "MYSQL_PWD")]
)
def test_dbshell_keeps_the_password_off_the_command_line(
    kind: str, program: str, variable: str, make_application: MakeApplication, manage: Manage, tmp_path: Path
) -> None:
    app = make_application(kind)
    fake = tmp_path / program
    fake.write_text(f'#!/bin/sh\nprintf "%s " "$@"\nprintf "\\n%s" "${variable}"\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    shell = manage("dbshell", database=settings(app), environment={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    arguments, password = shell.stdout.splitlines()
    assert password == app.login().password
    assert password not in arguments
    for said in (app.username, app.database, str(app.server.port), app.server.host):
        assert said in arguments
