"""Simulation: the library's own decisions on a virtual clock, so that hours of rotations pass in seconds.

Nothing of the rules is written here again: clients drive the real RotatingCredentials and the real decisions of
connect(); what is simulated is time, Secrets Manager and the servers.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, ClassVar

from secretconn._core.connector import Connector
from secretconn._core.effects import Await, Wait
from secretconn._core.rotating import RotatingCredentials, core_of
from secretconn._core.state import Endpoint
from secretconn.credentials import CURRENT, PENDING, PREVIOUS, Credentials, Payload
from secretconn.engines.base import NOTHING_GIVEN, PLAIN, Driver, Given, Verdict
from secretconn.errors import SecretConnError, SecretError
from secretconn.runtime import Runtime
from secretconn.sources.base import Reading

__all__ = ["Clock", "SimulatedClient", "SimulatedSecret", "SimulatedServer", "Until", "rotations", "runtime_for"]


@dataclass(frozen=True, slots=True)
class Until:
    """Go on at this time: a process that must not drift says when, not how long."""

    time: float


Pause = float | Until | Wait | Await
Process = Generator[Pause, None, None]


class Throttled(Exception):
    """Simulated Secrets Manager refused a read, in the shape of the SDK's error."""

    response: ClassVar[Mapping[str, Mapping[str, str]]] = {"Error": {"Code": "ThrottlingException"}}


class Rejection(Exception):
    """A simulated server refused a login."""


class Barred(Exception):
    """A simulated server refused a user, whatever the password."""


class Clock:
    """Virtual time: runs processes that yield the seconds until they go on, or the time, or an effect."""

    def __init__(self, seed: int = 0) -> None:
        self.now = 0.0
        self.random = random.Random(seed)
        self._order = itertools.count()
        self._queue: list[tuple[float, int, Callable[[], None]]] = []

    def at(self, time: float, work: Callable[[], None]) -> None:
        """Do some work at a time."""
        heapq.heappush(self._queue, (time, next(self._order), work))

    def start(self, process: Process) -> None:
        """Start a process now."""
        self.at(self.now, lambda: self._advance(process))

    def run(self, until: float) -> None:
        """Let time pass."""
        while self._queue and self._queue[0][0] <= until:
            self.now, _, work = heapq.heappop(self._queue)
            work()
        self.now = until

    def _advance(self, process: Process) -> None:
        for pause in process:
            if isinstance(pause, Await):
                self._wait_for(process, pause)
            else:
                seconds = pause.seconds if isinstance(pause, Wait) else pause
                time = seconds.time if isinstance(seconds, Until) else self.now + seconds
                self.at(time, lambda: self._advance(process))
            return

    def _wait_for(self, process: Process, pause: Await) -> None:
        """Go on once the read has landed, or when the time to wait for it is over."""
        gone_on: list[bool] = []

        def go_on() -> None:
            if not gone_on:
                gone_on.append(True)
                self._advance(process)

        pause.flight.when_landed(lambda: self.at(self.now, go_on))
        self.at(self.now + pause.seconds, go_on)


