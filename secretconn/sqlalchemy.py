"""SQLAlchemy 2.0 and 2.1, sync and async: engines whose new connections log in with what the secret says now.

Two ways: the URL alone (``postgresql+psycopg:///?plugin=secretconn&secret_id=prod/orders``), or
``rotating(engine, secret)`` for an engine that exists. Both wrap the dialect's own ``connect``, which SQLAlchemy calls
after the listeners for ``do_connect``; its pool, its events and its exceptions stay as they are.
"""

from __future__ import annotations

import difflib
import math
import os
import weakref
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from secretconn._core.api import wrap
from secretconn._core.connector import OwnClassify
from secretconn._core.environment import URLS_MAY_NAME_ALL, URLS_REFUSED, environment
from secretconn._core.rotating import RotatingCredentials
from secretconn._core.shared import shared
from secretconn.engines import driver_named
from secretconn.engines.adapters import taken
from secretconn.engines.base import Driver
from secretconn.errors import ConfigurationError, DriverNotInstalled
from secretconn.pools import OnRotation, drains, is_outlived
from secretconn.sources.names import SECRETS_MANAGER, TOKENS

try:
    from sqlalchemy import event
    from sqlalchemy.engine import URL, CreateEnginePlugin, Dialect, Engine
    from sqlalchemy.exc import DisconnectionError
    from sqlalchemy.util import await_only, greenlet_spawn
except ImportError as error:
    raise DriverNotInstalled(
        f"SQLAlchemy 2.0 or later cannot be imported ({error}): pip install 'secretconn[sqlalchemy]'"
    ) from error

__all__ = ["OnRotation", "SecretConnPlugin", "rotating"]

AnyEngine = TypeVar("AnyEngine")  # an Engine or an AsyncEngine: asyncio is imported by those who use it

PREFIX = "secretconn_"
PARAMETERS = frozenset(
    {"auth", "secret_id", "region", "profile", "endpoint_url", "ttl", "retries", "patience", "on_rotation"}
)
LOGIN = frozenset({"user", "username", "password", "passwd"})
OTHER_NAMES: Mapping[str, str] = {"psycopg_async": "psycopg"}
"""Names a dialect has for its driver that are none of ours."""

VERSION = "secretconn_version"
"""Key of a pooled connection's info: the current version when it was opened."""

_rotating: weakref.WeakSet[Dialect] = weakref.WeakSet()


def rotating(
    engine: AnyEngine,
    secret: str | RotatingCredentials,
    *,
    on_rotation: OnRotation = "keep",
    classify: OwnClassify | None = None,
    retries: int | None = None,
    patience: float | None = None,
    region: str | None = None,
    profile: str | None = None,
    endpoint_url: str | None = None,
) -> AnyEngine:
    """Have an engine log in with the secret; returns the same engine. Call it before the engine connects first.

    Args:
        engine: An Engine or AsyncEngine whose URL has no user and no password. Its host, port and database win over
            the secret's.
        secret: The secret's name or ARN, or a RotatingCredentials.
        on_rotation: "keep": open connections live on, as they do at the server. "drain": once a rotation is noticed,
            each connection that was opened before is replaced when it is next taken from the pool.
        classify, retries, patience, region, profile, endpoint_url: As in secretconn.connect().

    Raises:
        TypeError: the URL has a user or a password.
        ConfigurationError: a dialect whose driver is not known, an engine with its own ``creator``, or one that has a
            secret already.
    """
    sync: Engine = getattr(engine, "sync_engine", engine)
    draining = drains(on_rotation)
    _refuse(sync)
    reach: dict[str, Any] = {"region": region, "profile": profile, "endpoint_url": endpoint_url}
    how: dict[str, Any] = {"classify": classify, "retries": retries, "patience": patience}
    if isinstance(secret, RotatingCredentials):
        credentials, how = secret, how | reach  # wrap() says that it decides about these already
    else:
        credentials = shared(secret, **reach)
    how["driver"] = _driver(sync.dialect).name
    sync.dialect.connect = _connect(sync.dialect, lambda call: wrap(call, credentials, **how))
    _rotating.add(sync.dialect)
    if draining:
        _drain_on_rotation(sync, credentials)
    return engine


