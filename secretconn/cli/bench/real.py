"""The real run: the workload in real time, in processes of its own, against a local Secrets Manager."""

from __future__ import annotations

import itertools
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from secretconn.cli.bed import ENGINES, Rotations, bed
from secretconn.cli.bench import worker
from secretconn.cli.bench.null import NullServer
from secretconn.cli.bench.options import NULL
from secretconn.cli.bench.result import Measured
from secretconn.cli.bench.worker import Tally, Target
from secretconn.cli.bench.workload import Workload
from secretconn.errors import ConfigurationError, SecretConnError
from secretconn.events import Fetched, Recovered
from secretconn.testing import LocalSecretsManager, Login, Rotator, Strategy, new_password

TICK = 0.2
"""Seconds between two looks at the progress."""


class WorkerFailed(SecretConnError, RuntimeError):
    """A process of the run ended without a result. The text has its error."""


class Started(NamedTuple):
    """What the processes are pointed at, what makes a rotator, and the local Secrets Manager."""

    target: Target
    rotator: Callable[[Strategy], Rotator]
    secrets: LocalSecretsManager


@contextmanager
def started(workload: Workload, engine: str, tell: Callable[[str], object] = lambda _: None) -> Iterator[Started]:
    """Start servers, and store a secret with a login.

    Raises:
        ServerUnavailable: A server did not start.
        ConfigurationError: The engine has no driver for tasks here.
    """
    with ExitStack() as stack:
        if engine == NULL:
            yield _null(stack)
            return
        known = ENGINES[engine]
        driver = known.async_driver if workload.tasks else known.driver
        if driver is None:
            names, extra = " or ".join(known.async_drivers), known.async_drivers[0]
            raise ConfigurationError(f"--tasks with {engine} needs {names}: pip install 'secretconn[{extra}]'")

        @contextmanager
        def starting(what: str) -> Iterator[Callable[[str], None]]:
            tell(f"starting {what}")
            yield lambda _: None

        made = stack.enter_context(bed(known, workload.processes * workload.workers + 50, starting))
        target = Target(made.secrets.endpoint_url, made.secrets.region, made.application.secret_id, driver)
        yield Started(target, made.application.rotator, made.secrets)


def _null(stack: ExitStack) -> Started:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="secretconn-bench-")))
    secrets = stack.enter_context(LocalSecretsManager(process=sys.platform != "win32"))
    server, login = NullServer(folder), Login("app", new_password())
    server.set_password(login)
    content = {"engine": "postgres", "host": "null", "username": login.username, "password": login.password}
    secrets.create_secret("bench", content)
    return Started(
        Target(secrets.endpoint_url, secrets.region, "bench", folder=folder),
        lambda strategy: Rotator(secrets.client(), "bench", strategy=strategy, admin=server),
        secrets,
    )


def play(workload: Workload, begun: Started, progress: Callable[[float], object] = lambda _: None) -> Measured:
    """Play the workload on what has started, and tell ``progress`` the share that is done.

    Raises:
        WorkerFailed: A process ended early.
        RotationError: A rotation failed.
    """
    with workers([(begun.target, workload, starts) for starts in workload.starts()]) as pipes:
        for pipe in pipes:
            heard(pipe)
        for pipe in pipes:
            pipe.send("begin")
        strategies: Iterator[Any] = itertools.repeat(workload.strategy)
        rotations, rotated, begin = Rotations(step_times(workload), strategies, begun.rotator), 0, time.monotonic()
        while (now := time.monotonic() - begin) < workload.seconds:
            rotated += sum(done.step == "finishSecret" for _, _, done in rotations.catch_up(now))
            progress(now / workload.seconds)
            time.sleep(max(0.0, min(TICK, rotations.next_at - now, workload.seconds - now)))
        progress(1.0)
        return measured(workload, [heard(pipe) for pipe in pipes], rotated)


@contextmanager
def workers(tasks: Sequence[tuple[Any, ...]]) -> Iterator[list[Connection]]:
    """Start a process for each tuple of arguments to ``worker.run``; yield their pipes. End them in any case."""
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    try:
        for arguments in tasks:
            ours, theirs = context.Pipe()
            process = context.Process(target=worker.run, args=(theirs, *arguments), daemon=True)
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        yield pipes
    finally:
        for process in processes:
            process.kill()
            process.join()


def heard(pipe: Connection) -> Any:
    """Return what a process says next: None when it is ready, and then its Tally.

    Raises:
        WorkerFailed: It failed.
    """
    try:
        said = pipe.recv()
    except EOFError:
        said = "it said nothing"
    if isinstance(said, str):
        raise WorkerFailed(f"a process of the run ended early: {said}")
    return said


def step_times(workload: Workload) -> Iterator[float]:
    """Yield when each step is due, as in the simulation."""
    for number in itertools.count(1) if workload.rotates else ():
        for pauses in (3, 2, 1, 0):
            yield number * workload.rotate_every - pauses * workload.pause


def measured(workload: Workload, tallies: list[Tally], rotations: int) -> Measured:
    """Return what all processes counted."""
    calls = Counter(int(at) for tally in tallies for at in tally.calls)
    events = [event for tally in tallies for event in tally.events]
    ends = Counter(end for tally in tallies for end in tally.ends)
    return Measured(
        seconds=workload.seconds,
        connects=ends.total(),
        failed=ends.total() - ends[None],
        reads=sum(tally.stats.reads for tally in tallies),
        hits=sum(tally.stats.hits for tally in tallies),
        api_calls=calls.total(),
        first_calls=sum(event.api_calls for event in events if isinstance(event, Fetched)),
        calls_by_second=dict(sorted(calls.items())),
        rejected=sum(tally.stats.rejected + tally.stats.suspected for tally in tallies),
        recovered=tuple(event.seconds for event in events if isinstance(event, Recovered)),
        rotations=rotations,
        errors=tuple(sorted(name for name in ends if name is not None)),
    )
