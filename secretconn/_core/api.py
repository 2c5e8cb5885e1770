"""connect, aconnect and wrap."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from secretconn import engines
from secretconn._core.connector import NO_ARGUMENTS, Arguments, Connector, OwnClassify
from secretconn._core.rotating import RotatingCredentials
from secretconn._core.shared import shared
from secretconn.engines.base import Driver
from secretconn.engines.loading import connect_path, is_async, shown
from secretconn.errors import ConfigurationError, given_keywords
from secretconn.sources.sessions import AnySession, Client

__all__ = ["aconnect", "connect", "wrap"]

if TYPE_CHECKING:
    from typing_extensions import TypeVar as DefaultTypeVar

    Opened = DefaultTypeVar("Opened", default=Any)
    """What ``driver=`` returns, where that is a callable; any connection where it is named, or left to us."""
else:
    Opened = TypeVar("Opened")

Connect = TypeVar("Connect", bound=Callable[..., Any])
DriverLike = str | ModuleType | Callable[..., Any]

MAX_CONNECTORS = 64


def connect(
    secret: str | RotatingCredentials,
    /,
    *args: Any,
    driver: Callable[..., Opened] | str | ModuleType | None = None,
    classify: OwnClassify | None = None,
    retries: int | None = None,
    patience: float | None = None,
    region: str | None = None,
    profile: str | None = None,
    endpoint_url: str | None = None,
    client: Client | None = None,
    session: AnySession | None = None,
    **kwargs: Any,
) -> Opened:
    """Open a connection with the login that is valid now; the driver's own connection object is returned.

    Args:
        secret: The secret's name or ARN, or a RotatingCredentials.
        *args, **kwargs: For the driver's connect. What they say wins over the secret (host, port, database, a DSN).
        driver: Name ("psycopg"), module, or connect callable. Default: the first installed of the engine.
        classify: Your own judgement of a failed connect: a Verdict, or None to use the driver's table.
        retries: Further logins after a rejected one. Default: that of the RotatingCredentials, 1.
        patience: Seconds to go on asking the source when it has no other login. Default: 0.
        region, profile, endpoint_url, client, session: How Secrets Manager is reached, for a secret given by name.

    Raises:
        The driver's own exception, the very object, with a note where a login was rejected.
        TypeError: user or password are among the arguments.
        SecretUnavailable, SecretFormatError, ConfigurationError: see errors.py; before any login is tried.
    """
    arguments = Arguments(args, kwargs) if args or kwargs else NO_ARGUMENTS
    del args, kwargs
    rotating = _rotating(secret, region, profile, endpoint_url, client, session)
    connector = rotating._connectors.get((driver, False, classify, retries, patience))
    if connector is None:
        engine = None if driver is not None else rotating.engine or rotating.current().engine
        connector = _connector(rotating, driver, engine, False, classify, retries, patience, arguments)
    opened: Opened = connector.open(arguments)
    return opened


async def aconnect(
    secret: str | RotatingCredentials,
    /,
    *args: Any,
    driver: Callable[..., Awaitable[Opened]] | str | ModuleType | None = None,
    classify: OwnClassify | None = None,
    retries: int | None = None,
    patience: float | None = None,
    region: str | None = None,
    profile: str | None = None,
    endpoint_url: str | None = None,
    client: Client | None = None,
    session: AnySession | None = None,
    **kwargs: Any,
) -> Opened:
    """The same for asyncio, with an async driver. The event loop is never blocked by a read of the secret.

    Args, Raises: as in connect.
    """
    arguments = Arguments(args, kwargs) if args or kwargs else NO_ARGUMENTS
    del args, kwargs
    rotating = _rotating(secret, region, profile, endpoint_url, client, session)
    connector = rotating._connectors.get((driver, True, classify, retries, patience))
    if connector is None:
        engine = None if driver is not None else rotating.engine or (await rotating.acurrent()).engine
        connector = _connector(rotating, driver, engine, True, classify, retries, patience, arguments)
    opened: Opened = await connector.aopen(arguments)
    return opened


def wrap(
    connect: Connect,
    secret: str | RotatingCredentials,
    /,
    *,
    driver: str | ModuleType | None = None,
    classify: OwnClassify | None = None,
    retries: int | None = None,
    patience: float | None = None,
    region: str | None = None,
    profile: str | None = None,
    endpoint_url: str | None = None,
    client: Client | None = None,
    session: AnySession | None = None,
) -> Connect:
    """A driver's connect, with the login filled in and rotations survived. Same signature, same results.

    Args:
        connect: The driver's connect callable: a function, a coroutine function, one that returns an awaitable
            (aiomysql, asyncmy), a class method (``psycopg.AsyncConnection.connect``), a class, or a partial of these.
        secret: The secret's name or ARN, or a RotatingCredentials.
        driver: Which driver's arguments and errors it has, where that cannot be seen from ``connect``.
        classify, retries, patience, region, profile, endpoint_url, client, session: As in connect().

    Raises:
        ConfigurationError: the driver is not known, or the arguments contradict each other.
    """
    rotating = _rotating(secret, region, profile, endpoint_url, client, session)
    known = engines.driver_of(connect if driver is None else driver)
    connector = Connector(rotating, connect, known, classify, retries, patience)
    wrapped = _wrapper(connector, _is_coroutine_function(connect), is_async(known, connect))
    keep = () if inspect.isclass(connect) else functools.WRAPPER_UPDATES
    return functools.update_wrapper(wrapped, connect, updated=keep)  # type: ignore[return-value]


class _Opening:
    """What a wrapped aiomysql or asyncmy connect returns: awaitable, and an async context manager, as theirs are."""

    __slots__ = ("_connection", "_open")
    _connection: Any

    def __init__(self, opening: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self._open = opening

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._open().__await__()

    async def __aenter__(self) -> Any:
        self._connection = await self
        return await self._connection.__aenter__()

    async def __aexit__(self, *raised: Any) -> Any:
        return await self._connection.__aexit__(*raised)


def _wrapper(connector: Connector, coroutine_function: bool, awaitable: bool) -> Callable[..., Any]:
    def connecting(*args: Any, **kwargs: Any) -> Any:
        arguments = Arguments(args, kwargs) if args or kwargs else NO_ARGUMENTS
        del args, kwargs
        return connector.open(arguments)

    def opening(*args: Any, **kwargs: Any) -> _Opening:
        arguments = Arguments(args, kwargs) if args or kwargs else NO_ARGUMENTS
        del args, kwargs
        return _Opening(connector.opener(arguments))

    async def aconnecting(*args: Any, **kwargs: Any) -> Any:
        arguments = Arguments(args, kwargs) if args or kwargs else NO_ARGUMENTS
        del args, kwargs
        return await connector.aopen(arguments)

    if coroutine_function:
        return aconnecting
    return opening if awaitable else connecting


def _connector(
    rotating: RotatingCredentials,
    driver: DriverLike | None,
    engine: str | None,
    for_async: bool,
    classify: OwnClassify | None,
    retries: int | None,
    patience: float | None,
    arguments: Arguments,
) -> Connector:
    """Made once for these arguments and kept with the secret. The driver's own are looked at, and not kept."""
    known = engines.driver_of(driver) if driver is not None else _default(rotating, engine, for_async)
    own = driver if callable(driver) else None
    if own is None and known.module not in sys.modules and connect_path(known, for_async) is not None:
        # The driver is imported while the secret is read, but what is wrong with the arguments is told before.
        look = Connector(rotating, _imported_later, replace(known, adapt=None), retries=retries, patience=patience)
        look.given(arguments)
        rotating._reader.begin()
    call = engines.load(known, for_async=for_async) if own is None else own
    if own is not None and is_async(known, own) is not for_async:
        other = "aconnect" if not for_async else "connect"
        raise ConfigurationError(f"{shown(own)} is for {other}(), not for this")
    connector = Connector(rotating, call, known, classify, retries, patience)
    if len(rotating._connectors) >= MAX_CONNECTORS:
        rotating._connectors.clear()
    rotating._connectors[driver, for_async, classify, retries, patience] = connector
    return connector


