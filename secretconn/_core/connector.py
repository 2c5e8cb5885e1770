"""Connector: one secret, one driver and one way to connect; and Attempt, the decisions of one connect().

Sync and async connect differ only in how they wait; everything that is decided is decided here and in recovery.py.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from secretconn import engines, events
from secretconn._core import rules
from secretconn._core.recovery import Failure, Login, Recovery, Reply, Step, Unanswered, recovery
from secretconn._core.rotating import RotatingCredentials
from secretconn._core.rules import Answer
from secretconn._core.settings import check_patience, check_retries
from secretconn._core.state import Endpoint
from secretconn._core.trail import Trail
from secretconn.credentials import Credentials
from secretconn.engines.base import NOTHING_GIVEN, Driver, Engine, Given, Verdict, walk_causes
from secretconn.errors import ConfigurationError

__all__ = ["Attempt", "Connector"]

log = logging.getLogger("secretconn.connect")

OwnClassify = Callable[[BaseException], Verdict | None]


class Connector:
    """Opens connections with one driver callable, from one secret.

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
        self.ledger = rotating._ledger
        self.clock = rotating._runtime.clock
        self.runtime = rotating._runtime
        self.policy = rotating._settings.policy
        if retries is not None:
            self.policy = replace(self.policy, retries=check_retries(retries))
        if patience is not None:
            self.policy = replace(self.policy, patience=check_patience(patience))
        self._classify = classify
        self._bound = call if isinstance(call, functools.partial) else None  # partials of partials are flat
        self._engine = engines.engine_named(driver.engine)
        self._fitting: str | None = None
        self._ready: _Ready | None = None
        names = driver.keywords
        self._user, self._password = names["user"], names["password"]
        self._host, self._port, self._database = names["host"], names["port"], names["database"]
        self.call = call if driver.adapt is None else driver.adapt(call, self)

    def given(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Given:
        """What the caller's own arguments say already, those bound in a partial included."""
        if self._bound is not None:
            args, kwargs = (*self._bound.args, *args), {**self._bound.keywords, **kwargs}
        return self.driver.given(args, kwargs) if args or kwargs else NOTHING_GIVEN

    def endpoint(self, given: Given) -> Endpoint:
        """Where this connects to; the secret's own address is one endpoint, whatever it is."""
        if given is NOTHING_GIVEN:
            return self.ledger.own
        key = (given.host, given.port, given.database)
        return self.ledger.own if key == (None, None, None) else self.ledger.endpoint(key)

    def keywords(self, credentials: Credentials, given: Given) -> Mapping[str, Any]:
        """The driver's keywords for a login: user and password always, the rest where the caller has not said it.

        Raises:
            ConfigurationError: neither the secret nor the caller names a host, or the secret is of another engine.
        """
        if given is not NOTHING_GIVEN:
            return self._keywords(credentials, given)
        ready = self._ready  # looked at once: another thread may replace it
        if ready is None or ready.credentials is not credentials:
            ready = self._ready = _Ready(credentials, self._keywords(credentials, given))
        return ready.keywords

    def _keywords(self, credentials: Credentials, given: Given) -> Mapping[str, Any]:
        if credentials.version_id != self._fitting:
            self._refuse_other_engine(credentials)
        names = given.names
        if credentials.host is None and "host" not in names:
            raise ConfigurationError(
                f"secret {credentials.secret_id!r} names no host (RDS-managed secrets do not); pass {self._host}="
            )
        keywords: dict[str, Any] = {self._user: credentials.username, self._password: credentials.password}
        if "host" not in names:
            keywords[self._host] = credentials.host
        if "port" not in names and (port := credentials.port or self._engine.default_port) is not None:
            keywords[self._port] = port
        if "database" not in names and (database := credentials.database or self._engine.default_database) is not None:
            keywords[self._database] = database
        return keywords

    def judge(self, error: BaseException, outer: BaseException | None) -> Verdict:
        """What a failure says about the login, leaving out what the caller was handling already (``outer``)."""
        links = [link for link in walk_causes(error) if outer is not None and link.__context__ is outer]
        for link in links:
            link.__context__ = None
        try:
            return self._judge(error)
        finally:
            for link in links:
                link.__context__ = outer

    def _judge(self, error: BaseException) -> Verdict:
        if self._classify is not None:
            try:
                verdict = self._classify(error)
                if verdict is not None:
                    return Verdict(verdict)
            except Exception:  # the driver's exception is what the caller must see
                log.exception("secretconn: classify= failed on %s, which is passed on", type(error).__name__)
                return Verdict.OTHER
        return self.driver.classify(error)

    def _refuse_other_engine(self, credentials: Credentials) -> None:
        named = self.rotating.engine or credentials.engine
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


class Attempt:
    """One connect(): where it goes, what is sent, and what follows a failure.

    Attributes:
        credentials: The login to send now.
    """

    __slots__ = (
        "_begun",
        "_begun_tick",
        "_connector",
        "_endpoint",
        "_given",
        "_outer",
        "_recovery",
        "_trail",
        "credentials",
    )

    def __init__(self, connector: Connector, given: Given, endpoint: Endpoint, credentials: Credentials) -> None:
        self._connector, self._given, self._endpoint = connector, given, endpoint
        self.credentials = credentials
        self._outer = sys.exception()
        self._recovery: Recovery | None = None
        self._trail: Trail | None = None
        self._begun, self._begun_tick = connector.clock(), connector.ledger.tick()
        if endpoint.state is not None and endpoint.state.accepted is not None:
            self._start()

    def keywords(self) -> Mapping[str, Any]:
        """The driver's keywords for the login to send now."""
        return self._connector.keywords(self.credentials, self._given)

    def succeeded(self) -> None:
        """The server let the login in."""
        connector, state = self._connector, self._endpoint.state
        connector.rotating._bulletin.connects.tick()
        if self._trail is not None:
            self._recovered(self._trail)
        elif state is not None and (state.refused or state.fruitless):
            begun = self._begun_tick
            connector.ledger.update(self._endpoint, lambda now: rules.cleared(now, begun))

    def failed(self, error: Exception) -> Step | None:
        """The driver raised: what to do, or None to let the driver's exception go to the caller."""
        connector, trail = self._connector, self._trail
        verdict, now = connector.judge(error, self._outer), connector.clock()
        if trail is None:
            if verdict is Verdict.OTHER:
                return None
            trail = self._trail = Trail(connector.rotating.secret_id, now)
        self._note(trail, verdict, now - self._begun)
        failure = Failure(verdict, now)
        if self._recovery is not None:
            return self._advance(self._recovery, failure, error)
        self._recovery = recovery(
            connector.ledger, self._endpoint, connector.policy, connector.runtime, self.credentials, failure
        )
        return self._advance(self._recovery, None, error)

    def go_on(self, landing: Answer | Unanswered | None, error: Exception) -> Step | None:
        """A refresh or a wait is over: what to do next. ``error`` is the driver's, for the note."""
        if self._recovery is None:
            return None
        return self._advance(self._recovery, landing if isinstance(landing, Unanswered) else None, error)

    def _advance(self, flow: Recovery, reply: Reply, error: Exception) -> Step | None:
        try:
            step = flow.send(reply)
        except StopIteration as end:
            if self._trail is not None:
                error.add_note(self._trail.sentence(end.value))
            return None
        if isinstance(step, Login):
            self.credentials = step.credentials
            self._begun, self._begun_tick = self._connector.clock(), self._connector.ledger.tick()
        return step

    def _start(self) -> None:
        """Rule 4a where the endpoint last accepted another login than the current one, and the end of its probation."""
        connector = self._connector
        answer, state = connector.ledger.answer, self._endpoint.state
        if answer is None:
            return
        found = rules.start(state, answer, self._begun, connector.policy)
        self.credentials = found.credentials
        if found.state is not state:
            connector.ledger.update(self._endpoint, lambda now: found.state if now is state else now)
        if found.refresh_due:
            connector.rotating._refresher.behind("probation")

    def _labels(self) -> tuple[str, ...]:
        answer = self._connector.ledger.answer
        return answer.labels(self.credentials.version_id) if answer is not None else ()

    def _note(self, trail: Trail, verdict: Verdict, seconds: float) -> None:
        """Keep and tell that a login was, or may have been, refused."""
        rotating, stages = self._connector.rotating, self._labels()
        trail.add(self.credentials.version_id, stages, verdict, seconds)
        if verdict is Verdict.OTHER:
            return
        suspect = verdict is Verdict.SUSPECT
        rotating._bulletin.count(**{"suspected" if suspect else "rejected": 1})
        rotating._bulletin.tell(
            events.Rejected(
                secret_id=rotating.secret_id,
                version_id=self.credentials.version_id,
                stages=stages,
                suspect=suspect,
                seconds=seconds,
            )
        )

    def _recovered(self, trail: Trail) -> None:
        connector, answer, login = self._connector, self._connector.ledger.answer, self.credentials
        now, begun, policy = connector.clock(), self._begun_tick, connector.policy
        if answer is not None:
            connector.ledger.update(
                self._endpoint, lambda state: rules.accepted(state, login, begun, answer, now, policy)
            )
        connector.rotating._bulletin.count(recovered=1)
        connector.rotating._bulletin.tell(
            events.Recovered(
                secret_id=login.secret_id,
                version_id=login.version_id,
                stages=self._labels(),
                attempts=trail.attempts + 1,
                seconds=now - trail.begun,
            )
        )


def _engine(named: str, otherwise: Engine) -> Engine:
    """The engine a secret names; one nobody knows is left to the driver that the caller chose."""
    try:
        return engines.engine_named(named)
    except ConfigurationError:
        return otherwise
