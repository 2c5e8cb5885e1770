"""Processes that sleep through rotations, on a virtual clock, through the library's own decisions: no connect fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from secretconn import RotatingCredentials
from secretconn.testing.simulation import (
    Clock,
    Process,
    SimulatedClient,
    SimulatedSecret,
    SimulatedServer,
    rotations,
    runtime_for,
)

Span = tuple[float, float]
HOUR = 3600.0
BOTH = ("app", "app_clone")


@dataclass(frozen=True)
class Scene:
    """Some processes, each with its own memory. All times are seconds; spans are drawn from evenly.

    Attributes:
        idle: How long a process sleeps between two of its connects.
        pool: Connections that a process opens together each time it wakes.
        databases: Servers with the same secret; each process connects to all of them.
        late: Seconds by which a changed password arrives at the second server.
        busy: Processes that connect all the time, beside those that sleep.
        unreadable: Share of the reads in which AWSPENDING and AWSPREVIOUS have no value.
        barred: Every so many seconds the user whose turn it is not is barred, until the next.
    """

    rotations: int = 1000
    processes: int = 10
    users: tuple[str, ...] = ("app",)
    api: Span = (0.005, 0.05)
    pause: Span = (10.0, 30.0)
    between: Span = (400.0, 600.0)
    idle: Span = (0.8 * HOUR, 1.2 * HOUR)
    login: Span = (0.003, 0.02)
    pool: int = 1
    databases: int = 1
    late: float = 0.0
    busy: int = 0
    unreadable: float = 0.0
    barred: bool = False
    seed: int = 1

    def play(self) -> Counter[str]:
        clock = Clock(self.seed)
        draw = clock.random.uniform
        stages = {"AWSCURRENT": "v0"}
        first = {self.users[0]: "v0"}
        servers = [SimulatedServer(dict(first)) for _ in range(self.databases)]
        counts: Counter[str] = Counter()
        sources = []
        for number in range(self.processes + self.busy):
            source = SimulatedSecret(clock, lambda: draw(*self.api), self.users, stages=stages)
            source.unreadable = lambda _stage: clock.random.random() < self.unreadable
            rotating = RotatingCredentials("s", source=source, runtime=runtime_for(clock, source))
            idle = self.idle if number < self.processes else (0.1, 0.5)
            clients = [self._client(clock, rotating, server, f"db{at}", counts) for at, server in enumerate(servers)]
            clock.start(_wakes(clock, clients * self.pool, lambda idle=idle: draw(*idle)))
            sources.append(source)
        late = [(server, self.late if at else 0.0) for at, server in enumerate(servers)]
        clock.start(rotations(sources[0], late, lambda: draw(*self.pause), lambda: draw(*self.between)))
        if self.barred:
            clock.start(_bars(servers, sources[0], lambda: draw(*self.between)))
        while int(stages["AWSCURRENT"][1:]) < self.rotations:
            clock.run(clock.now + HOUR)
        counts["api_calls"] = sum(source.api_calls for source in sources)
        return counts

    def _client(
        self, clock: Clock, rotating: RotatingCredentials, server: SimulatedServer, host: str, counts: Counter[str]
    ) -> SimulatedClient:
        login = self.login
        return SimulatedClient(
            clock, rotating, server, host, lambda: clock.random.uniform(*login), lambda: 0.0, counts=counts
        )


def _wakes(clock: Clock, clients: list[SimulatedClient], idle: Callable[[], float]) -> Process:
    """Sleep, then connect with all of them at once."""
    while True:
        yield idle()
        for client in clients:
            clock.start(client.connect())


def _bars(servers: list[SimulatedServer], secret: SimulatedSecret, pause: Callable[[], float]) -> Process:
    """Bar the user that the secret does not name, as an administrator does after a rotation; until the next one."""
    while True:
        yield pause()
        current = secret.user(secret.stages["AWSCURRENT"])
        idle_rotation = secret.stages.get("AWSPENDING") == secret.stages["AWSCURRENT"]
        for server in servers:
            server.barred = {user for user in secret.users if user != current} if idle_rotation else set()


SCENES = {
    "once an hour": Scene(),
    "once an hour, alternating-users": Scene(users=BOTH),
    "once a day, a rotation every hour": Scene(
        between=(0.8 * HOUR, 1.0 * HOUR), idle=(20 * HOUR, 28 * HOUR), processes=20
    ),
    "pools that never connect between rotations": Scene(pool=8, processes=5),
    "pools, calls of up to two seconds": Scene(pool=8, processes=5, api=(0.2, 2.0)),
    "two databases with one secret": Scene(databases=2),
    "two databases, alternating-users": Scene(databases=2, users=BOTH),
    "two databases, pools": Scene(databases=2, pool=4, processes=5),
    "a tenth of the reads find no value under AWSPENDING": Scene(unreadable=0.1),
    "a busy process beside": Scene(rotations=100, busy=2),
    "a reader five seconds late": Scene(databases=2, late=5.0),
    "a reader a minute late, pools": Scene(databases=2, late=60.0, pool=4, processes=5),
    "users that are barred once it is not their turn": Scene(users=BOTH, barred=True),
}


@pytest.mark.parametrize("name", SCENES)
def test_no_connect_fails(name: str) -> None:
    counts = SCENES[name].play()
    print(f"{name}: {dict(counts)}")
    assert counts["connects"] > 400
    assert counts["failed"] == 0
    assert counts["sent_twice"] == 0
    assert counts["logins"] <= 3 * counts["connects"]
