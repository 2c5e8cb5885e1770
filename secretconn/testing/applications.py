"""Application: what one application under test has (a user, a database with a table, a secret), made in one call."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from secretconn.testing._mysql_family import FamilyServer
from secretconn.testing.existing import ExistingServer
from secretconn.testing.logins import Login, new_password
from secretconn.testing.postgres import PostgresServer
from secretconn.testing.rotation import CLONE, Rotator, Strategy
from secretconn.testing.secrets_manager import LocalSecretsManager

__all__ = ["Application"]


class Application:
    """A user, a database it owns with a table ``orders (id, item)``, and a secret in AWS's JSON. Names are new.

    Args:
        server: A started server, or one that runs already.
        secrets: A started Secrets Manager.
        name: What the names begin with.
        secret_id: The secret's name, where the application has one of its own ("prod/orders"); ``close`` frees it.
        content: More keys for the secret, or other values for its keys (``{"engine": "aurora-postgresql"}``).

    Attributes:
        secret_id: The secret's name.
        username: The first user; alternating-users rotation adds ``<username>_clone``.
        database: The database's name.
    """

    def __init__(
        self,
        server: PostgresServer | FamilyServer | ExistingServer,
        secrets: LocalSecretsManager,
        *,
        name: str = "orders",
        secret_id: str | None = None,
        content: Mapping[str, object] | None = None,
    ) -> None:
        self.server = server
        self.secrets = secrets
        self.username = self.database = f"{name}_{uuid.uuid4().hex[:8]}"
        self.secret_id = secret_id if secret_id is not None else f"test/{self.username}"
        first = Login(self.username, new_password())
        place = {"engine": server.engine, "host": server.host, "port": server.port, "dbname": self.database}
        try:
            _prepare(server, self.username)
            server.admin().set_password(first)
            login = {"username": first.username, "password": first.password}
            secrets.create_secret(self.secret_id, {**place, **login, **(content or {})})
        except BaseException:
            self._drop()
            raise

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

    def close(self) -> None:
        """Delete the secret; at an `ExistingServer` also the database and its users, which would outlive the tests."""
        self.secrets.delete_secret(self.secret_id)
        self._drop()

    def _drop(self) -> None:
        if isinstance(self.server, ExistingServer):
            drop = _drop_postgres if self.server.engine == "postgres" else _drop_mysql
            self.server.sql(drop(self.username))

    def __repr__(self) -> str:
        return f"Application({self.secret_id!r}, {self.server!r})"


def _prepare(server: PostgresServer | FamilyServer | ExistingServer, name: str) -> None:
    if server.engine != "postgres":
        server.sql(_mysql(name))
        return
    server.sql(f'CREATE ROLE "{name}" LOGIN;\nCREATE DATABASE "{name}" OWNER "{name}";\n')
    table = "CREATE TABLE orders (id integer PRIMARY KEY, item text NOT NULL);\n"
    server.sql(f'SET ROLE "{name}";\n{table}', database=name)


def _mysql(name: str) -> str:
    return (
        f"CREATE USER `{name}`@`%`;\n"
        f"CREATE DATABASE `{name}`;\n"
        f"GRANT ALL PRIVILEGES ON `{name}`.* TO `{name}`@`%`;\n"
        f"CREATE TABLE `{name}`.orders (id integer PRIMARY KEY, item text NOT NULL);\n"
    )


def _drop_postgres(name: str) -> str:
    roles = "".join(f'DROP ROLE IF EXISTS "{role}";\n' for role in (name + CLONE, name))
    return f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE);\n{roles}'


def _drop_mysql(name: str) -> str:
    users = "".join(f"DROP USER IF EXISTS `{user}`@`%`;\n" for user in (name + CLONE, name))
    return f"DROP DATABASE IF EXISTS `{name}`;\n{users}"