def _refuse(engine: Engine) -> None:
    if _has_login(engine.url):
        raise _login_given("the URL")
    if engine.dialect in _rotating:
        raise ConfigurationError("this engine has a secret already")
    creator = getattr(engine.pool, "_creator", None)
    if not getattr(creator, "__module__", "sqlalchemy.engine").startswith("sqlalchemy.engine"):
        raise ConfigurationError("the engine connects by its own creator= (or pool=), which no secret can reach")


class SecretConnPlugin(CreateEnginePlugin):  # type: ignore[misc]  # optional, so Any to mypy
    """``?plugin=secretconn&secret_id=...`` in a URL, or ``USER@HOST/DATABASE?plugin=secretconn&auth=rds-iam``.
    Parameters: see docs/sqlalchemy.md.

    Raises (from create_engine):
        TypeError: the URL, its query or connect_args has a user (without ``auth``) or a password.
        ConfigurationError: secret_id is missing, a parameter of ours is unknown, twice there or out of range.
    """

    def __init__(self, url: URL, kwargs: dict[str, Any]) -> None:
        signed = "auth" in url.query or f"{PREFIX}auth" in url.query  # then the user is said, and has a token
        where = "the URL" if _has_login(url._replace(username=None) if signed else url) else "connect_args"
        if where == "the URL" or not LOGIN.isdisjoint(kwargs.get("connect_args") or ()):
            del url, kwargs  # a URL is a tuple, and the password one of its values
            raise _login_given(where)
        own = [name for name in ("creator", "async_creator", "pool") if kwargs.get(name) is not None]
        if own:
            raise ConfigurationError(f"plugin=secretconn opens the connections itself; leave out {own[0]}=")
        self._options, self._names = _parameters(url.query)
        _refuse_unwanted(self._options, environment(os.environ).urls)
        if signed:
            self._options["secret_id"] = _tokens_of(url, self._options)
        self._url = url

    def update_url(self, url: URL) -> URL:
        """The URL without our parameters: the driver must not see them."""
        return url.difference_update_query(self._names)._replace(username=None)

    def engine_created(self, engine: Engine) -> None:
        """Give the new engine its secret."""
        options = dict(self._options)
        reach: dict[str, Any] = {name: options.get(name) for name in ("region", "profile", "endpoint_url")}
        secret = shared(options["secret_id"], ttl=_number(options, "ttl"), **reach)
        rotating(
            engine,
            secret,
            on_rotation=options.get("on_rotation", "keep"),  # type: ignore[arg-type]  # checked there
            retries=_whole(options, "retries"),
            patience=_number(options, "patience"),
        )
        engine.url = self._url  # with our parameters, so that create_engine(engine.url) makes another like it


