"""The steps about the database: the address, and a login with each driver that is tried."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from secretconn import RotatingCredentials, aconnect, connect, wrap
from secretconn.cli.check import login_errors
from secretconn.cli.check.context import Context
from secretconn.cli.check.drivers import UNLIMITED, Attempt, database_of, version_of
from secretconn.cli.check.findings import finding, sentence_of
from secretconn.cli.check.login_errors import Place
from secretconn.cli.check.network import is_network_name, look, odd_host, resolve
from secretconn.cli.check.report import Step, Stop
from secretconn.cli.connections import close, owned_in, server_of, settled, tls_of
from secretconn.credentials import CURRENT, Credentials
from secretconn.engines import Verdict, engine_named, load
from secretconn.engines.adapters import taken
from secretconn.errors import SecretConnError, SecretUnavailable
from secretconn.events import Event, Recovered, Rejected
from secretconn.sources.base import Source

NO_NETWORK_NAME = ("snowflake", "mongodb", "oracle", "sqlserver")
"""Engines whose "host" may be an account, a URI or an alias that the driver resolves."""


class Answers(NamedTuple):
    """What an open connection told (see ``connections``), seconds to open it, and of one query."""

    server: str | None
    database: str | None
    tls: str | None
    owned: int
    connect: float
    query: float


def log_in(context: Context, source: Source, logins: Sequence[Credentials], attempts: Sequence[Attempt]) -> None:
    """Log in by connect() with each driver. A refused login is not sent again with the next driver."""
    _resolve(context, _place(context, logins[0], attempts[0]))
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
        events.clear()
        if not _try(context, credentials, events, logins, attempt):
            return


def _try(
    context: Context,
    credentials: RotatingCredentials,
    events: list[Event],
    logins: Sequence[Credentials],
    attempt: Attempt,
) -> bool:
    """Log in once; False if the login was refused, so that no other driver sends it again."""
    with context.report.step("login") as step:
        step.told = attempt.title
        try:
            answers = asyncio.run(_open_and_ask(credentials, attempt, context, logins))
        except SecretConnError as error:
            key = "not-read:again" if isinstance(error, SecretUnavailable) else "not-possible"
            raise Stop(finding(key, problem=sentence_of(error))) from None
        except Exception as error:  # noqa: BLE001  (the driver's own; it is what this step found)
            verdict = _failed(context, step, error, attempt, logins)
            tried = [
                "+".join(sorted(event.stages)) or event.version_id for event in events if isinstance(event, Rejected)
            ]
            step.told += f" (tried: {', then '.join(tried)})" if len(tried) > 1 else ""
            return verdict is Verdict.OTHER
        step.seconds = answers.connect
        stages = _opened(step, events, logins, attempt)
        if answers.owned:
            step.findings.append(finding("owned-by-user", count=answers.owned, database=answers.database))
    context.report.facts.setdefault("connections", []).append(_connection(attempt, answers, stages))
    with context.report.step("server") as step:
        step.seconds = answers.query
        tls = "TLS not known" if answers.tls is None else answers.tls or "no TLS"
        database = f", database {answers.database}" if answers.database is not None else ""
        step.told = f"{answers.server or 'version not known'}, {tls}{database}"
    return True


def _connection(attempt: Attempt, answers: Answers, stages: str) -> dict[str, Any]:
    """Return an open connection for JSON."""
    return {
        "driver": attempt.driver.name,
        "driver_version": version_of(attempt.driver),
        "async": attempt.is_async,
        "server": answers.server,
        "database": answers.database,
        "tls": None if answers.tls is None else bool(answers.tls),
        "tls_cipher": answers.tls or None,
        "stages": stages,
        "connect_seconds": answers.connect,
        "query_seconds": answers.query,
    }


async def _open_and_ask(
    credentials: RotatingCredentials, attempt: Attempt, context: Context, logins: Sequence[Credentials]
) -> Answers:
    """Open a connection as the application does, ask who the server is, close it. Raises what connect() raises."""
    credentials.prefetch()  # or the first connect would include the read of the secret
    clock = context.runtime.clock
    engine, begun = attempt.driver.engine, clock()
    connection = await settled(_opening(credentials, attempt, context.options.timeout)(**attempt.arguments))
    opened = clock()
    try:
        try:
            server, database = await server_of(connection, engine)
        except Exception as error:
            if attempt.driver.classify(error) not in (Verdict.OTHER, Verdict.BARRED):
                raise  # MySQL reports an expired password here
            server, database = None, None  # a missing privilege, a proxy; the connection works, and that is what counts
        asked = clock()
        tls = await tls_of(connection, engine)
        owned = await owned_in(connection, engine) if len({login.username for login in logins}) > 1 else 0
    finally:
        await close(connection)
    return Answers(server, database, tls, owned, opened - begun, asked - opened)


def _opening(credentials: RotatingCredentials, attempt: Attempt, limit: float) -> Callable[..., Any]:
    """Return connect() or aconnect() for the driver; a driver that may wait for ever gets a limit."""
    name = attempt.driver.name
    if not attempt.is_async:
        return partial(connect, credentials, driver=name)
    if name not in UNLIMITED:
        return partial(aconnect, credentials, driver=name)
    own = load(attempt.driver, for_async=True)

    async def limited(**keywords: Any) -> Any:
        async with asyncio.timeout(limit):
            return await own(**taken(keywords))

    return wrap(limited, credentials, driver=name)


def _failed(context: Context, step: Step, error: Exception, attempt: Attempt, logins: Sequence[Credentials]) -> Verdict:
    """Find out why a login failed; return the driver's own verdict."""
    place = _place(context, logins[0], attempt)
    verdict = attempt.driver.classify(error)
    failure = login_errors.failure_of(error, attempt.driver.engine, verdict, logins)
    key = login_errors.by_server(failure, place)
    if key is None and verdict is Verdict.OTHER and place.host and place.port and is_network_name(place.host):
        key = look(place.host, place.port, context.options.timeout, greets=place.engine == "mysql")
    step.told = f"{attempt.title}: {login_errors.short(failure)}"
    step.findings.append(login_errors.explained(key or login_errors.unknown(failure), place))
    return verdict


