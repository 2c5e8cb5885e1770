"""The step about drivers: which are installed, which are tried, and with which arguments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from secretconn import runtime
from secretconn.cli.check.context import Context
from secretconn.cli.check.findings import finding, sentence_of
from secretconn.cli.check.report import Finding, Stop
from secretconn.credentials import Credentials
from secretconn.engines import Driver, Engine, driver_named, engine_named, is_installed, load, pip_line
from secretconn.errors import ConfigurationError, DriverNotInstalled

TIMEOUTS = {
    **dict.fromkeys(("psycopg", "psycopg2", "pymysql", "mysqlclient", "aiomysql", "asyncmy"), "connect_timeout"),
    "mariadb": "connect_timeout",
    "mysql-connector": "connection_timeout",
    "asyncpg": "timeout",
    "pg8000": "timeout",
    "redis": "socket_connect_timeout",
    "pymssql": "login_timeout",
    "oracledb": "tcp_connect_timeout",
}
"""Driver to its keyword for the whole seconds a login may take. The others go by their own limit."""

READ_TIMEOUTS = {"pymysql": "read_timeout"}
"""Of those whose other keyword does not include the wait for the server's first words."""

UNLIMITED = ("aiomysql", "asyncmy", "mysql-connector")
"""Those whose async connect waits for the server's first words for ever, whatever its keyword says."""

TLS_OPTIONS = {
    "psycopg": "sslmode=require",
    "psycopg2": "sslmode=require",
    "asyncpg": "ssl=require",
    "pg8000": "ssl_context=true",
    "pymysql": "ssl_ca=CA.pem",
    "mysqlclient": "ssl_mode=REQUIRED",
    "asyncmy": 'ssl={"ca": "CA.pem"}',
    "mysql-connector": "ssl_disabled=false",
    "mariadb": "ssl=true",
}
"""What switches TLS on. aiomysql wants an ssl.SSLContext, which no command line can give."""


class Attempt(NamedTuple):
    """One way to connect: a driver, sync or async, and the arguments of its connect besides the login."""

    driver: Driver
    is_async: bool
    arguments: Mapping[str, Any]

    @property
    def title(self) -> str:
        both = self.driver.connect is not None and self.driver.aconnect is not None
        return f"{self.driver.name}{' (async)' if both and self.is_async else ''}"


def prepare(context: Context, login: Credentials) -> list[Attempt]:
    """Return what is tried.

    Raises:
        ConfigurationError: --driver names an unknown driver, or --option holds a login.
    """
    asked = context.options
    named = driver_named(asked.driver) if asked.driver is not None else None
    with context.report.step("driver", timed=False) as step:
        try:
            engine = engine_named(asked.engine or login.engine or (named.engine if named is not None else ""))
        except ConfigurationError as error:
            key = "unknown-engine" if asked.engine is None else "unknown-engine:option"
            raise Stop(finding(key, problem=sentence_of(error))) from None
        attempts = _attempts(context, engine)
        driver = attempts[0].driver if attempts else None
        context.report.facts["login"] = _login_facts(context, login, engine, driver)
        if not attempts:
            raise Stop(_missing_driver(named, engine))
        try:
            for attempt in attempts:
                load(attempt.driver, for_async=attempt.is_async)
        except DriverNotInstalled as error:
            raise Stop(finding("missing-driver:broken", problem=sentence_of(error))) from None
        step.told = _told(attempts, engine)
    return attempts


def version_of(driver: Driver) -> str | None:
    """Return the version of a driver's package."""
    return next(filter(None, map(runtime.version_of, (driver.name, *driver.aliases))), None)


def _attempts(context: Context, engine: Engine) -> list[Attempt]:
    """List what was named, or all, or what connect() would use, else what aconnect() would use."""
    asked = context.options
    drivers = engine.drivers if asked.driver is None else (driver_named(asked.driver),)
    ways = [
        Attempt(driver, is_async, _arguments(context, driver))
        for is_async in (False, True)
        for driver in drivers
        if (driver.aconnect if is_async else driver.connect) and is_installed(driver)
    ]
    return sorted(ways, key=lambda way: drivers.index(way.driver)) if asked.all_drivers else ways[:1]


def _arguments(context: Context, driver: Driver) -> dict[str, Any]:
    """Return what the application would pass to the driver's connect.

    Raises:
        ConfigurationError: A user or a password is among the options.
    """
    asked, names = context.options, driver.keywords
    place = {"host": asked.host, "port": asked.port, "database": asked.database}
    arguments: dict[str, Any] = {names[name]: value for name, value in place.items() if value is not None}
    for keyword in (TIMEOUTS.get(driver.name), READ_TIMEOUTS.get(driver.name)):
        if keyword is not None:
            arguments[keyword] = math.ceil(asked.timeout)
    arguments |= asked.arguments
    if driver.given((), arguments).has_login:
        raise ConfigurationError("--option must not hold a user or a password: they come from the secret")
    return arguments


def database_of(context: Context, login: Credentials, engine: Engine, driver: Driver | None) -> str | None:
    """Return the database that connect() would open: the caller's, the secret's, the driver's own, or the default."""
    said, environ = context.options.database or login.database, context.runtime.environ
    own = driver.variables.get("database", ()) if driver is not None else ()
    variable = next((name for name in own if environ.get(name)), None)
    if said is not None or variable is None:
        return said or engine.default_database
    return None if variable.endswith("SERVICE") else environ[variable]  # what a service file has is not known


def _login_facts(context: Context, login: Credentials, engine: Engine, driver: Driver | None) -> dict[str, Any]:
    asked = context.options
    return {
        "engine": login.engine or asked.engine or engine.name,
        "host": asked.host or login.host,
        "port": asked.port or login.port or engine.default_port,
        "database": database_of(context, login, engine, driver),
        "user": login.username,
        "version_id": login.version_id,
    }


def _told(attempts: list[Attempt], engine: Engine) -> str:
    if len(attempts) > 1:
        return ", ".join(attempt.title for attempt in attempts)
    driver, version = attempts[0].driver, version_of(attempts[0].driver)
    others = [one.name for one in engine.drivers if one.name != driver.name and is_installed(one)]
    also = f" (also installed: {', '.join(others)})" if others else ""
    return f"{driver.name}{f' {version}' if version else ''}{also}"


def _missing_driver(named: Driver | None, engine: Engine) -> Finding:
    if named is not None:
        return finding("missing-driver:named", driver=named.name, pip=pip_line(named))
    first, *rest = engine.drivers
    others = ", ".join(driver.extra for driver in rest)
    others = f", or with one of these in the brackets: {others}" if others else ""
    return finding("missing-driver", engine=engine.name, pip=pip_line(first), others=others)