def _connect(dialect: Dialect, wrapped: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Callable[..., Any]:
    """What is called instead of the dialect's ``connect``, which stands in its class."""
    own = dialect.connect
    if not dialect.is_async:
        return wrapped(own)

    # An async dialect's connect is sync outside and waits inside, in a greenlet that SQLAlchemy gave it. We stand
    # between the two: await in the loop what must be awaited, and give the dialect a greenlet of its own to wait in.
    async def aconnect(*args: Any, **kwargs: Any) -> Any:
        return await greenlet_spawn(own, *args, **taken(kwargs))

    async_connect = wrapped(aconnect)

    def connect(*args: Any, **kwargs: Any) -> Any:
        return await_only(async_connect(*args, **kwargs))

    return connect


def _driver(dialect: Dialect) -> Driver:
    name = OTHER_NAMES.get(dialect.driver, dialect.driver)
    try:
        return driver_named(name)
    except ConfigurationError as error:
        raise ConfigurationError(f"dialect {dialect.name}+{dialect.driver}: {error}") from None


def _drain_on_rotation(engine: Engine, credentials: RotatingCredentials) -> None:
    """Have the pool replace what was opened before the last rotation. It asks when it hands a connection out, in the
    thread or greenlet that wants it: the one place where an async driver's connection can be closed in order."""

    def opened(_connection: object, record: Any) -> None:
        record.info[VERSION] = credentials.current().version_id

    def handed_out(_connection: object, record: Any, _fairy: object) -> None:
        # One of ours logged in, so the secret has been read: this read waits for nothing, and lets the TTL pass.
        if VERSION in record.info and is_outlived(credentials, record.info[VERSION]):
            raise DisconnectionError("opened before the secret was rotated")

    event.listen(engine, "connect", opened)
    event.listen(engine, "checkout", handed_out)


def _parameters(query: Mapping[str, tuple[str, ...] | str]) -> tuple[dict[str, str], list[str]]:
    """Our parameters of a URL's query, without the prefix, and the names they have there."""
    found: dict[str, str] = {}
    names: list[str] = []
    for key, value in query.items():
        name = key.removeprefix(PREFIX)
        if name not in PARAMETERS:
            _refuse_unknown(key)
            continue
        if not isinstance(value, str) or name in found:
            raise ConfigurationError(f"the URL names {key} more than once")
        found[name] = value
        names.append(key)
    if "://" not in found.get("secret_id", ""):  # a query writes a blank as "+"; a name has none
        found["secret_id"] = found.get("secret_id", "").replace(" ", "+")
    if bool(found.get("secret_id")) == ("auth" in found):
        raise ConfigurationError(
            "plugin=secretconn needs secret_id=, the name or the ARN of the secret, or auth=rds-iam for tokens"
        )
    return found, names


def _tokens_of(url: URL, options: Mapping[str, str]) -> str:
    """The id of the tokens that are for this URL's own user, host, port and database."""
    scheme = options["auth"]
    if scheme not in TOKENS:
        raise ConfigurationError(f"there is no auth={scheme}; known are {', '.join(TOKENS)}")
    user, host = quote(url.username or "", safe=""), url.host or ""
    port = f":{url.port}" if url.port is not None else ""
    engine = f"?engine={url.get_backend_name()}" if scheme == TOKENS[0] else ""
    where = f"[{host}]{port}" if ":" in host else f"{host}{port}"
    return f"{scheme}://{user}@{where}/{quote(url.database or '', safe='')}{engine}"


def _refuse_unknown(key: str) -> None:
    """All other parameters are the driver's, but not those with our prefix, nor a slip of the pen."""
    near = difflib.get_close_matches(key.removeprefix(PREFIX), PARAMETERS, n=1, cutoff=0.8)
    if key.startswith(PREFIX) or near:
        hint = f"; is {near[0]} meant?" if near else "."
        raise ConfigurationError(
            f"unknown parameter {key} beside plugin=secretconn{hint} Known: {', '.join(sorted(PARAMETERS))}"
        )


def _refuse_unwanted(options: dict[str, str], urls: str | None) -> None:
    """Where users type URLs, ``file://`` and ``endpoint_url`` would carry out whatever this process may read."""
    if urls == URLS_REFUSED:
        raise ConfigurationError("plugin=secretconn is refused here: SECRETCONN_URLS=none")
    scheme, is_url, _ = options.get("secret_id", "").partition("://")
    unwanted = ["a source (secret_id=SOURCE://...)"] if is_url and scheme.lower() != SECRETS_MANAGER else []
    unwanted += ["endpoint_url"] if "endpoint_url" in options else []
    if unwanted and urls != URLS_MAY_NAME_ALL:
        raise ConfigurationError(
            f"a URL may not name {' and '.join(unwanted)}, because a user who types URLs could read other secrets with "
            "it; where all URLs are your own, set SECRETCONN_URLS=all"
        )


def _has_login(url: URL) -> bool:
    return url.username is not None or url.password is not None or not LOGIN.isdisjoint(url.query)


def _login_given(where: str) -> TypeError:
    return TypeError(
        f"user and password come from the secret and change under the application; leave them out of {where}"
    )


def _number(options: Mapping[str, str], name: str) -> float | None:
    text = options.get(name)
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise ConfigurationError(f"{name} must be a number of seconds, not {text!r}")
    return seconds


def _whole(options: Mapping[str, str], name: str) -> int | None:
    text = options.get(name)
    if text is not None and not (text.isascii() and text.isdigit()):
        raise ConfigurationError(f"{name} must be a whole number from 0, not {text!r}")
    return None if text is None else int(text)
