"""The same recovery before servers that tell of a rejected login in another way: German, TLS, PgBouncer, two hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import secretconn
from secretconn.cli import main
from secretconn.testing import Application, LocalSecretsManager, PostgresServer
from secretconn.testing._process import free_port
from tests.live.rules.debian_postgres import Bouncer, Programs, certificate, programs, rotations

SYNC = ["psycopg", "psycopg2", "pg8000"]
DRIVERS = [*SYNC, "asyncpg", "psycopg-async"]
LOGINS = 2
"""More of them than one in one connect() would be a wrong guess followed by another."""


@pytest.fixture(scope="module")
def debian() -> Iterator[Programs]:
    with programs() as found:
        yield found


@pytest.fixture(scope="module")
def german(debian: Programs) -> Iterator[PostgresServer]:
    environment = debian.environment | debian.locale("de_DE")
    options = {"lc_messages": "de_DE.UTF-8"}
    with PostgresServer(binaries=debian.binaries, environment=environment, options=options) as server:
        yield server


@pytest.fixture(scope="module")
def with_tls(debian: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    files = certificate(tmp_path_factory.mktemp("tls"))
    with PostgresServer(
        binaries=debian.binaries, environment=debian.environment, files=files, options={"ssl": "on"}
    ) as server:
        yield server


@pytest.fixture(scope="module")
def only_tls(debian: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Without TLS nobody may log in, so with sslmode=prefer libpq's second try ends in a "no pg_hba.conf entry"."""
    files = certificate(tmp_path_factory.mktemp("tls"))
    with PostgresServer(
        binaries=debian.binaries,
        environment=debian.environment,
        files=files,
        options={"ssl": "on"},
        hba=["hostnossl all all 127.0.0.1/32 reject"],
    ) as server:
        yield server


@pytest.fixture(scope="module")
def bouncer(debian: Programs, postgres: PostgresServer) -> Iterator[Bouncer]:
    with Bouncer(debian, postgres).running() as running:
        yield running


def survives(app: Application, driver: str, *args: Any, **arguments: Any) -> secretconn.Stats:
    """Connect after each step of four rotations."""
    credentials = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client())
    events: list[secretconn.Event] = []
    credentials.subscribe(events.append)

    def once() -> None:
        if driver not in SYNC:
            asyncio.run(open_and_close())
            return
        secretconn.connect(credentials, *args, driver=driver, **arguments).close()

    async def open_and_close() -> None:
        name = driver.removesuffix("-async")
        await (await secretconn.aconnect(credentials, *args, driver=name, **arguments)).close()

    once()
    for _ in rotations(app):
        once()
    recovered = [event for event in events if isinstance(event, secretconn.Recovered)]
    assert recovered
    assert max(event.attempts for event in recovered) <= LOGINS
    return credentials.stats()


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_server_that_speaks_german(german: PostgresServer, secrets_manager: LocalSecretsManager, driver: str) -> None:
    app = Application(german, secrets_manager)
    survives(app, driver)
    assert "fehlgeschlagen" in german.log()


@pytest.mark.parametrize("driver", DRIVERS)
def test_sslmode_prefer(with_tls: PostgresServer, secrets_manager: LocalSecretsManager, driver: str) -> None:
    arguments = {"ssl": "prefer"} if driver == "asyncpg" else {"sslmode": "prefer"} if driver != "pg8000" else {}
    survives(Application(with_tls, secrets_manager), driver, **arguments)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "psycopg-async", "asyncpg"])
def test_sslmode_prefer_where_only_tls_is_allowed(
    only_tls: PostgresServer, secrets_manager: LocalSecretsManager, driver: str
) -> None:
    arguments = {"ssl": "prefer"} if driver == "asyncpg" else {"sslmode": "prefer"}
    survives(Application(only_tls, secrets_manager), driver, **arguments)


@pytest.mark.parametrize(
    ("driver", "without", "with_tls"),
    [
        ("psycopg", "sslmode=disable", "sslmode=require"),
        ("psycopg2", "sslmode=disable", "sslmode=require"),
        ("asyncpg", "ssl=disable", "ssl=require"),
        ("pg8000", "ssl_context=false", "ssl_context=true"),
    ],
)
def test_check_tells_that_tls_is_required_and_that_it_is_on(
    only_tls: PostgresServer,
    secrets_manager: LocalSecretsManager,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    driver: str,
    without: str,
    with_tls: str,
) -> None:
    for name, value in secrets_manager.environment.items():
        monkeypatch.setenv(name, value)
    words = ["check", Application(only_tls, secrets_manager).secret_id, "--driver", driver, "--option"]
    assert main([*words, without]) == 1
    assert "\n    tls-required: " in capsys.readouterr().out
    assert main([*words, with_tls]) == 0
    assert ", TLSv1." in capsys.readouterr().out


@pytest.mark.parametrize("driver", DRIVERS)
def test_behind_pgbouncer(bouncer: Bouncer, postgres_app: Application, driver: str) -> None:
    survives(postgres_app, driver, host=bouncer.host, port=bouncer.port)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "psycopg-async", "asyncpg"])
def test_several_hosts_the_first_one_down(postgres_app: Application, driver: str) -> None:
    """One host refuses connections, and the other one rejects the login: both are in the driver's message."""
    server = postgres_app.server
    down = free_port()
    if driver == "asyncpg":
        survives(postgres_app, driver, host=[server.host, server.host], port=[down, server.port])
        return
    survives(postgres_app, driver, f"host={server.host},{server.host} port={down},{server.port}")


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "psycopg-async"])
def test_several_hosts_all_up(postgres_app: Application, driver: str) -> None:
    server = postgres_app.server
    survives(postgres_app, driver, f"host={server.host},{server.host} port={server.port},{server.port}")
