"""RotatingCredentials: the current login of one secret, always at hand, kept fresh behind the caller's back."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from secretconn._core.flight import Flight, Landing
from secretconn._core.parsing import Shape
from secretconn._core.reader import Refresher
from secretconn._core.recovery import Refresh
from secretconn._core.settings import refuse_beside_source, settings
from secretconn._core.state import Ledger
from secretconn.credentials import PENDING, PREVIOUS, Credentials
from secretconn.errors import ConfigurationError
from secretconn.events import Bulletin, Stats, Subscriber
from secretconn.runtime import Runtime
from secretconn.sources.base import Source

if TYPE_CHECKING:
    from aws_secretsmanager_caching import SecretCacheConfig

    from secretconn._core.environment import Environment

__all__ = ["RotatingCredentials", "each"]

log = logging.getLogger("secretconn.events")


class RotatingCredentials:
    """The login of one secret, cached and kept fresh. Make one per secret and share it among threads and tasks.

    Args:
        secret_id: Name or ARN of the secret; or ``agent://NAME``, ``extension://NAME``, ``file:///PATH``, to read it
            from there instead of Secrets Manager.
        ttl: Seconds until an answer is re-read in the background, jittered in [ttl/2, ttl]. Default: the
            ``secret_refresh_interval`` of ``cache_config``, else SECRETCONN_TTL, else 3600.
        region, profile, endpoint_url, client, session: How Secrets Manager is reached; see SecretsManagerSource.
            ``endpoint_url`` is the agent's or extension's address where one of these is asked.
        role_arn, external_id: A role to take first, for a secret of another account.
        replica_regions: Regions to ask, in this order, while the secret's own does not answer.
        cache_config: A SecretCacheConfig of aws-secretsmanager-caching: its hook, default stage, refresh interval and
            retry delays are used.
        source: Another Source instead of Secrets Manager; the arguments that say how to reach it are then left out.
        username: The user, when the secret is plain text that holds only the password.
        keys: Other key names of the secret: what a login is made of to the secret's key, ``{"username": "db_user"}``.
        engine: The engine ("postgresql", "mysql", ...), where the secret names none (RDS-managed) or another.
        fallback_stages: Stages that may be tried after a rejection; () for AWSCURRENT alone.
        retries: Further logins in one connect() after a rejected one.
        patience: Seconds for which connect() goes on asking the source when it has no other login.
        timeout: Seconds a caller waits at most for the source.
        runtime: Clock, sleep, randomness, threads and environment; for tests.

    Raises:
        ConfigurationError: arguments that contradict each other, are out of range or unknown.
    """

    def __init__(
        self,
        secret_id: str,
        *,
        ttl: float | None = None,
        region: str | None = None,
        profile: str | None = None,
        endpoint_url: str | None = None,
        client: Any = None,
        session: Any = None,
        role_arn: str | None = None,
        external_id: str | None = None,
        replica_regions: Iterable[str] = (),
        cache_config: SecretCacheConfig | None = None,
        source: Source | None = None,
        username: str | None = None,
        keys: Mapping[str, str] | None = None,
        engine: str | None = None,
        fallback_stages: Iterable[str] = (PENDING, PREVIOUS),
        retries: int = 1,
        patience: float = 0.0,
        timeout: float = 15.0,
        runtime: Runtime | None = None,
    ) -> None:
        from secretconn._core.choose import Reach
        from secretconn._core.environment import (
            environment,  # not with secretconn: an import is cheap where nobody connects
        )

        if not isinstance(secret_id, str) or not secret_id:
            raise ConfigurationError("secret_id must be the name or the ARN of a secret")
        reach = Reach(region, profile, endpoint_url, client, session, role_arn, external_id, _regions(replica_regions))
        self._runtime = runtime or Runtime()
        around = environment(self._runtime.environ)
        if source is not None:
            refuse_beside_source(reach.given())
        self._given_source, self._reach, self._cache_config = source, reach, cache_config
        self._secret_id = secret_id
        self._engine = engine
        self._settings = settings(
            ttl=around.ttl if ttl is None and cache_config is None else ttl,
            timeout=timeout,
            retries=retries,
            patience=patience,
            fallback_stages=fallback_stages,
            cache_config=cache_config,
        )
        self._clock = self._runtime.clock
        self._ledger = Ledger()
        self._bulletin = Bulletin()
        shape = Shape(username=username, keys=dict(keys or {}))
        self._refresher = Refresher(
            secret_id, self._source(around), shape, self._settings, self._runtime, self._ledger, self._bulletin
        )
        self._connectors: dict[object, Any] = {}
        _roll.add(self)

    @property
    def secret_id(self) -> str:
        """The secret, as it was named."""
        return self._secret_id

    @property
    def engine(self) -> str | None:
        """The engine that was given here, or None to go by the secret."""
        return self._engine

    def __repr__(self) -> str:
        answer = self._ledger.answer
        version = answer.current.version_id if answer is not None else None
        return f"RotatingCredentials({self._secret_id!r}, version_id={version!r})"

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError(
            "RotatingCredentials holds passwords and cannot be pickled; make a new one from the secret's id"
        )

    def current(self) -> Credentials:
        """The current login. Takes no lock and does no I/O once a first answer is held (rule 1).

        Raises:
            SecretUnavailable: the first read failed; ``__cause__`` is the source's error (rule 2).
            SecretFormatError: the secret does not hold a login.
            ConfigurationError: no region, or an unknown profile.
        """
        self._bulletin.reads.tick()
        answer = self._ledger.answer
        if answer is None:
            return self._first()
        if self._clock() >= self._refresher.fresh_until:
            self._stale()
        return answer.current

    async def acurrent(self) -> Credentials:
        """The same for asyncio: the first read is awaited, the event loop goes on."""
        self._bulletin.reads.tick()
        answer = self._ledger.answer
        if answer is None:
            return await self._afirst()
        if self._clock() >= self._refresher.fresh_until:
            self._stale()
        return answer.current

    def prefetch(self) -> Credentials:
        """Load the secret at start-up, so that the first connection does not wait. Raises as `current` does."""
        return self.current()

    async def aprefetch(self) -> Credentials:
        """The same for asyncio."""
        return await self.acurrent()

    def refresh(self) -> Credentials:
        """Ask the source now and wait for its answer.

        Raises:
            SecretUnavailable, SecretFormatError: it gave none; the login that is held stays in use.
        """
        wanted = self._asked()
        landing = self._newer(wanted)
        if landing.tick < wanted.seen:  # a read that was under way already; what it saw may be old news
            landing = self._newer(wanted)
        return self._refresher.answer_of(landing).current

    async def arefresh(self) -> Credentials:
        """The same for asyncio."""
        wanted = self._asked()
        landing = await self._anewer(wanted)
        if landing.tick < wanted.seen:
            landing = await self._anewer(wanted)
        return self._refresher.answer_of(landing).current

    def invalidate(self) -> None:
        """Call what is held out of date: the next read starts a refresh in the background, and nobody waits."""
        self._refresher.expire()

    def stats(self) -> Stats:
        """Counters so far."""
        return self._bulletin.stats()

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Have ``subscriber`` called with each Event, in the thread where it happens. Returns what ends that."""
        self._bulletin.subscribe(subscriber)
        me = weakref.ref(self)  # what ends a subscription keeps nobody alive

        def unsubscribe() -> None:
            rotating = me()
            if rotating is not None:
                rotating._bulletin.unsubscribe(subscriber)  # of the bulletin there is then: a forked child has its own

        return unsubscribe

    def _source(self, around: Environment) -> Source:
        if self._given_source is not None:
            return self._given_source
        from secretconn._core.choose import choose

        return choose(self._secret_id, self._reach, around, self._runtime, self._cache_config)

    # -- for connect.py -----------------------------------------------------------------------------------------------

    def _first(self) -> Credentials:
        self._bulletin.count(misses=1)
        while isinstance(found := self._refresher.first(), float):
            self._runtime.sleep(found)
        landing = found.wait(self._settings.timeout) if isinstance(found, Flight) else found
        return self._refresher.answer_of(landing).current

    async def _afirst(self) -> Credentials:
        self._bulletin.count(misses=1)
        while isinstance(found := self._refresher.first(), float):
            await self._runtime.asleep(found)
        landing = await found.wait_async(self._settings.timeout) if isinstance(found, Flight) else found
        return self._refresher.answer_of(landing).current

    def _stale(self) -> None:
        self._bulletin.count(stale_reads=1)
        self._refresher.behind("ttl")

    def _asked(self) -> Refresh:
        now = self._ledger.tick()
        return Refresh(now, now, "asked")

    def _newer(self, wanted: Refresh) -> Landing:
        found = self._refresher.newer(wanted.seen, wanted.newer_than, wanted.reason)
        return found.wait(self._settings.timeout) if isinstance(found, Flight) else found

    async def _anewer(self, wanted: Refresh) -> Landing:
        found = self._refresher.newer(wanted.seen, wanted.newer_than, wanted.reason)
        return await found.wait_async(self._settings.timeout) if isinstance(found, Flight) else found

    def _after_fork(self) -> None:
        """In a forked child: keep what is held, take new locks, let go of the parent's client (rule 10)."""
        self._ledger.after_fork()
        self._bulletin = self._bulletin.after_fork()
        self._refresher.after_fork(self._bulletin)

    def _forget(self, source: Source) -> None:
        """As if made just now, but for its settings and subscribers; for `secretconn.testing.forget`."""
        self._refresher.forget(source, self._settings.timeout)
        self._bulletin.reset()
        self._connectors.clear()  # the secret may be of another engine now


