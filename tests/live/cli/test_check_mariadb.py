"""``secretconn check`` on a real MariaDB with TLS: what it answers alike is told apart as far as can be."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from secretconn.cli import main
from secretconn.cli.check.drivers import TLS_OPTIONS
from secretconn.testing import Application, LocalSecretsManager, Login, MariaDBServer, new_password

TAKES_TLS = ("pymysql", "mysql-connector")
"""They use TLS by themselves wherever the server offers it."""

DRIVERS = ("pymysql", "mysqlclient", "aiomysql", "asyncmy", "mysql-connector", "mariadb")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-made certificate for 127.0.0.1; its key is beside it."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            *["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=orders"],
            *["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "server.key", "-out", folder / "CA.pem"],
        ],
        check=True,
        capture_output=True,
    )
    return folder / "CA.pem"


@pytest.fixture(scope="module")
def server(certificate: Path) -> Iterator[MariaDBServer]:
    files = {"server.crt": certificate.read_bytes(), "server.key": certificate.with_name("server.key").read_bytes()}
    with MariaDBServer(options={"ssl_cert": "server.crt", "ssl_key": "server.key"}, files=files) as running:
        yield running


@pytest.fixture
def app(server: MariaDBServer, secrets_manager: LocalSecretsManager, monkeypatch: pytest.MonkeyPatch) -> Application:
    for name, value in secrets_manager.environment.items():
        monkeypatch.setenv(name, value)
    return Application(server, secrets_manager)


def check(app: Application, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """What it tells; with no password in it."""
    code = main(["check", app.secret_id, "--json", *words])
    out, err = capsys.readouterr()
    password = app.login().password
    assert password not in out + err
    assert json.dumps(password)[1:-1] not in out + err
    told = json.loads(out)
    assert told["exit_code"] == code
    return dict(told)


def failures(told: dict[str, Any]) -> list[str]:
    return [one["name"] for one in told["findings"] if one["severity"] == "failure"]


def test_all_drivers(app: Application, capsys: pytest.CaptureFixture[str]) -> None:
    told = check(app, capsys, "--all-drivers")
    ways = [(one["driver"], one["async"]) for one in told["connections"]]
    assert [driver for driver, _ in ways] == [*DRIVERS[:4], "mysql-connector", "mysql-connector", "mariadb"]
    assert all(one["server"].startswith("MariaDB ") for one in told["connections"])
    by_driver = {one["driver"]: one["tls"] for one in told["connections"]}
    assert {driver: by_driver[driver] for driver in TAKES_TLS} == dict.fromkeys(TAKES_TLS, True)
    assert by_driver["aiomysql"] is False


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_user_who_needs_tls(
    app: Application, capsys: pytest.CaptureFixture[str], certificate: Path, driver: str
) -> None:
    """Without TLS the server answers as to a wrong password; the option that the advice names helps."""
    app.server.sql(f"ALTER USER `{app.username}`@`%` REQUIRE SSL")
    words = ["--option", "ssl_disabled=true"] if driver == "pymysql" else []
    told = check(app, capsys, "--driver", driver, *words)
    assert failures(told) == ([] if driver == "mysql-connector" else ["tls-or-password"])
    if (option := TLS_OPTIONS.get(driver)) is None:
        return
    if failures(told):
        assert any(f"--option '{option}'" in one["advice"] for one in told["findings"])
    told = check(app, capsys, "--driver", driver, "--option", option.replace("CA.pem", str(certificate)))
    assert failures(told) == []
    assert told["connections"][0]["tls_cipher"].startswith("TLSv1")


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_wrong_password_and_a_wrong_database(
    app: Application, capsys: pytest.CaptureFixture[str], driver: str
) -> None:
    assert failures(check(app, capsys, "--driver", driver, "--database", "odrers")) in (
        ["wrong-database"],
        ["no-privilege"],
    )
    app.server.admin().set_password(Login(app.username, new_password()))
    told = check(app, capsys, "--driver", driver)
    assert failures(told) == ["wrong-password" if driver in TAKES_TLS else "tls-or-password"]


def test_an_expired_password(app: Application, capsys: pytest.CaptureFixture[str]) -> None:
    """The login is accepted, and the first statement is not."""
    app.server.sql(f"ALTER USER `{app.username}`@`%` PASSWORD EXPIRE")
    assert failures(check(app, capsys, "--driver", "pymysql")) == ["password-expired"]


def test_a_certificate_that_is_not_trusted(app: Application, capsys: pytest.CaptureFixture[str]) -> None:
    told = check(app, capsys, "--driver", "pymysql", "--option", "ssl_verify_cert=true")
    assert failures(told) == ["tls-failed"]
    assert "certificate verify failed" in told["steps"][-1]["told"]
