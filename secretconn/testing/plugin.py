"""The pytest plugin: a local Secrets Manager, a real database and rotations as fixtures, for docs/testing.md's tests.

pytest loads this in every run where secretconn is installed. So nothing else is imported before a fixture is used,
and a run that uses none goes as without it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from secretconn.testing.applications import Application
    from secretconn.testing.existing import ExistingServer
    from secretconn.testing.mariadb import MariaDBServer
    from secretconn.testing.memory import MemorySource
    from secretconn.testing.mysql import MySQLServer
    from secretconn.testing.postgres import PostgresServer
    from secretconn.testing.random_rotations import RandomRotations
    from secretconn.testing.rotation import Rotator, Strategy
    from secretconn.testing.secrets_manager import LocalSecretsManager

SECRET_MARKER = "secretconn"
ROTATE_MARKER = "secretconn_rotate"
ROTATIONS = "secretconn_rotations"
ENGINES = {"postgres": "secretconn_postgres", "mariadb": "secretconn_mariadb", "mysql": "secretconn_mysql"}
SERVERS = {
    "postgres": "secretconn.testing.postgres:PostgresServer",
    "mariadb": "secretconn.testing.mariadb:MariaDBServer",
    "mysql": "secretconn.testing.mysql:MySQLServer",
}

_rotations: pytest.StashKey[RandomRotations] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("secretconn").addoption(
        "--secretconn-seed", type=int, metavar="N", help="the moments of the rotations of an earlier run, again"
    )
    engines = " or ".join(ENGINES)
    parser.addini("secretconn_engine", f"the engine of secretconn_application: {engines}", default="postgres")
    for engine in ENGINES:
        told = f"a {engine} that runs already, USER:PASSWORD@HOST:PORT behind its scheme and ://, instead of a new one"
        parser.addini(f"secretconn_{engine}_url", told, default="")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"{SECRET_MARKER}(secret=, engine=, content=): the secret and database of secretconn_application"
    )
    config.addinivalue_line(
        "markers",
        f"{ROTATE_MARKER}(every=0.3, pause=0.05, strategy=, seed=, at_least=1): rotate the secret of "
        "secretconn_application at random moments while the test runs",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give marked tests the fixture, as the last one: it starts when all that the test uses is there."""
    for item in items:
        names = getattr(item, "fixturenames", None)
        if names is not None and ROTATIONS not in names and item.get_closest_marker(ROTATE_MARKER):
            item.fixturenames = [*names, ROTATIONS]  # type: ignore[attr-defined]  # a new list: parameters share one


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Rotate while the test's own code runs, and neither before nor after."""
    __tracebackhide__ = True
    rotations = item.stash.get(_rotations, None)
    if rotations is None:
        if item.get_closest_marker(ROTATE_MARKER):
            _refuse(item)
        return (yield)
    try:
        with rotations:
            return (yield)
    finally:
        again = f"The same moments again: --secretconn-seed={rotations.seed}"
        item.add_report_section("call", "rotations", f"{rotations}\n{again}")


@pytest.fixture(scope="session")
def secretconn_secrets_manager() -> Iterator[LocalSecretsManager]:
    """Secrets Manager on this machine, one for the session (with xdist: for each worker)."""
    from secretconn.testing._isolation import unled
    from secretconn.testing.secrets_manager import LocalSecretsManager

    server = LocalSecretsManager()
    with unled():  # moto asks boto3 as it starts
        server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def secretconn_postgres(pytestconfig: pytest.Config) -> Iterator[PostgresServer | ExistingServer]:
    """A PostgreSQL, one for the session; or the one that secretconn_postgres_url names."""
    yield from _server(pytestconfig, "postgres")


@pytest.fixture(scope="session")
def secretconn_mariadb(pytestconfig: pytest.Config) -> Iterator[MariaDBServer | ExistingServer]:
    """A MariaDB, one for the session; or the one that secretconn_mariadb_url names."""
    yield from _server(pytestconfig, "mariadb")


@pytest.fixture(scope="session")
def secretconn_mysql(pytestconfig: pytest.Config) -> Iterator[MySQLServer | ExistingServer]:
    """A MySQL, one for the session; or the one that secretconn_mysql_url names."""
    yield from _server(pytestconfig, "mysql")


