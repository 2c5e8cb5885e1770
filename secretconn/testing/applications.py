"""Application: what one application under test has (a user, a database with a table, a secret), made in one call."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from secretconn.testing.logins import Login, new_password
from secretconn.testing.mariadb import MariaDBServer
from secretconn.testing.postgres import PostgresServer
from secretconn.testing.rotation import Rotator, Strategy
from secretconn.testing.secrets_manager import LocalSecretsManager

__all__ = ["Application"]


class Application:
    """A user, a database it owns with a table ``orders (id, item)``, and a secret in AWS's JSON. Names are new.

    Args:
        server: A started server.
        secrets: A started Secrets Manager.
        name: What the names begin with.
        content: More keys for the secret, or other values for its keys (``{"engine": "aurora-postgresql"}``).

    Attributes:
        secret_id: The secret's name.
        username: The first user; alternating-users rotation adds ``<username>_clone``.
        database: The database's name.
    """

    def __init__(
        self,
        server: PostgresServer | MariaDBServer,
        secrets: LocalSecretsManager,
        *,
        name: str = "orders",
        content: Mapping[str, object] | None = None,
    ) -> None:
        self.server = server
        self.secrets = secrets
        self.username = self.database = f"{name}_{uuid.uuid4().hex[:8]}"
        self.secret_id = f"test/{self.username}"
        first = Login(self.username, new_password())
        server.sql(_postgres(self.username) if isinstance(server, PostgresServer) else _mariadb(self.username))
        server.admin().set_password(first)
        secrets.create_secret(
            self.secret_id,
            {
                "engine": server.engine,
                "host": server.host,
                "port": server.port,
                "username": first.username,
                "password": first.password,
                "dbname": self.database,
                **(content or {}),
            },
        )

    def login(self, stage: str = "AWSCURRENT") -> Login:
        """The login that carries the stage at this moment."""
        content = self.secrets.client().get_secret_value(SecretId=self.secret_id, VersionStage=stage)["SecretString"]
        return Login(json.loads(content)["username"], json.loads(content)["password"])

    def accepts(self, login: Login) -> bool:
        """Whether the server takes this login now, into this database."""
        return self.server.admin(self.database).verify(login)

    def rotator(self, strategy: Strategy = "single-user", **settings: Any) -> Rotator:
        """A rotator for the secret; the superuser works for it unless ``admin`` is given."""
        settings.setdefault("admin", self.server.admin(self.database))
        return Rotator(self.secrets.client(), self.secret_id, strategy=strategy, **settings)

    def __repr__(self) -> str:
        return f"Application({self.secret_id!r}, {self.server!r})"


def _postgres(name: str) -> str:
    return (
        f'CREATE ROLE "{name}" LOGIN;\n'
        f'CREATE DATABASE "{name}" OWNER "{name}";\n'
        f'\\connect "{name}"\n'
        f'SET ROLE "{name}";\n'
        "CREATE TABLE orders (id integer PRIMARY KEY, item text NOT NULL);\n"
    )


def _mariadb(name: str) -> str:
    return (
        f"CREATE USER `{name}`@`%`;\n"
        f"CREATE DATABASE `{name}`;\n"
        f"GRANT ALL PRIVILEGES ON `{name}`.* TO `{name}`@`%`;\n"
        f"CREATE TABLE `{name}`.orders (id integer PRIMARY KEY, item text NOT NULL);\n"
    )
