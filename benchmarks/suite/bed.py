"""Bed: the real servers and the local Secrets Manager that the benchmarks run on, each started at its first use."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any, Self

from secretconn.testing import Application, LocalSecretsManager, MariaDBServer, MySQLServer, PostgresServer

SERVERS = {"postgres": PostgresServer, "mariadb": MariaDBServer, "mysql": MySQLServer}
ENGINES = tuple(SERVERS)
ENGINE_NAMES = {"postgres": "PostgreSQL", "mariadb": "MariaDB", "mysql": "MySQL"}
CROWD = 1000
"""The most connections at once; the servers are started with room for them."""


class Bed:
    """Use it in a ``with`` block.

    Attributes:
        secrets: Secrets Manager, in a process of its own so that its work is not counted as a client's.
    """

    def __init__(self) -> None:
        self.secrets = LocalSecretsManager(process=True)
        self._servers: dict[str, Any] = {}
        self._stack = ExitStack()
        self._environ: dict[str, str | None] = {}

    def __enter__(self) -> Self:
        self._stack.enter_context(self.secrets)
        # aws-advanced-python-wrapper makes its boto3 session itself, from the environment.
        around = {name: value for name, value in self.secrets.environment.items() if "ENDPOINT" not in name}
        self._environ = {name: os.environ.get(name) for name in around}
        os.environ.update(around)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()
        for name, value in self._environ.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})

    def server(self, engine: str) -> Any:
        """The engine's server, with room for a crowd."""
        if engine not in self._servers:
            server = SERVERS[engine](options={"max_connections": str(CROWD + 100)})
            self._servers[engine] = self._stack.enter_context(server)
        return self._servers[engine]

    def app(self, engine: str) -> Application:
        """A new user, database and secret."""
        return Application(self.server(engine), self.secrets, name="bench")

    def versions(self) -> list[str]:
        """The servers that were started, with their versions."""
        asked = {"postgres": "SHOW server_version"}
        return [
            f"{ENGINE_NAMES[engine]} {server.sql(asked.get(engine, 'SELECT version()'))[0][0]}"
            for engine, server in self._servers.items()
        ]
