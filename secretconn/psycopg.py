"""psycopg_pool: pools whose connections log in with what the secret says now, and whose PoolTimeout tells the reason.

``connection_class`` alone makes any pool rotate that takes one; the pools here add the reason and the draining.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, get_origin

from secretconn._core.api import wrap
from secretconn._core.rotating import RotatingCredentials
from secretconn._core.shared import shared
from secretconn.errors import ConfigurationError, DriverNotInstalled
from secretconn.pools import OnRotation, drains, nothing, on_rotation

try:
    import psycopg
    import psycopg_pool
except ImportError as error:
    raise DriverNotInstalled(
        f"psycopg and psycopg_pool cannot be imported ({error}): pip install 'secretconn[psycopg-pool]'"
    ) from error

__all__ = [
    "AsyncConnectionPool",
    "AsyncNullConnectionPool",
    "ConnectionPool",
    "NullConnectionPool",
    "connection_class",
]


class LastFailure:
    """Why the latest connect of a pool failed; nothing once one succeeds."""

    def __init__(self) -> None:
        self._error: Exception | None = None
        self._at = 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Keep what a connect inside raises."""
        try:
            yield
        except Exception as error:
            self._error, self._at = error, time.monotonic()
            raise
        self._error = None

    @contextmanager
    def explaining(self) -> Iterator[None]:
        """Hang the reason on a PoolTimeout raised inside."""
        try:
            yield
        except psycopg_pool.PoolTimeout as error:
            self.explain(error)
            raise

    def explain(self, timeout: Exception) -> None:
        """Hang the reason on a PoolTimeout: as its cause, and as a note for those who log only that."""
        error = self._error
        if error is None:
            return
        # The frames of its traceback hold the login, and belong to a thread that has gone on.
        timeout.__cause__ = error.with_traceback(None)
        ago = time.monotonic() - self._at
        timeout.add_note(f"secretconn: the pool's last connect failed {ago:.1f} s ago: {type(error).__name__}: {error}")


def connection_class(secret: str | RotatingCredentials, base: Any = psycopg.Connection, /) -> Any:
    """A subclass of a psycopg connection class whose ``connect`` logs in with the secret.

    For whatever takes a connection class: ``psycopg_pool.ConnectionPool(connection_class=...)``.

    Args:
        secret: The secret's name or ARN, or a RotatingCredentials.
        base: ``psycopg.Connection``, ``psycopg.AsyncConnection``, or a subclass of one; ``psycopg.Connection[DictRow]``
            is the class it is made from.
    """
    return _rotating_class(_credentials(secret), base, LastFailure())


class _Rotating:
    """Comes before a connection class of psycopg among the bases."""

    _secretconn: RotatingCredentials
    _secretconn_failure: LastFailure

    @classmethod
    def connect(cls, conninfo: str = "", **kwargs: Any) -> Any:
        with cls._secretconn_failure.watching():
            return wrap(super().connect, cls._secretconn, driver="psycopg")(conninfo, **kwargs)  # type: ignore[misc]


class _AsyncRotating:
    """The same before an async one."""

    _secretconn: RotatingCredentials
    _secretconn_failure: LastFailure

    @classmethod
    async def connect(cls, conninfo: str = "", **kwargs: Any) -> Any:
        with cls._secretconn_failure.watching():
            return await wrap(super().connect, cls._secretconn, driver="psycopg")(conninfo, **kwargs)  # type: ignore[misc]


def _rotating_class(credentials: RotatingCredentials, base: Any, failure: LastFailure) -> Any:
    base = get_origin(base) or base
    first: Any = _AsyncRotating if issubclass(base, psycopg.AsyncConnection) else _Rotating

    class Rotating(first, base):  # type: ignore[misc]
        _secretconn, _secretconn_failure = credentials, failure

    Rotating.__name__ = Rotating.__qualname__ = base.__name__
    return Rotating


def _credentials(secret: str | RotatingCredentials) -> RotatingCredentials:
    return secret if isinstance(secret, RotatingCredentials) else shared(secret)


