"""Real servers for the live tests: one of each for a test process (under xdist, for each worker), from packages.

A server that cannot be had is an error of every test that asked for it; nothing is skipped.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from secretconn.testing import Application, LocalSecretsManager, MariaDBServer, MySQLServer, PostgresServer

LIVE = Path(__file__).parent
os.environ["SSL_CERT_FILE"] = os.devnull
"""No test trusts the machine's authorities. PyMySQL reads all of them at every connect: 20 ms of processor time."""

MakeApplication = Callable[..., Application]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(LIVE):
            item.add_marker("live")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer(options={"max_connections": "300"}) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDBServer]:
    with MariaDBServer(options={"max_connections": "300"}) as server:
        yield server


@pytest.fixture(scope="session")
def mysql() -> Iterator[MySQLServer]:
    plugins_of_the_client()
    with MySQLServer(options={"max_connections": "300"}) as server:
        yield server


def plugins_of_the_client() -> None:
    """Where mysqlclient's MariaDB Connector/C, unpacked beside the system, has its authentication plugins."""
    if importlib.util.find_spec("MySQLdb") is None:
        return
    importlib.import_module("MySQLdb")
    maps = Path("/proc/self/maps")
    loaded = re.search(r"/\S+(?=/libmariadb\.so)", maps.read_text()) if maps.exists() else None
    if loaded is not None:
        os.environ.setdefault("MARIADB_PLUGIN_DIR", f"{loaded[0]}/libmariadb3/plugin")


@pytest.fixture(scope="session")
def secrets_manager() -> Iterator[LocalSecretsManager]:
    with LocalSecretsManager() as server:
        yield server


@pytest.fixture
def make_application(request: pytest.FixtureRequest, secrets_manager: LocalSecretsManager) -> MakeApplication:
    """``make_application("postgres", name="orders", content={...})``: all that no other test has."""

    def make(engine: str, **settings: object) -> Application:
        return Application(request.getfixturevalue(engine), secrets_manager, **settings)

    return make


@pytest.fixture
def postgres_app(make_application: MakeApplication) -> Application:
    return make_application("postgres")


@pytest.fixture
def mariadb_app(make_application: MakeApplication) -> Application:
    return make_application("mariadb")


@pytest.fixture(params=["postgres", "mariadb", "mysql"])
def app(request: pytest.FixtureRequest, make_application: MakeApplication) -> Application:
    """An application on PostgreSQL, then one on MariaDB, then one on MySQL."""
    return make_application(request.param)