def _opened(step: Step, events: list[Event], logins: Sequence[Credentials], attempt: Attempt) -> str:
    """Tell with which version the server let us in; return its stages."""
    recovered = next((event for event in events if isinstance(event, Recovered)), None)
    version, stages = logins[0].version_id, CURRENT
    if recovered is not None:
        version, stages = recovered.version_id, "+".join(sorted(recovered.stages)) or "no stage"
        if CURRENT not in recovered.stages:
            step.findings.append(finding("current-refused", stages=stages))
    user = {login.version_id: login.username for login in logins}.get(version, logins[0].username)
    step.told = f"{attempt.title}: as {user}, with {stages}"
    return stages


def _place(context: Context, login: Credentials, attempt: Attempt) -> Place:
    driver = attempt.driver
    engine = engine_named(context.options.engine or login.engine or driver.engine)
    given = driver.given((), dict(attempt.arguments))
    return Place(
        driver=attempt.title,
        engine=driver.engine,
        user=login.username,
        host=given.host or login.host,
        port=int(given.port) if given.port and given.port.isdigit() else login.port or engine.default_port,
        database=given.database or database_of(context, login, engine, driver),
        tls=_takes_tls(driver.name, attempt.arguments),
    )


def _takes_tls(driver: str, arguments: Any) -> bool:
    """True if it uses TLS by itself wherever the server offers it: PyMySQL from 1.2 on, and Connector/Python, do."""
    if "ssl_disabled" in arguments:
        return not arguments["ssl_disabled"]
    if driver == "pymysql":
        return tuple(getattr(sys.modules.get("pymysql"), "VERSION", (0,)))[:2] >= (1, 2)
    return driver == "mysql-connector"


def _resolve(context: Context, place: Place) -> None:
    """Look whether the host has an address. One that is no plain host is left to the driver."""
    if place.host is None or place.engine in NO_NETWORK_NAME:
        return
    odd = odd_host(place.host)
    if odd is None and not is_network_name(place.host):
        return
    with context.report.step("address") as step:
        addresses = [] if odd is not None else resolve(place.host, place.port)
        if not addresses:
            raise Stop(login_errors.explained(odd or "wrong-host", place))
        more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
        step.told = place.address if addresses == [place.host] else f"{place.address} is {addresses[0]}{more}"