_Connection = TypeVar("_Connection")


class ConnectionPool(psycopg_pool.ConnectionPool, Generic[_Connection]):  # type: ignore[misc]
    """``psycopg_pool.ConnectionPool`` with the secret before all else.

    Args:
        secret: The secret's name or ARN, or a RotatingCredentials.
        conninfo: As in psycopg_pool, without user and password. What it says wins over the secret.
        connection_class: The class to make connections of.
        on_rotation: See secretconn.pools.OnRotation; "drain" calls the pool's own ``drain()`` (psycopg_pool 3.3).
        **kwargs: For psycopg_pool.
    """

    def __init__(
        self,
        secret: str | RotatingCredentials,
        conninfo: Any = "",
        *,
        connection_class: Any = psycopg.Connection,
        on_rotation: OnRotation = "keep",
        **kwargs: Any,
    ) -> None:
        draining, credentials = drains(on_rotation), _credentials(secret)
        self._last_failure = LastFailure()
        made = _rotating_class(credentials, connection_class, self._last_failure)
        super().__init__(conninfo, connection_class=made, **kwargs)
        self._end_draining = _drain(credentials, self) if draining else nothing

    def close(self, timeout: float = 5.0) -> None:
        """As in psycopg_pool; rotations drain it no more."""
        self._end_draining()
        super().close(timeout)

    def getconn(self, timeout: float | None = None) -> Any:
        """As in psycopg_pool; a PoolTimeout has the last failed connect as its cause."""
        with self._last_failure.explaining():
            return super().getconn(timeout)

    def wait(self, timeout: float = 30.0) -> None:
        """As in psycopg_pool, with the same addition."""
        with self._last_failure.explaining():
            super().wait(timeout)


class NullConnectionPool(ConnectionPool[_Connection], psycopg_pool.NullConnectionPool):  # type: ignore[misc]
    """The same on ``psycopg_pool.NullConnectionPool``."""


class AsyncConnectionPool(psycopg_pool.AsyncConnectionPool, Generic[_Connection]):  # type: ignore[misc]
    """``psycopg_pool.AsyncConnectionPool`` with the secret before all else. Args: as in ConnectionPool."""

    def __init__(
        self,
        secret: str | RotatingCredentials,
        conninfo: Any = "",
        *,
        connection_class: Any = psycopg.AsyncConnection,
        on_rotation: OnRotation = "keep",
        **kwargs: Any,
    ) -> None:
        self._draining, self._credentials = drains(on_rotation), _credentials(secret)
        self._end_draining: Callable[[], None] = nothing
        self._last_failure = LastFailure()
        made = _rotating_class(self._credentials, connection_class, self._last_failure)
        super().__init__(conninfo, connection_class=made, **kwargs)

    async def open(self, wait: bool = False, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        """As in psycopg_pool."""
        if self._draining:
            self._draining = False
            self._end_draining = _drain(self._credentials, self)
        await super().open(wait=wait, timeout=timeout)

    async def close(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109
        """As in psycopg_pool; rotations drain it no more."""
        self._end_draining()
        await super().close(timeout)

    async def getconn(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109  (psycopg_pool's own argument)
        """As in psycopg_pool; a PoolTimeout has the last failed connect as its cause."""
        with self._last_failure.explaining():
            return await super().getconn(timeout)

    async def wait(self, timeout: float = 30.0) -> None:  # noqa: ASYNC109
        """As in psycopg_pool, with the same addition."""
        with self._last_failure.explaining():
            await super().wait(timeout)


class AsyncNullConnectionPool(AsyncConnectionPool[_Connection], psycopg_pool.AsyncNullConnectionPool):  # type: ignore[misc]
    """The same on ``psycopg_pool.AsyncNullConnectionPool``."""


def _drain(credentials: RotatingCredentials, pool: Any) -> Callable[[], None]:
    if not hasattr(pool, "drain"):
        raise ConfigurationError("on_rotation='drain' needs psycopg_pool 3.3 or later")
    return on_rotation(credentials, pool.drain)
