"""What unit tests hand in: a clock that stands still, threads that run at once, a server that is a set of logins."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Set
from typing import Any

from secretconn import RotatingCredentials, Runtime, Verdict
from secretconn._core.effects import Await, Wait
from secretconn._core.recovery import Core
from secretconn._core.rotating import core_of
from secretconn.credentials import Credentials
from secretconn.engines.arguments import keyword_reader
from secretconn.engines.base import Driver
from secretconn.sources.base import Reading
from secretconn.testing.memory import MemorySource

NAMES = {name: name for name in ("user", "password", "host", "port", "database")}


class Refused(Exception):
    """The server refused the login."""


class Hidden(Exception):
    """The driver hides why."""


class Barred(Exception):
    """The server refused the user, whatever the password."""


class Answered(Exception):
    """As botocore's ClientError: with a code."""

    def __init__(self, code: str) -> None:
        super().__init__("its text may quote anything")
        self.response = {"Error": {"Code": code}}


class Broken(Exception):
    """Anything else went wrong."""


VERDICTS = {Refused: Verdict.REJECTED, Hidden: Verdict.SUSPECT, Barred: Verdict.BARRED}


def classify(error: BaseException) -> Verdict:
    return VERDICTS.get(type(error), Verdict.OTHER)


DRIVER = Driver(
    name="fake",
    engine="postgresql",
    module="tests.unit.fakes",
    extra="fake",
    keywords=NAMES,
    given=keyword_reader(NAMES),
    classify=classify,
    aconnect="aconnect",
)


class Time:
    """A clock that moves when it is told to, or when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self.waiting: list[Callable[[], None]] | None = None
        self.threads = True

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)

    def spawn(self, work: Callable[[], None]) -> None:
        """Run at once, or keep for later while ``waiting`` is a list; RuntimeError where there are no threads."""
        if not self.threads:
            raise RuntimeError("can't start new thread")
        if self.waiting is None:
            work()
        else:
            self.waiting.append(work)

    def land(self) -> None:
        """Run what was kept."""
        kept, self.waiting = self.waiting or [], None
        for work in kept:
            work()

    def runtime(self, random: float = 0.5) -> Runtime:
        return Runtime(clock=self.clock, sleep=self.sleep, asleep=self.asleep, random=lambda: random, spawn=self.spawn)


class Gate:
    """Holds back whoever comes through it until a crowd is there; give ``pass_through`` to what they all need."""

    def __init__(self) -> None:
        self._entered, self._leave = threading.Event(), threading.Event()

    def pass_through(self) -> None:
        self._entered.set()
        self._leave.wait(10)

    def crowd(self, *works: Callable[[], object]) -> None:
        """Do all at once, each in a thread of its own, and open the gate once somebody stands in it."""
        threads = [threading.Thread(target=work, daemon=True) for work in works]
        for thread in threads:
            thread.start()
        assert self._entered.wait(10)
        self._leave.set()
        for thread in threads:
            thread.join(10)


class Server:
    """Accepts some (user, password) pairs and keeps the list of what was sent."""

    def __init__(self, *accepted: tuple[str, str]) -> None:
        self.accepted = set(accepted)
        self.sent: list[tuple[str, str]] = []
        self.arguments: list[dict[str, Any]] = []
        self.errors: list[Exception] = []
        self.kind: type[Exception] = Refused

    def connect(self, *_args: Any, user: str, password: str, **rest: Any) -> str:
        self.sent.append((user, password))
        self.arguments.append(rest)
        if (user, password) in self.accepted:
            return f"connection as {user}"
        self.errors.append(self.kind("no"))
        raise self.errors[-1]

    async def aconnect(self, *args: Any, **rest: Any) -> str:
        return self.connect(*args, **rest)


def login(password: str, user: str = "app", **more: object) -> dict[str, object]:
    return {"username": user, "password": password, "host": "db", **more}


def subscribers(rotating: RotatingCredentials) -> int:
    """How many are told of what happens to it."""
    return sum(one.subscriber is not None for one in core_of(rotating).observers._subscriptions)


class StageSource(MemorySource):
    """Remembers what it was asked.

    Attributes:
        asked: The stages of each read.
    """

    def __init__(self, content: Any = None) -> None:
        super().__init__(content)
        self.asked: list[tuple[str, ...]] = []

    def _read(self, stages: tuple[str, ...], held: Set[str], *, whole: bool) -> Reading:
        self.asked.append(stages)
        return super()._read(stages, held, whole=whole)


def drive(flow: Generator[Any, Any, Any], time: Time, call: Callable[[Credentials], object] | None = None) -> Any:
    """Run a flow in virtual time: a read that does not land takes as long as its caller waits for it.

    A connect()'s flow logs in by ``call``; what that raises is raised here if the flow has no other login.
    """
    sent: Any = None
    failed: Exception | None = None
    try:
        while True:
            effect = flow.send(sent)
            sent = None
            if isinstance(effect, Wait):
                time.sleep(effect.seconds)
            elif isinstance(effect, Await):
                if not effect.flight.landed:
                    time.now += effect.seconds
                sent = effect.flight.outcome
            elif effect is None:
                break
            else:
                assert call is not None
                failed = None
                try:
                    call(effect)
                except Exception as error:  # noqa: BLE001  (whatever the driver raises is told to the flow)
                    sent = failed = error
    except StopIteration as end:
        return end.value
    if failed is not None:
        raise failed
    return None


class Bed:
    """One secret, one server, one clock, and a way to connect."""

    def __init__(self, source: Any = None, *, time: Time | None = None, **settings: Any) -> None:
        self.time = time or Time()
        self.source: Any = source or StageSource(login("p1"))
        self.server = Server(("app", "p1"))
        self.rotating = RotatingCredentials("s", source=self.source, runtime=self.time.runtime(), **settings)
        self.events: list[Any] = []
        self.rotating.subscribe(self.events.append)

    @property
    def core(self) -> Core:
        """What connect() works with."""
        return core_of(self.rotating)

    def connect(self, **arguments: Any) -> Any:
        import secretconn

        return secretconn.wrap(self.server.connect, self.rotating, driver=DRIVER)(**arguments)

    async def aconnect(self, **arguments: Any) -> Any:
        import secretconn

        return await secretconn.wrap(self.server.aconnect, self.rotating, driver=DRIVER)(**arguments)
