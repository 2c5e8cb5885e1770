"""Pools: what a rotation means for one, and the two MySQL pools that leave no other way in.

Most pools need nothing from here: they take a connect callable, and ``secretconn.wrap`` makes one (docs/pools.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Literal

from secretconn._core.api import wrap
from secretconn._core.rotating import RotatingCredentials
from secretconn._core.shared import shared
from secretconn.engines import driver_named, load
from secretconn.errors import ConfigurationError
from secretconn.events import Event, Rotated

__all__ = ["OnRotation", "aiomysql_pool", "asyncmy_pool", "on_rotation"]

log = logging.getLogger("secretconn.pools")

OnRotation = Literal["keep", "drain"]
"""What a pool does with its open connections at a rotation. "keep": nothing, they live on at the server. "drain": those
in use finish, idle ones are replaced."""


def on_rotation(secret: str | RotatingCredentials, drain: Callable[[], Any], /) -> Callable[[], None]:
    """Have a pool drained each time secretconn notices a rotation: when a refresh brings another current version.

    Args:
        secret: The secret's name or ARN, or a RotatingCredentials.
        drain: What replaces the idle connections: ``pool.drain`` of psycopg_pool, ``pool.expire_connections`` of
            asyncpg, ``pool.clear`` of aiomysql and asyncmy. It may be a coroutine function; it then runs in the event
            loop in which on_rotation() was called. A bound method does not keep its pool alive
            (but one of asyncpg's pool does, which cannot be referred to weakly).

    Returns:
        What ends it. The end of the pool, or of the loop, ends it as well.

    Raises:
        ConfigurationError: a coroutine function, and no event loop is running.
    """
    loop = _running_loop()
    if loop is None and inspect.iscoroutinefunction(drain):
        raise ConfigurationError("call on_rotation() inside the event loop in which the pool is to be drained")
    found = _weakly(drain)
    running: set[asyncio.Task[None]] = set()

    async def in_loop(call: Callable[[], Any]) -> None:
        try:
            result = call()
            if inspect.isawaitable(result):
                await result
        except Exception:
            log.exception("secretconn: draining a pool failed")

    def start(call: Callable[[], Any]) -> None:
        task = asyncio.ensure_future(in_loop(call))
        running.add(task)  # the loop itself holds tasks weakly
        task.add_done_callback(running.discard)

    def happened(what: Event) -> None:
        if not isinstance(what, Rotated):
            return
        call = found()
        if call is None:
            end()
        elif loop is None:
            call()
        elif loop.is_closed():
            end()
        else:
            loop.call_soon_threadsafe(start, call)

    credentials = secret if isinstance(secret, RotatingCredentials) else shared(secret)
    end = credentials.subscribe(happened)
    return end


def _weakly(call: Callable[[], Any]) -> Callable[[], Callable[[], Any] | None]:
    if inspect.ismethod(call):
        with contextlib.suppress(TypeError):  # asyncpg's pools know no weak references; those live as long as the loop
            return weakref.WeakMethod(call)
    return lambda: call


async def aiomysql_pool(
    secret: str | RotatingCredentials, /, *, on_rotation: OnRotation = "keep", **kwargs: Any
) -> Any:
    """``aiomysql.create_pool`` whose connections log in with the secret; returns an ``aiomysql.Pool``.

    Args:
        secret: The secret's name or ARN, or a RotatingCredentials.
        on_rotation: See OnRotation.
        **kwargs: For aiomysql: of the pool (minsize, maxsize, pool_recycle, echo) and of its connections, but for user
            and password.

    Raises:
        TypeError: user or password are among the arguments.
        SecretUnavailable, SecretFormatError, ConfigurationError, and the driver's own exception where minsize > 0.
    """
    opening = _opening("aiomysql", secret)
    from aiomysql import Pool

    class RotatingPool(Pool):  # type: ignore[misc]
        async def _fill_free_pool(self, override_min: bool) -> None:
            await _fill(self, opening, super()._fill_free_pool, override_min)

    options = {"minsize": 1, "maxsize": 10, "echo": False, "pool_recycle": -1, **kwargs}
    options.setdefault("loop", asyncio.get_running_loop())
    return await _filled(RotatingPool, options, secret, on_rotation)


async def asyncmy_pool(secret: str | RotatingCredentials, /, *, on_rotation: OnRotation = "keep", **kwargs: Any) -> Any:
    """The same for ``asyncmy.create_pool``."""
    opening = _opening("asyncmy", secret)
    from asyncmy.pool import Pool

    class RotatingPool(Pool):  # type: ignore[misc]
        async def fill_free_pool(self, override_min: bool = False) -> None:
            await _fill(self, opening, super().fill_free_pool, override_min)

    return await _filled(RotatingPool, {"minsize": 1, "maxsize": 10, **kwargs}, secret, on_rotation)


def _opening(name: str, secret: str | RotatingCredentials) -> Callable[..., Any]:
    return wrap(load(driver_named(name), for_async=True), secret)


async def _filled(
    kind: type[Any], options: Mapping[str, Any], secret: str | RotatingCredentials, wish: OnRotation
) -> Any:
    if wish not in ("keep", "drain"):
        raise ConfigurationError(f"on_rotation must be 'keep' or 'drain', not {wish!r}")
    pool = kind(**options)
    if options["minsize"] > 0:
        async with pool._cond:
            await _fill_of(pool)(False)
    if wish == "drain":
        on_rotation(secret, pool.clear)
    return pool


def _fill_of(pool: Any) -> Callable[[bool], Any]:
    found: Callable[[bool], Any] = getattr(pool, "fill_free_pool", None) or pool._fill_free_pool
    return found


async def _fill(pool: Any, opening: Callable[..., Any], fill: Callable[[bool], Any], override_min: bool) -> None:
    """What these pools do before they hand out a connection, under their lock: drop dead connections, open new ones.

    Both call their driver's connect by its name, so opening is done here. Dropping is left to them: with a minimum of
    zero they do nothing else.
    """
    minsize, pool._minsize = pool._minsize, 0
    try:
        await fill(False)
    finally:
        pool._minsize = minsize
    while pool.size < minsize or (override_min and not pool._free and not _full(pool)):
        pool._acquiring += 1
        try:
            pool._free.append(await opening(**pool._conn_kwargs))
        finally:
            pool._acquiring -= 1
            pool._cond.notify()


def _full(pool: Any) -> bool:
    return bool(pool.maxsize) and pool.size >= pool.maxsize


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
