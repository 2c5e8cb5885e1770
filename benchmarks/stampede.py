"""(d) Everybody at once after a rotation: API calls, failures and latencies for 32 to 1,000 threads and tasks.

Each client in turn connects once, then the secret is rotated, then all threads (or tasks) connect, once each. A gate in
front of the driver lets nobody through until all have come to it: each of them has the login of before the rotation, as
those have whose connect is under way while a password changes. Seconds count from when the gate opens. The calls
are counted by Secrets Manager's stand-in, so what a client calls behind one's back counts as well. "cold" is the very
first read of the secret by as many threads. The plain driver is given the new login, for comparison: it asks nobody.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
import time
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

import secretconn
from suite import clients
from suite.bed import CROWD, ENGINES, Bed
from suite.stats import summary
from suite.table import milli, table
from suite.verdicts import Criterion

TITLE = "Stampede after a rotation"
LIMIT = 2
SIZES, QUICK_SIZES = (32, 180, CROWD), (100,)
TASK_DRIVERS = {"postgres": "asyncpg", "mariadb": "aiomysql", "mysql": "aiomysql"}
TASK_OPTIONS: dict[str, dict[str, Any]] = {
    "postgres": {"ssl": False, "timeout": 300.0},
    "mariadb": {},
    "mysql": {},
}
PATIENCE = 300.0
"""Seconds until a gate that somebody did not come to lets the others fail."""
TASKS, COLD = "secretconn, tasks", "secretconn, cold"
COMPARED = (clients.PLAIN, clients.CACHE, clients.QUICK, clients.WRAPPER, clients.OURS)
QUICK_COMPARED = (clients.PLAIN, clients.WRAPPER, clients.OURS)


def measure(bed: Bed, *, quick: bool) -> dict[str, Any]:
    sizes, names = (QUICK_SIZES, QUICK_COMPARED) if quick else (SIZES, COMPARED)
    return {engine: [row for size in sizes for row in one_size(bed, engine, size, names)] for engine in ENGINES}


def one_size(bed: Bed, engine: str, size: int, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """The clients with this many threads or tasks, one client after the other, each with an application of its own."""
    rows = []
    for name in names:
        app, gate = bed.app(engine), Gate()
        client = clients.make(engine, app, (name,), around=gate.in_front_of).get(name)
        if client is None:
            continue
        app.rotator().rotate()
        client.restart()
        gate.close(size)
        rows.append(counted(bed, name, size, partial(in_threads, client.connect, size, gate)))
    app, gate = bed.app(engine), Gate()
    fresh = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client())
    gate.close(size)
    rows.append(counted(bed, COLD, size, partial(in_threads, gate.in_front_of(fresh.current), size, gate)))
    if driver := task_driver(engine):
        rows.append(asyncio.run(with_tasks(bed, engine, size, driver)))
    return rows


class Gate:
    """Stands in front of a driver's connect. Closed, it holds everybody's first call back until all have come.

    Attributes:
        opened: When they were all let through; monotonic seconds.
    """

    def __init__(self) -> None:
        self.opened = 0.0
        self._barrier: threading.Barrier | None = None
        self._thread = threading.local()

    def close(self, size: int) -> None:
        """Wait for this many threads."""
        self._barrier = threading.Barrier(size, action=self._open, timeout=PATIENCE)

    def _open(self) -> None:
        self.opened = time.perf_counter()

    def in_front_of(self, connect: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, behind the gate."""

        @wraps(connect)
        def behind(*args: Any, **kwargs: Any) -> Any:
            if self._barrier is not None and not getattr(self._thread, "passed", False):
                self._thread.passed = True
                self._barrier.wait()
            return connect(*args, **kwargs)

        return behind


def counted(bed: Bed, name: str, size: int, crowd: Callable[[], list[tuple[float, bool]]]) -> dict[str, Any]:
    """Let the crowd loose, and count."""
    bed.secrets.reset_calls()
    return row_of(bed, name, size, crowd())


