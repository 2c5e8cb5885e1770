"""What the SQLAlchemy tests share: an environment that points boto3 at the local Secrets Manager, and URLs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from secretconn import RotatingCredentials
from secretconn.testing import Application, LocalSecretsManager

SYNC = {
    "postgresql+psycopg": "postgres",
    "postgresql+psycopg2": "postgres",
    "postgresql+pg8000": "postgres",
    "mysql+pymysql": "mariadb",
    "mysql+mysqldb": "mariadb",
    "mysql+mysqlconnector": "mariadb",
    "mariadb+mariadbconnector": "mariadb",
}
ASYNC = {
    "postgresql+psycopg": "postgres",
    "postgresql+asyncpg": "postgres",
    "mysql+aiomysql": "mariadb",
    "mysql+asyncmy": "mariadb",
}


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch, secrets_manager: LocalSecretsManager) -> None:
    """An application's environment: region and keys come from there, as they do at AWS."""
    for name, value in secrets_manager.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def url() -> Callable[..., str]:
    """``url("postgresql+psycopg", app, ttl=60)``."""

    def make(dialect: str, app: Application, **parameters: object) -> str:
        query = {"plugin": "secretconn", "secret_id": app.secret_id, **parameters}
        return f"{dialect}:///?" + "&".join(f"{name}={value}" for name, value in query.items())

    return make


@pytest.fixture
def rotating_of() -> Callable[[Application], RotatingCredentials]:
    """A RotatingCredentials of the test's own."""
    return lambda app: RotatingCredentials(app.secret_id, client=app.secrets.client())
