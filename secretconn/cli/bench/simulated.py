"""The simulated run: the workload on a virtual clock, through the library's own decisions. Nothing is scaled up."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from secretconn.cli.bench.result import Measured
from secretconn.cli.bench.workload import Starts, Workload
from secretconn.events import Event, Fetched, Recovered
from secretconn.rotating import RotatingCredentials
from secretconn.testing.simulation import (
    Clock,
    SimulatedClient,
    SimulatedSecret,
    SimulatedServer,
    rotations,
    runtime_for,
)
from secretconn.testing.thinning import SimulatedProcess

__all__ = ["Times", "simulate"]

SLICES = 200
"""How often progress is told."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long things take, in seconds.

    Attributes:
        login: A login to the database.
        read: A read of the secret: at least, and at most.
    """

    login: float = 0.005
    read: tuple[float, float] = (0.01, 0.03)


@dataclass
class Tape:
    """What all processes of a run did.

    Attributes:
        quota: Calls a second after which a read fails; None for no such limit.
    """

    clock: Clock
    quota: int | None = None
    calls: Counter[int] = field(default_factory=Counter)
    throttled: Counter[int] = field(default_factory=Counter)
    first_calls: int = 0
    recovered: list[float] = field(default_factory=list)

    def log(self, calls: int, *, failed: bool) -> None:
        """So many calls were made just now."""
        second = int(self.clock.now)
        self.calls[second] += calls
        if failed:
            self.throttled[second] += calls

    def is_throttled(self) -> bool:
        """Whether this second's quota is used up."""
        second = int(self.clock.now)
        return self.quota is not None and self.calls[second] - self.throttled[second] >= self.quota

    def saw(self, event: Event) -> None:
        """A subscriber."""
        if isinstance(event, Recovered):
            self.recovered.append(event.seconds)
        elif isinstance(event, Fetched):
            self.first_calls += event.api_calls


class TapedSecret(SimulatedSecret):
    """One process's view of the secret: its calls are its own, the stages are everybody's."""

    tape: Tape

    def read(self, stages: tuple[str, ...], held: object) -> object:  # type: ignore[override]
        """See Source.read."""
        before, failed = self.api_calls, True
        try:
            reading = super().read(stages, held)  # type: ignore[arg-type]
            failed = False
        finally:
            self.tape.log(self.api_calls - before, failed=failed)
        return reading


def simulate(
    workload: Workload,
    *,
    times: Times | None = None,
    quota: int | None = None,
    thinned: bool = True,
    progress: Callable[[float], object] = lambda share: None,
) -> Measured:
    """Play it.

    Args:
        workload: What is played; every process of it.
        times: How long things take.
        quota: Calls a second after which reads fail, as Secrets Manager's throttling makes them. None: no limit.
        thinned: False plays every connect, and takes as long as that takes. The counts are the same.
        progress: Told the share that is done, from 0 to 1.
    """
    logging.getLogger("secretconn").addHandler(logging.NullHandler())  # failed reads are counted here, not written
    scene = _Scene(workload, times or Times(), quota)
    processes = [scene.process(starts, thinned=thinned) for starts in workload.starts()]
    for process in processes:
        process.start()
    for done in range(1, SLICES + 1):
        scene.clock.run(workload.seconds * done / SLICES)
        progress(done / SLICES)
    return _measured(scene, processes)


class _Scene:
    """Clock, secret and server of one run."""

    def __init__(self, workload: Workload, times: Times, quota: int | None) -> None:
        self.workload, self.times = workload, times
        self.clock = Clock(workload.seed)
        self.tape = Tape(self.clock, quota)
        self.secret = self._secret()
        self.server = SimulatedServer({workload.users[0]: "v0"})
        if workload.rotates:
            steps = rotations(self.secret, [(self.server, 0.0)], lambda: workload.pause, lambda: workload.between)
            self.clock.start(steps)

    def process(self, starts: Starts, *, thinned: bool) -> SimulatedProcess:
        workload, clock = self.workload, self.clock
        source = self._secret()
        rotating = RotatingCredentials(
            "simulated",
            source=source,
            ttl=workload.ttl,
            retries=workload.retries,
            patience=workload.patience,
            fallback_stages=workload.fallback_stages,
            runtime=runtime_for(clock, source),
        )
        rotating.subscribe(self.tape.saw)
        login = self.times.login
        client = SimulatedClient(clock, rotating, self.server, "db", lambda: login, lambda: 0.0)
        return SimulatedProcess(
            client,
            starts.begin,
            starts.phases,
            workload.interval,
            workload.seconds,
            workload.next_change,
            thinned=thinned,
        )

    def _secret(self) -> TapedSecret:
        clock, (least, most) = self.clock, self.times.read
        made = TapedSecret(
            clock,
            seconds=lambda: clock.random.uniform(least, most),
            users=self.workload.users,
            fails=self.tape.is_throttled,
        )
        made.tape = self.tape
        if hasattr(self, "secret"):
            made.stages = self.secret.stages
        return made


def _measured(scene: _Scene, processes: list[SimulatedProcess]) -> Measured:
    stats = [process.client.rotating.stats() for process in processes]
    counted = sum(process.counted for process in processes)

    def total(name: str) -> int:
        return sum(process.client.counts[name] for process in processes)

    return Measured(
        seconds=scene.workload.seconds,
        connects=counted + total("connects"),
        failed=total("failed"),
        reads=counted + sum(one.reads for one in stats),
        hits=counted + sum(one.hits for one in stats),
        api_calls=sum(scene.tape.calls.values()),
        first_calls=scene.tape.first_calls,
        calls_by_second=dict(_in_order(scene.tape.calls)),
        rejected=sum(one.rejected + one.suspected for one in stats),
        recovered=tuple(scene.tape.recovered),
        rotations=int(scene.secret.stages["AWSCURRENT"][1:]),
        throttled=sum(scene.tape.throttled.values()),
    )


def _in_order(calls: Counter[int]) -> Iterator[tuple[int, int]]:
    return ((second, count) for second, count in sorted(calls.items()) if count)
