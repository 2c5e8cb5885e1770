"""Rotations on the server versions that users have, each in a container: ``nox -s servers -- mysql:8.4``.

Not collected with the other tests: it needs a Docker engine. SECRETCONN_IMAGE names the image.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import secretconn
from secretconn.testing import LocalSecretsManager, Login, Rotator, Strategy, new_password
from secretconn.testing.admins import admin_for

IMAGE = os.environ.get("SECRETCONN_IMAGE", "")
DRIVERS = {"postgresql": ("psycopg", "psycopg2", "pg8000"), "mysql": ("pymysql", "mysql-connector")}
APP = "app"


class Server:
    """A running database server: where it is and who rules it."""

    def __init__(self, engine: str, host: str, port: int, root: Login) -> None:
        self.engine, self.host, self.port, self.root = engine, host, port, root

    def admin(self) -> object:
        database = APP if self.engine == "postgresql" else None
        return admin_for(self.engine, self.root, host=self.host, port=self.port, database=database)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """The image's server, with a user and a database of that name."""
    if IMAGE.startswith("postgres"):
        from testcontainers.community.postgres import PostgresContainer

        with local(
            PostgresContainer(IMAGE, username="root", password=new_password(exclude="%@:/"), dbname=APP)
        ) as made:
            yield prepared("postgresql", made.get_container_host_ip(), int(made.get_exposed_port(5432)), made)
    else:
        from testcontainers.community.mysql import MySqlContainer

        with local(MySqlContainer(IMAGE, root_password=new_password(exclude="%@:/"), dbname=APP)) as made:
            yield prepared("mysql", made.get_container_host_ip(), int(made.get_exposed_port(3306)), made)


def local(container: Any) -> Any:
    """The same, with its ports bound to this machine where the engine is on it."""
    if container.get_container_host_ip() in ("localhost", "127.0.0.1"):
        container.ports = dict.fromkeys(container.ports, ("127.0.0.1",))
    return container


def prepared(engine: str, host: str, port: int, made: object) -> Server:
    password = getattr(made, "root_password", None) or getattr(made, "password", "")
    return set_up(Server(engine, host, port, Login("root", password)))


def set_up(server: Server) -> Server:
    """Make the application's user."""
    login = {"user": server.root.username, "password": server.root.password, "host": server.host, "port": server.port}
    if server.engine == "postgresql":
        import psycopg

        with psycopg.connect(**login, dbname=APP, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {APP} LOGIN")
    else:
        import pymysql

        with pymysql.connect(**login) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE USER {APP}@'%'")
            cursor.execute(f"GRANT ALL PRIVILEGES ON {APP}.* TO {APP}@'%'")
    return server


@pytest.mark.parametrize("strategy", ["single-user", "alternating-users"])
def test_every_driver_connects_in_every_window(server: Server, strategy: Strategy) -> None:
    password = new_password()
    server.admin().set_password(Login(APP, password))  # type: ignore[attr-defined]
    with LocalSecretsManager() as secrets:
        content = {"engine": server.engine.replace("postgresql", "postgres"), "host": server.host, "port": server.port}
        secrets.create_secret("app", {**content, "username": APP, "password": password, "dbname": APP})
        credentials = secretconn.RotatingCredentials("app", client=secrets.client())
        rotator = Rotator(secrets.client(), "app", strategy=strategy, admin=server.admin())  # type: ignore[arg-type]
        for _ in range(3):
            versions = [done.version_id for done in rotator.steps() if crowd(credentials, DRIVERS[server.engine])]
        assert credentials.stats().rejected > 0
        assert credentials.refresh().version_id == versions[-1]


def crowd(credentials: secretconn.RotatingCredentials, drivers: tuple[str, ...]) -> bool:
    """Each driver connects, twice at a time. True, or the first failure is raised."""
    failed: list[BaseException] = []

    def connect(driver: str) -> None:
        try:
            secretconn.connect(credentials, driver=driver).close()
        except Exception as error:  # noqa: BLE001  (raised below, in the test's thread)
            failed.append(error)

    threads = [threading.Thread(target=connect, args=(driver,)) for driver in drivers * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return True
