"""redis-py: clients and pools whose connections log in with what the secret says at that moment, sync and asyncio.

A redis client connects when it is used and reconnects by itself, long after connect() has returned. So the connection
class of its pool is replaced by a subclass of it that follows the rules of rotation each time it connects. redis-py
repeats what fails with a ConnectionError, eleven times by default, and a refused login is one: that, and only that, is
kept out of its retries. Facts: redis-py 6 to 8, ``connection.py`` (``connect_check_health``) and ``retry.py``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from secretconn._core.connector import Connector
from secretconn.engines.base import Given
from secretconn.engines.loading import is_async
from secretconn.engines.redis import ENGINE
from secretconn.errors import ConfigurationError

__all__ = ["rotating_client"]

_LOGIN = replace(ENGINE.drivers[0], adapt=None)
_ADDRESS = frozenset({"host", "port", "database"})


def rotating_client(call: Callable[..., Any], connector: Connector) -> Callable[..., Any]:
    """``Driver.adapt`` of redis: makes the client or pool, logs its first connection in, has the others follow.

    Args:
        call: ``redis.Redis``, ``redis.ConnectionPool``, their ``from_url``, those of ``redis.asyncio``, or a partial.
        connector: The secret, the caller's own classify, retries and patience.

    Raises:
        ConfigurationError: what makes its connections elsewhere.
    """
    _refuse_elsewhere(call)

    def opening(*args: Any, **keywords: Any) -> Any:
        lender = _Lender(connector, keywords)
        made = call(*args, **keywords)
        pool = lender.attach(made, _SyncConnection)
        try:
            pool.release(pool.get_connection())
        except BaseException:
            pool.disconnect()
            raise
        finally:
            lender.first()
        return made

    async def aopening(*args: Any, **keywords: Any) -> Any:
        lender = _Lender(connector, keywords)
        made = call(*args, **keywords)
        pool = lender.attach(made, _AsyncConnection)
        try:
            await pool.release(await pool.get_connection())
        except BaseException:
            await pool.disconnect()
            raise
        finally:
            lender.first()
        return made

    return aopening if is_async(connector.driver, call) else opening


ELSEWHERE = {
    "AbstractRedisCluster": "makes a pool for each node; give it credential_provider= (docs/engines.md, Redis)",
    "Sentinel": "makes no connection to the database; wrap its master_for or slave_for",
    "AbstractConnection": "is a connection without a pool; wrap Redis or ConnectionPool",
}
"""Base classes of redis-py that take the same login and are no client with one pool, and what to do instead."""


def _refuse_elsewhere(call: Callable[..., Any]) -> None:
    """By the class that is called, or whose from_url is; a Sentinel's master_for makes an ordinary client."""
    while isinstance(call, functools.partial):
        call = call.func
    kind: Any = call if isinstance(call, type) else getattr(call, "__self__", None)
    for base in kind.__mro__ if isinstance(kind, type) else ():
        why = ELSEWHERE.get(base.__name__) if base.__module__.startswith("redis.") else None
        if why is not None:
            raise ConfigurationError(f"redis-py's {kind.__name__} {why}")


class _Lender:
    """What the connections of one pool share: where they connect to, and the login of the first of them.

    Args:
        outer: The connector of the connect() under way.
        keywords: The arguments for the client; the login is taken out.
    """

    def __init__(self, outer: Connector, keywords: dict[str, Any]) -> None:
        # Each connection of the pool logs in by itself, by the same rules.
        policy = outer.policy
        self.connector = Connector(
            outer.rotating, _never_called, _LOGIN, outer.classify, policy.retries, policy.patience
        )
        self._first: list[Any] = [_provider(keywords)]
        if isinstance(keywords.get("db"), str) and keywords["db"].isdigit():
            keywords["db"] = int(keywords["db"])
        self.given = Given(_ADDRESS)
        if keywords.get("single_connection_client"):
            raise ConfigurationError("single_connection_client= connects too early; leave it out")

    def attach(self, made: Any, first: type) -> Any:
        """Have the pool's connections made by us; answers the pool."""
        pool = getattr(made, "connection_pool", made)
        settings = pool.connection_kwargs
        host, port = settings.get("host") or settings.get("path"), settings.get("port")
        self.given = Given(_ADDRESS, host, None if port is None else str(port), str(settings.get("db") or 0))
        pool.connection_class = _connection_class(first, pool.connection_class)
        settings["secretconn"] = self
        return pool

    def first(self) -> Any:
        """The login connect() has chosen, once."""
        return self._first.pop() if self._first else None


