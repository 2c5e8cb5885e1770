"""The clients that are compared. All of them open connections with the same driver and the same driver arguments."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from typing import Any, Protocol

import secretconn
from secretconn.testing import Application
from suite.machine import installed

OURS = "secretconn"
PLAIN = "plain driver"
CACHE = "SecretCache"
QUICK = "SecretCache, no sleep"
WRAPPER = "aws-advanced-python-wrapper"
NAMES = (PLAIN, CACHE, QUICK, WRAPPER, OURS)

WRAPPER_PACKAGE = "aws-advanced-python-wrapper"
DRIVERS = {
    "postgres": "psycopg",
    **dict.fromkeys(("mariadb", "mysql"), "mysql.connector"),
}  # those that aws-advanced-python-wrapper knows
OPTIONS: dict[str, dict[str, Any]] = {
    "postgres": {},
    # The wrapper takes the connector's pure Python connection, so all do. No TLS: the server has none.
    # Ten seconds, its default, are too little for the last of a crowd.
    "mariadb": {"ssl_disabled": True, "use_pure": True, "connection_timeout": 300},
    # Without TLS it cannot send caching_sha2_password the password that the server asks for after each rotation.
    "mysql": {"use_pure": True, "connection_timeout": 300},
}
DATABASE = {"postgres": "dbname", "mariadb": "database", "mysql": "database"}


class Client(Protocol):
    """One way to get a connection from a secret that rotates."""

    name: str

    def connect(self) -> Any:
        """A new connection; the driver's, or what stands for it."""

    def restart(self) -> None:
        """What restarting the application does. Only the plain driver needs it."""


Around = Callable[[Callable[..., Any]], Callable[..., Any]]


def driver_connect(engine: str) -> Callable[..., Any]:
    """The connect function that all clients use."""
    return importlib.import_module(DRIVERS[engine]).connect  # type: ignore[no-any-return]


def as_it_is(connect: Callable[..., Any]) -> Callable[..., Any]:
    """Nothing put around the driver's connect."""
    return connect


def keywords(engine: str, secret: dict[str, Any]) -> dict[str, Any]:
    """The driver's arguments for a secret's content."""
    return {
        "host": secret["host"],
        "port": secret["port"],
        "user": secret["username"],
        "password": secret["password"],
        DATABASE[engine]: secret["dbname"],
        **OPTIONS[engine],
    }


class PlainDriver:
    """The driver alone, with the login that was right when the application started."""

    name = PLAIN

    def __init__(self, engine: str, app: Application, around: Around = as_it_is) -> None:
        self._engine, self._app, self._driver = engine, app, around(driver_connect(engine))
        self._client = app.secrets.client()
        self.restart()

    def restart(self) -> None:
        content = self._client.get_secret_value(SecretId=self._app.secret_id, VersionStage="AWSCURRENT")["SecretString"]
        self._login = keywords(self._engine, json.loads(content))

    def connect(self) -> Any:
        return self._driver(**self._login)


class Cached:
    """aws-secretsmanager-caching as an application uses it by hand: read, connect; after a failure
    ``refresh_secret_now`` (which sleeps 2.5 to 5 s by itself) and once more."""

    name = CACHE

    def __init__(self, engine: str, app: Application, around: Around = as_it_is) -> None:
        self._engine, self._driver, self._secret_id = engine, around(driver_connect(engine)), app.secret_id
        self._client = app.secrets.client()
        self._cache = self._new_cache()

    def restart(self) -> None:
        """Nothing: it reads the secret at every connect."""

    def connect(self) -> Any:
        try:
            return self._open()
        except Exception:  # noqa: BLE001  (it cannot tell a rejection from anything else)
            self._refresh()
        return self._open()

    def read(self) -> Any:
        """The login, as each connect reads it."""
        return json.loads(self._cache.get_secret_string(self._secret_id))

    def _open(self) -> Any:
        return self._driver(**keywords(self._engine, self.read()))

    def _refresh(self) -> None:
        self._cache.refresh_secret_now(self._secret_id)

    def _new_cache(self) -> Any:
        from aws_secretsmanager_caching import SecretCache

        return SecretCache(client=self._client)


class CachedNoSleep(Cached):
    """The kindest form of it: after a failure a new cache instead of the sleep. Not in its documentation."""

    name = QUICK

    def _refresh(self) -> None:
        self._cache = self._new_cache()


class Wrapper:
    """aws-advanced-python-wrapper with its Secrets Manager plugin alone; the dialect is named, so it looks for none."""

    name = WRAPPER

    def __init__(self, engine: str, app: Application, around: Around = as_it_is) -> None:
        from aws_advanced_python_wrapper import AwsWrapperConnection

        self._connect = AwsWrapperConnection.connect
        self._driver = around(wrapped_driver(engine))
        self._settings = {
            "host": app.server.host,
            "port": app.server.port,
            DATABASE[engine]: app.database,
            "plugins": "aws_secrets_manager",
            "wrapper_dialect": "pg" if engine == "postgres" else "mysql",
            "secrets_manager_secret_id": app.secret_id,
            "secrets_manager_region": app.secrets.region,
            "secrets_manager_endpoint": app.secrets.endpoint_url,
            **OPTIONS[engine],
        }

    def restart(self) -> None:
        """Nothing: its cache follows a rejected login."""

    def connect(self) -> Any:
        return self._connect(self._driver, "", **self._settings)


def wrapped_driver(engine: str) -> Callable[..., Any]:
    """The connect callable as the wrapper's documentation passes it."""
    if engine == "postgres":
        import psycopg

        return psycopg.Connection.connect
    return driver_connect(engine)


class Ours:
    """secretconn, with nothing set but where the local Secrets Manager is."""

    name = OURS

    def __init__(self, engine: str, app: Application, around: Around = as_it_is) -> None:
        credentials = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client())
        self._options = OPTIONS[engine]
        self._connect = secretconn.wrap(around(driver_connect(engine)), credentials)

    def restart(self) -> None:
        """Nothing."""

    def connect(self) -> Any:
        return self._connect(**self._options)


CLIENTS: dict[str, Callable[[str, Application, Around], Client]] = {
    PLAIN: PlainDriver,
    CACHE: Cached,
    QUICK: CachedNoSleep,
    WRAPPER: Wrapper,
    OURS: Ours,
}


def missing(engine: str, name: str) -> str | None:
    """Why a client cannot take part here, or None."""
    package = {"psycopg": "psycopg", "mysql.connector": "mysql-connector-python"}[DRIVERS[engine]]
    needed = [package, *([WRAPPER_PACKAGE] if name == WRAPPER else [])]
    absent = [one for one in needed if installed(one) is None]
    return f"{name} is left out: {' and '.join(absent)} not installed" if absent else None


def make(engine: str, app: Application, names: tuple[str, ...] = NAMES, around: Around = as_it_is) -> dict[str, Client]:
    """Those that can take part, each with one connection made already: nobody is measured while it loads.

    Args:
        engine, app: Where they connect to.
        names: Which of them.
        around: Put around the driver's connect function, for all of them.
    """
    found = {name: CLIENTS[name](engine, app, around) for name in names if missing(engine, name) is None}
    for client in found.values():
        client.connect().close()
    return found


def left_out() -> list[str]:
    """Who is not compared in this environment, and why."""
    return sorted({why for engine in DRIVERS for name in NAMES if (why := missing(engine, name)) is not None})


def release() -> None:
    """Stop the threads that the wrapper keeps."""
    if installed(WRAPPER_PACKAGE) is not None:
        from aws_advanced_python_wrapper import release_resources

        release_resources()
