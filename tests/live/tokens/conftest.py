"""Endpoints before real servers, an IAM user on each, and the AWS keys of this process."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from secretconn.testing import MariaDBServer, MySQLServer, PostgresServer
from secretconn.testing._isolation import unled
from secretconn.testing.hooks import forget
from tests.live.conftest import plugins_of_the_client
from tests.live.drivers.table import DRIVERS, DriverCase
from tests.support.endpoints import Endpoint, MySQLEndpoint, PostgresEndpoint, certificate
from tests.support.iam import Iam, Keys

REGION = "eu-central-1"
KEYS = Keys("AKIDEXAMPLEONE", "first/secret+key", "session/token==")
ENGINES = {"postgres": "postgresql", "mariadb": "mysql", "mysql": "mysql"}


CASES = [case for case in DRIVERS if not case.id.endswith("-plain")]
"""The drivers' rows, with MariaDB or PostgreSQL, and with MySQL."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes ``case`` and names no rows of its own runs for all of them."""
    markers = metafunc.definition.iter_markers("parametrize")
    if "case" in metafunc.fixturenames and not any("case" in str(mark.args[0]) for mark in markers):
        metafunc.parametrize("case", CASES, ids=repr)


@dataclass
class Database:
    """An endpoint, and a user and database behind it.

    Attributes:
        endpoint: Where applications connect to.
        engine: As in the URL.
        username: An IAM user.
        stranger: A user with a password, and no IAM user.
    """

    endpoint: Endpoint
    engine: str
    username: str
    stranger: str

    @property
    def iam(self) -> Iam:
        return self.endpoint.iam

    def url(self, user: str | None = None) -> str:
        """The tokens' URL."""
        where = f"{self.endpoint.host}:{self.endpoint.port}"
        return f"rds-iam://{user or self.username}@{where}/orders?engine={self.engine}&region={REGION}"


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of all endpoints."""
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def iam_postgres() -> Iterator[PostgresServer]:
    """Lets members of rds_iam in without a password: the endpoint before it has judged their token."""
    with PostgresServer(hba=["host all +rds_iam 127.0.0.1/32 trust"]) as server:
        server.sql("CREATE ROLE rds_iam; CREATE DATABASE orders;")
        yield server


@pytest.fixture(scope="session")
def databases() -> dict[str, Database]:
    return {}


def database_of(kind: str, request: pytest.FixtureRequest, databases: dict[str, Database], ca: Path) -> Database:
    """The endpoint before this server, made at its first use; its IAM is new for each test."""
    if kind not in databases:
        name, stranger = (f"{word}_{uuid.uuid4().hex[:6]}" for word in ("orders", "stranger"))
        server: PostgresServer | MariaDBServer | MySQLServer
        kinds: type[Endpoint]
        if kind == "postgres":
            server, kinds = request.getfixturevalue("iam_postgres"), PostgresEndpoint
            server.sql(f"CREATE ROLE {name} LOGIN IN ROLE rds_iam; CREATE ROLE {stranger} LOGIN PASSWORD 'its-own'")
        else:
            server, kinds = request.getfixturevalue(kind), MySQLEndpoint
            plugins_of_the_client()
            server.sql(
                f"CREATE DATABASE IF NOT EXISTS orders;\nCREATE USER {name}@'%' IDENTIFIED BY '';\n"
                f"GRANT ALL ON orders.* TO {name}@'%';\nCREATE USER {stranger}@'%' IDENTIFIED BY 'its-own';\n"
                "SET GLOBAL connect_timeout = 300;\n"  # a slow machine takes long for the endpoint's part of a login
            )
        endpoint = kinds((server.host, server.port), ca, {name})
        databases[kind] = Database(endpoint, ENGINES[kind], name, stranger)
    database = databases[kind]
    database.endpoint.iam = Iam("rds-db", REGION, f"{database.endpoint.host}:{database.endpoint.port}", [KEYS])
    return database


@pytest.fixture
def database(
    case: DriverCase, request: pytest.FixtureRequest, databases: dict[str, Database], ca: Path, own_keys: None
) -> Database:
    return database_of(case.server, request, databases, ca)


@pytest.fixture
def own_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The process's AWS keys, in the environment, and none from anywhere else."""
    with unled():
        for name, value in KEYS.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        forget()
        yield
        forget()


@pytest.fixture
def options(case: DriverCase) -> dict[str, object]:
    """The options of the driver's row without those that are about TLS."""
    return {name: value for name, value in case.options.items() if "ssl" not in name}