class _Connection:
    """What sync and async connections share."""

    def __init__(self, *args: Any, secretconn: _Lender, **settings: Any) -> None:
        self._lender = secretconn
        super().__init__(*args, **settings)

    @property
    def retry(self) -> Any:
        return self._retry

    @retry.setter
    def retry(self, retry: Any) -> None:
        self._retry = _calm(retry)


class _SyncConnection(_Connection):
    def connect_check_health(self, *args: Any, **how: Any) -> None:
        if getattr(self, "_sock", None):
            return
        self._go = functools.partial(super().connect_check_health, *args, **how)  # type: ignore[misc]
        self.credential_provider = self._lender.first()
        if self.credential_provider is not None:
            self._go()
        else:
            self._lender.connector.log_in(self._log_in, self._lender.given)

    def _log_in(self, **login: Any) -> None:
        self.credential_provider = _provider(login)
        self._go()


class _AsyncConnection(_Connection):
    async def connect_check_health(self, *args: Any, **how: Any) -> None:
        if self.is_connected:  # type: ignore[attr-defined]
            return
        self._go = functools.partial(super().connect_check_health, *args, **how)  # type: ignore[misc]
        self.credential_provider = self._lender.first()
        if self.credential_provider is not None:
            await self._go()
        else:
            await self._lender.connector.alog_in(self._log_in, self._lender.given)

    async def _log_in(self, **login: Any) -> None:
        self.credential_provider = _provider(login)
        await self._go()


class _SyncRetry:
    """Comes before a Retry of redis-py: what is told of each failure ends it where that is a refused login."""

    def call_with_retry(self, do: Callable[[], Any], fail: Callable[..., Any], *args: Any, **settings: Any) -> Any:
        def failed(error: Exception, *count: int) -> None:
            fail(error, *count)
            _raise_refused(error)

        return super().call_with_retry(do, failed, *args, **settings)  # type: ignore[misc]


class _AsyncRetry:
    """The same before one of ``redis.asyncio``."""

    async def call_with_retry(
        self, do: Callable[[], Any], fail: Callable[..., Any], *args: Any, **settings: Any
    ) -> Any:
        async def failed(error: Exception, *count: int) -> None:
            await fail(error, *count)
            _raise_refused(error)

        return await super().call_with_retry(do, failed, *args, **settings)  # type: ignore[misc]


def _raise_refused(error: Exception) -> None:
    from redis.exceptions import AuthenticationError

    if isinstance(error, AuthenticationError):
        raise error


def _calm(retry: Any) -> Any:
    """Return a copy of the same retries that does not repeat refused logins."""
    if retry is None or isinstance(retry, (_SyncRetry, _AsyncRetry)):
        return retry
    kind: Any = _retry_class(type(retry))  # type: ignore[arg-type]
    calm = kind.__new__(kind)
    slots = [slot for base in type(retry).__mro__ for slot in getattr(base, "__slots__", ())]  # redis-py 6
    for name in (*slots, *getattr(retry, "__dict__", ())):
        if hasattr(retry, name) and not name.startswith("__"):
            setattr(calm, name, getattr(retry, name))
    return calm


@functools.cache
def _retry_class(kind: Any) -> type:
    from redis.asyncio.retry import Retry as AsyncRetry

    first: Any = _AsyncRetry if issubclass(kind, AsyncRetry) else _SyncRetry

    class Calm(first, kind):  # type: ignore[misc]
        __hash__ = kind.__hash__

    return _named(Calm, kind)


@functools.cache
def _connection_class(first: Any, kind: Any) -> type:
    class Rotating(first, kind):  # type: ignore[misc]
        pass

    return kind if issubclass(kind, _Connection) else _named(Rotating, kind)


def _named(made: type, kind: type) -> type:
    made.__name__ = made.__qualname__ = kind.__name__
    return made


def _provider(keywords: dict[str, Any]) -> Any:
    """redis-py's own provider, whose repr shows nothing; the login is no longer among the keywords."""
    from redis.credentials import UsernamePasswordCredentialProvider

    return UsernamePasswordCredentialProvider(keywords.pop("username", None), keywords.pop("password", None))


def _never_called(**_login: Any) -> Any:
    raise ConfigurationError("each connection logs in by itself")
