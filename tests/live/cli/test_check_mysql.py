"""``secretconn check`` on a real MySQL: what caching_sha2_password hides is named; and a server that never speaks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from secretconn.cli import main
from secretconn.testing import Application, LocalSecretsManager, Login, MySQLServer

DRIVERS = ("pymysql", "mysqlclient", "aiomysql", "asyncmy", "mysql-connector", "mariadb")


@pytest.fixture
def app(mysql: MySQLServer, secrets_manager: LocalSecretsManager, monkeypatch: pytest.MonkeyPatch) -> Application:
    for name, value in secrets_manager.environment.items():
        monkeypatch.setenv(name, value)
    return Application(mysql, secrets_manager)


def check(app: Application, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    main(["check", app.secret_id, "--json", *words])
    out, err = capsys.readouterr()
    assert app.login().password not in out + err
    return dict(json.loads(out))


def check_in_a_process_of_its_own(app: Application, before: str, *words: str, **environment: str) -> dict[str, Any]:
    """Some faults are in what was imported; ``before`` is a line of Python that makes them."""
    program = f"import sys; {before}; from secretconn.cli import main; main(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", program, "check", app.secret_id, "--json", *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert app.login().password not in done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def failures(told: dict[str, Any]) -> list[str]:
    return [one["name"] for one in told["findings"] if one["severity"] == "failure"]


def test_all_drivers(app: Application, capsys: pytest.CaptureFixture[str]) -> None:
    """aiomysql and asyncmy, mysqlclient and mariadb do not use TLS by themselves."""
    told = check(app, capsys, "--all-drivers")
    assert failures(told) == []
    assert all(one["server"].startswith("MySQL 9.") for one in told["connections"])
    assert {one["driver"] for one in told["connections"]} == set(DRIVERS)
    assert {one["driver"] for one in told["connections"] if one["tls"]} >= {"pymysql", "mysql-connector"}
    assert {one["driver"] for one in told["connections"] if not one["tls"]} >= {"aiomysql", "asyncmy"}


@pytest.mark.parametrize("driver", ["pymysql", "aiomysql", "asyncmy"])
def test_without_cryptography_and_tls_the_password_is_not_sent(app: Application, driver: str) -> None:
    words = ["--option", "ssl_disabled=true"] if driver == "pymysql" else []
    told = check_in_a_process_of_its_own(
        app, "sys.modules['cryptography'] = sys.modules['cryptography.hazmat'] = None", "--driver", driver, *words
    )
    assert failures(told) == ["password-not-sent"]
    assert "cryptography" in told["findings"][-1]["advice"]


def test_connector_without_tls_is_refused_as_with_a_wrong_password(
    app: Application, capsys: pytest.CaptureFixture[str]
) -> None:
    """It sends the password in the clear, and the server does not take that; once it remembers the login, a hash."""
    words = ("--driver", "mysql-connector", "--option", "ssl_disabled=true", "--option", "use_pure=true")
    assert failures(check(app, capsys, *words)) == ["tls-or-password"]
    assert app.accepts(app.login())  # with TLS
    assert failures(check(app, capsys, *words)) == []


def test_a_plugin_that_the_client_cannot_load_is_not_a_wrong_password(app: Application) -> None:
    told = check_in_a_process_of_its_own(app, "pass", "--driver", "mysqlclient", MARIADB_PLUGIN_DIR="/no/such/folder")
    assert failures(told) == ["client-plugin"]
    assert "could not be loaded" in told["steps"][-1]["told"]


def test_codes_that_only_mysql_has(app: Application, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--driver", "aiomysql")
    user, login = f"`{app.username}`@`%`", app.login()
    assert app.accepts(login)
    app.server.sql("SET GLOBAL require_secure_transport = ON")
    try:
        assert failures(check(app, capsys, *words)) == ["tls-required"]  # 3159
    finally:
        app.server.sql("SET GLOBAL require_secure_transport = OFF")
    app.server.sql(f"ALTER USER {user} ACCOUNT LOCK")
    assert failures(check(app, capsys, *words)) == ["account-locked"]  # 3118
    app.server.sql(f"ALTER USER {user} ACCOUNT UNLOCK PASSWORD EXPIRE")
    assert failures(check(app, capsys, *words)) == ["password-expired"]  # 1862
    app.server.admin().set_password(login)
    app.server.sql(f"ALTER USER {user} FAILED_LOGIN_ATTEMPTS 1 PASSWORD_LOCK_TIME 1")
    with pytest.raises(pymysql.OperationalError, match="Account is blocked"):  # the login that is one too many, too
        app.accepts(Login(app.username, "wrong"))
    assert failures(check(app, capsys, *words)) == ["account-blocked"]  # 3955


@pytest.fixture
def mute() -> Iterator[int]:
    """The port of a server that takes connections (into its backlog) and never greets."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listening:
        yield listening.getsockname()[1]


def test_a_server_that_never_greets_ends_by_the_timeout(app: Application, mute: int) -> None:
    """PyMySQL, aiomysql, asyncmy and the connector's async connect would wait for ever. (Some leave their sockets.)"""
    words = ("--all-drivers", "--port", str(mute), "--timeout", "1")
    told = check_in_a_process_of_its_own(app, "pass", *words)
    logins = [step for step in told["steps"] if step["step"] == "login"]
    assert failures(told) == ["no-greeting"] * len(logins)
    assert len(logins) == len(DRIVERS) + 1
