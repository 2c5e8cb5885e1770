"""What unit tests hand in: a clock that stands still, threads that run at once, a server that is a set of logins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from secretconn import RotatingCredentials, Runtime, Verdict
from secretconn.engines.arguments import keyword_reader
from secretconn.engines.base import Driver
from secretconn.testing.memory import MemorySource

NAMES = {name: name for name in ("user", "password", "host", "port", "database")}


class Refused(Exception):
    """The server refused the login."""


class Hidden(Exception):
    """The driver hides why."""


class Broken(Exception):
    """Anything else went wrong."""


VERDICTS = {Refused: Verdict.REJECTED, Hidden: Verdict.SUSPECT}


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

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)

    def spawn(self, work: Callable[[], None]) -> None:
        """Run at once, or keep for later while ``waiting`` is a list."""
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
        return Runtime(
            clock=lambda: self.now, sleep=self.sleep, asleep=self.asleep, random=lambda: random, spawn=self.spawn
        )


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


class Bed:
    """One secret, one server, one clock, and a way to connect."""

    def __init__(self, **settings: Any) -> None:
        self.time = Time()
        self.source = MemorySource(login("p1"))
        self.server = Server(("app", "p1"))
        self.rotating = RotatingCredentials("s", source=self.source, runtime=self.time.runtime(), **settings)
        self.events: list[Any] = []
        self.rotating.subscribe(self.events.append)

    def connect(self, **arguments: Any) -> Any:
        import secretconn

        return secretconn.wrap(self.server.connect, self.rotating, driver=DRIVER)(**arguments)

    async def aconnect(self, **arguments: Any) -> Any:
        import secretconn

        return await secretconn.wrap(self.server.aconnect, self.rotating, driver=DRIVER)(**arguments)