@pytest.fixture
def secretconn_engine(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> str:
    """The engine of secretconn_application: of the marker, else of the ini option. To be overridden or parametrized."""
    from secretconn.testing._markers import SecretMarker, read

    said = read(request.node, SECRET_MARKER, SecretMarker)
    return said.engine or str(pytestconfig.getini("secretconn_engine"))


@pytest.fixture
def secretconn_strategy() -> Strategy:
    """The strategy of secretconn_rotator and secretconn_rotations. To be overridden or parametrized."""
    return "single-user"


@pytest.fixture
def secretconn_environment(secretconn_secrets_manager: LocalSecretsManager) -> Iterator[LocalSecretsManager]:
    """Environment variables for boto3 to find the local Secrets Manager, and no login from an earlier test."""
    from secretconn.testing._isolation import isolated

    with isolated(secretconn_secrets_manager):
        secretconn_secrets_manager.reset_calls()
        yield secretconn_secrets_manager
        secretconn_secrets_manager.delay = 0.0


@pytest.fixture
def secretconn_make_application(
    request: pytest.FixtureRequest, secretconn_environment: LocalSecretsManager
) -> Iterator[Callable[..., Application]]:
    """``secretconn_make_application("mariadb", secret_id="prod/stock", ...)``: a second one; see Application."""
    from secretconn.errors import ConfigurationError
    from secretconn.testing.applications import Application

    with contextlib.ExitStack() as stack:

        def make(engine: str = "postgres", **settings: Any) -> Application:
            if engine not in ENGINES:
                raise ConfigurationError(f"the engine must be {' or '.join(ENGINES)}, not {engine!r}")
            made = Application(request.getfixturevalue(ENGINES[engine]), secretconn_environment, **settings)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def secretconn_application(
    request: pytest.FixtureRequest, secretconn_make_application: Callable[..., Application], secretconn_engine: str
) -> Application:
    """A user, a database with a table ``orders (id, item)`` and a secret; see Application and the marker secretconn."""
    from secretconn.testing._markers import SecretMarker, read

    said = read(request.node, SECRET_MARKER, SecretMarker)
    return secretconn_make_application(secretconn_engine, secret_id=said.secret, content=said.content)


@pytest.fixture
def secretconn_rotator(secretconn_application: Application, secretconn_strategy: Strategy) -> Rotator:
    """The Rotator of secretconn_application: ``rotate()``, or ``steps()`` to look into every window."""
    return secretconn_application.rotator(secretconn_strategy)


@pytest.fixture
def secretconn_rotations(
    request: pytest.FixtureRequest, secretconn_application: Application, secretconn_strategy: Strategy
) -> Iterator[RandomRotations]:
    """RandomRotations that go on while the test runs; the marker secretconn_rotate says how."""
    from secretconn.testing._markers import RotateMarker, read
    from secretconn.testing.random_rotations import RandomRotations

    said = read(request.node, ROTATE_MARKER, RotateMarker)
    seed = said.seed if said.seed is not None else request.config.getoption("--secretconn-seed")
    rotator = secretconn_application.rotator(said.strategy or secretconn_strategy)
    stash = request.node.stash
    stash[_rotations] = rotations = RandomRotations(
        rotator, every=said.every, pause=said.pause, seed=seed, at_least=said.at_least
    )
    yield rotations
    del stash[_rotations]


@pytest.fixture
def secretconn_source() -> Iterator[Callable[..., MemorySource]]:
    """``source = secretconn_source("prod/orders", password="one")``: this secret is read from memory during the test.

    The keywords are keys of AWS's JSON, in place of those of a PostgreSQL; or give ``content=``, as to MemorySource.
    """
    from secretconn.testing.hooks import stand_in
    from secretconn.testing.memory import MemorySource

    login = {"engine": "postgres", "host": "db.test", "dbname": "app", "username": "app", "password": "first"}
    with contextlib.ExitStack() as stack:

        def make(
            secret_id: str, *, content: Mapping[str, object] | str | bytes | None = None, **keys: object
        ) -> MemorySource:
            source = MemorySource({**login, **keys} if content is None else content)
            stack.enter_context(stand_in(secret_id, source))
            return source

        yield make


def _refuse(item: pytest.Item) -> NoReturn:
    """A test that would pass with no rotation at all: marked after collection, or the fixture is somebody else's."""
    from secretconn.testing.errors import RotationError

    raise RotationError(f"{item.name} has the marker {ROTATE_MARKER}, but nothing rotates: have it use {ROTATIONS}")


def _server(config: pytest.Config, engine: str) -> Iterator[Any]:
    if _url(config, engine):
        from secretconn.testing.existing import ExistingServer

        yield ExistingServer(_url(config, engine))  # in no variable: pytest may show those
        return
    with resolve_name(SERVERS[engine])() as server:
        yield server


def _url(config: pytest.Config, engine: str) -> str:
    return os.environ.get(f"SECRETCONN_TEST_{engine.upper()}_URL") or str(config.getini(f"secretconn_{engine}_url"))
