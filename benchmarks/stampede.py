"""(d) Everybody at once after a rotation: API calls, failures and latencies for 32 to 1,000 threads and tasks.

Each client in turn connects once, then the secret is rotated, then all threads (or tasks) connect at the same moment,
once each. The calls are counted by Secrets Manager's stand-in, so what a client calls behind one's back counts as well.
"cold" is the very first read of the secret by as many threads. The plain driver is given the new login, for comparison:
it asks nobody.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

import secretconn
from secretconn.testing import Application
from suite import clients
from suite.bed import CROWD, ENGINES, Bed
from suite.stats import summary
from suite.table import milli, table
from suite.verdicts import Criterion

TITLE = "Stampede after a rotation"
LIMIT = 2
SIZES, QUICK_SIZES = (32, 100, 320, CROWD), (100,)
TASK_DRIVERS = {"postgres": "asyncpg", "mariadb": "aiomysql"}
TASK_OPTIONS: dict[str, dict[str, Any]] = {"postgres": {"ssl": False, "timeout": 300.0}, "mariadb": {}}
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
        app = bed.app(engine)
        client = clients.make(engine, app, (name,)).get(name)
        if client is None:
            continue
        app.rotator().rotate()
        client.restart()
        rows.append(counted(bed, name, size, lambda client=client: in_threads(client.connect, size)))
    app = bed.app(engine)
    fresh = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client())
    rows.append(counted(bed, COLD, size, lambda: in_threads(fresh.current, size)))
    if tasks := task_connect(engine, app):
        app.rotator().rotate()
        rows.append(counted(bed, TASKS, size, lambda: asyncio.run(in_tasks(tasks, size))))
    return rows


def counted(bed: Bed, name: str, size: int, crowd: Callable[[], list[tuple[float, bool]]]) -> dict[str, Any]:
    """Let the crowd loose, and count."""
    bed.secrets.reset_calls()
    took = crowd()
    calls = bed.secrets.calls
    return {
        "client": name,
        "size": size,
        "api_calls": sum(calls.values()),
        "failed": sum(1 for _, good in took if not good),
        "seconds": summary([seconds for seconds, _ in took]),
    }


def in_threads(connect: Callable[[], Any], size: int) -> list[tuple[float, bool]]:
    """Seconds that each thread took, and whether it was let in."""
    begin, took = threading.Barrier(size), []

    def work() -> None:
        begin.wait()
        begun, connection = time.perf_counter(), None
        try:
            connection = connect()
        except Exception:  # noqa: BLE001  (counted; the criteria ask for none)
            took.append((time.perf_counter() - begun, False))
            return
        took.append((time.perf_counter() - begun, True))
        if hasattr(connection, "close"):
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


def task_connect(engine: str, app: Application) -> Callable[[], Awaitable[Any]] | None:
    """secretconn's connect for tasks, with a login that is held and used already; None where the driver is missing."""
    try:
        driver = importlib.import_module(TASK_DRIVERS[engine])
    except ImportError:
        return None
    credentials = secretconn.RotatingCredentials(app.secret_id, client=app.secrets.client())
    credentials.prefetch()
    connect = secretconn.wrap(driver.connect, credentials)
    return lambda: connect(**TASK_OPTIONS[engine])


async def in_tasks(connect: Callable[[], Awaitable[Any]], size: int) -> list[tuple[float, bool]]:
    """The same with tasks of one event loop."""

    async def work() -> tuple[float, bool]:
        begun = time.perf_counter()
        try:
            connection = await connect()
        except Exception:  # noqa: BLE001  (counted)
            return time.perf_counter() - begun, False
        taken = time.perf_counter() - begun
        closing = connection.close()
        if closing is not None:
            await closing
        return taken, True

    return await asyncio.gather(*(work() for _ in range(size)))


def criteria(data: dict[str, Any]) -> list[Criterion]:
    found = []
    for engine, rows in data.items():
        largest = max((row["size"] for row in rows), default=0)
        for row in rows:
            if row["size"] != largest or row["client"] not in {clients.OURS, TASKS, COLD}:
                continue
            kind = {clients.OURS: "threads", TASKS: "tasks", COLD: "cold"}[row["client"]]
            says = f"API calls when {largest:,} {KINDS[kind]} ({engine})"
            name = f"stampede.{engine}.{kind}"
            found.append(Criterion(f"{name}.calls", says, row["api_calls"], LIMIT, "calls", "count"))
            says = f"failures when {largest:,} {KINDS[kind]} ({engine})"
            found.append(Criterion(f"{name}.failed", says, row["failed"], 0, "failures", "count"))
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