def _imported_later(**_keywords: Any) -> Any:
    raise NotImplementedError


def _default(rotating: RotatingCredentials, engine: str | None, for_async: bool) -> Driver:
    if engine is None:
        raise ConfigurationError(
            f"secret {rotating.secret_id!r} names no engine (RDS-managed secrets do not); pass driver=, "
            f"or engine= to RotatingCredentials"
        )
    return engines.default_driver(engines.engine_named(engine), for_async=for_async)


def _rotating(
    secret: str | RotatingCredentials,
    region: str | None,
    profile: str | None,
    endpoint_url: str | None,
    client: Client | None,
    session: AnySession | None,
) -> RotatingCredentials:
    if not isinstance(secret, RotatingCredentials):
        return shared(secret, region=region, profile=profile, endpoint_url=endpoint_url, client=client, session=session)
    if region is profile is endpoint_url is None and client is None and session is None:  # nearly always: the hot path
        return secret
    given = {"region": region, "profile": profile, "endpoint_url": endpoint_url, "client": client, "session": session}
    extra = ", ".join(given_keywords(given))
    raise ConfigurationError(f"the RotatingCredentials already decides about {extra}; leave that out")


def _is_coroutine_function(call: Callable[..., Any]) -> bool:
    while isinstance(call, functools.partial):
        call = call.func
    return inspect.iscoroutinefunction(call)
