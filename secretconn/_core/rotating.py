"""RotatingCredentials: the current login of one secret, always at hand, kept fresh in the background."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from secretconn._core.answer import Answer, tick_of
from secretconn._core.choose import Reach, Unreadable, choose
from secretconn._core.effects import Budget, Flow, arun, run
from secretconn._core.environment import Environment, environment
from secretconn._core.flight import Unanswered
from secretconn._core.observers import Observers, Roll
from secretconn._core.parsing import Shape
from secretconn._core.reader import Reader
from secretconn._core.recovery import Core
from secretconn._core.settings import refuse_beside_source, settings
from secretconn._core.state import SecretState
from secretconn.credentials import PENDING, PREVIOUS, Credentials
from secretconn.errors import ConfigurationError
from secretconn.events import Stats, Subscriber
from secretconn.runtime import Runtime
from secretconn.sources.base import Source
from secretconn.sources.names import check_secret_id

if TYPE_CHECKING:
    from aws_secretsmanager_caching import SecretCacheConfig

    from secretconn.sources.sessions import AnySession, Client

__all__ = ["RotatingCredentials", "core_of", "each", "forget"]


class RotatingCredentials:
    """The login of one secret, cached and kept fresh. Make one per secret and share it among threads and tasks.

    Args:
        secret_id: Name or ARN of the secret; or ``agent://NAME``, ``extension://NAME``, ``file:///PATH``, to read it
            from there instead of Secrets Manager; or ``rds-iam://USER@HOST/DATABASE?engine=...`` and the like, for
            tokens (docs/sources.md).
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
        retries: Rounds of further logins in one connect() after a rejected one. A round sends each login that the
            newest answer offers.
        patience: Seconds for which connect() keeps asking the source when it has no other login.
        read_patience: Seconds for which a read that fails in passing is repeated before a caller who waits for it is
            told; one that is throttled is repeated as long as the caller may wait. 0: neither is repeated.
        timeout: Seconds that one call waits at most for the source, whatever it waits for (and ``patience`` besides).
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
        client: Client | None = None,
        session: AnySession | None = None,
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
        read_patience: float = 5.0,
        timeout: float = 15.0,
        runtime: Runtime | None = None,
    ) -> None:
        check_secret_id(secret_id)
        reach = Reach(region, profile, endpoint_url, client, session, role_arn, external_id, _regions(replica_regions))
        runtime = self._runtime = runtime or Runtime()
        around = environment(runtime.environ)
        if source is not None:
            refuse_beside_source({**reach.given(), "cache_config": getattr(cache_config, "secret_cache_hook", None)})
        self._given_source, self._reach, self._cache_config = source, reach, cache_config
        self._secret_id, self._engine = secret_id, engine
        self._settings = settings(
            ttl=around.ttl if ttl is None and cache_config is None else ttl,
            timeout=timeout,
            retries=retries,
            patience=patience,
            read_patience=read_patience,
            fallback_stages=fallback_stages,
            cache_config=cache_config,
        )
        state, observers = SecretState(), Observers(runtime.spawn)
        shape = Shape(username=username, keys=dict(keys or {}))
        reader = Reader(secret_id, self._source(around), shape, self._settings, runtime, state, observers)
        self._core = Core(secret_id, self._settings, runtime, state, reader, observers)
        self._state, self._reader, self._observers, self._clock = state, reader, observers, runtime.clock
        self._connectors: dict[object, Any] = {}
        roll.add(self)

    @property
    def secret_id(self) -> str:
        """The secret, as it was named."""
        return self._secret_id

    @property
    def engine(self) -> str | None:
        """The engine that was given here, or None to go by the secret."""
        return self._engine

    def __repr__(self) -> str:
        answer = self._state.answer
        version = answer.current.version_id if answer is not None else None
        return f"RotatingCredentials({self._secret_id!r}, version_id={version!r})"

    def __reduce_ex__(self, protocol: object) -> Any:
        raise TypeError(
            "RotatingCredentials holds passwords and cannot be pickled; make a new one from the secret's id"
        )

    def current(self) -> Credentials:
        """Return the current login. Takes no lock and does no I/O once a first answer is held (rule 1).

        Raises:
            SecretUnavailable: the first read failed; ``__cause__`` is the source's error (rule 2).
            SecretFormatError: the secret does not hold a login.
            ConfigurationError: no region, or an unknown profile.
        """
        answer = self._held()
        return answer.current if answer is not None else run(self._reader.first(), self._runtime).current

    async def acurrent(self) -> Credentials:
        """The same for asyncio: the first read is awaited, the event loop goes on."""
        answer = self._held()
        return answer.current if answer is not None else (await arun(self._reader.first(), self._runtime)).current

    def prefetch(self) -> Credentials:
        """Load the secret at start-up, so that the first connection does not wait. Raises as `current` does."""
        return self.current()

    async def aprefetch(self) -> Credentials:
        """The same for asyncio."""
        return await self.acurrent()

    def refresh(self) -> Credentials:
        """Ask the source now and wait for its answer. Inside a subscriber: return the answer that has just come in.

        Raises:
            SecretUnavailable, SecretFormatError: it gave none; the held login stays in use.
        """
        return run(self._refreshing(), self._runtime)

    async def arefresh(self) -> Credentials:
        """The same for asyncio."""
        return await arun(self._refreshing(), self._runtime)

    def invalidate(self) -> None:
        """Mark the held login as stale: the next read starts a refresh in the background."""
        self._reader.expire()

    def stats(self) -> Stats:
        """Return the counters so far."""
        return self._observers.counters.stats()

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call ``subscriber`` with each Event, one after the other. Return a function that unsubscribes.

        An event is told after what it tells of has taken effect, in the thread where that happened, or in that of
        another event which is being told just then. A subscriber is not told of what it causes itself.
        """
        return self._observers.subscribe(subscriber).end

    def _after_fork(self) -> None:
        """In a forked child: keep what is held, take new locks, let go of the parent's client (rule 10)."""
        self._state.after_fork()
        self._observers.after_fork()
        self._reader.after_fork()

    def _refreshing(self) -> Flow[Credentials]:
        """refresh(), as a flow."""
        state, policy = self._state, self._settings.policy
        if self._observers.telling() and state.answer is not None:
            return state.answer.current
        seen, since, budget = tick_of(state.answer), state.tick(), Budget(self._settings.timeout, self._runtime)
        outcome = yield from self._reader.ask(policy.stages, seen, since, "asked", budget)
        if outcome.tick < since and budget.left > 0:  # a read that was under way already; it may have seen old news
            outcome = yield from self._reader.ask(policy.stages, tick_of(state.answer), since, "asked", budget)
        if isinstance(outcome, Unanswered):
            raise self._reader.error_of(outcome.error)
        return outcome.current

    def _held(self) -> Answer | None:
        """The answer that is held, if any. An old one is renewed in the background."""
        self._observers.counters.read()
        answer = self._state.answer
        if answer is not None and self._clock() >= self._reader.fresh_until:
            self._observers.counters.add(stale_reads=1)
            self._reader.behind("ttl")
            return self._reader.usable
        return answer

    def _source(self, around: Environment) -> Source:
        if self._given_source is not None:
            return self._given_source
        return choose(self._secret_id, self._reach, around, self._runtime, self._cache_config)


def core_of(rotating: RotatingCredentials) -> Core:
    """Return what a RotatingCredentials works with, for the rest of secretconn and for tests of the rules."""
    return rotating._core


def forget(rotating: RotatingCredentials) -> None:
    """Hold nothing, as if made just now, but keep settings and subscribers. The source is chosen anew."""
    try:
        source: Source = rotating._source(environment(rotating._runtime.environ))
    except ConfigurationError as error:  # the variables have changed since it was made; its next reader is told
        source = Unreadable(error)
    rotating._reader.forget(source)
    rotating._observers.reset()
    rotating._connectors.clear()  # the secret may be of another engine now


def each(watcher: Callable[[RotatingCredentials], object]) -> Callable[[], None]:
    """Call ``watcher`` once with every RotatingCredentials of this process: those there are, now, and each later one
    where it is made, those behind ``connect("name")`` included. Return a function that ends that.
    """
    return roll.watch(watcher)


def _regions(regions: Iterable[str]) -> tuple[str, ...]:
    return (regions,) if isinstance(regions, str) else tuple(regions)


roll: Roll[RotatingCredentials] = Roll(RotatingCredentials._after_fork)
