"""Pools: what a rotation means for one, and the two MySQL pools that leave no other way in.

Most pools need nothing from here: they take a connect callable, and ``secretconn.wrap`` makes one (docs/pools.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Literal

from secretconn._core.api import wrap
from secretconn._core.rotating import RotatingCredentials, core_of
from secretconn._core.shared import shared
from secretconn.engines import driver_named, load
from secretconn.errors import ConfigurationError
from secretconn.events import Event, Rotated
from secretconn.sources.base import trait

__all__ = ["OnRotation", "aiomysql_pool", "asyncmy_pool", "on_rotation"]

log = logging.getLogger("secretconn.pools")

OnRotation = Literal["keep", "drain"]
"""What a pool does with its open connections at a rotation. "keep": nothing, they live on at the server. "drain": those
in use finish, idle ones are replaced."""


def drains(wish: str) -> bool:
    """True for "drain", False for "keep".

    Raises:
        ConfigurationError: it is neither.
    """
    if wish not in ("keep", "drain"):
        raise ConfigurationError(f"on_rotation must be 'keep' or 'drain', not {wish!r}")
    return wish == "drain"


def is_outlived(credentials: RotatingCredentials, version: str) -> bool:
    """True if the secret was rotated since this version was current. Another token of the same user is no rotation."""
    return version != credentials.current().version_id and not trait(core_of(credentials).reader.source, "tokens")


def on_rotation(secret: str | RotatingCredentials, drain: Callable[[], Any], /) -> Callable[[], None]:
    """Have a pool drained each time secretconn notices a rotation: when a refresh brings another current version.

    Args:
        secret: The secret's name or ARN, or a RotatingCredentials.
        drain: What replaces the idle connections: ``pool.drain`` of psycopg_pool, ``pool.expire_connections`` of
            asyncpg, ``pool.clear`` of aiomysql and asyncmy. It may be a coroutine function; it then runs in the event
            loop in which on_rotation() was called. A bound method does not keep its pool alive. One of an asyncpg pool
            does, until the pool is closed; any other callable is kept until its loop is closed.

    Returns:
        A function that ends it. The end of the pool, or of the loop, ends it as well.

    Raises:
        ConfigurationError: a coroutine function, and no event loop is running.
    """
    loop = _running_loop()
    if loop is None and inspect.iscoroutinefunction(drain):
        raise ConfigurationError("call on_rotation() inside the event loop in which the pool is to be drained")
    for one in tuple(_held):
        one.end_if_over()
    draining = _Draining(drain, loop)
    credentials = secret if isinstance(secret, RotatingCredentials) else shared(secret)
    draining.unsubscribe = credentials.subscribe(draining)
    return draining.end


class _Draining:
    """One pool that is drained at each rotation: the subscriber of on_rotation().

    Attributes:
        unsubscribe: Ends the subscription. It takes no lock, so the garbage collector may call it.
    """

    def __init__(self, drain: Callable[[], Any], loop: asyncio.AbstractEventLoop | None) -> None:
        self.unsubscribe: Callable[[], None] = nothing
        self._loop = loop
        try:
            self._drain: Callable[[], Callable[[], Any] | None] = weakref.WeakMethod(drain, self._collected)
        except TypeError:  # no method, or one of an object without weak references, as asyncpg's pools are
            self._drain = lambda: drain
            _held.add(self)

    def __call__(self, event: Event) -> None:
        drain = self._drain()
        if drain is None or not isinstance(event, Rotated) or self.end_if_over():
            return
        if self._loop is None:
            drain()
            return
        with contextlib.suppress(RuntimeError):  # the loop was closed a moment ago
            self._loop.call_soon_threadsafe(_start, drain)

    def end(self) -> None:
        """Drain no more, and let go of the pool."""
        self.unsubscribe()
        self._drain = nothing
        _held.discard(self)

    def end_if_over(self) -> bool:
        """End where the loop or an asyncpg pool is closed; True if so."""
        pool = getattr(self._drain(), "__self__", None)
        is_closing = getattr(pool, "is_closing", None)
        over = (self._loop is not None and self._loop.is_closed()) or (callable(is_closing) and bool(is_closing()))
        if over:
            self.end()
        return over

    def _collected(self, _pool: object) -> None:
        self.unsubscribe()


_held: set[_Draining] = set()
"""Those that keep their pool, so that the next on_rotation() can let go of what is over."""

_tasks: set[asyncio.Task[None]] = set()
"""Drains under way. A loop holds its tasks weakly."""


def _start(drain: Callable[[], Any]) -> None:
    task = asyncio.ensure_future(_run(drain))
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _run(drain: Callable[[], Any]) -> None:
    try:
        result = drain()
        if inspect.isawaitable(result):
            await result
    except Exception:
        log.exception("secretconn: draining a pool failed")


def nothing() -> None:
    """Stands for what ended, and for what has not begun."""


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
    options = {"minsize": 1, "maxsize": 10, "echo": False, "pool_recycle": -1, **kwargs}
    options.setdefault("loop", asyncio.get_running_loop())
    return await _filled(_aiomysql_class(), opening, options, secret, on_rotation)


async def asyncmy_pool(secret: str | RotatingCredentials, /, *, on_rotation: OnRotation = "keep", **kwargs: Any) -> Any:
    """The same for ``asyncmy.create_pool``."""
    opening = _opening("asyncmy", secret)
    return await _filled(_asyncmy_class(), opening, {"minsize": 1, "maxsize": 10, **kwargs}, secret, on_rotation)


class _RotatingPool:
    """What both pools do otherwise: connections are opened by ours, and ``close`` ends the draining.

    Args:
        opening: Opens a connection from the pool's own arguments for its driver's connect.
        **options: For the pool's own ``__init__``.

    Attributes:
        end_draining: Called by ``close``.
    """

    _minsize: int
    _acquiring: int
    _free: deque[Any]
    _cond: asyncio.Condition
    _conn_kwargs: Mapping[str, Any]
    size: int
    maxsize: int | None

    def __init__(self, opening: Callable[..., Any], **options: Any) -> None:
        super().__init__(**options)
        self._opening = opening
        self.end_draining: Callable[[], None] = nothing

    def close(self) -> None:
        self.end_draining()
        super().close()  # type: ignore[misc]  # the pool's

    async def fill(self, override_min: bool) -> None:
        """Fill as the pool itself would."""
        raise NotImplementedError

    async def _fill(self, fill: Callable[[bool], Any], override_min: bool) -> None:
        """What these pools do before they hand out a connection, under their lock: drop dead ones, open new ones.

        Both call their driver's connect by its name, so opening is done here. Dropping is left to them: with a minimum
        of zero they do nothing else.
        """
        minsize, self._minsize = self._minsize, 0
        try:
            await fill(False)
        finally:
            self._minsize = minsize
        while self.size < minsize or (override_min and not self._free and not self._full()):
            self._acquiring += 1
            try:
                self._free.append(await self._opening(**self._conn_kwargs))
            finally:
                self._acquiring -= 1
                self._cond.notify()

    def _full(self) -> bool:
        return bool(self.maxsize) and self.size >= (self.maxsize or 0)


@functools.cache
def _aiomysql_class() -> type[_RotatingPool]:
    from aiomysql import Pool

    class RotatingPool(_RotatingPool, Pool):  # type: ignore[misc]
        async def _fill_free_pool(self, override_min: bool) -> None:
            await self._fill(super()._fill_free_pool, override_min)

        fill = _fill_free_pool

    return RotatingPool


@functools.cache
def _asyncmy_class() -> type[_RotatingPool]:
    from asyncmy.pool import Pool

    class RotatingPool(_RotatingPool, Pool):  # type: ignore[misc]
        async def fill_free_pool(self, override_min: bool = False) -> None:
            await self._fill(super().fill_free_pool, override_min)

        fill = fill_free_pool

    return RotatingPool


def _opening(name: str, secret: str | RotatingCredentials) -> Callable[..., Any]:
    return wrap(load(driver_named(name), for_async=True), secret)


async def _filled(
    kind: type[_RotatingPool],
    opening: Callable[..., Any],
    options: Mapping[str, Any],
    secret: str | RotatingCredentials,
    wish: OnRotation,
) -> Any:
    draining = drains(wish)
    pool: Any = kind(opening, **options)
    if options["minsize"] > 0:
        async with pool._cond:
            await pool.fill(False)
    if draining:
        pool.end_draining = on_rotation(secret, pool.clear)
    return pool


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
