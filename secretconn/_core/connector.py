"""Connector: one secret, one driver and one way to connect."""

from __future__ import annotations

import contextvars
import functools
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from secretconn import engines
from secretconn._core.effects import Opening, alog_in, log_in
from secretconn._core.keywords import keywords
from secretconn._core.recovery import opening
from secretconn._core.rotating import RotatingCredentials
from secretconn._core.settings import check_patience, check_retries
from secretconn._core.state import Endpoint
from secretconn.credentials import Credentials
from secretconn.engines.base import NOTHING_GIVEN, Arguments, Driver, Engine, Given, Verdict, walk_causes
from secretconn.errors import ConfigurationError
from secretconn.sources.base import trait

__all__ = ["NO_ARGUMENTS", "Arguments", "Connector", "OwnClassify"]

log = logging.getLogger("secretconn.connect")

OwnClassify = Callable[[BaseException], Verdict | None]


NO_ARGUMENTS = Arguments((), {})

_judging: contextvars.ContextVar[bool] = contextvars.ContextVar("judging", default=False)
"""True inside a caller's classify=. A connect in there is judged by the driver's table, or it would never end."""


class Connector:
    """Opens connections with one driver callable, from one secret. Make it once and keep it.

    Args:
        rotating: The secret's login.
        call: The driver's connect, or whatever takes the same arguments.
        driver: How the driver names its arguments and reports its failures.
        classify: The caller's own judgement of a failure; None from it means: use the driver's table.
        retries, patience: Instead of those of ``rotating``.
    """

    def __init__(
        self,
        rotating: RotatingCredentials,
        call: Callable[..., Any],
        driver: Driver,
        classify: OwnClassify | None = None,
        retries: int | None = None,
        patience: float | None = None,
    ) -> None:
        self.rotating, self.driver = rotating, driver
        self._core = rotating._core
        self.policy = rotating._settings.policy
        if retries is not None:
            self.policy = self.policy._replace(retries=check_retries(retries))
        if patience is not None:
            self.policy = self.policy._replace(patience=check_patience(patience))
        self.classify = classify
        self._bound = call if isinstance(call, functools.partial) else None  # partials of partials are flat
        self._nothing = NO_ARGUMENTS if self._bound is None else None
        self._engine = engines.engine_named(driver.engine)
        self._fitting: str | None = None
        self._ready: _Ready | None = None
        self._call = call if driver.adapt is None else driver.adapt(call, self)

    def open(self, arguments: Arguments) -> Any:
        """Open a connection: the driver's own, with the caller's own arguments.

        Raises:
            The driver's own exception object, with a note where a login was rejected.
            TypeError: user or password are among the arguments.
            SecretUnavailable, SecretFormatError, ConfigurationError: before any login is tried.
        """
        if arguments is self._nothing:
            return self.log_in(self._call, NOTHING_GIVEN)
        return self.log_in(self._call, self.given(arguments), arguments)

    async def aopen(self, arguments: Arguments) -> Any:
        """The same for asyncio, with an async driver. Never blocks the event loop to read the secret."""
        if arguments is self._nothing:
            return await self.alog_in(self._call, NOTHING_GIVEN)
        return await self.opener(arguments)()

    def opener(self, arguments: Arguments) -> Callable[[], Coroutine[Any, Any, Any]]:
        """Return what does the same once it is called; what is wrong with the arguments is raised here and now."""
        return functools.partial(self.alog_in, self._call, self.given(arguments), arguments)

    def log_in(self, call: Callable[..., Any], given: Given, arguments: Arguments = NO_ARGUMENTS) -> Any:
        """Follow the rules of rotation around ``call``, which logs in at what ``given`` names."""
        make = self._own_keywords if given is NOTHING_GIVEN else functools.partial(self.keywords, given)
        return log_in(self.flow(given), call, arguments.args, arguments.kwargs, make, self._core.runtime)

    async def alog_in(
        self, call: Callable[..., Awaitable[Any]], given: Given, arguments: Arguments = NO_ARGUMENTS
    ) -> Any:
        """The same for asyncio."""
        make = self._own_keywords if given is NOTHING_GIVEN else functools.partial(self.keywords, given)
        return await alog_in(self.flow(given), call, arguments.args, arguments.kwargs, make, self._core.runtime)

    def flow(self, given: Given) -> Opening:
        """Return the flow of one connect(), for a driver of effects."""
        place = self._core.state.own_place if given is NOTHING_GIVEN else functools.partial(self.endpoint, given)
        return opening(self._core, place, self.policy, self.judge)

    def endpoint(self, given: Given, own: Credentials) -> Endpoint:
        """Return the endpoint this connects to; the secret's own address is one, whatever it is."""
        return self._core.state.endpoint(given, own, self._engine.default_port)

    def keywords(self, given: Given, credentials: Credentials) -> Mapping[str, Any]:
        """Return the driver's keywords for a login: the login always, the rest where the caller has not said it.

        Raises:
            ConfigurationError: no host is named, or the secret is of another engine.
            SecretFormatError: a value that is needed cannot be used.
        """
        if credentials.version_id != self._fitting:
            self._refuse_other_engine(credentials)
        tls = given.tls if given.tls is not None else self._tls((), {})  # raises before a password is in our locals
        return {**keywords(credentials, given, self.driver, self._engine, self._core.runtime.environ), **(tls or {})}

    def _own_keywords(self, credentials: Credentials) -> Mapping[str, Any]:
        """The same where the caller gives none, made once for a login."""
        ready = self._ready  # looked at once: another thread may replace it
        if ready is None or ready.credentials is not credentials:
            ready = self._ready = _Ready(credentials, self.keywords(NOTHING_GIVEN, credentials))
        return ready.keywords

    def judge(self, error: BaseException, outer: BaseException | None) -> Verdict:
        """Return what a failure says about the login, leaving out what the caller was handling already (``outer``)."""
        links = [link for link in walk_causes(error) if outer is not None and link.__context__ is outer]
        for link in links:
            link.__context__ = None
        try:
            return self._judge(error)
        finally:
            for link in links:
                link.__context__ = outer

    def given(self, arguments: Arguments) -> Given:
        """Return what the caller's own arguments say already, those in a partial included; a TypeError for a login."""
        args, kwargs = arguments.args, arguments.kwargs
        if self._bound is not None:
            args, kwargs = (*self._bound.args, *args), {**self._bound.keywords, **kwargs}
        elif not args and not kwargs:
            return NOTHING_GIVEN
        given = self.driver.given(args, kwargs)
        if given is not NOTHING_GIVEN and given.has_login:
            arguments.drop()
            del args, kwargs
            raise TypeError(
                f"user and password come from secret {self.rotating.secret_id!r} and change under the application; "
                f"leave them out of the arguments (and of a DSN) of {self.driver.name}'s connect"
            )
        tls = self._tls(args, kwargs)
        return given if tls is None else given._replace(tls=tls)

    def _tls(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the keywords that ask for TLS besides the caller's arguments, where the logins are tokens."""
        if not trait(self._core.reader.source, "tokens"):
            return None
        if self.driver.tls is None:
            raise ConfigurationError(f"driver {self.driver.name!r} cannot log in with tokens")
        return self.driver.tls(args, kwargs, self._core.runtime.environ)

    def _judge(self, error: BaseException) -> Verdict:
        if self.classify is None or _judging.get():
            return self.driver.classify(error)
        token = _judging.set(True)
        try:
            verdict = self.classify(error)
            return self.driver.classify(error) if verdict is None else Verdict(verdict)
        except Exception:  # the driver's exception is what the caller must see
            log.exception("secretconn: classify= failed on %s, which is passed on", type(error).__name__)
            return Verdict.OTHER
        finally:
            _judging.reset(token)

    def _refuse_other_engine(self, credentials: Credentials) -> None:
        named = self.rotating.engine or credentials.said("engine")
        engine = self._engine if named is None else _engine(named, self._engine)
        if not any(one.engine == self.driver.engine for one in engine.drivers) and engine.name != self.driver.engine:
            raise ConfigurationError(
                f"secret {credentials.secret_id!r} is for engine {named!r}, and driver {self.driver.name!r} speaks "
                f"{self.driver.engine}; take another driver, or pass engine= to RotatingCredentials"
            )
        self._engine, self._fitting = engine, credentials.version_id


class _Ready:
    """The keywords for a login where the caller gives none, made once: most connects are alike. In no repr."""

    __slots__ = ("credentials", "keywords")

    def __init__(self, credentials: Credentials, keywords: Mapping[str, Any]) -> None:
        self.credentials, self.keywords = credentials, keywords


def _engine(named: str, otherwise: Engine) -> Engine:
    """The engine a secret names; an unknown one is left to the driver that the caller chose."""
    try:
        return engines.engine_named(named)
    except ConfigurationError:
        return otherwise
