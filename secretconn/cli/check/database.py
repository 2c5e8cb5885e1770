"""The steps about the database: driver, address, and a login with each driver that is to be tried."""

from __future__ import annotations

import asyncio
import importlib.metadata
import math
import sys
from typing import Any

from secretconn._core.rotating import RotatingCredentials
from secretconn.cli.check import of_login
from secretconn.cli.check.asking import Answers, Attempt, open_and_ask
from secretconn.cli.check.context import Context, Versions
from secretconn.cli.check.network import is_network_name, look, resolve
from secretconn.cli.check.refusals import Place, not_resolved
from secretconn.cli.check.report import Finding, Step
from secretconn.engines import Driver, Engine, Verdict, driver_named, engine_named, is_installed, load, pip_line
from secretconn.errors import ConfigurationError, DriverNotInstalled, SecretConnError, SecretUnavailable
from secretconn.events import Event, Recovered, Rejected
from secretconn.sources.base import Source

__all__ = ["log_in", "prepare"]

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

NO_NETWORK_NAME = ("snowflake", "mongodb", "oracle", "sqlserver")
"""Engines whose "host" may be an account, a URI or an alias that the driver resolves."""


def prepare(context: Context, versions: Versions) -> list[Attempt] | None:
    """The step about drivers: which there are, and which are to be tried.

    Raises:
        ConfigurationError: --driver names a driver that nobody knows, or --option holds a login.
    """
    asked, login = context.options, versions.current
    named = driver_named(asked.driver) if asked.driver is not None else None
    with context.journal.step("driver", timed=False) as step:
        try:
            engine = engine_named(asked.engine or login.engine or (named.engine if named is not None else ""))
        except ConfigurationError as error:
            step.findings.append(_unknown_engine(error, asked.engine is None))
            return None
        _keep_login(context, versions, engine)
        attempts = _attempts(context, engine)
        if not attempts:
            step.findings.append(_missing_driver(context, engine))
            return None
        try:
            for attempt in attempts:
                load(attempt.driver, for_async=attempt.is_async)
        except DriverNotInstalled as error:
            step.findings.append(_not_loaded(error))
            return None
        step.told = _told(attempts, engine)
    return attempts


def log_in(context: Context, source: Source, versions: Versions, attempts: list[Attempt]) -> None:
    """The steps about address and login. A login that is refused is not sent again with the next driver."""
    place = _place(context, versions, attempts[0])
    if not _address(context, place):
        return
    asked = context.options
    credentials = RotatingCredentials(
        asked.secret,
        source=source,
        engine=asked.engine,
        username=asked.username,
        keys=dict(asked.keys) or None,
        runtime=context.runtime,
    )
    events: list[Event] = []
    credentials.subscribe(events.append)
    for attempt in attempts:
        if not _try(context, credentials, events, versions, attempt):
            return


def _try(
    context: Context, credentials: RotatingCredentials, events: list[Event], versions: Versions, attempt: Attempt
) -> bool:
    """One login; False where it was refused, so that no other driver should send it again."""
    place, clock, facts = _place(context, versions, attempt), context.runtime.clock, context.journal.report.facts
    before = len(events)
    with context.journal.step("login") as step:
        step.told = attempt.title
        try:
            answers = asyncio.run(open_and_ask(credentials, attempt, clock))
        except SecretConnError as error:
            step.findings.append(_own_error(error))
            return False
        except Exception as error:  # noqa: BLE001  (the driver's own; it is what this step found)
            refused = _failed(step, error, attempt, place, versions, context.options.timeout)
            _tell_tried(step, events[before:])
            return not refused
        step.seconds = answers.connect
        stages = _opened(step, events[before:], versions, attempt)
        facts.setdefault("connections", []).append(_facts(attempt, answers, stages))
    with context.journal.step("server") as step:
        step.seconds = answers.query
        step.told = f"{answers.server or 'version not known'}, {_tls_words(answers.tls)}"
    return True