@dataclass
class SimulatedSecret:
    """A secret whose versions are passwords "v0", "v1", ...; a Source that takes some time to answer.

    Attributes:
        clock: Virtual time.
        seconds: How long one read takes; called for each.
        users: Users that take turns: one for single-user, two for alternating-users.
        fails: Whether a read that begins now fails.
        unreadable: Whether the version under this stage, AWSPENDING or AWSPREVIOUS, has no value for a read just now.
    """

    clock: Clock
    seconds: Callable[[], float] = lambda: 0.01
    users: tuple[str, ...] = ("app",)
    fails: Callable[[], bool] = lambda: False
    unreadable: Callable[[str], bool] = lambda _stage: False
    stages: dict[str, str] = field(default_factory=lambda: {CURRENT: "v0"})
    api_calls: int = 0
    _captured: Mapping[str, str] | None = None

    def user(self, version: str) -> str:
        """Whose login a version is."""
        return self.users[int(version[1:]) % len(self.users)]

    def spawn(self, work: Callable[[], None]) -> None:
        """Run a read in the background: what it sees is what is there half-way through."""
        seconds = self.seconds()

        def look() -> None:
            self._captured = None if self.fails() else dict(self.stages)

        self.clock.at(self.clock.now + seconds / 2, look)
        self.clock.at(self.clock.now + seconds, work)

    def read(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """See Source.read. As Secrets Manager's source: a first read is one GetSecretValue."""
        return self.answer(stages, held, by_stage=len(stages) == 1 and not held)

    def read_fresh(self, stages: tuple[str, ...], held: Set[str]) -> Reading:
        """See CachingSource.read_fresh."""
        return self.answer(stages, held, by_stage=len(stages) == 1)

    def answer(self, stages: tuple[str, ...], held: Set[str], *, by_stage: bool) -> Reading:
        """Answer one GetSecretValue by stage; or a DescribeSecret, and a GetSecretValue for each version not held."""
        self.api_calls += 1
        seen = self._captured
        if seen is None:
            raise Throttled
        missing = {stage for stage in stages if stage in seen and stage != CURRENT and self.unreadable(stage)}
        wanted = {seen[stage] for stage in stages if stage in seen and stage not in missing}
        failures: dict[str, Exception] = {}
        if by_stage:
            seen = {stage: version for stage, version in seen.items() if version in wanted}
        else:
            wanted -= held
            failures = {stage: LookupError("simulated: no value") for stage in missing if seen[stage] not in held}
            self.api_calls += len(wanted) + len(failures)
        payloads = {version: Payload(version, self._content(version)) for version in wanted}
        return Reading(stages=seen, payloads=payloads, failures=failures, whole=not by_stage)

    def after_fork(self, in_use: bool) -> None:
        """Nothing to let go of."""

    def _content(self, version: str) -> str:
        return f'{{"username": "{self.user(version)}", "password": "{version}", "host": "db"}}'


@dataclass
class SimulatedServer:
    """A database server: which password each user has now, and who may not log in at all."""

    passwords: dict[str, str]
    always_rejects: bool = False
    barred: set[str] = field(default_factory=set)

    def accepts(self, user: str, password: str) -> bool:
        """Whether it lets this login in."""
        return not self.always_rejects and user not in self.barred and self.passwords.get(user) == password


def rotations(
    secret: SimulatedSecret,
    servers: Mapping[SimulatedServer, float] | list[tuple[SimulatedServer, float]],
    pause: Callable[[], float],
    between: Callable[[], float],
) -> Process:
    """Rotate for ever: AWS's four steps with ``pause()`` seconds between them and ``between()`` between rotations.

    Args:
        secret: What is rotated.
        servers: Servers, each with the seconds by which a changed password arrives late.
        pause: Seconds between two steps.
        between: Seconds between two rotations.
    """
    late = servers.items() if isinstance(servers, Mapping) else servers
    for number in itertools.count(1):
        yield between()
        version = f"v{number}"
        secret.stages[PENDING] = version
        yield pause()
        for server, seconds in late:
            secret.clock.at(secret.clock.now + seconds, _setter(server, secret.user(version), version))
        yield pause()
        yield pause()
        secret.stages |= {PREVIOUS: secret.stages[CURRENT], CURRENT: version}


def _setter(server: SimulatedServer, user: str, password: str) -> Callable[[], None]:
    return lambda: server.passwords.__setitem__(user, password)


@dataclass
class SimulatedClient:
    """Connects to one server again and again, through the library's own decisions.

    Attributes:
        clock: Virtual time.
        rotating: The secret's login, made with `runtime_for`.
        server: Where it connects to.
        host: The host it gives, so that each server is an endpoint of its own.
        login_seconds: How long a login takes; called for each.
        idle_seconds: How long it waits between two connects; called for each.
        counts: What happened: connects, failed (unavailable: for want of a first answer), logins.
    """

    clock: Clock
    rotating: RotatingCredentials
    server: SimulatedServer
    host: str
    login_seconds: Callable[[], float]
    idle_seconds: Callable[[], float]
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._connector = Connector(self.rotating, _never_called, DRIVER)
        self._given = Given(names=frozenset({"host"}), host=self.host)

    @property
    def endpoint(self) -> Endpoint:
        """What the process remembers of the server, once it has a first answer."""
        answer = core_of(self.rotating).state.answer
        return Endpoint() if answer is None else self._connector.endpoint(self._given, answer.current)

    def process(self) -> Process:
        """Connect for ever."""
        while True:
            yield self.idle_seconds()
            yield from self.connect()

    def connect(self) -> Process:
        """Connect once."""
        self.counts["connects"] += 1
        flow, sent = self._connector.flow(self._given), set[str]()
        try:
            step = next(flow)
            while step is not None:
                if isinstance(step, Credentials):
                    accepted = yield from self._log_in(step, sent)
                    if accepted:
                        next(flow, None)
                        return
                    step = flow.send(Barred() if step.username in self.server.barred else Rejection())
                else:
                    yield step
                    step = flow.send(step.flight.outcome if isinstance(step, Await) else None)
        except SecretError:
            self.counts["unavailable"] += 1
        self.counts["failed"] += 1

    def _log_in(self, login: Credentials, sent: set[str]) -> Generator[Pause, None, bool]:
        seconds = self.login_seconds()
        yield seconds / 2
        accepted = self.server.accepts(login.username, login.password)
        yield seconds / 2
        self.counts["logins"] += 1
        self.counts["sent_twice"] += login.password in sent
        sent.add(login.password)
        return accepted


def runtime_for(clock: Clock, secret: SimulatedSecret) -> Runtime:
    """The runtime that puts a RotatingCredentials on the virtual clock."""
    return Runtime(clock=lambda: clock.now, random=clock.random.random, spawn=secret.spawn, environ={})


def _never_called(*_args: Any, **_kwargs: Any) -> Any:
    raise SecretConnError("a simulated driver is not called")


def _classify(error: BaseException) -> Verdict:
    if isinstance(error, Barred):
        return Verdict.BARRED
    return Verdict.REJECTED if isinstance(error, Rejection) else Verdict.OTHER


DRIVER = Driver(
    name="simulated",
    engine="postgresql",
    module="secretconn.testing.simulation",
    extra="testing",
    keywords=PLAIN,
    given=lambda _args, _kwargs: NOTHING_GIVEN,
    classify=_classify,
)
