"""The real run: the workload in real time, in processes of its own, against a local Secrets Manager."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from secretconn.cli.bench.null import NullServer
from secretconn.cli.bench.result import Measured
from secretconn.cli.bench.workload import Starts, Workload
from secretconn.cli.demo.bed import ENGINES, bed
from secretconn.errors import ConfigurationError, SecretConnError
from secretconn.testing import LocalSecretsManager, Login, Rotator, Strategy, new_password

__all__ = ["Rotations", "WorkerFailed", "play", "started"]

TICK = 0.2
"""Seconds between two looks at the progress."""


class WorkerFailed(SecretConnError, RuntimeError):
    """A process of the run ended without a result. The text has the end of what it wrote."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the processes are pointed at.

    Attributes:
        wish: What each is told of it.
        rotator: Makes the rotator of a strategy.
        calls: Requests that reached Secrets Manager so far, by operation.
    """

    wish: dict[str, Any]
    rotator: Callable[[Strategy], Rotator]
    calls: Callable[[], Counter[str]]


@contextmanager
def started(workload: Workload, engine: str, tell: Callable[[str], object] = lambda _: None) -> Iterator[Target]:
    """Servers, and a secret with a login.

    Raises:
        ServerUnavailable: A server did not start.
        ConfigurationError: The engine has no driver for tasks here.
    """
    with ExitStack() as stack:
        if engine == "null":
            yield _null(stack)
            return
        known = ENGINES[engine]
        driver = known.async_driver if workload.tasks else known.driver
        if driver is None:
            names = " or ".join(known.async_drivers)
            raise ConfigurationError(f"--tasks with {engine} needs {names}: pip install 'secretconn[aiomysql]'")

        def starting(what: str) -> Callable[[str], None]:
            tell(f"starting {what}")
            return lambda _: None

        made = stack.enter_context(bed(known, workload.processes * workload.workers + 50, starting))
        yield Target(
            {**_address(made.secrets), "secret_id": made.application.secret_id, "driver": driver, "folder": None},
            made.application.rotator,
            lambda: made.secrets.calls,
        )


def _null(stack: ExitStack) -> Target:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="secretconn-bench-")))
    secrets = stack.enter_context(LocalSecretsManager(process=sys.platform != "win32"))
    server, login = NullServer(folder), Login("app", new_password())
    server.set_password(login)
    content = {"engine": "postgres", "host": "null", "username": login.username, "password": login.password}
    secrets.create_secret("bench", content)
    return Target(
        {**_address(secrets), "secret_id": "bench", "driver": None, "folder": str(folder)},
        lambda strategy: Rotator(secrets.client(), "bench", strategy=strategy, admin=server),
        lambda: secrets.calls,
    )


def _address(secrets: LocalSecretsManager) -> dict[str, Any]:
    session = {"aws_access_key_id": "testing", "region_name": secrets.region}
    return {"endpoint_url": secrets.endpoint_url, "session": session | {"aws_secret_access_key": "testing"}}


def play(workload: Workload, target: Target, progress: Callable[[float], object] = lambda _: None) -> Measured:
    """Play the workload on servers that run.

    Args:
        workload: What is played.
        target: From ``started``.
        progress: Told the share that is done, from 0 to 1.

    Raises:
        WorkerFailed: A process ended early.
        RotationError: A rotation failed.
    """
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(_wish(workload, target, starts))) for starts in workload.starts()]
        for worker in workers:
            worker.expect_ready()
        for worker in workers:
            worker.go()
        begun = time.monotonic()
        rotations = Rotations(workload, target.rotator)
        while (now := time.monotonic() - begun) < workload.seconds:
            rotations.catch_up(now)
            progress(now / workload.seconds)
            time.sleep(max(0.0, min(TICK, rotations.next_at - now, workload.seconds - now)))
        progress(1.0)
        return _measured(workload, [worker.result() for worker in workers], rotations.done)


class Worker:
    """One process; ended in any case when it is left."""

    def __init__(self, wish: dict[str, Any]) -> None:
        home = str(Path(__file__).parents[3])
        path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH")]))
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  (closed in __exit__)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "secretconn.cli.bench._worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        self._say(json.dumps(wish))

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def expect_ready(self) -> None:
        """Wait until it can begin."""
        if self._hear().strip() != "ready":
            raise self._failed()

    def go(self) -> None:
        """Begin."""
        self._say("go")

    def result(self) -> dict[str, Any]:
        """Wait for the end."""
        line = self._hear()
        if not line:
            raise self._failed()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None  # noqa: S101
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failed() from None

    def _hear(self) -> str:
        assert self._process.stdout is not None  # noqa: S101
        return self._process.stdout.readline()

    def _failed(self) -> WorkerFailed:
        self._process.wait()
        self._errors.seek(0)
        words = self._errors.read().strip().splitlines()
        return WorkerFailed(f"a process of the run ended early: {words[-1] if words else 'it said nothing'}")


class Rotations:
    """Does the steps of the rotations when their time has come, as the simulated run does.

    Args:
        workload: Says when.
        rotator: Makes the rotator of a strategy.

    Attributes:
        next_at: Seconds of the run at which the next step is due.
        done: Rotations that have ended.
    """

    def __init__(self, workload: Workload, rotator: Callable[[Strategy], Rotator]) -> None:
        self.done = 0
        self._workload = workload
        self._times = _step_times(workload)
        self.next_at = next(self._times)
        self._steps = iter(()) if workload.strategy == "none" else _all_steps(rotator(workload.strategy))

    def catch_up(self, now: float) -> None:
        """Do what is due."""
        while self.next_at <= now:
            self.done += next(self._steps) == "finishSecret"
            self.next_at = next(self._times)


def _step_times(workload: Workload) -> Iterator[float]:
    number = 0
    while workload.rotates:
        number += 1
        for pauses in (3, 2, 1, 0):
            yield number * workload.rotate_every - pauses * workload.pause
    yield float("inf")


def _all_steps(rotator: Rotator) -> Iterator[str]:
    while True:
        for done in rotator.steps():
            yield done.step


def _wish(workload: Workload, target: Target, starts: Starts) -> dict[str, Any]:
    names = ("ttl", "retries", "patience", "fallback_stages", "tasks", "interval", "seconds")
    told = {name: getattr(workload, name) for name in names}
    return {**target.wish, **told, "begin": starts.begin, "phases": starts.phases}


def _measured(workload: Workload, results: list[dict[str, Any]], rotations: int) -> Measured:
    def total(name: str) -> int:
        return sum(result[name] for result in results)

    calls = Counter(int(at) for result in results for at in result["calls"])
    return Measured(
        seconds=workload.seconds,
        connects=total("connects"),
        failed=total("failed"),
        reads=total("reads"),
        hits=total("hits"),
        api_calls=calls.total(),
        first_calls=total("first_calls"),
        calls_by_second=dict(sorted(calls.items())),
        rejected=total("rejected"),
        recovered=tuple(seconds for result in results for seconds in result["recovered"]),
        rotations=rotations,
        errors=tuple(sorted({name for result in results for name in result["errors"]})),
    )