def _failed(step: Step, error: Exception, attempt: Attempt, place: Place, versions: Versions, timeout: float) -> bool:
    """Find out why; whether the login was refused."""
    verdict = attempt.driver.classify(error)
    failure = of_login.failure_of(error, attempt.driver.engine, verdict, versions.passwords)
    finding = of_login.by_server(failure, place)
    if finding is None and verdict is Verdict.OTHER and place.host and place.port and is_network_name(place.host):
        finding = of_login.by_network(look(place.host, place.port, timeout), place)
    step.told = f"{attempt.title}: {of_login.short(failure)}"
    step.findings.append(finding or of_login.unknown(failure, place))
    return verdict is not Verdict.OTHER


def _opened(step: Step, events: list[Event], versions: Versions, attempt: Attempt) -> str:
    """Tell by which version the server let us in; its stages."""
    recovered = next((event for event in events if isinstance(event, Recovered)), None)
    stages = "AWSCURRENT" if recovered is None else "+".join(recovered.stages) or "no stage"
    users = {login.version_id: login.username for login in (versions.current, *versions.others)}
    version = versions.current.version_id if recovered is None else recovered.version_id
    step.told = f"{attempt.title}: as {users.get(version, versions.current.username)}, with {stages}"
    if recovered is not None and "AWSCURRENT" not in recovered.stages:
        step.findings.append(
            Finding(
                "current-refused",
                f"The server refused AWSCURRENT and took {stages}.",
                "If a rotation is under way: nothing, this is the window that secretconn is for. If none is, one has "
                "ended half-way: see the log of the rotation function, and rotate again.",
                warning=True,
            )
        )
    return stages


def _tell_tried(step: Step, events: list[Event]) -> None:
    """Which logins were sent."""
    tried = [event for event in events if isinstance(event, Rejected)]
    if len(tried) > 1:
        step.told += f" (tried: {', then '.join('+'.join(event.stages) or event.version_id for event in tried)})"


def _facts(attempt: Attempt, answers: Answers, stages: str) -> dict[str, Any]:
    return {
        "driver": attempt.driver.name,
        "driver_version": _version(attempt.driver),
        "async": attempt.is_async,
        "server": answers.server,
        "tls": None if answers.tls is None else bool(answers.tls),
        "tls_cipher": answers.tls or None,
        "stages": stages,
        "connect_seconds": answers.connect,
        "query_seconds": answers.query,
    }


def _attempts(context: Context, engine: Engine) -> list[Attempt]:
    """What is to be tried: what was named, all, or what connect() would take, else what aconnect() would."""
    asked = context.options
    if asked.driver is not None:
        drivers = [driver_named(asked.driver)]
    else:
        drivers = [driver for driver in engine.drivers if is_installed(driver)]
    ways = [
        Attempt(driver, is_async, _arguments(context, driver))
        for driver in drivers
        for is_async in (False, True)
        if (driver.aconnect if is_async else driver.connect)
    ]
    ways = [way for way in ways if is_installed(way.driver)]
    if asked.all_drivers:
        return ways
    return sorted(ways, key=lambda way: way.is_async)[:1]


def _arguments(context: Context, driver: Driver) -> dict[str, Any]:
    """What the application would pass to the driver's connect.

    Raises:
        ConfigurationError: A user or a password is among the options.
    """
    asked, names = context.options, driver.keywords
    place = {"host": asked.host, "port": asked.port, "database": asked.database}
    arguments: dict[str, Any] = {names[name]: value for name, value in place.items() if value is not None}
    if (keyword := TIMEOUTS.get(driver.name)) is not None:
        arguments[keyword] = max(1, math.ceil(asked.timeout))
    arguments |= asked.arguments
    if driver.given((), arguments).has_login:
        raise ConfigurationError("--option must not hold a user or a password: they come from the secret")
    return arguments


