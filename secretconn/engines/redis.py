"""Redis, Valkey, ElastiCache and MemoryDB: what redis-py's exceptions mean, and how it takes a login.

How a client stays logged in through a rotation is in ``secretconn/redis.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from .arguments import Found, keyword_reader, take, to_given
from .base import Driver, Engine, Given, Opener, Verdict, classifier, text_of
from .tls import asked_of_redis

__all__ = ["ENGINE", "PREFIXES", "classify"]

PREFIXES: dict[str, Verdict] = {
    # Source: the error prefixes in Redis's src/server.c (createSharedObjects) and src/acl.c. redis-py cuts the prefix
    # off and shows it as a class (redis/_parsers/base.py, EXCEPTION_CLASSES); every other class is OTHER.
    "WRONGPASS": Verdict.REJECTED,  # AuthenticationError: wrong password, unknown or disabled user
    "NOAUTH": Verdict.REJECTED,  # AuthenticationError: no login was sent
    "NOPERM": Verdict.BARRED,  # NoPermissionError: a command of the connect itself (SELECT, PING) is not for this user
    "ERR max number of clients": Verdict.OTHER,  # MaxConnectionsError, ConnectionError
    "LOADING": Verdict.OTHER,  # BusyLoadingError
}

# AuthenticationError is a ConnectionError; what it is called tells, with no import of redis. The other two come of a
# server without ACLs (before 6.0), of a login that has the wrong number of parts: another password will not help.
_REFUSED = "AuthenticationError"
_NOT_ALLOWED = "NoPermissionError"
_NOT_REFUSED = ("AuthenticationWrongNumberOfArgsError", "AuthorizationError")
_NOT_ABOUT_THE_LOGIN = ("without any password configured", "no password is set")


def _opinion(error: BaseException) -> Verdict | None:
    names = [kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("redis.")]
    if not names:
        return None
    if _NOT_ALLOWED in names:
        return Verdict.BARRED
    if _REFUSED not in names or any(name in names for name in _NOT_REFUSED):
        return Verdict.OTHER
    return Verdict.OTHER if any(part in text_of(error) for part in _NOT_ABOUT_THE_LOGIN) else Verdict.REJECTED


classify = classifier(_opinion)


_plain = keyword_reader(
    {
        "username": "user",
        "password": "password",
        "credential_provider": "password",
        "host": "host",
        "unix_socket_path": "host",
        "path": "host",
        "port": "port",
        "db": "database",
    },
    ("host", "port", "database", "password"),
)


def _given(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Given:
    """Redis.from_url takes a URL where Redis takes a host; what it says wins over the keywords."""
    url = args[0] if args else kwargs.get("url")
    if not isinstance(url, str) or "://" not in url:
        return _plain(args, kwargs)
    given = _plain((), kwargs)
    found: Found = {name: getattr(given, name, None) for name in given.names}
    try:
        parts = urlsplit(url)
        take(found, "user", parts.username)
        take(found, "password", parts.password)
        take(found, "host", parts.hostname or parts.path)
        take(found, "port", parts.port)
        take(found, "database", parts.path.strip("/") if parts.hostname else None)
    except ValueError:  # redis-py says what is wrong with it
        found["host"] = None
    if "host" in found:  # redis-py's own port, not the secret's, for a URL without one
        found.setdefault("port")
    return to_given(found)


def _adapt(call: Callable[..., Any], opener: Opener) -> Callable[..., Any]:
    # By name: engines stand below the core, and this adapter is built on it.
    adapted: Callable[..., Any] = import_module("secretconn.redis").rotating_client(call, opener)
    return adapted


_REDIS = Driver(
    name="redis",
    engine="redis",
    module="redis",
    extra="redis",
    keywords={"user": "username", "password": "password", "host": "host", "port": "port", "database": "db"},
    given=_given,
    classify=classify,
    connect="Redis",
    aconnect="asyncio.Redis",
    aliases=("redis-py",),
    async_modules=("redis.asyncio",),
    adapt=_adapt,
    tls=asked_of_redis,
    forbidden={"host": "\0"},  # RESP carries any text
)

ENGINE = Engine(
    name="redis",
    secret_names=frozenset({"redis", "valkey", "elasticache", "memorydb"}),
    default_port=6379,
    default_database=None,
    drivers=(_REDIS,),
)