def _regions(regions: Iterable[str]) -> tuple[str, ...]:
    return (regions,) if isinstance(regions, str) else tuple(regions)


class _Roll:
    """Every RotatingCredentials of this process, and who wants to be told of new ones."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.living: weakref.WeakSet[RotatingCredentials] = weakref.WeakSet()
        self.watchers: tuple[Callable[[RotatingCredentials], object], ...] = ()

    def add(self, made: RotatingCredentials) -> None:
        with self.lock:
            self.living.add(made)
            watchers = self.watchers
        for found in watchers:
            try:
                found(made)
            except Exception:  # whatever a watcher does wrong, connections go on
                log.exception("secretconn: a watcher failed on secret %r", made.secret_id)

    def watch(self, found: Callable[[RotatingCredentials], object]) -> list[RotatingCredentials]:
        with self.lock:
            self.watchers = (*self.watchers, found)
            return list(self.living)

    def leave(self, found: Callable[[RotatingCredentials], object]) -> None:
        with self.lock:
            self.watchers = tuple(other for other in self.watchers if other is not found)

    def after_fork(self) -> None:
        self.lock = threading.Lock()
        for credentials in list(self.living):
            credentials._after_fork()


_roll = _Roll()


def each(found: Callable[[RotatingCredentials], object]) -> Callable[[], None]:
    """Have ``found`` called once with every RotatingCredentials of this process: those there are, now, and each later
    one where it is made, those behind ``connect("name")`` included. Returns what ends that.
    """
    for credentials in _roll.watch(found):
        found(credentials)
    return lambda: _roll.leave(found)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_roll.after_fork)