def _place(context: Context, versions: Versions, attempt: Attempt) -> Place:
    asked, login, driver = context.options, versions.current, attempt.driver
    engine = engine_named(asked.engine or login.engine or driver.engine)
    given = driver.given((), dict(attempt.arguments))
    return Place(
        driver=attempt.title,
        engine=driver.engine,
        user=login.username,
        host=given.host or login.host,
        port=int(given.port) if given.port and given.port.isdigit() else login.port or engine.default_port,
        database=given.database or login.database or engine.default_database,
        tls=_takes_tls(driver, attempt.arguments),
    )


def _takes_tls(driver: Driver, arguments: Any) -> bool:
    """Whether it uses TLS by itself wherever the server offers it: PyMySQL from 1.2 on, and Connector/Python, do."""
    if "ssl_disabled" in arguments:
        return not arguments["ssl_disabled"]
    if driver.name == "pymysql":
        return tuple(getattr(sys.modules.get("pymysql"), "VERSION", (0,)))[:2] >= (1, 2)
    return driver.name == "mysql-connector"


def _address(context: Context, place: Place) -> bool:
    """Whether the host has an address; what is no plain host is left to the driver."""
    if place.host is None or place.engine in NO_NETWORK_NAME or not is_network_name(place.host):
        return True
    with context.journal.step("address") as step:
        found = resolve(place.host, place.port)
        if not found:
            step.findings.append(not_resolved(place))
            return False
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        step.told = f"{place.address}" if found == [place.host] else f"{place.address} is {found[0]}{more}"
    return True


def _keep_login(context: Context, versions: Versions, engine: Engine) -> None:
    asked, login = context.options, versions.current
    context.journal.report.facts["login"] = {
        "engine": login.engine or asked.engine or engine.name,
        "host": asked.host or login.host,
        "port": asked.port or login.port or engine.default_port,
        "database": asked.database or login.database or engine.default_database,
        "user": login.username,
        "version_id": login.version_id,
    }


def _told(attempts: list[Attempt], engine: Engine) -> str:
    if len(attempts) == 1:
        driver, version = attempts[0].driver, _version(attempts[0].driver)
        others = [one.name for one in engine.drivers if one.name != driver.name and is_installed(one)]
        return f"{driver.name}{f' {version}' if version else ''}" + (
            f" (also installed: {', '.join(others)})" if others else ""
        )
    return ", ".join(attempt.title for attempt in attempts)


def _version(driver: Driver) -> str | None:
    for name in (driver.name, *driver.aliases):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _tls_words(tls: str | None) -> str:
    return "TLS not known" if tls is None else tls or "no TLS"


def _missing_driver(context: Context, engine: Engine) -> Finding:
    if context.options.driver is not None:
        driver = driver_named(context.options.driver)
        return Finding(
            "missing-driver", f"Driver {driver.name} is not installed here.", f"{pip_line(driver)}, in this image."
        )
    first, others = engine.drivers[0], ", ".join(driver.extra for driver in engine.drivers[1:])
    return Finding(
        "missing-driver",
        f"No driver for {engine.name} is installed here.",
        f"Install the one that the application uses, in this image: {pip_line(first)}"
        f"{f', or with one of these in the brackets: {others}' if others else ''}.",
    )


def _not_loaded(error: DriverNotInstalled) -> Finding:
    text = str(error)
    return Finding("missing-driver", f"{text[:1].upper()}{text[1:]}.", "Install it anew, in this image.")


def _unknown_engine(error: ConfigurationError, from_secret: bool) -> Finding:
    return Finding(
        "unknown-engine",
        f"{str(error)[:1].upper()}{str(error)[1:]}.",
        "Correct the key engine in the secret, or pass engine= in the code (here --engine)."
        if from_secret
        else "Correct --engine.",
    )


def _own_error(error: SecretConnError) -> Finding:
    problem = f"{str(error)[:1].upper()}{str(error)[1:]}."
    if isinstance(error, SecretUnavailable):
        return Finding("not-read", problem, "It could be read a moment ago: check again.")
    return Finding("not-possible", problem, "Correct the secret, or what the code passes.")
