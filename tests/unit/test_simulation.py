"""Hours of rotations on a virtual clock, through the library's own decisions: no connect fails, few calls are made."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secretconn import RotatingCredentials
from secretconn.testing.simulation import (
    Clock,
    SimulatedClient,
    SimulatedSecret,
    SimulatedServer,
    rotations,
    runtime_for,
)

Span = tuple[float, float]


@dataclass(frozen=True)
class Scene:
    """One run. All times are seconds; spans are drawn from evenly."""

    seconds: float = 120.0
    clients: int = 30
    users: tuple[str, ...] = ("app",)
    api: Span = (0.005, 0.02)
    pause: Span = (0.2, 1.0)
    between: Span = (5.0, 15.0)
    idle: Span = (0.0, 0.1)
    login: Span = (0.003, 0.02)
    late: float = 0.0
    rejecter: bool = False
    fallback: tuple[str, ...] = ("AWSPENDING", "AWSPREVIOUS")
    outage: Span | None = None
    seed: int = 1

    def play(self) -> Counter[str]:
        clock = Clock(self.seed)
        draw = clock.random.uniform
        secret = SimulatedSecret(clock, seconds=lambda: draw(*self.api), users=self.users)
        if self.outage is not None:
            begin, end = self.outage
            secret.fails = lambda: begin <= clock.now < end
        rotating = RotatingCredentials(
            "s", source=secret, runtime=runtime_for(clock, secret), fallback_stages=self.fallback
        )
        first = {self.users[0]: "v0"}
        writer, reader = SimulatedServer(dict(first)), SimulatedServer(dict(first))
        bad = SimulatedServer({}, always_rejects=True)
        places = [(writer, "writer"), (reader, "reader")] if self.late else [(writer, "writer")]
        clients = [self._client(clock, rotating, *places[number % len(places)]) for number in range(self.clients)]
        extra = [self._client(clock, rotating, bad, "bad") for _ in range(10)] if self.rejecter else []
        for client in (*clients, *extra):
            clock.start(client.process())
        servers = [(writer, 0.0), (reader, self.late)]
        clock.start(rotations(secret, servers, lambda: draw(*self.pause), lambda: draw(*self.between)))
        clock.run(self.seconds)
        counts = sum((client.counts for client in clients), start=Counter())
        counts["rotations"] = int(secret.stages["AWSCURRENT"][1:])
        counts["api_calls"] = secret.api_calls
        return counts

    def _client(
        self, clock: Clock, rotating: RotatingCredentials, server: SimulatedServer, host: str
    ) -> SimulatedClient:
        draw = clock.random.uniform
        return SimulatedClient(clock, rotating, server, host, lambda: draw(*self.login), lambda: draw(*self.idle))


SCENES = {
    "single-user": (Scene(), 5),
    "alternating-users": (Scene(users=("app", "app_clone")), 5),
    "calls of up to two seconds": (Scene(api=(0.01, 2.0)), 5),
    "a replica five seconds late": (Scene(late=5.0, between=(15.0, 25.0)), 10),
    "another host always rejects": (Scene(rejecter=True), 10),
    "a rotation every half to one second": (Scene(between=(0.1, 0.4), pause=(0.1, 0.2)), 3),
    "alternating, as quick": (Scene(users=("app", "app_clone"), between=(0.1, 0.4), pause=(0.1, 0.2)), 3),
    "windows of a minute": (Scene(seconds=600.0, pause=(10.0, 30.0), between=(60.0, 90.0), idle=(0.0, 1.0)), 15),
}


@pytest.mark.parametrize("name", SCENES)
def test_no_connect_fails(name: str) -> None:
    scene, most_calls = SCENES[name]
    counts = scene.play()
    assert counts["rotations"] >= 3
    assert counts["connects"] > 10_000
    assert counts["failed"] == 0
    assert counts["sent_twice"] == 0
    assert counts["api_calls"] <= most_calls * (counts["rotations"] + 1)


@given(st.integers(0, 2**32), st.sampled_from(sorted(SCENES)))
@settings(max_examples=25, deadline=None)
def test_no_connect_fails_whatever_the_dice_say(seed: int, name: str) -> None:
    scene, _ = SCENES[name]
    counts = Scene(**{**vars(scene), "seed": seed, "seconds": scene.seconds / 4, "clients": 12}).play()
    assert counts["failed"] == counts["sent_twice"] == 0


def test_an_outage_of_secrets_manager_between_rotations_is_not_noticed() -> None:
    counts = Scene(outage=(1.0, 4.5)).play()
    assert counts["failed"] == 0


def test_with_the_current_stage_alone_the_same_scene_does_fail() -> None:
    counts = Scene(fallback=()).play()
    assert counts["failed"] > counts["connects"] / 20
    assert counts["sent_twice"] == 0


def test_a_late_replica_beside_a_host_that_always_rejects() -> None:
    """Here the replica may switch in the milliseconds between two logins; then one of very many fails."""
    counts = Scene(late=5.0, between=(15.0, 25.0), rejecter=True).play()
    assert counts["failed"] <= counts["connects"] / 10_000