def row_of(bed: Bed, name: str, size: int, took: list[tuple[float, bool]]) -> dict[str, Any]:
    """What is known of one client."""
    return {
        "client": name,
        "size": size,
        "api_calls": sum(bed.secrets.calls.values()),
        "failed": sum(1 for _, good in took if not good),
        "seconds": summary([seconds for seconds, _ in took]),
    }


def in_threads(connect: Callable[[], Any], size: int, gate: Gate) -> list[tuple[float, bool]]:
    """Seconds that each thread took after the gate opened, and whether it was let in by the server."""
    took: list[tuple[float, bool]] = []

    def work() -> None:
        connection = None
        try:
            connection = connect()
        except Exception:  # noqa: BLE001  (counted; the criteria ask for none)
            took.append((time.perf_counter() - gate.opened, False))
            return
        took.append((time.perf_counter() - gate.opened, True))
        if hasattr(connection, "close"):
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


def task_driver(engine: str) -> Any:
    """The driver for tasks, or None where it is not installed."""
    try:
        return importlib.import_module(TASK_DRIVERS[engine])
    except ImportError:
        return None


async def with_tasks(bed: Bed, engine: str, size: int, driver: Any) -> dict[str, Any]:
    """The same with tasks of one event loop. There is nobody to compare with."""
    app, passed, opened = bed.app(engine), asyncio.Barrier(size), [0.0]

    async def gated(**keywords: Any) -> Any:
        if asyncio.current_task() in waiting:
            waiting.discard(asyncio.current_task())
            if await passed.wait() == size - 1:  # the last to come goes first
                opened[0] = time.perf_counter()
        return await driver.connect(**keywords)

    async def work() -> tuple[float, bool]:
        try:
            connection = await connect(**TASK_OPTIONS[engine])
        except Exception:  # noqa: BLE001  (counted)
            return time.perf_counter() - opened[0], False
        taken = time.perf_counter() - opened[0]
        closing = connection.close()
        if closing is not None:
            await closing
        return taken, True

    waiting: set[Any] = set()
    credentials = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client())
    connect = secretconn.wrap(gated, credentials, driver=TASK_DRIVERS[engine])
    closing = (await connect(**TASK_OPTIONS[engine])).close()
    if closing is not None:
        await closing
    await asyncio.to_thread(app.rotator().rotate)
    bed.secrets.reset_calls()
    tasks = [asyncio.create_task(work()) for _ in range(size)]
    waiting |= set(tasks)
    return row_of(bed, TASKS, size, await asyncio.gather(*tasks))


def criteria(data: dict[str, Any]) -> list[Criterion]:
    found = []
    for engine, rows in data.items():
        largest = max((row["size"] for row in rows), default=0)
        for row in rows:
            if row["size"] != largest or row["client"] not in {clients.OURS, TASKS, COLD}:
                continue
            kind = {clients.OURS: "threads", TASKS: "tasks", COLD: "cold"}[row["client"]]
            name, when = f"stampede.{engine}.{kind}", f"{largest:,} {KINDS[kind]}"
            calls = Criterion(
                f"{name}.calls", f"{when}: API calls", row["api_calls"], LIMIT, "calls", "count", engine=engine
            )
            failed = Criterion(
                f"{name}.failed", f"{when}: failures", row["failed"], 0, "failures", "count", engine=engine
            )
            found += [calls, failed]
    return found


KINDS = {
    "threads": "threads connect at once after a rotation",
    "tasks": "tasks connect at once after a rotation",
    "cold": "threads read the secret first",
}


def lines(data: dict[str, Any]) -> list[str]:
    told: list[str] = []
    for engine, rows in data.items():
        each = [
            (
                row["client"],
                f"{row['size']:,}",
                f"{row['api_calls']:,}",
                row["failed"],
                *(milli(row["seconds"][name]) for name in ("p50", "p99", "max")),
            )
            for row in rows
        ]
        head = [engine, "at once", "API calls", "failed", "p50, ms", "p99, ms", "slowest, ms"]
        told += [*([""] if told else []), *table(head, each)]
    return told
