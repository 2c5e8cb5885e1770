"""The simulated run: the workload on a virtual clock, through the library's own decisions. Nothing is scaled up."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Set
from typing import NamedTuple

from secretconn import RotatingCredentials, Runtime
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

SLICES = 200
"""How often progress is told."""


class Times(NamedTuple):
    """Seconds of a login to the database, and of a read of the secret (least, most)."""

    login: float = 0.005
    read: tuple[float, float] = (0.01, 0.03)


def simulate(
    workload: Workload,
    *,
    times: Times | None = None,
    thinned: bool = True,
    progress: Callable[[float], object] = lambda _: None,
) -> Measured:
    """Play every process of a workload, and tell ``progress`` the share that is done.

    ``thinned=False`` plays every connect, and takes as long as that takes. The counts are the same.
    """
    return play(Scene(workload, times or Times()), thinned=thinned, progress=progress)


class Scene:
    """Clock, secret and server of one run, and the counts of all processes: see Measured."""

    def __init__(self, workload: Workload, times: Times) -> None:
        self.workload, self.times = workload, times
        self.clock = Clock(workload.seed)
        self.calls: Counter[int] = Counter()
        self.first_calls = 0
        self.recovered: list[float] = []
        self.secret = self.source()
        self.server = SimulatedServer({workload.users[0]: "v0"})
        if workload.rotates:
            steps = rotations(self.secret, [(self.server, 0.0)], lambda: workload.pause, lambda: workload.between)
            self.clock.start(steps)

    def process(self, starts: Starts, *, thinned: bool) -> SimulatedProcess:
        """Return one process of the application."""
        workload, clock, login = self.workload, self.clock, self.times.login
        source = self.source()
        source.stages = self.secret.stages
        rotating = RotatingCredentials("simulated", source=source, runtime=self.runtime(source), **workload.settings)
        rotating.subscribe(self.saw)
        client = SimulatedClient(clock, rotating, self.server, "db", lambda: login, lambda: 0.0)
        times = (starts.begin, starts.phases, workload.interval, workload.seconds)
        return SimulatedProcess(client, *times, workload.next_change, thinned=thinned)

    def source(self) -> SimulatedSecret:
        """Return one process's view of the secret: its calls are its own, the stages are shared by all."""
        return CountedSecret(self)

    def runtime(self, source: SimulatedSecret) -> Runtime:
        """Return what puts a process on the virtual clock."""
        return runtime_for(self.clock, source)

    def saw(self, event: Event) -> None:
        """Count an event of any process."""
        if isinstance(event, Recovered):
            self.recovered.append(event.seconds)
        elif isinstance(event, Fetched):
            self.first_calls += event.api_calls


class CountedSecret(SimulatedSecret):
    """A secret whose calls are counted by the second."""

    def __init__(self, scene: Scene) -> None:
        clock, (least, most) = scene.clock, scene.times.read
        super().__init__(clock, lambda: clock.random.uniform(least, most), scene.workload.users)
        self._scene = scene

    def answer(self, stages: tuple[str, ...], held: Set[str], *, by_stage: bool) -> Reading:
        """See SimulatedSecret.answer."""
        before = self.api_calls
        try:
            return super().answer(stages, held, by_stage=by_stage)
        finally:
            self._scene.calls[int(self.clock.now)] += self.api_calls - before


def play(scene: Scene, *, thinned: bool = True, progress: Callable[[float], object] = lambda _: None) -> Measured:
    """Play a scene; see ``simulate``."""
    logging.getLogger("secretconn").addHandler(logging.NullHandler())  # failed reads are counted here, not written
    processes = [scene.process(starts, thinned=thinned) for starts in scene.workload.starts()]
    for process in processes:
        process.start()
    for done in range(1, SLICES + 1):
        scene.clock.run(scene.workload.seconds * done / SLICES)
        progress(done / SLICES)
    stats = [process.client.rotating.stats() for process in processes]
    played: Counter[str] = sum((process.client.counts for process in processes), Counter())
    counted = sum(process.counted for process in processes)
    return Measured(
        seconds=scene.workload.seconds,
        connects=counted + played["connects"],
        failed=played["failed"],
        reads=counted + sum(one.reads for one in stats),
        hits=counted + sum(one.hits for one in stats),
        api_calls=scene.calls.total(),
        first_calls=scene.first_calls,
        calls_by_second={second: count for second, count in sorted(scene.calls.items()) if count},
        rejected=sum(one.rejected + one.suspected for one in stats),
        recovered=tuple(scene.recovered),
        rotations=int(scene.secret.stages["AWSCURRENT"][1:]),
    )
