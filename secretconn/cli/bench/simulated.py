"""The simulated run: the workload on a virtual clock, through the library's own decisions. Nothing is scaled up."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field, replace

from secretconn._core.rotating import RotatingCredentials
from secretconn.cli.bench.result import Measured
from secretconn.cli.bench.workload import Starts, Workload
from secretconn.events import Event, Fetched, Recovered
from secretconn.sources.base import Reading
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

NO_DICE = 0.999
"""What the library's dice say when they are taken away: everything lasts its full time."""


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
        quota: Calls a second after which a read is refused; None for no such limit.
        calls: Second to the calls in it, refused ones too.
        refused: Calls that were refused.
        first_calls: Calls of first answers.
        recovered: See Measured.
        served_by, recovered_by: See Measured.
    """

    clock: Clock
    quota: int | None = None
    calls: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    first_calls: int = 0
    recovered: list[float] = field(default_factory=list)
    served_by: float | None = None
    recovered_by: float | None = None
    _admitted: Counter[int] = field(default_factory=Counter)

    def refuses(self) -> bool:
        """Whether this second's quota is used up; else the read that begins now is counted against it."""
        second = int(self.clock.now)
        if self.quota is not None and self._admitted[second] >= self.quota:
            return True
        self._admitted[second] += 1
        return False

    def log(self, calls: int, *, failed: bool) -> None:
        """A read with so many calls is over."""
        second = int(self.clock.now)
        self.calls[second] += calls
        if failed:
            self.refused += calls
        else:
            self._admitted[second] += calls - 1

    def saw(self, event: Event) -> None:
        """A subscriber."""
        if isinstance(event, Recovered):
            self.recovered.append(event.seconds)
            self.recovered_by = self.clock.now
        elif isinstance(event, Fetched):
            self.first_calls += event.api_calls
            self.served_by = self.clock.now


class TapedSecret(SimulatedSecret):
    """One process's view of the secret: its calls are its own, the stages are everybody's."""

    tape: Tape

    def answer(self, stages: tuple[str, ...], held: Set[str], *, by_stage: bool) -> Reading:
        """See SimulatedSecret.answer."""
        before, failed = self.api_calls, True
        try:
            reading = super().answer(stages, held, by_stage=by_stage)
            failed = False
        finally:
            self.tape.log(self.api_calls - before, failed=failed)
        return reading


def simulate(
    workload: Workload,
    *,
    times: Times | None = None,
    quota: int | None = None,
    jitter: bool = True,
    thinned: bool = True,
    progress: Callable[[float], object] = lambda _: None,
) -> Measured:
    """Play it.

    Args:
        workload: What is played; every process of it.
        times: How long things take.
        quota: Calls a second after which reads fail, as Secrets Manager's throttling makes them. None: no limit. The
            SDK's own second try is not played.
        jitter: False takes the library's dice away, to see what they are for.
        thinned: False plays every connect, and takes as long as that takes. The counts are the same.
        progress: Told the share that is done, from 0 to 1.
    """
    logging.getLogger("secretconn").addHandler(logging.NullHandler())  # failed reads are counted here, not written
    scene = _Scene(workload, times or Times(), quota, jitter=jitter)
    processes = [scene.process(starts, thinned=thinned) for starts in workload.starts()]
    for process in processes:
        process.start()
    for done in range(1, SLICES + 1):
        scene.clock.run(workload.seconds * done / SLICES)
        progress(done / SLICES)
    return _measured(scene, processes)


class _Scene:
    """Clock, secret and server of one run."""

    def __init__(self, workload: Workload, times: Times, quota: int | None, *, jitter: bool) -> None:
        self.workload, self.times, self.jitter = workload, times, jitter
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
        runtime = runtime_for(clock, source)
        rotating = RotatingCredentials(
            "simulated",
            source=source,
            ttl=workload.ttl,
            retries=workload.retries,
            patience=workload.patience,
            fallback_stages=workload.fallback_stages,
            runtime=runtime if self.jitter else replace(runtime, random=lambda: NO_DICE),
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
            fails=self.tape.refuses,
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
        throttled=scene.tape.refused,
        served_by=scene.tape.served_by,
        recovered_by=scene.tape.recovered_by,
    )


def _in_order(calls: Counter[int]) -> Iterator[tuple[int, int]]:
    return ((second, count) for second, count in sorted(calls.items()) if count)
